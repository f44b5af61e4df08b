from __future__ import annotations

from pathlib import Path

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.containers.base import ContainerFacts
from tasks.model import registry
from tasks.model.instance import Instance
from tasks.model.registry import Registered
from tasks.paths import Paths
from tasks.status import facts
from tasks.status.measured import question


class Running:
    own_disk = False
    restart_pending = None

    def __init__(self, owner: str) -> None:
        self._facts = ContainerFacts(exists=True, running=True, owner=owner, attributes={})

    def observe(self) -> ContainerFacts:
        return self._facts


def test_an_edit_of_domain_and_address_counts_once_it_is_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, instance = Paths(tmp_path), sample_instance()
    network = instance.network
    edited = replace(
        instance,
        network=replace(network, domain="other.example.com", ip_address="10.98.0.99/24"),
    )
    looked: list[Instance] = []
    monkeypatch.setattr(facts, "container_for", lambda *_: Running(instance.id))
    monkeypatch.setattr(facts, "look_inside", lambda one, _: looked.append(one))

    assert facts.inspect_standing(edited, paths).url == "https://other.example.com"
    registry.add(
        paths,
        Registered(
            instance_id=instance.id,
            driver="lxc",
            node=None,
            container_id=None,
            container_name=instance.container_name,
            ip_address=network.ip_address,
            domain=network.domain,
            created_at="2025-10-19T09:00:00Z",
            config=str(instance.source),
        ),
    )
    standing = facts.inspect_standing(edited, paths)

    assert standing.url == f"https://{network.domain}"
    assert standing.addresses == (str(network.interface.ip),)
    assert "https://other.example.com:443" in question(looked[0])
    assert f"https://{network.domain}:443" in question(looked[1])
    assert standing.problems == ()

"""Step 8: what was done is written down: in the container, in the state file, in the registry."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

from tasks.config import flatten
from tasks.config.document import DeploymentFacts, deployment_document
from tasks.containers.registry_entry import entry, found_number
from tasks.desired.proxy import started
from tasks.desired.release import ReleaseTarget
from tasks.desired.rendering import origin_of
from tasks.host.text_cache import TextCache, key_of
from tasks.model import last_backup, registry
from tasks.model import rebuild as rebuilds
from tasks.model import state as states
from tasks.model.applied import Applied
from tasks.model.digests import digest
from tasks.model.instance import Color, Instance
from tasks.model.operation_log import utc_now
from tasks.paths import TEMPLATES, Paths
from tasks.resources.base import Facts, Resource
from tasks.resources.container import OVER, ReplacedContainer
from tasks.resources.release import Record, active_color, released

DOCUMENT = "/etc/vikunja/deployment-config.yaml"

LAST_BACKUP = "record:last-backup"
"""Of the host's facts: when the last backup was taken; not there before the first."""

NOTHING_KEPT = TextCache(None)


def configuration_digests(instance: Instance) -> dict[str, str]:
    """Dotted configuration key → digest of its value."""
    return {key: digest(value) for key, value in flatten(instance.document).items()}


def document(
    instance: Instance, facts: Facts, applied: Applied, kept: TextCache = NOTHING_KEPT
) -> bytes:
    """The full configuration document: desired, and the facts as they are in the container.

    kept: where texts of such documents may be found, and one made now is put.
    """
    data = _document_data(instance, facts, applied)
    key = key_of(digest(data).encode(), Path(__file__).read_bytes())
    text = kept.get(key)
    if text is None:
        text = _as_yaml(data)
        kept.put(key, text)
    return text


def _document_data(instance: Instance, facts: Facts, applied: Applied) -> dict[str, Any]:
    blue, green = released(facts, "blue"), released(facts, "green")
    active = active_color(facts)
    serving = green if active == "green" else blue
    mcp = instance.services.mcp.enabled
    facts_now = DeploymentFacts(
        container_id=found_number(facts.container),
        created_at=applied.created_at,
        updated_at=applied.updated_at,
        active_color=active,
        version_blue=blue.version if blue else None,
        version_green=green.version if green else None,
        mcp_version_blue=blue.version if blue and mcp else None,
        mcp_version_green=green.version if green and mcp else None,
        deployed_commit=serving.commit.removeprefix("-") if serving else "",
        last_backup=facts.host.get(LAST_BACKUP),
    )
    return deployment_document(instance, facts_now)


def _as_yaml(data: Mapping[str, Any]) -> bytes:
    import yaml

    text = yaml.dump(
        data,
        # The same text as the one in Python, in a tenth of the time.
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        sort_keys=False,
        allow_unicode=True,
    )
    return b"# Written by vikunja-deploy at every apply; edits are lost.\n" + text.encode()


def declare(
    instance: Instance,
    facts: Facts,
    applied: Applied,
    target: ReleaseTarget,
    color: Color,
    before: Iterable[Resource],
    kept: TextCache = NOTHING_KEPT,
) -> tuple[Resource, ...]:
    """The records; brought up to date after anything else."""
    triggers = tuple(resource.address for resource in before)
    content = document(instance, facts, applied, kept)
    return (
        Record(
            record="registry",
            expected=_registered_text(entry(instance, applied, facts.container)),
            triggers=started(instance),
            origin=origin_of(
                instance, ("network.ip_address", "network.ip6_address", "network.domain")
            ),
        ),
        Record(record="log-rotation", expected="up to date"),
        Record(
            record=DOCUMENT,
            path=DOCUMENT,
            expected=f"{hashlib.sha256(content).hexdigest()} 0640",
            triggers=triggers,
        ),
        Record(record="state", expected=f"running {color} {target.commit or '-'}"),
    )


def running(facts: Facts) -> tuple[Record, ...]:
    """The state's record where it says that the instance does not run, though it will."""
    status, _, rest = facts.host.get("record:state", "running").partition(" ")
    return () if status == "running" else (Record(record="state", expected=f"running {rest}"),)


def _registered_text(found: registry.Registered) -> str:
    guest = f" as {found.container_id} on {found.node}" if found.node else ""
    # By whatever name it was read, it is that file.
    config = os.path.realpath(found.config)
    addresses = " ".join(found.addresses)
    return f"{found.container_name}{guest} {addresses} {found.domain} {config}"


def observe(instance: Instance, paths: Paths) -> dict[str, str]:
    """What state file and registry say, as `declare` words it."""
    found = {}
    state = states.read(paths, instance.id)
    if state is not None:
        color, commit = state.active_color or "-", state.deployed_commit or "-"
        found["record:state"] = f"{state.status} {color} {commit}"
    registered = registry.find(paths, instance.id)
    if registered is not None:
        found["record:registry"] = _registered_text(registered)
    found |= observe_backup(paths, instance.id)
    now = utc_now()
    for old in rebuilds.kept(paths, instance.id):
        until = old.until(instance.rebuild.keep_days)
        how = f"{OVER} since" if until <= now else "kept until"
        found[f"{ReplacedContainer.kind}:{old.place.name}"] = f"{how} {until:%Y-%m-%d}"
    rotation = _content(paths.log_rotation)
    if rotation is not None:
        same = rotation == log_rotation(paths)
        found["record:log-rotation"] = "up to date" if same else "something else"
    return found


def observe_backup(paths: Paths, instance_id: str) -> dict[str, str]:
    """The one fact of the host's that the document in the container has from nowhere else."""
    noted = last_backup.read(paths, instance_id)
    return {LAST_BACKUP: noted} if noted else {}


def log_rotation(paths: Paths) -> bytes:
    """How the host's logrotate treats the operation logs."""
    text = Template((TEMPLATES / "logrotate" / "host").read_text())
    return text.substitute(log_folder=paths.log("x").parent).encode()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None

"""What a drill is done in: an instance like the real one, with a container, network and records of
its own.

The container is `<name>-drill`, on a bridge and subnet of its own where its driver makes those, or
where the user says. Its records are in a folder of their own, so that it is in no registry.
"""

from __future__ import annotations

from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from tasks.config.make import make_instance
from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.containers.drivers import driver_of
from tasks.errors import UsageError
from tasks.model.application import Files
from tasks.model.instance import Instance
from tasks.model.last_drill import SUFFIX
from tasks.model.layout import DATA, OUTBOUND_SETTINGS
from tasks.paths import Paths
from tasks.workflows.own_records import OwnRecords


class DrillNetwork(Struct, frozen=True):
    """Where the throw-away container is. address: with prefix length, or DHCP without a gateway."""

    bridge: str
    address: str
    gateway: str | None


class DrillSite(Struct, frozen=True):
    """original: the instance whose archive is proven, never touched. instance, container, paths:
    the drill's own."""

    original: Instance
    instance: Instance
    container: Container
    paths: OwnRecords


def drill_site(instance: Instance, network: DrillNetwork | None, paths: Paths) -> DrillSite:
    """Where an instance's drill is done; nothing of it is made here. Raises UsageError where its
    driver makes no networks, and none is given."""
    if network is None and not driver_of(instance).makes_networks:
        raise UsageError(
            "a drill needs an address on the instance's network",
            where=instance.id,
            hint="Name one that is free: backup.drill_address, or "
            f"./doit drill {instance.id} --address 192.0.2.9/24",
        )
    original = instance.made_from(container_for(instance, paths).observe().template)
    own = drill_instance(original, network or isolated_network(instance.id, paths.prefix))
    own_paths = OwnRecords(paths.prefix, records=paths.drill(instance.id))
    return DrillSite(original, own, container_for(own, own_paths), own_paths)


def isolated_network(instance_id: str, prefix: Path) -> DrillNetwork:
    """A bridge and subnet that are this drill's alone: of 198.18.0.0/15, which nobody routes."""
    number = int(sha256(f"{prefix}:{instance_id}".encode()).hexdigest()[:6], 16)
    subnet = f"198.{18 + number // 256 % 2}.{number % 256}"
    return DrillNetwork(f"vkdr{number:06x}", f"{subnet}.2/24", f"{subnet}.1")


def drill_instance(instance: Instance, network: DrillNetwork) -> Instance:
    """The same application and engine, in a container of its own, reaching nobody."""
    document: dict[str, Any] = deepcopy(dict(instance.document))
    document["deployment"]["instance_id"] = f"{instance.id}{SUFFIX}"
    document[instance.driver] |= driver_of(instance).double(instance, SUFFIX)
    document["network"] |= {
        "bridge": network.bridge,
        "ip_address": network.address,
        "gateway": network.gateway,
        "ip6_address": None,
        "gateway6": None,
        "mac_address": None,
    }
    for name in ("host", "port", "password_file", "admin_user", "admin_password_file"):
        document["database"][name] = None
    frontend = document["services"]["frontend"]
    if frontend["tls"] == "acme":
        # No authority is asked for what is thrown away.
        frontend["tls"] = "self-signed"
    # Nor is a package updated.
    document["system"]["updates"] = "none"
    document["database"]["tls"] = dict.fromkeys(document["database"]["tls"])
    # Attachments of the archive are its own, on a disk like theirs: it never comes near those in a
    # bucket.
    files = instance.vikunja.files
    document["vikunja"]["files"] = to_builtins(Files(DATA if files.in_bucket else files.path))
    quiet = {f"VIKUNJA_{name}": "false" for name in OUTBOUND_SETTINGS if name != "REDIS_ENABLED"}
    document["vikunja"]["environment"] = {**document["vikunja"]["environment"], **quiet}
    return make_instance(document, instance.source)

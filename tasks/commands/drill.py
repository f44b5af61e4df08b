"""`drill`: prove that the newest backup can be brought back, in a throw-away container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from tasks.commands.base import (
    JSON_OPTION,
    PROGRESS_OPTION,
    WAIT_OPTION,
    DeployCommand,
    caller_folder,
    load,
    only,
    option,
)
from tasks.errors import UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.workflows.drill_site import DrillNetwork


class Drill(DeployCommand):
    name = "drill"
    doc_purpose = "prove that the newest backup can be restored"
    doc_usage = "[ID]"
    needs_root = True
    options = (
        option("from", str, "latest", "an archive's path or its name"),
        option("identity", str, "", "file with the private key or passphrase of an encrypted one"),
        option("address", str, "", "of the container, on the instance's network [one of its own]"),
        WAIT_OPTION,
        PROGRESS_OPTION,
        JSON_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.backup.keys import keys_of
        from tasks.commands.restore import chosen
        from tasks.model.operations import operation
        from tasks.notify.ping import pinged
        from tasks.output.plan_text import duration
        from tasks.output.show_progress import show_progress
        from tasks.paths import host_paths
        from tasks.workflows.drill import DrillRequest, drill

        instance = only(load(options, arguments), arguments, "drill")
        paths = host_paths()
        with pinged([instance], console.warning):
            archive = chosen(instance, options["from"])
            identity = caller_folder() / options["identity"] if options["identity"] else None
            keys = keys_of(instance.backup.encrypt, identity)
            request = DrillRequest(archive, keys, network_at(instance, options["address"]))
            with (
                show_progress([instance.id], lines=options["progress"]) as progress,
                operation(
                    paths, instance.id, "drill", wait_seconds=options["wait"], warn=console.warning
                ) as under_way,
            ):
                went = drill(instance, request, paths, under_way, progress(instance.id))
        if options["json"]:
            console.result(json.dumps({"instance_id": instance.id, **asdict(went)}, indent=2))
        else:
            console.result(
                f"{instance.id}: {archive.name} can be restored: {went.version} came up with "
                f"{went.rows} rows and {went.files} attachments, all as listed, in "
                f"{duration(went.restore_seconds)} ({duration(went.total_seconds)} from nothing)"
            )
        return 0


def network_at(instance: Instance, address: str) -> DrillNetwork | None:
    """Where --address says. Raises UsageError where it is none of the instance's network."""
    from tasks.workflows.drill_site import DrillNetwork

    if not address:
        return None
    network = instance.network
    try:
        desired = ip_interface(
            address if "/" in address else f"{address}/{network.interface.network.prefixlen}"
        )
    except ValueError as error:
        raise UsageError(f"--address {address}: {error}") from error
    if desired.network != network.interface.network or desired.ip == network.interface.ip:
        raise UsageError(
            f"--address {address}: not a free address of {network.interface.network}",
            hint="Give one that nothing else has.",
        )
    return DrillNetwork(network.bridge, str(desired), network.gateway)

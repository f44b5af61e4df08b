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
    option,
)
from tasks.errors import CancelledError, DeployError, UsageError
from tasks.model.instance import DHCP
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.model.last_drill import LastDrill
    from tasks.paths import Paths
    from tasks.progress import Progress
    from tasks.workflows.drill_site import DrillNetwork

DEFAULTS = {"from": "latest", "identity": "", "address": ""}


class Drill(DeployCommand):
    name = "drill"
    doc_purpose = "prove that the newest backups can be restored"
    doc_usage = "[ID...]"
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
        from tasks.notify.ping import pinged
        from tasks.output.show_progress import show_progress
        from tasks.paths import host_paths

        instances = self.selected(options, arguments)
        given = [name for name, default in DEFAULTS.items() if options[name] != default]
        if len(instances) > 1 and given:
            ids = ", ".join(instance.id for instance in instances)
            raise UsageError(
                f"--{given[0]} is for one instance", hint=f"Name one: ./doit drill ID, of {ids}"
            )
        paths = host_paths()
        outcomes: dict[str, LastDrill | DeployError] = {}
        names = [instance.id for instance in instances]
        with (
            pinged(instances, console.warning) as failures,
            show_progress(names, lines=options["progress"]) as progress,
        ):
            for instance in instances:
                try:
                    went = drill_one(instance, options, paths, progress(instance.id))
                    outcomes[instance.id] = went
                except CancelledError:
                    raise
                except DeployError as failure:
                    failure.where = failure.where or instance.id
                    outcomes[instance.id] = failures[instance.id] = failure
        return report(outcomes, as_json=options["json"])


def drill_one(
    instance: Instance, options: Mapping[str, Any], paths: Paths, progress: Progress
) -> LastDrill:
    """One instance's drill, under its lock. Raises DeployError."""
    from tasks.backup.keys import keys_of
    from tasks.commands.restore import chosen
    from tasks.model.operations import operation
    from tasks.workflows.drill import DrillRequest, drill

    archive = chosen(instance, options["from"])
    identity = caller_folder() / options["identity"] if options["identity"] else None
    keys = keys_of(instance.backup.encrypt, identity)
    address, said_by = options["address"], "--address"
    if not address and instance.backup.drill_address:
        address, said_by = instance.backup.drill_address, "backup.drill_address"
    request = DrillRequest(archive, keys, network_at(instance, address, said_by))
    with operation(
        paths, instance.id, "drill", wait_seconds=options["wait"], warn=console.warning
    ) as under_way:
        return drill(instance, request, paths, under_way, progress)


def report(outcomes: Mapping[str, LastDrill | DeployError], *, as_json: bool) -> int:
    """Say what came of each. Returns the exit code of the first that failed."""
    from tasks.output.plan_text import duration

    went = {name: one for name, one in outcomes.items() if not isinstance(one, DeployError)}
    failed = [one for one in outcomes.values() if isinstance(one, DeployError)]
    if as_json and went:
        documents = [{"instance_id": name, **asdict(one)} for name, one in went.items()]
        one_only = documents[0] if len(outcomes) == 1 else documents
        console.result(json.dumps(one_only, indent=2))
    elif not as_json:
        for name, one in went.items():
            console.result(
                f"{name}: {one.archive} can be restored: {one.version} came up with "
                f"{one.rows} rows and {one.files} attachments, all as listed, in "
                f"{duration(one.restore_seconds)} ({duration(one.total_seconds)} from nothing)"
            )
    for failure in failed:
        console.error(failure)
    return failed[0].exit_code if failed else 0


def network_at(instance: Instance, address: str, said_by: str = "--address") -> DrillNetwork | None:
    """Where the address is; None for none. Raises UsageError where it is none of
    the instance's network."""
    from tasks.workflows.drill_site import DrillNetwork

    if not address:
        return None
    network = instance.network
    if network.is_given or address == DHCP:
        if not (network.is_given and address == DHCP):
            hint = "It is dhcp where network.ip_address is, and only there."
            raise UsageError(f"{said_by} {address}: not how the instance has its own", hint=hint)
        return DrillNetwork(network.bridge, DHCP, None)
    try:
        desired = ip_interface(
            address if "/" in address else f"{address}/{network.interface.network.prefixlen}"
        )
    except ValueError as error:
        raise UsageError(f"{said_by} {address}: {error}") from error
    if desired.network != network.interface.network or desired.ip == network.interface.ip:
        raise UsageError(
            f"{said_by} {address}: not a free address of {network.interface.network}",
            hint="Give one that nothing else has.",
        )
    return DrillNetwork(network.bridge, str(desired), network.gateway)

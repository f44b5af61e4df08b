"""What is claimed of every plan and apply, checked against what the model's world has seen."""

from __future__ import annotations

import os
import re
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from model_files import Node
from model_machine import DOCUMENT, GREEN, Machine
from model_site import NAME, Site

from tasks.errors import DeployError
from tasks.model import registry
from tasks.model import state as states
from tasks.model.plan import Plan, PlanEntry
from tasks.planning.inspection import Inspection
from tasks.resources.data_move import KEPT
from tasks.resources.files import Absent
from tasks.resources.migration import HOME
from tasks.resources.release import Record
from tasks.resources.system import DaemonReload

Log = list[tuple[str, str]]

MEANS: dict[str, frozenset[str]] = {
    "create": frozenset({"create", "update", "replace", "start", "restart", "reload"}),
    "update": frozenset({"update", "create", "enable", "start", "restart", "reload", "stop"}),
    "replace": frozenset({"replace", "create"}),
    "delete": frozenset({"delete"}),
    "run": frozenset(
        {"run", "none", "start", "stop", "restart", "reload", "create", "update", "delete"}
    ),
}
"""Action of a plan → what the world may see of it."""


def seen_address(entry: PlanEntry) -> str:
    """What the world calls an entry: it does not know what a file that goes away once was."""
    if isinstance(entry.resource, Absent):
        return f"absent:{entry.resource.path}"
    if isinstance(entry.resource, DaemonReload):
        return "systemd:unit-files"
    return entry.address


def on_the_host(entry: PlanEntry) -> bool:
    return isinstance(entry.resource, Record) and not entry.resource.path


def executed(log: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The world's log as one line an entry: a stop and a start of the container are one thing,
    and so are destroying and making it."""
    lines: list[tuple[str, str]] = []
    for address, how in log:
        path = address.partition(":")[2]
        if path.startswith(f"{HOME}/") or path == KEPT or address.endswith(RECOVERY):
            # What is noted for the case of a kill.
            continue
        if address == "migrations:unfinished" and lines and lines[-1][0] == "writes:go-on":
            # The same script ends what went well.
            continue
        if lines and lines[-1][0] == address and address.startswith(("running:", "container:")):
            lines[-1] = (address, "replace" if how == "create" else "update")
        elif how == "stop" and address.startswith("running:"):
            lines.append((address, how))
        else:
            lines.append((address, how))
    return lines


def parted(log: Log) -> tuple[Log, Log]:
    """What was built, which is done beside what the container needs; and all else."""
    builds = [line for line in log if line[0].startswith("artifact:")]
    return builds, [line for line in log if line not in builds]


def check_built_before_its_release(log: Log, planned: Sequence[PlanEntry]) -> None:
    """What was built was there before anything was done that comes behind it in the plan."""
    last = max(at for at, entry in enumerate(planned) if entry.step == "build")
    behind = [seen_address(entry) for entry in planned[last + 1 :]]
    before = [seen_address(entry) for entry in planned[:last]]
    addresses = [address for address, _ in log]
    built = addresses.index(planned[last].address)
    assert not [one for one in addresses[:built] if one in behind and one not in before]


def host_records(site: Site) -> dict[str, str]:
    """What the host's records say of the instance, by the addresses of their entries."""
    state = states.read(site.paths, NAME)
    entry = registry.find(site.paths, NAME)
    rotation = site.paths.log_rotation
    return {
        "record:log-rotation": rotation.read_text() if rotation.exists() else "",
        "record:state": f"{state.status} {state.active_color} {state.deployed_commit}"
        if state
        else "",
        "record:registry": str(entry),
    }


def check_apply(site: Site, plan: Plan, before: dict[str, str]) -> None:
    """What was executed is what the plan says: set and order, and each of the planned kind."""
    planned = [entry for entry in plan.entries if not on_the_host(entry)]
    wanted = [entry for entry in planned if entry.step != "build"]
    builds, others = parted(site.world.log)
    done = _without_replacement_stop(executed(others))
    assert [address for address, _ in done] == [seen_address(entry) for entry in wanted]
    built = [(entry.address, entry.action) for entry in planned if entry.step == "build"]
    assert builds == built
    if builds:
        check_built_before_its_release(site.world.log, planned)
    for entry, (address, how) in zip(wanted, done, strict=True):
        allowed = MEANS[entry.action] | ({"none"} if entry.fired else set())
        if _subsumed(entry, plan) or address == f"record:{DOCUMENT}":
            # The document says when it was written, in seconds.
            allowed |= {"none"}
        assert how in allowed, f"{address}: planned {entry.action}, seen {how}"
    changed = {name for name, text in host_records(site).items() if text != before[name]}
    recorded = {entry.address for entry in plan.entries if on_the_host(entry)}
    assert changed == recorded, f"records changed: {changed}, planned: {recorded}"


def _without_replacement_stop(done: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A container is stopped before it is destroyed: part of replacing it."""
    return [
        line
        for line, then in zip(done, [*done[1:], ("", "")][: len(done)], strict=True)
        if not (line[1] == "stop" and then[0].startswith("container:"))
    ]


def _subsumed(entry: PlanEntry, plan: Plan) -> bool:
    """Whether an earlier entry brings it about as well: a new or restarted container starts what
    is enabled, a new user owns what its number owned, a write-stop stops the old version."""
    addresses = {e.address for e in plan.entries}
    earlier = ("running:", "user:", "package:", "writes:")
    return any(address.startswith(earlier) for address in addresses)


def check_converged(site: Site) -> None:
    """Nothing is left to do, and nothing runs with files other than those that are there."""
    _, plan = site.plan()
    assert [e.full_address for e in plan.entries] == []
    assert site.world.refusals == []
    assert site.machine.behind() == {}


MANAGED = (
    "/etc/logrotate.d",
    "/etc/motd",
    "/etc/nginx",
    "/etc/systemd/system",
    "/etc/tmpfiles.d",
    "/etc/vikunja",
    "/srv",
    "/usr/local/lib/vikunja",
)
OF_ONE_LIFE = ("/etc/vikunja/secrets", "/etc/vikunja/tls/self-signed", GREEN, DOCUMENT)
"""Made anew in every container: secrets, certificates, which color happens to serve."""

RECOVERY = "/vikunja-deploy-recover.service"

SOMEBODYS = re.compile(rb"somebody|# put back|no folder")


OF_A_COLOR = re.compile(
    r"/etc/vikunja/(mcp-)?environment\.|vikunja-(backend|mcp)@(blue|green)\.service"
    r"|/usr/local/lib/vikunja/(backend|mcp)\."
)
"""Paths of what a color has of its own. Nothing is compared of where it rests."""


def as_serving(path: str, node: Node, color: str) -> Node:
    """The node as if nobody could tell by it which color serves."""
    if node.type == "link":
        return replace(node, target=node.target.replace(color, "serving"), mtime=0)
    if OF_A_COLOR.search(path) is None:
        return node
    content = node.content.decode(errors="replace").replace(color, "serving")
    return replace(node, content=re.sub(r"127\.0\.0\.1:\d+|PORT=\S+", "", content).encode())


def likeness(machine: Machine) -> dict[str, object]:
    """What two containers of the same desired have in common, whatever their lives were."""
    found: dict[str, object] = {}
    serving = "green" if machine.files.get(GREEN) is not None else "blue"
    idle = "blue" if serving == "green" else "green"
    for path, node in machine.files.nodes.items():
        if OF_A_COLOR.search(path) and idle in path:
            continue
        ours = path.startswith(MANAGED) and not path.startswith((*OF_ONE_LIFE, "/srv/moved"))
        left = re.search(r"somebody|\.replaced-|\.copy|/below", path) or SOMEBODYS.search(
            node.content
        )
        if ours and node.type != "directory" and not left and node.target != "/dev/null":
            name = path.replace(serving, "serving") if OF_A_COLOR.search(path) else path
            found[name] = as_serving(path, node, serving)
    for name, unit in machine.units.items():
        # What rests may rest as failed or masked: that is seen to when it is needed again.
        if unit.active == "active" or machine.file_state(name) == "enabled":
            role = name.replace(f"@{serving}.", "@serving.")
            found[role] = (unit.active, unit.enabled)
    return found


def check_as_new(site: Site) -> None:
    """The container is what a new one of the same desired is: nothing of its life is left."""
    lived = likeness(site.machine)
    site.world.places.clear()
    shutil.rmtree(site.paths.library)
    site.apply()
    assert lived == likeness(site.machine)


CarryOut = Callable[[Mapping[str, Inspection], Plan], Mapping[str, DeployError]]


def apply_killed(
    site: Site,
    looks: Mapping[str, Inspection],
    plan: Plan,
    at: int,
    carry_out: CarryOut | None = None,
) -> bool:
    """Carry the plan out in a process that kills itself at its event number `at`.

    carry_out: how, where not as an apply does.

    Whether it was killed: an apply may have fewer events. The site's world is as it left it.
    """
    assert site.world.kept is not None
    site.world.events = 0
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with_events_of_records(site)
            site.world.kill_at = at
            failures = (carry_out or site.carry_out)(looks, plan)
            site.world.kill_at = 0
            site.world.keep()
            for failure in failures.values():
                print(f"{failure}\n" + "\n".join(failure.evidence), flush=True)
            code = 1 if failures else 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    site.world.recall()
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the apply failed: see above"
    return False


def with_events_of_records(site: Site) -> None:
    """Let the process be killed after each of the host's files is written, too."""
    from tasks.host import files

    synced = files.sync_folder

    def counted(path: object) -> None:
        synced(path)  # type: ignore[arg-type]
        site.world.event()

    files.sync_folder = counted

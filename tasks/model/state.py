"""The deployment state of an instance: data-model.md's state file and its state machine.

`null` of the state machine is None here and no file on disk.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict, Unpack

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from tasks.errors import DeployError
from tasks.host.files import damaged, named, read_record, sync_folder, write_json
from tasks.model.fields import Commit, ContainerId, InstanceId, Text, Time
from tasks.model.instance import Color
from tasks.model.operation_log import OperationName
from tasks.paths import Paths

Status = Literal["deploying", "running", "updating", "stopped", "failed"]
OperationStatus = Literal["success", "failure", "in_progress"]

LEGAL: dict[Status | None, frozenset[Status | None]] = {
    None: frozenset({"deploying"}),
    "deploying": frozenset({"running", "failed", "stopped"}),
    "running": frozenset({"updating", "stopped"}),
    "updating": frozenset({"running", "failed", "stopped"}),
    "stopped": frozenset({"running", None}),
    "failed": frozenset({"deploying", "running", "stopped", None}),
}
"""Every transition of data-model.md. Into `stopped` from deploying, updating and failed is its
"(any) → stopped → null" of an uninstall; failed → deploying is the retry, failed → running the
rollback. Staying where it is is no transition."""

PASSING: frozenset[Status] = frozenset({"deploying", "updating"})
"""Statuses that only a running operation has."""


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """/var/lib/vikunja-deploy/state/<instance_id>.state: what an instance is and what was last done
    to it. Exactly the fields of data-model.md."""

    instance_id: Annotated[
        InstanceId, Meta(description="Unique identifier, as in the configuration.")
    ]
    container_id: Annotated[
        ContainerId | None,
        Meta(
            description="Proxmox's number of the container; null in plain LXC and before the "
            "container is made."
        ),
    ]
    status: Annotated[Status, Meta(description="Where the instance is in its life.")]
    active_color: Annotated[
        Color | None, Meta(description="The color that serves; null before the first release.")
    ]
    last_operation: Annotated[
        OperationName, Meta(description="What was last done, or is being done.")
    ]
    last_operation_time: Annotated[Time, Meta(description="When it began.")]
    last_operation_status: OperationStatus
    deployed_version: Annotated[
        Text | None,
        Meta(description="Vikunja's version that serves; null before the first release."),
    ]
    deployed_commit: Annotated[
        Commit | None,
        Meta(
            description="Its git commit; null before the first release and for a release archive."
        ),
    ]
    uptime_start: Annotated[
        Time | None,
        Meta(description="Since when it serves; null while it is stopped and before it first ran."),
    ]


class Changes(TypedDict, total=False):
    """Fields that change with a transition or without one."""

    container_id: int | None
    active_color: Color | None
    last_operation: OperationName
    last_operation_time: str
    last_operation_status: OperationStatus
    deployed_version: str | None
    deployed_commit: str | None


def transition(
    state: State | None,
    status: Status,
    *,
    time: str,
    instance_id: str = "",
    **changes: Unpack[Changes],
) -> State:
    """The state after going to `status`, with `changes`.

    time: when, ISO 8601. instance_id, last_operation: needed where `state` is None. Raises
    DeployError where the state machine has no such transition.
    """
    require_legal(state.instance_id if state else instance_id, state, status)
    if state is None:
        state = State(
            instance_id=instance_id,
            container_id=None,
            status=status,
            active_color=None,
            last_operation=changes["last_operation"],
            last_operation_time=time,
            last_operation_status="in_progress",
            deployed_version=None,
            deployed_commit=None,
            uptime_start=None,
        )
    # An update takes over without a gap, so the uptime goes on (the data model's own example).
    uptime = state.uptime_start
    if status == "running":
        uptime = uptime or time
    elif status == "stopped":
        uptime = None
    return replace(state, status=status, uptime_start=uptime, **changes)


def require_legal(instance_id: str, state: State | None, after: Status | None) -> None:
    """Raise DeployError unless the state machine leads from `state` to `after` (or is there)."""
    before = state.status if state else None
    if after != before and after not in LEGAL[before]:
        legal = ", ".join(sorted(name or "null" for name in LEGAL[before]))
        raise DeployError(
            f"cannot go from {before or 'null'} to {after or 'null'}",
            where=instance_id,
            hint=f"From {before or 'null'} it can only become: {legal}.",
        )


def recover(state: State) -> State:
    """The state after an operation whose process died: what was under way has failed.

    Only for who holds the instance's lock: it is the proof that nothing is under way. From
    `failed` the next apply goes on (failed → deploying), or a rollback (failed → running).
    Idempotent; last_operation and its time stay.
    """
    if state.status not in PASSING and state.last_operation_status != "in_progress":
        return state
    if state.status in PASSING:
        state = transition(state, "failed", time=state.last_operation_time)
    return replace(state, last_operation_status="failure")


def read(paths: Paths, instance_id: str) -> State | None:
    """The recorded state, None where the instance has none. DeployError if it is damaged."""
    path = paths.state(instance_id)
    hint = f"Move {path} aside: the next apply looks at what serves and writes it anew."
    state = read_record(path, State, hint)
    if state is not None and state.instance_id != instance_id:
        raise damaged(path, f"it is the state of {state.instance_id}", hint)
    return state


def write(paths: Paths, state: State) -> None:
    write_json(paths.state(state.instance_id), asdict(state))


def remove(paths: Paths, instance_id: str) -> None:
    """Forget the instance's state. Gone already is success."""
    path = paths.state(instance_id)
    with named(path, "cannot be removed"):
        if path.parent.is_dir():
            path.unlink(missing_ok=True)
            sync_folder(path.parent)

"""What Proxmox VE says when something is wrong, and which of our errors that is.

`FAULTS` is data: a text that was seen on the real thing, by its form, and what a user is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from tasks.errors import (
    DeployError,
    LockedError,
    NetworkError,
    ResourceError,
    StalePlanError,
    UsageError,
)


class Fault(Struct, frozen=True):
    """pattern: searched in the text; what and hint: formatted with its named groups."""

    pattern: re.Pattern[str]
    kind: type[DeployError]
    what: str
    hint: str = ""


def _fault(pattern: str, kind: type[DeployError], what: str, hint: str = "") -> Fault:
    return Fault(re.compile(pattern), kind, what, hint)


FAULTS: tuple[Fault, ...] = (
    _fault(
        r"Permission check failed \((?P<path>/[^,\s]*), (?P<privilege>[^)]+)\)",
        ResourceError,
        "the privilege {privilege} on {path} is missing",
        "give the API token, and its user where privileges are separated, a role with it on "
        "{path}: `pveum acl modify {path} --tokens 'USER@REALM!TOKEN' --roles ROLE`",
    ),
    _fault(
        r"Permission check failed \((?P<why>[^)]+)\)",
        ResourceError,
        "Proxmox VE does not permit this: {why}",
        "root@pam may do it; an API token of another user may not",
    ),
    _fault(
        r"Permission check failed",
        ResourceError,
        "the API token lacks a privilege, and Proxmox VE does not say which",
        "`./doit check` names it, and `./doit check --role` prints the commands that grant it",
    ),
    _fault(
        r"cluster not ready - no quorum",
        NetworkError,
        "the cluster has no quorum: Proxmox VE refuses every change",
        "`pvecm status` on a node shows who is missing; bring back most of the nodes",
    ),
    _fault(
        r"(?:CT|VM) is locked \((?P<lock>[\w-]+)\)",
        LockedError,
        "the container is locked by Proxmox VE: {lock}",
        "wait until that is over; if nothing of the kind runs, `pct unlock ID` on its node "
        "removes the lock",
    ),
    _fault(
        r"can't lock file '(?P<file>[^']+)' - got timeout",
        LockedError,
        "another operation of Proxmox VE holds {file}",
        "wait until it is over and try again",
    ),
    _fault(
        r"detected modified configuration",
        StalePlanError,
        "somebody else changed the configuration meanwhile",
        "plan again",
    ),
    _fault(
        r"(?:CT|VM) (?P<id>\d+) already exists",
        ResourceError,
        "the container id {id} is taken",
        "choose another proxmox.container_id, or leave it out: the next free one is taken",
    ),
    _fault(
        r"Configuration file '(?P<file>[^']+)' does not exist",
        ResourceError,
        "Proxmox VE has no {file}: the container is not there, or no longer",
        "plan again",
    ),
    _fault(
        r"(?:container '|CT )(?P<id>\d+)'? not running",
        ResourceError,
        "the container {id} does not run",
        "`./doit start` starts it",
    ),
    _fault(
        r"storage '(?P<storage>[^']+)' does not exist",
        ResourceError,
        "there is no storage {storage}",
        "`pvesm status` on the node lists those that are there",
    ),
    _fault(
        r"[Nn]o space left on device",
        ResourceError,
        "the storage has no space left",
        "`pvesm status` on the node shows how full each is",
    ),
    _fault(
        r"MTU size '(?P<mtu>\d+)' is bigger than bridge MTU '(?P<bridge>\d+)'",
        ResourceError,
        "proxmox.mtu is {mtu}, and the bridge's own only {bridge}",
        "set proxmox.mtu to {bridge} or less, or leave it out: then it is the bridge's",
    ),
    _fault(
        r"bridge '(?P<bridge>[^']+)' does not exist",
        ResourceError,
        "the node has no bridge {bridge}",
        "set network.bridge to one of `ip link show type bridge` on the node",
    ),
)

UNREACHABLE = range(595, 600)
"""Statuses of a Proxmox VE host that passed a call on to another node and got no answer."""

NODE = re.compile(r"/nodes/([^/]+)")
PARAMETER_PROBLEM = re.compile(r"([\w\[\].-]+): (\S.*)")


def fault_of(text: str, *, where: str = "", evidence: Sequence[str] = ()) -> DeployError | None:
    """The error that a text of Proxmox VE stands for; None where it is none of FAULTS."""
    for fault in FAULTS:
        match = fault.pattern.search(text)
        if match:
            groups = match.groupdict()
            return fault.kind(
                fault.what.format(**groups),
                where=where,
                hint=fault.hint.format(**groups),
                evidence=evidence or (text.strip(),),
            )
    return None


def error_of(
    call: str,
    status: int,
    text: str,
    parameters: Mapping[str, str] | None = None,
    *,
    where: str = "",
) -> DeployError:
    """The error that a refused call is.

    call: method and path. status: of HTTP, or of the first line of pvesh's stderr. text: the
    status line's text or stderr. parameters: what was wrong with which parameter.
    """
    evidence = tuple(line for line in (f"{call}: {status}", *text.strip().splitlines()) if line)
    if parameters:
        wrong = "; ".join(f"{name}: {problem.strip()}" for name, problem in parameters.items())
        return UsageError(
            f"Proxmox VE refuses {wrong}",
            where=where,
            hint="correct that setting in the configuration",
            evidence=evidence,
        )
    if status in UNREACHABLE:
        found = NODE.search(call)
        node = found.group(1) if found else "the other node"
        return NetworkError(
            f"{where or 'the host'} does not reach node {node}",
            where=where,
            hint=f"`pvecm status` shows whether {node} is up and part of the cluster",
            evidence=evidence,
        )
    if status == 401:
        return ResourceError(
            "Proxmox VE does not accept the API token",
            where=where,
            hint="`pveum user token list USER@REALM` shows which there are and until when",
            evidence=evidence,
        )
    known = fault_of(text, where=where, evidence=evidence)
    if known:
        return known
    first = next(iter(text.strip().splitlines()), str(status))
    return DeployError(f"{call} failed: {first}", where=where, evidence=evidence)


def parse_stderr(stderr: str) -> tuple[int, str, dict[str, str]]:
    """Status, text and parameter problems of what pvesh wrote when it failed.

    Parameter problems are lines `net0.ip: …` behind `400 Parameter verification failed.`;
    without a status line it is 500. What `trying to acquire lock…` says is no part of the text.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("trying to acquire")]
    status = next((int(line[:3]) for line in lines if re.match(r"[45]\d\d \w", line)), 500)
    problems = {}
    if status == 400:
        found = (PARAMETER_PROBLEM.fullmatch(line) for line in lines)
        problems = {match.group(1): match.group(2) for match in found if match}
    return status, "\n".join(lines), problems

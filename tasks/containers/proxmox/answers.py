"""What is read of Proxmox VE's answers and files, and what of it may be missing.

Others write them: a key that there is nothing to say about is left out or null, a list of nothing
may be absent as a whole. `understood` is the one way to read such data: what has a default here may
be missing, and what is of another form is a DeployError with what was found.

    rows = understood(session.call("GET", "/nodes/pve/storage"), list[Storage], "GET …", where)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tasks.conversion import convert
from tasks.errors import DeployError

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True):
    """Keys that are not named in a form are of no interest."""


class Storage(Answer, frozen=True):
    """Of `GET /nodes/{node}/storage`. content: kinds, by commas. avail: bytes."""

    storage: str
    active: bool = False
    enabled: bool = True
    content: str = ""
    avail: float = 0


class Volume(Answer, frozen=True):
    """Of `GET /nodes/{node}/storage/{storage}/content`."""

    volid: str


class Template(Answer, frozen=True):
    """Of `GET /nodes/{node}/aplinfo`: what can be downloaded."""

    template: str


class Bridge(Answer, frozen=True):
    """Of `GET /nodes/{node}/network`."""

    iface: str


class Resource(Answer, frozen=True):
    """Of `GET /cluster/resources`. tags: by semicolons. A storage has neither id nor tags. Its
    status is left out: it lags by some ten seconds."""

    type: str
    vmid: int = 0
    node: str = ""
    tags: str = ""


class Status(Answer, frozen=True):
    """Of `GET /nodes/{node}/lxc/{vmid}/status/current`."""

    status: str
    lock: str | None = None


class Setting(Answer, frozen=True):
    """Of `GET /nodes/{node}/lxc/{vmid}/pending`. delete: it goes at the next start."""

    key: str
    value: str | int | float | None = None
    pending: str | int | float | None = None
    delete: bool = False


class Address(Answer, frozen=True, rename="kebab"):
    """One of an interface's."""

    ip_address: str = ""
    ip_address_type: str = ""
    prefix: int = 0


class Interface(Answer, frozen=True, rename="kebab"):
    """Of a running container's. inet: its first address of IPv4, with prefix length. ip_addresses:
    all of them, those of its link as well."""

    name: str
    inet: str | None = None
    ip_addresses: tuple[Address, ...] = ()

    @property
    def inet6(self) -> str | None:
        """Its first address of IPv6 that is not its link's alone, with prefix length."""
        for one in self.ip_addresses:
            if one.ip_address_type == "inet6" and not one.ip_address.lower().startswith("fe80"):
                return f"{one.ip_address}/{one.prefix}"
        return None


class TaskStatus(Answer, frozen=True):
    """Of `GET /nodes/{node}/tasks/{upid}/status`."""

    status: str
    exitstatus: str = "no exit status"


class LogLine(Answer, frozen=True):
    """Of `GET /nodes/{node}/tasks/{upid}/log`. n: its number, from 1. t: its text."""

    n: int
    t: str = ""


class Version(Answer, frozen=True):
    """Of `GET /version`."""

    version: str


class Node(Answer, frozen=True):
    """Of `nodelist` in `.members`. A node of its own has no address there."""

    online: bool = False
    ip: str = ""


class Quorum(Answer, frozen=True):
    """`cluster` in `.members`; absent where a node is on its own."""

    quorate: bool = False


class Members(Answer, frozen=True):
    """The file `.members`. nodename: of the node that was asked."""

    nodename: str
    cluster: Quorum | None = None
    nodelist: dict[str, Node] = {}


class ListedGuest(Answer, frozen=True):
    """Of `ids` in `.vmlist`."""

    node: str = ""
    type: str = ""


class GuestList(Answer, frozen=True):
    """The file `.vmlist`: without `ids` where the cluster has no guest at all."""

    ids: dict[int, ListedGuest] = {}


Permissions = dict[str, dict[str, bool]]
"""Of `GET /access/permissions`: path → privilege → whether it holds below the path, too."""


def understood(data: Any, form: type[T], what: str, where: str) -> T:
    """Plain data of others in the form that is read of it.

    what: the call, or the file. Null counts as missing, and nothing at all as an empty list or
    mapping. DeployError where it cannot be that form.
    """
    if data is None:
        data = [] if getattr(form, "__origin__", None) is list else {}
    try:
        return convert(_without_null(data), form, strict=False)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise DeployError(
            "Proxmox VE answers in a form that is not known",
            where=where,
            hint="Please report this with the version that `pveversion` shows",
            evidence=[f"{what}: {error}", repr(data)[:200]],
        ) from None


def _without_null(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: _without_null(value) for name, value in data.items() if value is not None}
    if isinstance(data, list):
        return [_without_null(value) for value in data if value is not None]
    return data

"""One way to call the Proxmox VE API, whichever way it is reached.

with open_session(Https("pve.example.org", Path("/etc/vikunja-deploy/token"))) as session:
    session.call("GET", "/nodes/pve/lxc")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from tasks.containers.proxmox.access import Https, Local, OpenSsh
from tasks.containers.proxmox.answers import understood
from tasks.containers.proxmox.faults import error_of
from tasks.errors import DeployError, NetworkError

Method = Literal["GET", "POST", "PUT", "DELETE"]
Value = str | int | float
Access = Local | Https | OpenSsh
T = TypeVar("T")


class Session(Protocol):
    """Calls of the API.

    where: the place that answers, for errors. round_trips: calls made so far.
    """

    where: str
    round_trips: int

    def call(self, method: Method, path: str, parameters: Mapping[str, Value | None] = ...) -> Any:
        """The answer's data; of an asynchronous call the UPID of its task.

        path: from `/`, placeholders filled in. Parameters that are None are left out. Raises
        the DeployError that a refusal or a lost connection stands for (see faults).
        """


def ask(
    session: Session,
    path: str,
    form: type[T],
    parameters: Mapping[str, Value | None] = {},
) -> T:
    """The answer of a call that changes nothing, in the form that is read of it (see answers)."""
    data = session.call("GET", path, parameters)
    return understood(data, form, f"GET {path}", session.where)


def encoded(parameters: Mapping[str, Value | None]) -> dict[str, str | int | float]:
    """Parameters as they travel: without the absent, booleans as 0 and 1."""
    return {
        name: int(value) if isinstance(value, bool) else value
        for name, value in parameters.items()
        if value is not None
    }


def decoded(answer: Any, call: str, where: str) -> Any:
    """What proxmoxer gave back. What it cannot read comes as `{"errors": text}`."""
    if not isinstance(answer, dict) or set(answer) != {"errors"}:
        return answer
    errors = answer["errors"]
    text = errors.decode(errors="replace") if isinstance(errors, bytes) else str(errors)
    raise _not_proxmox(where, [call, *text.strip().splitlines()[-5:]])


def _not_proxmox(where: str, evidence: Sequence[str]) -> NetworkError:
    return NetworkError(
        "what answers is no Proxmox VE",
        where=where,
        hint="check the host and the port",
        evidence=evidence,
    )


class ProxmoxerSession:
    """Session over a proxmoxer.ProxmoxAPI, which is made on the first call."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.where = access.where
        self.round_trips = 0
        self._api: Any = None

    def __enter__(self) -> ProxmoxerSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. A later call opens it again."""
        if isinstance(self.access, Https) and self._api is not None:
            self._api._store["session"].close()
        self._api = None

    def call(self, method: Method, path: str, parameters: Mapping[str, Value | None] = {}) -> Any:
        if self._api is None:
            self._api = _connect(self.access)
        self.round_trips += 1
        call = f"{method} {path}"
        resource = self._api(path.strip("/"))
        send = getattr(resource, method.lower())
        try:
            answer = send(**encoded(parameters))
        except DeployError:
            raise
        except Exception as error:
            raise _as_deploy_error(error, call, self.access) from error
        return decoded(answer, call, self.where)


def open_session(access: Access) -> ProxmoxerSession:
    """A session that connects on its first call."""
    return ProxmoxerSession(access)


def _connect(access: Access) -> Any:
    if isinstance(access, Https):
        from tasks.containers.proxmox import https

        return https.connect(access)
    from tasks.containers.proxmox import pvesh

    return pvesh.connect(access)


def _as_deploy_error(error: Exception, call: str, access: Access) -> Exception:
    """The DeployError that an exception of a call is; itself where it is a mistake of ours."""
    from proxmoxer.core import ResourceException

    if isinstance(error, ResourceException):
        problems = error.errors if isinstance(error.errors, dict) else {}
        wrong = {str(name): str(text) for name, text in problems.items() if name != "errors"}
        return error_of(call, error.status_code, error.content, wrong, where=access.where)
    if isinstance(access, Https):
        from tasks.containers.proxmox.https import error_of_transport

        # proxmoxer's own, where an answer is JSON and not of the API's form.
        if isinstance(error, KeyError | TypeError | AttributeError):
            return _not_proxmox(access.where, [call])
        return error_of_transport(error, call, access) or error
    return error

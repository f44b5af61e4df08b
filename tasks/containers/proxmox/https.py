"""The API over HTTPS: proxmoxer with a token, its certificate always checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.containers.proxmox.access import Https
from tasks.containers.proxmox.api_token import parse_fingerprint, read_token
from tasks.errors import DeployError, NetworkError, UsageError

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

CONNECT_LIMIT = 10
"""Seconds to connect."""

ANSWER_LIMIT = 60
"""Seconds until an answer begins. Calls that take long answer at once, with a task."""


def connect(access: Https) -> Any:
    """A proxmoxer.ProxmoxAPI; nothing is sent yet."""
    token = read_token(access.token_file)
    if access.ca_file is not None and not access.ca_file.is_file():
        raise UsageError("there is no such file of authorities", where=str(access.ca_file))
    pinned = None if access.fingerprint is None else parse_fingerprint(access.fingerprint)

    from proxmoxer import ProxmoxAPI

    api = ProxmoxAPI(
        access.host,
        port=str(access.port),
        user=token.user,
        token_name=token.name,
        token_value=token.value.reveal(),
        # Of a pinned certificate nobody's signature is asked: the adapter below compares it.
        verify_ssl=False if pinned else str(access.ca_file or "") or True,
        timeout=(CONNECT_LIMIT, ANSWER_LIMIT),
    )
    session = api._store["session"]
    # A redirect must not carry the token over plain HTTP.
    del session.adapters["http://"]
    if pinned:
        session.mount("https://", _pinned(pinned))
    return api


def _pinned(fingerprint: str) -> HTTPAdapter:
    from requests.adapters import HTTPAdapter

    class Pinned(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
            super().init_poolmanager(*arguments, **named, assert_fingerprint=fingerprint)

        def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
            return super().proxy_manager_for(proxy, **named, assert_fingerprint=fingerprint)

    return Pinned()


def error_of_transport(error: Exception, call: str, access: Https) -> DeployError | None:
    """The error that a failure below HTTP is; None where it is none of requests' errors."""
    from requests.exceptions import ConnectTimeout, RequestException, SSLError, Timeout

    if not isinstance(error, RequestException):
        return None
    evidence = (f"{call}: {error}",)
    if isinstance(error, SSLError):
        return NetworkError(
            "the certificate is not the pinned one"
            if access.fingerprint
            else "the certificate is not signed by an authority that is trusted",
            where=access.where,
            hint="compare with `pvenode cert info` on the node; give its SHA-256 fingerprint, or "
            "the cluster's authority /etc/pve/pve-root-ca.pem",
            evidence=evidence,
        )
    unknown = "" if call.startswith("GET ") else "; whether it was done is not known: plan again"
    if isinstance(error, Timeout) and not isinstance(error, ConnectTimeout):
        return NetworkError(
            f"no answer in {ANSWER_LIMIT} s{unknown}", where=access.where, evidence=evidence
        )
    return NetworkError(
        f"the connection failed{unknown}",
        where=access.where,
        hint="is the host up, and does a firewall let the port through?",
        evidence=evidence,
    )

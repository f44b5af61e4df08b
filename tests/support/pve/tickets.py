"""Who calls the stand-in's API: by an API token, or by a ticket that a password gave.

A ticket travels as the cookie PVEAuthCookie; what changes something needs the header
CSRFPreventionToken beside it, which the same login gave. Both are good for two hours.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

from pve.cluster import Cluster, Refused

LIFETIME = 2 * 3600
"""Seconds that a ticket is good for."""

WRONG_PASSWORD_DELAY = 3
"""Seconds until a wrong password is answered."""

OPEN = frozenset({("GET", "/access/ticket"), ("POST", "/access/ticket")})
"""Calls that anybody may make."""

TICKET = re.compile(r"(?P<text>PVE:(?P<user>[^:]+):(?P<time>[0-9A-F]{8}))::(?P<seal>\S+)")
CSRF = re.compile(r"(?P<time>[0-9A-F]{8}):(?P<seal>\S+)")


def caller(cluster: Cluster, method: str, path: str, headers: Mapping[str, str]) -> str:
    """The user, or the token's name, that a call is made by; Refused 401 where it is nobody."""
    if (method, path) in OPEN:
        return ""
    authorization = headers.get("Authorization", "")
    if authorization.startswith("PVEAPIToken="):
        user, _, secret = authorization.removeprefix("PVEAPIToken=").rpartition("=")
        token = cluster.tokens.get(user)
        if token is None or token.secret != secret:
            raise Refused(401, "authentication failure")
        return user
    cookie = SimpleCookie(headers.get("Cookie", "")).get("PVEAuthCookie")
    if cookie is None:
        raise Refused(401, "No ticket")
    user = _user_of(cluster, unquote(cookie.value))
    if method != "GET":
        _require_csrf(cluster, user, headers.get("CSRFPreventionToken", ""))
    return user


def _user_of(cluster: Cluster, ticket: str) -> str:
    match = TICKET.fullmatch(ticket)
    if (
        match is None
        or not hmac.compare_digest(match["seal"], _seal(cluster, match["text"]))
        or _expired(match["time"])
        or match["user"] not in cluster.users
    ):
        raise Refused(401, "permission denied - invalid PVE ticket")
    return match["user"]


def _require_csrf(cluster: Cluster, user: str, token: str) -> None:
    match = CSRF.fullmatch(token)
    if (
        match is None
        or not hmac.compare_digest(match["seal"], _seal(cluster, f"{match['time']}:{user}"))
        or _expired(match["time"])
    ):
        raise Refused(401, "Permission denied - invalid csrf token")


def _expired(stamp: str) -> bool:
    return not -300 < time.time() - int(stamp, 16) < LIFETIME


def _seal(cluster: Cluster, text: str) -> str:
    return hmac.new(cluster.seal, text.encode(), hashlib.sha256).hexdigest()


def _login(cluster: Cluster, _: str, values: Mapping[str, Any]) -> Any:
    """A ticket that is still good does for the password: so it is renewed."""
    user = str(values["username"])
    if "realm" in values and "@" not in user:
        user = f"{user}@{values['realm']}"
    password = str(values["password"])
    known = cluster.users.get(user)
    if known is None or known.secret != password:
        try:
            renewed = _user_of(cluster, password) == user
        except Refused:
            renewed = False
        if not renewed:
            raise Refused(401, "authentication failure", delay=WRONG_PASSWORD_DELAY)
    stamp = f"{int(time.time()):08X}"
    text = f"PVE:{user}:{stamp}"
    return {
        "username": user,
        "ticket": f"{text}::{_seal(cluster, text)}",
        "CSRFPreventionToken": f"{stamp}:{_seal(cluster, f'{stamp}:{user}')}",
        "clustername": "lab",
    }


HANDLERS = {"GET /access/ticket": lambda *_: None, "POST /access/ticket": _login}

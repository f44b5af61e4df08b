"""Where people open the new instance, what it serves with, and its database; pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tasks.imports.found import Found, Setting
from tasks.imports.known import OWN_DEFAULT
from tasks.imports.settings import Placed, origin_of, truth

_ADDRESS = re.compile(r"^(\d+\.\d+\.\d+\.\d+|\[?[0-9a-f:]+\]?|localhost)$", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_TAKEN = (3456, 3457)


def public_url(found: Found) -> Setting | None:
    """What the installation says that it is opened at."""
    for name in ("service_publicurl", "service_frontendurl"):
        setting = found.settings.get(name)
        if setting and setting.value and "://" in setting.value:
            return setting
    return None


def domain_of(found: Found) -> str:
    """The name of the site, where it has one; an address is the old one's own."""
    url = public_url(found)
    host = (urlsplit(url.value).hostname or "") if url else ""
    if host and not _ADDRESS.match(host):
        return host
    names = found.front.names if found.front else ()
    return next((name for name in names if not _ADDRESS.match(name) and "*" not in name), "")


def place_site(found: Found, placed: Placed) -> None:
    """network.domain is left to whoever asks: an option may say another one."""
    front, url = found.front, public_url(found)
    domain = domain_of(found)
    if url and domain == "":
        placed.leave_out(
            "service.publicurl",
            f"{url.value}: that is the old one's own address.",
            "network.domain is that of the new one.",
        )
    elif url and domain and (urlsplit(url.value).path or "/") != "/":
        placed.leave_out("service.publicurl", f"{url.value}: a site is all of a name, no folder.")
    others = [name for name in (front.names if front else ()) if name != domain]
    aliases = [name for name in others if not _ADDRESS.match(name) and "*" not in name]
    if front and aliases and domain:
        placed.put("network.aliases", aliases, front.file)
    _tls(found, placed, url.value if url else "", own_address=not domain)


def _tls(found: Found, placed: Placed, url: str, *, own_address: bool) -> None:
    parts = urlsplit(url)
    origin = "service.publicurl"
    front = found.front
    autotls = found.settings.get("autotls_enabled")
    own = autotls is not None and truth(autotls.value)
    if parts.scheme == "http" and not (front and front.encrypts) and not own:
        placed.put("services.frontend.tls", "off", origin)
        if not own_address:
            _port(placed, "port", parts.port or 80, 80, origin)
        return
    if parts.scheme and not own_address:
        _port(placed, "ssl_port", parts.port or 443, 443, origin)
    if front and front.certificate:
        held = [found.secrets.get(path) for path in (front.certificate, front.key)]
        if held[0] is None or held[1] is None:
            missing = front.certificate if held[0] is None else front.key
            placed.leave_out(f"the certificate of {front.file}", f"{missing} is not there.")
        else:
            placed.put_secret("services.frontend.ssl_cert", held[0], front.certificate)
            placed.put_secret("services.frontend.ssl_key", held[1], front.key)
        if "/letsencrypt/" in front.certificate or "/acme" in front.certificate:
            placed.leave_out(
                "the renewal of its certificate",
                f"{front.certificate} is renewed at the old one only.",
                "services.frontend.tls: acme, without ssl_cert and ssl_key, once the name leads"
                " to the new instance.",
            )
    elif own or (front and front.encrypts):
        by = "autotls" if own else f"the certificate that {front.program if front else ''} gets"
        placed.leave_out(
            by,
            "cannot be asked for here while the name leads to the old one.",
            "A self-signed one is made; services.frontend.tls: acme, once the name leads here.",
        )
    elif parts.scheme == "https" and not front:
        placed.leave_out(
            "what encrypts in front of it",
            "is not at the source.",
            "services.frontend.trusted_proxies takes its address; until then the new instance has"
            " a certificate of its own.",
        )


def _port(placed: Placed, name: str, port: int, usual: int, origin: str) -> None:
    if port == usual:
        return
    if port in _TAKEN:
        placed.leave_out(
            f"port {port}", "is the application's own in the container.",
            f"services.frontend.{name} is {usual}, or say another one.",
        )  # fmt: skip
    else:
        placed.put(f"services.frontend.{name}", port, origin)


def place_database(found: Found, placed: Placed) -> None:
    """Of the same kind, in the new container: the old one keeps its own."""
    database = found.database
    kind = found.settings.get("database_type")
    placed.put(
        "database.type", database.type, origin_of("database_type", kind) if kind else OWN_DEFAULT
    )
    if database.type == "sqlite":
        return
    for name, value in (("name", database.name), ("user", database.user)):
        setting = found.settings.get(f"database_{'database' if name == 'name' else name}")
        if setting and value != "vikunja":
            placed.put(f"database.{name}", value, origin_of(f"database.{name}", setting))
    if database.outside:
        placed.leave_out(
            f"the database's server {database.host}",
            "the old one keeps its database there; the new instance has one in its container.",
            "For one on that server: database.host, user, password_file, and a database.name that"
            " is not the old one's.",
        )

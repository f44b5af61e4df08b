"""Names of the site, and what stands before it; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from tasks.config.finding import Finding, Key, parse, quoted, value_at
from tasks.model.certificate_names import LETS_ENCRYPT, is_public

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

_DOMAIN = parse("network.domain")
_FRONTEND: Key = ("services", "frontend")


def site(document: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _names(document)
    frontend = value_at(document, "services.frontend")
    if isinstance(frontend, Mapping):
        yield from _tls(frontend)
        if frontend.get("tls") == "acme":
            yield from _acme(document, frontend.get("acme") or {})
        yield from _proxies(frontend)
        yield from _public_url(document, frontend)


def _names(document: Mapping[str, Any]) -> Iterator[Finding]:
    domain = value_at(document, "network.domain")
    if isinstance(domain, str) and (finding := name_finding(domain, _DOMAIN)):
        yield finding
    for index, name in enumerate(value_at(document, "network.aliases") or ()):
        key = ("network", "aliases", index)
        if isinstance(name, str) and (finding := name_finding(name, key)):
            yield finding
        elif name == domain:
            yield Finding(key, "is network.domain already", "Remove it.")


def name_finding(name: str, key: Key = _DOMAIN) -> Finding | None:
    """What is wrong with a name or an address that a site is to have, if anything is."""
    if is_address(name):
        return None
    what = f"{quoted(name)} is not a name that a site can have"
    if not name.isascii():
        try:
            return Finding(key, what, f"Write it as {name.encode('idna').decode()}")
        except UnicodeError:
            return Finding(key, what)
    if name.endswith("."):
        return Finding(key, what, "Leave out the dot at its end.")
    if name.startswith("*."):
        return Finding(key, what, "Name one site; a wildcard goes into the certificate only.")
    labels = name.split(".")
    if labels[-1].isdigit():
        return Finding(key, what, "Nor is it an address.")
    if len(name) > 253:
        return Finding(key, what, "It may have 253 characters at most.")
    for label in labels:
        if not _LABEL.fullmatch(label):
            return Finding(key, what, f"The part {quoted(label)} is not allowed.")
    return None


def is_address(name: str) -> bool:
    """Whether a name is an address instead."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _tls(frontend: Mapping[str, Any]) -> Iterator[Finding]:
    tls, given = frontend.get("tls"), frontend.get("ssl_cert")
    if tls == "files" and not given:
        yield Finding((*_FRONTEND, "tls"), "files: which ones?", "Give ssl_cert and ssl_key.")
    elif tls in ("self-signed", "acme", "off") and given:
        what = f"does not go with tls: {tls}"
        yield Finding((*_FRONTEND, "ssl_cert"), what, "Remove one of the two.")


def _acme(document: Mapping[str, Any], acme: Mapping[str, Any]) -> Iterator[Finding]:
    domain = value_at(document, "network.domain")
    key = (*_FRONTEND, "tls")
    if isinstance(domain, str) and is_address(domain):
        what = f"acme gives certificates for names, and {quoted(domain)} is an address"
        yield Finding(key, what, "Give network.domain a name, or use self-signed.")
    elif isinstance(domain, str) and not is_public(domain) and LETS_ENCRYPT in acme["server"]:
        what = f"no public authority gives a certificate for {quoted(domain)}"
        hint = "Use self-signed, or name an ACME server of your own in acme.server."
        yield Finding(key, what, hint)
    dns = acme.get("dns") or {}
    for name in ("provider", "credentials_file"):
        # What is wrong in itself is not there any more.
        if acme.get("challenge") == "dns" and name in dns and not dns[name]:
            yield Finding((*_FRONTEND, "acme", "dns", name), "challenge: dns needs it")
        elif acme.get("challenge") == "http" and dns.get(name):
            what = "does not go with challenge: http"
            yield Finding((*_FRONTEND, "acme", "dns", name), what, "Make it challenge: dns.")


def _proxies(frontend: Mapping[str, Any]) -> Iterator[Finding]:
    trusted = frontend.get("trusted_proxies") or ()
    for index, text in enumerate(trusted):
        key = (*_FRONTEND, "trusted_proxies", index)
        if isinstance(text, str) and (finding := _proxy_finding(text, trusted[:index], key)):
            yield finding
    if frontend.get("proxy_protocol") is True and not trusted:
        hint = "Name the proxy's own address: nobody else is believed."
        yield Finding((*_FRONTEND, "trusted_proxies"), "proxy_protocol needs it", hint)


def _proxy_finding(text: str, earlier: Sequence[object], key: Key) -> Finding | None:
    """What is wrong with an address or a subnet that is to be believed, if anything is."""
    subnet = _subnet(text)
    if subnet is None:
        return Finding(key, f"{quoted(text)} is not an address or a subnet, such as 192.168.1.2")
    if subnet.prefixlen == 0:
        what = f"{quoted(text)} is everybody: any client could say that it is another one"
        return Finding(key, what, "Name the proxy's own address.")
    address = text.partition("/")[0]
    if ip_address(address) != subnet.network_address:
        # nginx takes the subnet, with a warning at every start; who meant the one trusts them all.
        what = f"{quoted(text)} is one address, and its subnet is another: which of the two?"
        return Finding(key, what, f"Write {address} for it alone, or {subnet} for all of them.")
    if subnet in [_subnet(one) for one in earlier if isinstance(one, str)]:
        return Finding(key, f"{quoted(text)} is there already", "Remove one of the two.")
    return None


def _subnet(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _public_url(document: Mapping[str, Any], frontend: Mapping[str, Any]) -> Iterator[Finding]:
    url = frontend.get("public_url")
    if not isinstance(url, str):
        return
    host = urlsplit(url).hostname
    names = (value_at(document, "network.domain"), *(value_at(document, "network.aliases") or ()))
    if host not in names:
        what = f"{quoted(str(host))} is not a name of this site"
        hint = "Make it network.domain, or one of network.aliases."
        yield Finding((*_FRONTEND, "public_url"), what, hint)

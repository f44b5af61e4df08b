"""Whether a certificate and a key are PEM, belong together and still hold; stdlib only."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from tasks.config.finding import Finding, Key

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_PRIVATE_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----")
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")

# OpenSSL's reasons, the last one for a key of another kind (RSA, EC).
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class Pair(Struct, frozen=True):
    """Keys of a section that name a certificate and its private key."""

    section: Key
    certificate: str
    key: str

    def of(self, name: str) -> Key:
        return (*self.section, name)


FRONTEND = Pair(("services", "frontend"), "ssl_cert", "ssl_key")
DATABASE_CLIENT = Pair(("database", "tls"), "cert_file", "key_file")


def certificate_findings(
    section: Mapping[str, Any], contents: Mapping[str, bytes], pair: Pair = FRONTEND
) -> Iterator[Finding]:
    """contents: the bytes of certificate and key, by their keys, of those that could be read."""
    certificate = key = None
    if pair.certificate in contents:
        path = section[pair.certificate]
        certificate = _CERTIFICATE.search(contents[pair.certificate])
        if finding := one_certificate(pair.of(pair.certificate), path, contents[pair.certificate]):
            yield finding
            certificate = None
    if pair.key in contents:
        path = section[pair.key]
        key = _PRIVATE_KEY.search(contents[pair.key])
        if _ENCRYPTED.search(contents[pair.key]):
            hint = "Take the passphrase off: openssl pkey -in KEY -out NEW"
            yield Finding(pair.of(pair.key), f"{path} is protected by a passphrase", hint)
            key = None
        elif not key:
            yield Finding(pair.of(pair.key), f"{path} holds no private key in PEM form", _PEM)
    if certificate and key and (finding := _pair(section, pair)):
        yield finding


def authority_finding(key: Key, path: str, content: bytes) -> Finding | None:
    """What is wrong with the certificates of a file that everybody in the container may read."""
    if _PRIVATE_KEY.search(content) or _ENCRYPTED.search(content):
        hint = "Give a file that holds the certificate alone; the key stays with its authority."
        return Finding(key, f"{path} holds a private key", hint)
    found = _CERTIFICATE.findall(content)
    if not found:
        return Finding(key, f"{path} holds no certificate in PEM form", _PEM)
    try:
        for pem in found:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
                cadata=pem.decode("ascii")
            )
    except (ssl.SSLError, ValueError):
        return Finding(key, f"{path} holds a damaged certificate")
    return _validity(key, path, found[0]) if len(found) == 1 else None


_PEM = "PEM is the text form that starts with -----BEGIN"


def one_certificate(key: Key, path: str, content: bytes) -> Finding | None:
    """What is wrong with the first certificate of a file."""
    found = _CERTIFICATE.search(content)
    if not found:
        return Finding(key, f"{path} holds no certificate in PEM form", _PEM)
    return _validity(key, path, found[0])


def _pair(section: Mapping[str, Any], pair: Pair) -> Finding | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    where = pair.of(pair.key)
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(section[pair.certificate], section[pair.key], password=lambda: "")
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            hint = "Give the key that the certificate was made with."
            return Finding(where, f"is not the key of {pair.certificate}", hint)
        hint = "Check it: openssl pkey -noout -in KEY"
        return Finding(where, f"cannot be used with {pair.certificate}", hint)
    except OSError as error:
        return Finding(where, f"cannot be read: {error.strerror}")
    return None


def _validity(key: Key, path: str, pem: bytes) -> Finding | None:
    try:
        start, end = validity(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")))
    except (ValueError, IndexError):
        return Finding(key, f"{path} holds a damaged certificate")
    now = datetime.now(UTC)
    if now > end:
        return Finding(key, f"{path} expired on {end:%Y-%m-%d}", "Give a renewed one.")
    if now < start:
        return Finding(key, f"{path} is valid from {start:%Y-%m-%d} only")
    return None


def validity(der: bytes) -> tuple[datetime, datetime]:
    """From when to when a certificate holds (RFC 5280, 4.1). Raises ValueError or IndexError.

    The ssl module tells this only of a connection's peer.
    """
    _, certificate = _element(der, 0)
    _, body = _element(der, certificate.start)
    start = body.start
    tag, element = _element(der, start)
    # The version is left out for version 1; then follow serial number, algorithm and issuer.
    for _ in range(4 if tag == 0xA0 else 3):
        _, element = _element(der, start)
        start = element.stop
    _, times = _element(der, start)
    _, first = _element(der, times.start)
    start_tag, _ = _element(der, times.start)
    end_tag, second = _element(der, first.stop)
    return _time(start_tag, der[first]), _time(end_tag, der[second])


def _element(der: bytes, at: int) -> tuple[int, slice]:
    """Tag and content of the element that starts there."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    if start + length > len(der):
        raise ValueError("an element is longer than what holds it")
    return tag, slice(start, start + length)


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == 0x17:
        # UTCTime has two digits of the year: 50 and above are of the last century.
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)

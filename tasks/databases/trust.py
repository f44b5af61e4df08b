"""Whether a server outside is reached over TLS as database.tls says, asked from this machine before
anything is made: both engines begin in clear and go on encrypted (STARTTLS).

Where the server does not answer this machine, it stays unknown: the container may still reach it.
"""

from __future__ import annotations

import socket
import ssl
import struct

from msgspec import Struct

from tasks.errors import DatabaseError
from tasks.model.instance import DatabaseType, Instance
from tasks.model.layout import database_port

SECONDS = 5.0

_CLIENT_SSL = 0x0800
_SSL_REQUEST = struct.pack("<IIB23x", 0x00088A00, 1 << 24, 45)
"""Capabilities (protocol 4.1, TLS, secure connection, plugins), the largest packet, utf8mb4."""

_POSTGRESQL_REQUEST = struct.pack("!II", 8, 80877103)


class Distrust(Struct, frozen=True):
    """Why it is not reached so, and what to do. issuer: for who has issued its certificate."""

    what: str
    hint: str
    issuer: bool = False


def refuse_untrusted(instance: Instance) -> Distrust | None:
    """Raise DatabaseError where the server outside is not reached as database.tls says.

    Returns what only this machine has against it, where it is the container that knows whom it
    trusts.
    """
    desired = instance.database
    if desired.host is None or desired.type == "sqlite":
        return None
    context = tls_context(instance)
    if context is None:
        return None
    port = database_port(instance)
    found = distrust(desired.type, desired.host, port, context)
    # Without ca_file it is the container that knows whom it trusts.
    if found is not None and (desired.tls.ca_file or not found.issuer):
        raise DatabaseError(
            f"{desired.type} at {desired.host}:{port} is not reached as database.tls.mode "
            f"{desired.tls.mode} says: {found.what}",
            where=instance.id,
            hint=found.hint,
        )
    return found


def tls_context(instance: Instance) -> ssl.SSLContext | None:
    """As the instance connects; None where it does not encrypt. Raises OSError for a file that
    cannot be used; a configuration's were, when it was loaded."""
    tls = instance.database.tls
    if tls.mode in (None, "disable"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.mode == "verify-full"
    if tls.mode == "require":
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca_file is None:
        context.load_default_certs()
        for authority in instance.network.trusted_ca:
            context.load_verify_locations(authority)
    else:
        context.load_verify_locations(tls.ca_file)
    if tls.cert_file is not None:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
    return context


def distrust(
    engine: DatabaseType, host: str, port: int, context: ssl.SSLContext, seconds: float = SECONDS
) -> Distrust | None:
    """None where all is well, and where the server does not answer this machine."""
    try:
        plain = socket.create_connection((host, port), timeout=seconds)
    except OSError:
        return None
    with plain:
        try:
            encrypts = _greeted(plain) if engine == "mysql" else _asked(plain)
        except OSError:
            return None
        if encrypts is None:
            return None
        if not encrypts:
            return Distrust(
                "the server does not encrypt",
                "Set up TLS there, or database.tls.mode: disable where nobody is between",
            )
        try:
            context.wrap_socket(plain, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            return _mistrusted(error)
        except (OSError, ValueError) as error:
            return Distrust(
                f"no TLS comes about: {getattr(error, 'reason', None) or error}",
                "Check the certificate and the versions of TLS that the server takes",
            )
    return None


def _mistrusted(error: ssl.SSLCertVerificationError) -> Distrust:
    said = error.verify_message.rstrip(".")
    # OpenSSL's numbers, X509_V_ERR_….
    match error.verify_code:
        case 10:  # CERT_HAS_EXPIRED
            return Distrust("its certificate has expired", "Renew it on the server")
        case 9:  # CERT_NOT_YET_VALID
            return Distrust("its certificate is not valid yet", "Check the clocks of both machines")
        case 62 | 64:  # HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
            return Distrust(
                f"its certificate is for another name: {said}",
                "Set database.host to a name that it has, or give the server a certificate with "
                "this one",
            )
    return Distrust(
        f"its certificate is not trusted: {said}",
        "Set database.tls.ca_file to the certificate of the authority that issued it, or name that "
        "in network.trusted_ca",
        issuer=True,
    )


def _asked(plain: socket.socket) -> bool | None:
    """Whether PostgreSQL encrypts; None where what answers is no PostgreSQL."""
    plain.sendall(_POSTGRESQL_REQUEST)
    return {b"S": True, b"N": False}.get(plain.recv(1))


def _greeted(plain: socket.socket) -> bool | None:
    """Whether MySQL encrypts, which has been asked for then; None where it greets us not."""
    head = _exactly(plain, 4)
    greeting = _exactly(plain, int.from_bytes(head[:3], "little"))
    # Protocol 10, the version, the connection's number and a part of a challenge.
    version, _, rest = greeting[1:].partition(b"\0")
    if greeting[:1] != b"\x0a" or not version or len(rest) < 15:
        return None
    if not int.from_bytes(rest[13:15], "little") & _CLIENT_SSL:
        return False
    plain.sendall(len(_SSL_REQUEST).to_bytes(3, "little") + b"\1" + _SSL_REQUEST)
    return True


def _exactly(plain: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = plain.recv(size - len(found))
        if not more:
            raise ConnectionError("the server has closed the connection")
        found += more
    return found

"""How new a PostgreSQL server outside is, asked from this machine before there is a container.

A server says it to whoever has logged in, so this logs in as the application would: by
SCRAM-SHA-256 or MD5, encrypted where the server can. Where it lets this machine not in, it stays
unknown.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import socket
import ssl
import struct
import unicodedata

from tasks.errors import DatabaseError
from tasks.given import GivenFiles
from tasks.model.instance import Instance
from tasks.services import database_port, database_user

CLIENTS = {"bookworm": 15, "trixie": 17}
"""By Debian release: the version of PostgreSQL whose programs it has."""

SECONDS = 5.0
MOST_BYTES = 1 << 20
MOST_ROUNDS = 1 << 20
"""What is believed of a server that nobody has proven yet."""


class _Silent(Exception):
    """It does not say, or says what is not understood."""


def refuse_newer_server(instance: Instance, given: GivenFiles) -> None:
    """Raise DatabaseError where a new container's programs could never copy the database outside:
    the server is newer. Where it does not say how new it is, nothing is known against it."""
    wished = instance.database
    own = CLIENTS.get(instance.suite)
    if wished.type != "postgresql" or wished.host is None or own is None:
        return
    port = database_port(instance)
    logins = [(database_user(instance), given.database_password, wished.name)]
    if wished.admin_user and given.admin_password is not None:
        logins.append((wished.admin_user, given.admin_password, "postgres"))
    version = None
    for user, password, name in logins:
        version = server_version(wished.host, port, user, password or b"", name)
        if version is not None:
            break
    if version is None or version <= own:
        return
    newer = [f"{suite} ({has})" for suite, has in CLIENTS.items() if has >= version]
    raise DatabaseError(
        f"PostgreSQL {version} at {wished.host}:{port} is newer than the programs of PostgreSQL "
        f"{own} that Debian {instance.suite} has: no backup would ever be possible",
        where=instance.id,
        hint=(
            f"Make the container of a newer Debian: {', '.join(newer)}"
            if newer
            else f"Use a server of PostgreSQL {max(CLIENTS.values())} or older"
        ),
    )


def server_version(
    host: str, port: int, user: str, password: bytes, database: str, seconds: float = SECONDS
) -> int | None:
    """The first number of its version; None where it does not tell us."""
    try:
        plain = socket.create_connection((host, port), timeout=seconds)
        with plain, _encrypted(plain) as connection:
            return _log_in(connection, user, password, database)
    except (OSError, _Silent, ValueError, KeyError, struct.error):
        return None


def _encrypted(plain: socket.socket) -> socket.socket:
    plain.sendall(struct.pack("!ii", 8, 80877103))
    if _exactly(plain, 1) != b"S":
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def _log_in(connection: socket.socket, user: str, password: bytes, database: str) -> int:
    words = ("user", user, "database", database)
    start = b"".join(word.encode() + b"\0" for word in words) + b"\0"
    connection.sendall(struct.pack("!ii", len(start) + 8, 3 << 16) + start)
    scram = Scram(password)
    while True:
        kind, body = _message(connection)
        if kind == b"S" and body.startswith(b"server_version\0"):
            found = re.match(rb"\d+", body.split(b"\0")[1])
            if found is None:
                raise _Silent
            return int(found[0])
        if kind == b"R":
            answer = _answer(body, user, password, scram)
            if answer:
                connection.sendall(b"p" + struct.pack("!i", len(answer) + 4) + answer)
        elif kind != b"S":
            raise _Silent


def _answer(asked: bytes, user: str, password: bytes, scram: Scram) -> bytes:
    """What it wants to hear before it lets us in; nothing where it wants nothing."""
    (how,) = struct.unpack("!i", asked[:4])
    if how in (0, 12):
        return b""
    if how == 5:
        inner = hashlib.md5(password + user.encode(), usedforsecurity=False).hexdigest().encode()
        outer = hashlib.md5(inner + asked[4:8], usedforsecurity=False).hexdigest()
        return f"md5{outer}".encode() + b"\0"
    if how == 10 and b"SCRAM-SHA-256" in asked[4:].split(b"\0"):
        first = b"n,," + scram.first
        return b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first
    if how == 11:
        return scram.proof(asked[4:])
    raise _Silent


class Scram:
    """One login by RFC 5802 with SHA-256, without binding to a channel."""

    def __init__(self, password: bytes, nonce: str = "") -> None:
        text = unicodedata.normalize("NFKC", password.decode(errors="surrogateescape"))
        self._password = text.encode(errors="surrogateescape")
        self._nonce = nonce or secrets.token_urlsafe(18)
        self.first = f"n=,r={self._nonce}".encode()

    def proof(self, challenge: bytes) -> bytes:
        """The answer to `r=NONCE,s=SALT,i=ROUNDS`."""
        words = dict(word.split(b"=", 1) for word in challenge.split(b","))
        rounds = int(words[b"i"])
        if not words[b"r"].startswith(self._nonce.encode()) or rounds > MOST_ROUNDS:
            raise _Silent
        salt = base64.b64decode(words[b"s"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        bare = b"c=biws,r=" + words[b"r"]
        signed = b",".join((self.first, challenge, bare))
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        return bare + b",p=" + base64.b64encode(proof)


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(connection, 1)
    (length,) = struct.unpack("!i", _exactly(connection, 4))
    if not 4 <= length <= MOST_BYTES:
        raise _Silent
    return kind, _exactly(connection, length - 4)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise _Silent
        data += piece
    return data

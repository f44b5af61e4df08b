"""Whether a server outside is reached over TLS as configured, asked before anything is made: with
OpenSSL on both sides, and the few bytes with which either engine goes over to it."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, new_authority
from instance_samples import sample_instance

from tasks.checks import database
from tasks.databases.trust import refuse_untrusted
from tasks.errors import DatabaseError
from tasks.model.finding import World
from tasks.model.instance import Instance
from tasks.paths import Paths

GREETING = b"\x0a11.8.3-MariaDB\0" + bytes(13)
"""Up to the capabilities."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = new_authority(tmp_path_factory.mktemp("authority"))
    made.issue("good", names="IP:127.0.0.1")
    made.issue("elsewhere", names="IP:192.0.2.1,DNS:db.example.com")
    made.issue("expired", names="IP:127.0.0.1", days=0)
    made.issue("client")
    return made


def hello(peer: socket.socket, kind: str, encrypts: bool) -> bool:
    """What the engine says before TLS; whether it goes on to that."""
    if kind == "postgresql":
        assert peer.recv(8) == struct.pack("!II", 8, 80877103)
        peer.sendall(b"S" if encrypts else b"N")
    elif kind == "mysql":
        said = GREETING + (0xFFFE if encrypts else 0xF7FE).to_bytes(2, "little") + bytes(9)
        peer.sendall(len(said).to_bytes(3, "little") + b"\0" + said)
        if encrypts:
            request = peer.recv(36)
            if not request:
                # Who only asks whether something answers.
                return False
            assert request[:4] == b"\x20\0\0\x01"
            assert int.from_bytes(request[4:8], "little") & 0x0800
    else:
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return False
    return encrypts


@contextmanager
def server(kind: str, certificate: Path, *, encrypts: bool = True) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            with peer:
                try:
                    if hello(peer, kind, encrypts):
                        context.wrap_socket(peer, server_side=True).close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def instance(kind: str, port: int, **tls: Any) -> Instance:
    return sample_instance(
        database={
            "type": kind,
            "host": "127.0.0.1",
            "port": port,
            "password_file": "/nowhere",
            "tls": {name: value if name == "mode" else str(value) for name, value in tls.items()},
        }
    )


WRONG = {
    "expired": ("its certificate has expired", "Renew it on the server"),
    "elsewhere": (
        "its certificate is for another name: IP address mismatch, certificate is not valid for "
        "'127.0.0.1'",
        "Set database.host to a name that it has, or give the server a certificate with this one",
    ),
}


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_certificate_is_one_line(
    authority: Authority, kind: str, name: str
) -> None:
    what, hint = WRONG[name]
    with server(kind, authority.folder / f"{name}.pem") as port:
        desired = instance(kind, port, mode="verify-full", ca_file=authority.certificate)
        with pytest.raises(DatabaseError) as failure:
            refuse_untrusted(desired)
        server_said = (
            f"{kind} at 127.0.0.1:{port} is not reached as database.tls.mode verify-full says"
        )
        assert failure.value.what == f"{server_said}: {what}"
        assert failure.value.hint == hint
        refuse_untrusted(instance(kind, port, mode="require"))


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_certificate_of_another_authority_is_refused_where_that_is_known_here(
    authority: Authority, tmp_path: Path, kind: str
) -> None:
    other = new_authority(tmp_path / "other")
    with server(kind, authority.folder / "good.pem") as port:
        refuse_untrusted(instance(kind, port, mode="verify-full", ca_file=authority.certificate))
        with pytest.raises(DatabaseError, match="its certificate is not trusted: ") as failure:
            refuse_untrusted(instance(kind, port, mode="verify-full", ca_file=other.certificate))
        assert "database.tls.ca_file" in failure.value.hint
        # Whom the container trusts is not known here, but for those that are configured.
        doubted = refuse_untrusted(instance(kind, port, mode="verify-full"))
        assert doubted is not None
        assert doubted.what.startswith("its certificate is not trusted: ")
        assert "network.trusted_ca" in doubted.hint
        for trusted, well in ((authority, True), (other, False)):
            desired = instance(kind, port, mode="verify-full")
            network = {**desired.document["network"], "trusted_ca": [str(trusted.certificate)]}
            document = {**desired.document, "network": network}
            known = sample_instance(**document)
            assert (refuse_untrusted(known) is None) == well


def test_check_warns_where_this_machine_would_not_trust_the_server(
    authority: Authority, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    with server("mysql", authority.folder / "good.pem") as port:
        for trusted, levels in ((), ["ok", "warning"]), ((authority.certificate,), ["ok"]):
            desired = instance("mysql", port, mode="verify-full").document
            document = {
                **desired,
                "database": {**desired["database"], "password_file": str(password)},
                "network": {**desired["network"], "trusted_ca": [*map(str, trusted)]},
            }
            world = World(sample_instance(**document), Paths(tmp_path / "prefix"), lambda: None)
            found = list(database.check(world))
            assert [one.level for one in found] == levels
            if not trusted:
                assert "this machine would not trust 127.0.0.1" in found[1].what


def test_another_name_is_nothing_to_who_asks_for_none(authority: Authority) -> None:
    with server("postgresql", authority.folder / "elsewhere.pem") as port:
        refuse_untrusted(
            instance("postgresql", port, mode="verify-ca", ca_file=authority.certificate)
        )


def test_a_client_certificate_is_shown(authority: Authority) -> None:
    pair = {
        "cert_file": authority.folder / "client.pem",
        "key_file": authority.folder / "client.key",
    }
    with server("postgresql", authority.folder / "good.pem") as port:
        refuse_untrusted(instance("postgresql", port, mode="require", **pair))


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_server_that_does_not_encrypt_is_refused_where_it_has_to(
    authority: Authority, kind: str
) -> None:
    with server(kind, authority.folder / "good.pem", encrypts=False) as port:
        with pytest.raises(DatabaseError, match="the server does not encrypt"):
            refuse_untrusted(instance(kind, port, mode="require"))
        for mode in ("disable", None):
            refuse_untrusted(instance(kind, port, mode=mode))


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_of_what_is_no_such_server_nothing_is_known(authority: Authority, kind: str) -> None:
    with server("http", authority.folder / "good.pem") as port:
        refuse_untrusted(instance(kind, port, mode="require"))
    refuse_untrusted(instance(kind, port, mode="require"))
    refuse_untrusted(sample_instance(database={"type": "sqlite"}))

"""Servers of the application's settings, asked by the real curl of this machine, on loopback."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bucket_server import bucket_server
from directory_server import DirectoryServer
from instance_samples import sample_instance
from mail_server import MailServer

from tasks.checks import settings
from tasks.containers.base import ContainerFacts
from tasks.errors import ResourceError
from tasks.host.process import Completed, run
from tasks.model.finding import Finding, World
from tasks.paths import Paths

PASSWORD = 'p"a\\ss wörd'
BASE = "ou=people,dc=example,dc=com"
BIND = "cn=vikunja,dc=example,dc=com"


def found(paths: Paths, trusted: Sequence[Path] = (), **vikunja: Any) -> list[Finding]:
    network = {**sample_instance().document["network"], "trusted_ca": [*map(str, trusted)]}
    instance = sample_instance(vikunja=vikunja, network=network)
    return list(settings.check(World(instance, paths, lambda: None)))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "prefix")


@pytest.fixture
def password(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return str(file)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a certificate for localhost, which curl trusts."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-keyout", "k.pem", "-out", "c.pem", "-days", "2", "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "c.pem"))
    return made


def mailer(server: MailServer, password: str, **more: Any) -> dict[str, Any]:
    return {
        "host": "localhost",
        "port": server.port,
        "from": "a@example.com",
        "user": "vikunja",
        "password_file": password,
        **more,
    }


def test_without_such_settings_nothing_is_asked(paths: Paths) -> None:
    assert found(paths) == []


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_a_mail_server_that_takes_the_login_is_all_right(
    paths: Paths, password: str, context: ssl.SSLContext, encryption: str
) -> None:
    at_once = encryption == "tls"
    with MailServer(context, at_once=at_once, login=f"vikunja:{PASSWORD}") as server:
        (one,) = found(paths, mailer=mailer(server, password, encryption=encryption))

    assert (one.level, one.topic) == ("ok", "mail")
    assert one.what == (
        f"mail server localhost:{server.port}, login of vikunja: answers this machine (there is no "
        "container to ask yet)"
    )
    assert server.received == []


def test_a_wrong_password_is_said_and_never_shown(
    paths: Paths, password: str, context: ssl.SSLContext
) -> None:
    with MailServer(context, login="vikunja:another") as server:
        (one,) = found(paths, mailer=mailer(server, password))

    # What this machine is told is no proof of what the container is.
    assert (one.level, one.exit_code) == ("warning", 0)
    assert "Login denied" in one.what
    assert one.hint.startswith("Check vikunja.mailer.user and password_file")
    assert PASSWORD not in str(one)


def test_a_server_without_starttls_is_told_from_one_that_is_not_there(
    paths: Paths, password: str
) -> None:
    with MailServer(login=f"vikunja:{PASSWORD}") as server:
        (plain,) = found(paths, mailer=mailer(server, password))
        (allowed,) = found(paths, mailer=mailer(server, password, encryption="none"))
    (gone,) = found(paths, mailer=mailer(server, password))

    assert plain.hint.startswith("It offers no STARTTLS there")
    assert allowed.level == "ok"
    assert "refused" in gone.what or "connect" in gone.what
    assert gone.hint.startswith("Check the name, the port")


def test_a_certificate_that_nobody_vouches_for_is_said_unless_it_may_be_so(
    paths: Paths, password: str, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CURL_CA_BUNDLE")
    with MailServer(context, login=f"vikunja:{PASSWORD}") as server:
        wanted = mailer(server, password)
        (refused,) = found(paths, mailer=wanted)
        (taken,) = found(paths, mailer=wanted, environment={"VIKUNJA_mailer_skiptlsverify": "true"})

    assert refused.hint.startswith("The certificate has to be of an authority")
    assert "certificate" in refused.what and "webpage" not in refused.what
    assert taken.level == "ok"


def test_starttls_is_taken_where_it_is_offered_as_the_application_does(
    paths: Paths, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"host": "localhost", "from": "a@example.com", "encryption": "none"}
    with MailServer(context) as server:
        (good,) = found(paths, mailer={**wanted, "port": server.port})
        monkeypatch.delenv("CURL_CA_BUNDLE")
        (refused,) = found(paths, mailer={**wanted, "port": server.port})

    assert good.level == "ok"
    assert "certificate" in refused.what
    assert refused.hint.startswith("It offers STARTTLS, which Vikunja then takes")


def test_an_authority_is_trusted_before_an_apply_has_brought_it(
    paths: Paths, context: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CURL_CA_BUNDLE")
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-keyout", "/dev/null", "-out", "other.pem", "-subj", "/CN=another"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    with MailServer(context) as server:
        wanted = {"host": "localhost", "port": server.port, "from": "a@example.com"}
        both, other = [tmp_path / "other.pem", tmp_path / "c.pem"], [tmp_path / "other.pem"]
        (before,) = found(paths, both, mailer=wanted)
        monkeypatch.setattr(settings, "container_for", lambda *_: Inside())
        (inside,) = found(paths, both, mailer=wanted)
        (stranger,) = found(paths, other, mailer=wanted)

    assert [before.level, inside.level] == ["ok", "ok"]
    assert inside.what.endswith("answers the container")
    assert (stranger.level, stranger.exit_code) == ("problem", 6)
    assert "network.trusted_ca" in stranger.hint


@contextmanager
def provider(document: bytes | None = None) -> Iterator[str]:
    """A provider's address, below which is this document, or the one that it should be."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/realm/.well-known/openid-configuration"
            self.send_response(200 if there else 404)
            self.end_headers()
            own = f"http://{self.headers['Host']}/realm"
            right = json.dumps({"issuer": own}).encode() if document is None else document
            self.wfile.write(right if there else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def openid(url: str, secret: str) -> dict[str, Any]:
    one = {"name": "Login", "url": url, "client_id": "a", "client_secret_file": secret}
    return {"openid": [one]}


def test_a_provider_calls_itself_as_it_is_called(paths: Paths, password: str) -> None:
    with provider(b"") as address:
        pass
    issuer = f"{address}/realm"
    with provider(json.dumps({"issuer": "https://login.example.com/"}).encode()) as address:
        (other,) = found(paths, auth=openid(f"{address}/realm", password))
        (nowhere,) = found(paths, auth=openid(f"{address}/other", password))
    with provider(b"<html>") as address:
        (page,) = found(paths, auth=openid(f"{address}/realm", password))
    (gone,) = found(paths, auth=openid(issuer, password))

    assert other.what.endswith("is told: it calls itself https://login.example.com/")
    assert other.hint == "Write that as its url, by the letter: https://login.example.com/"
    assert "404" in nowhere.what and nowhere.hint.startswith("Check its url")
    assert page.what.endswith("what is there is no discovery document")
    assert gone.hint.startswith("Check the name, the port")


def test_a_provider_that_is_what_it_says_is_all_right(
    paths: Paths, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of this machine's environment nothing counts.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with provider() as address:
        (one,) = found(paths, auth=openid(f"{address}/realm", password))

    assert (one.level, one.topic) == ("ok", "openid"), one


def ldap(server: DirectoryServer, password: str, **more: Any) -> dict[str, Any]:
    one = {
        "host": "127.0.0.1",
        "port": server.port,
        "tls": False,
        "base_dn": BASE,
        "user_filter": "(uid=%[1]s)",
        "bind_dn": BIND,
        "bind_password_file": password,
        **more,
    }
    return {"ldap": one}


def test_a_directory_takes_the_login_and_has_the_base(paths: Paths, password: str) -> None:
    with DirectoryServer((BIND, PASSWORD), BASE) as server:
        (good,) = found(paths, auth=ldap(server, password))
        (elsewhere,) = found(paths, auth=ldap(server, password, base_dn="dc=nowhere"))
        assert server.binds == [(BIND, PASSWORD)] * 2
    with DirectoryServer((BIND, "another"), BASE) as server:
        (refused,) = found(paths, auth=ldap(server, password))
    (gone,) = found(paths, auth=ldap(server, password, tls=True, verify_certificate=False))

    assert (good.level, good.topic) == ("ok", "ldap"), good
    assert good.what.startswith("directory 127.0.0.1:")
    assert elsewhere.hint.startswith("Check vikunja.auth.ldap.base_dn"), elsewhere
    assert refused.hint.startswith("Check vikunja.auth.ldap.bind_dn"), refused
    assert gone.level == "warning"


@pytest.mark.parametrize("path_style", [True, False])
def test_a_bucket_is_there_for_who_has_the_key(
    paths: Paths, password: str, path_style: bool
) -> None:
    def asked(**more: Any) -> Finding:
        s3: dict[str, Any] = {"bucket": "tasks", "access_key": "AKIA", "secret_file": password}
        s3 |= {"endpoint": endpoint, "path_style": path_style, **more}
        (one,) = found(paths, files={"type": "s3", "s3": s3})
        return one

    with bucket_server("tasks", "AKIA", PASSWORD) as server:
        endpoint = server.endpoint
        good, nowhere, stranger = asked(), asked(bucket="other"), asked(access_key="another")
    assert (good.level, good.topic) == ("ok", "s3"), good
    assert good.what.startswith(f"bucket tasks, files/, at {endpoint}: answers")
    assert "404" in nowhere.what and nowhere.hint == stranger.hint
    assert "403" in stranger.what and stranger.hint.startswith("403: check access_key")
    assert PASSWORD not in f"{good}{nowhere}{stranger}"


class Inside:
    """A container that runs, whose curl is this machine's."""

    def __init__(self, code: int | None = None, owner: str = "vikunja-main") -> None:
        self.code = code
        self.facts = ContainerFacts(True, True, owner, {})

    def observe(self) -> ContainerFacts:
        return self.facts

    def run(self, argv: list[str], *, stdin: bytes, timeout: float, check: bool) -> Completed:
        if self.code is not None:
            return Completed(tuple(argv), self.code, b"", b"curl: not found")
        return run(argv, stdin=stdin, timeout=timeout)


def test_what_the_container_is_told_is_a_problem(
    paths: Paths, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DirectoryServer((BIND, "another"), BASE) as server:
        wanted = ldap(server, password)
        monkeypatch.setattr(settings, "container_for", lambda *_: Inside())
        (inside,) = found(paths, auth=wanted)
        monkeypatch.setattr(settings, "container_for", lambda *_: Inside(127))
        (bare,) = found(paths, auth=wanted)
        monkeypatch.setattr(settings, "container_for", lambda *_: Inside(owner="somebody"))
        (strange,) = found(paths, auth=wanted)

    assert (inside.level, inside.exit_code) == ("problem", 6)
    assert ": the container is told: " in inside.what
    assert [bare.level, strange.level] == ["warning", "warning"]


def test_a_machine_that_has_no_curl_says_so(
    paths: Paths, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise ResourceError("no LXC here")

    monkeypatch.setattr(settings, "container_for", broken)
    monkeypatch.setenv("PATH", "/nowhere")
    with DirectoryServer((BIND, PASSWORD), BASE) as server:
        (one,) = found(paths, auth=ldap(server, password))

    assert one.what.endswith("not tried, this machine has no curl")
    assert one.hint == "Install it: apt-get install curl"


# The authority that certificates are asked of


@contextmanager
def answering(context: ssl.SSLContext, body: bytes, code: int = 200) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}/directory"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked_of(paths: Paths, url: str, **acme: Any) -> Finding:
    frontend = {"tls": "acme", "acme": {"server": url, **acme}}
    instance = sample_instance(services={"frontend": frontend})
    (one,) = settings.check(World(instance, paths, lambda: None))
    return one


DIRECTORY = b'{"newNonce": "https://x/n", "newOrder": "https://x/o"}'


@pytest.mark.parametrize(
    ("body", "code", "level", "what"),
    [
        (DIRECTORY, 200, "ok", "answers this machine"),
        (b"[]", 200, "warning", "what is there is no directory of ACME"),
        (b"<html>", 200, "warning", "what is there is no directory of ACME"),
        (b"", 404, "warning", "The requested URL returned error: 404"),
    ],
)
def test_an_authority_is_asked_for_its_directory(
    context: ssl.SSLContext, paths: Paths, body: bytes, code: int, level: str, what: str
) -> None:
    with answering(context, body, code) as url:
        one = asked_of(paths, url)
    assert (one.topic, one.level) == ("certificate", level)
    assert one.what.startswith(f"authority {url}: ")
    assert what in one.what
    assert level == "ok" or "services.frontend.acme.server" in one.hint


def test_one_that_does_not_answer_or_is_not_trusted_is_one_line(
    context: ssl.SSLContext, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(context, DIRECTORY) as url:
        monkeypatch.delenv("CURL_CA_BUNDLE")
        one = asked_of(paths, url)
        assert one.level == "warning" and "certificate" in one.what.lower()
        assert "services.frontend.acme.ca_file" in one.hint
        # Its own authority's certificate is this machine's file, before there is a container.
        assert asked_of(paths, url, ca_file=str(tmp_path / "c.pem")).level == "ok"
    one = asked_of(paths, url)
    assert one.level == "warning" and "\n" not in one.what
    assert "that something listens there" in one.hint


def test_the_container_is_asked_with_its_own_copy_once_that_is_there(tmp_path: Path) -> None:
    acme = sample_instance(
        services={"frontend": {"tls": "acme", "acme": {"ca_file": str(tmp_path / "c.pem")}}}
    ).services.frontend.acme
    attempt = settings.authority(acme)
    asked: list[tuple[str, ...]] = []

    class Inside:
        there = True

        def run(self, argv: list[str], **more: Any) -> Completed:
            asked.append(tuple(argv))
            if argv[0] == "test":
                return Completed(tuple(argv), 0 if self.there else 1, b"", b"")
            assert b'cacert = "/etc/vikunja/acme/authority.pem"' in more["stdin"]
            return Completed(tuple(argv), 0, DIRECTORY, b"")

    container: Any = Inside()
    done, inside = settings.ask(attempt, container)
    assert inside and done is not None and done.stdout == DIRECTORY
    assert [argv[0] for argv in asked] == ["test", "curl"]

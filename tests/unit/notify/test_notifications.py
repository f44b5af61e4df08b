"""Operations that end, and what a mail server, sendmail and an HTTP service get of it."""

from __future__ import annotations

import http.server
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance
from mail_server import MailServer

from tasks import notify
from tasks.errors import DatabaseError, DeployError
from tasks.model import operations
from tasks.model.instance import Instance
from tasks.model.operation_log import OperationName, read_entries
from tasks.model.operations import operation
from tasks.notify import mail as mailing
from tasks.paths import Paths

NAME = "vikunja-main"
PASSWORD = "geheim-7f3a"
LOCAL = {"host": "127.0.0.1", "encryption": "none"}


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    paths = Paths(tmp_path)
    with operation(paths, NAME, "deploy"):
        pass
    yield paths
    operations._listeners.clear()


def watched(warnings: list[str] | None = None, **desired: Any) -> Instance:
    instance = sample_instance(notifications=desired)
    notify.watch([instance], (warnings if warnings is not None else []).append)
    return instance


def perform(paths: Paths, name: OperationName = "backup", error: DeployError | None = None) -> None:
    """An operation; its own error, where it has one, is what it ends with."""
    try:
        with operation(paths, NAME, name):
            if error is not None:
                raise error
    except DeployError as raised:
        assert raised is error


def failing() -> DatabaseError:
    return DatabaseError("the dump failed", where=NAME, hint="Is the disk full?")


def warned(paths: Paths) -> list[str]:
    return [entry.message for entry in read_entries(paths, NAME) if entry.level == "WARN"]


def test_a_failure_is_mailed_and_so_is_the_recovery_but_not_every_success(paths: Paths) -> None:
    with MailServer() as server:
        watched(mail="smtp", sender="deploy@example.com", smtp={**LOCAL, "port": server.port})
        perform(paths)
        perform(paths, error=failing())
        perform(paths, "drill")
        perform(paths)
        perform(paths)
    titles = [one.mail["Subject"] for one in server.received]
    assert titles == ["[vikunja-main] backup failed", "[vikunja-main] backup works again"]
    first = server.received[0]
    assert (first.sender, first.recipients) == ("deploy@example.com", ["admin@example.com"])
    assert first.mail["Auto-Submitted"] == "auto-generated"
    assert "the dump failed" in first.mail.get_content()
    assert warned(paths) == []
    assert not paths.notified(NAME).exists()


def test_every_failure_is_told_and_success_where_it_is_asked_for(paths: Paths) -> None:
    with MailServer() as server:
        watched(mail="smtp", success=True, smtp={**LOCAL, "port": server.port})
        perform(paths, "start")
        perform(paths, error=failing())
        perform(paths, error=failing())
    titles = [one.mail["Subject"].partition("] ")[2] for one in server.received]
    assert titles == ["start done", "backup failed", "backup failed"]
    assert json.loads(paths.notified(NAME).read_text()).keys() == {"backup"}


def test_a_server_that_cannot_be_reached_fails_no_operation_and_is_logged(paths: Paths) -> None:
    warnings: list[str] = []
    with MailServer() as server:
        port = server.port
    watched(warnings, mail="smtp", smtp={**LOCAL, "port": port})
    perform(paths, error=failing())
    line = (
        f"Notification: the mail server 127.0.0.1:{port} did not take it: "
        "[Errno 111] Connection refused"
    )
    assert warned(paths) == [line]
    assert warnings == [f"{NAME}: {line}"]
    assert not paths.notified(NAME).exists()


def test_what_a_server_refuses_is_said_in_its_words(paths: Paths) -> None:
    with MailServer(refuse="550 no such user") as server:
        watched(mail="smtp", smtp={**LOCAL, "port": server.port})
        perform(paths, error=failing())
    assert warned(paths)[0].endswith("did not take it: 550 no such user")
    assert server.received == []


def certificate(folder: Path) -> ssl.SSLContext:
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(argv, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def login(folder: Path) -> dict[str, Any]:
    file = folder / "password"
    file.write_text(f"{PASSWORD}\n")
    return {"host": "127.0.0.1", "user": "me", "password_file": str(file)}


def test_a_login_is_said_over_tls_only(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    with MailServer(tls=context, login=f"me:{PASSWORD}") as server:
        desired = {**login(tmp_path), "port": server.port}
        watched(mail="smtp", smtp=desired)
        perform(paths, error=failing())
        assert "certificate verify failed" in warned(paths)[0]
        assert server.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        perform(paths, error=failing())
    (mail,) = server.received
    assert (mail.encrypted, mail.logins) == (True, [f"me:{PASSWORD}"])


def test_without_starttls_nothing_is_said(paths: Paths, tmp_path: Path) -> None:
    with MailServer(login=f"me:{PASSWORD}") as server:
        watched(mail="smtp", smtp={**login(tmp_path), "port": server.port})
        perform(paths, error=failing())
    assert "STARTTLS extension not supported by server" in warned(paths)[0]
    assert server.received == []


def test_with_tls_from_the_beginning_everything_is_said_over_it(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    with MailServer(tls=context, at_once=True, login=f"me:{PASSWORD}") as server:
        watched(mail="smtp", smtp={**login(tmp_path), "port": server.port, "encryption": "tls"})
        perform(paths, error=failing())
        assert "certificate verify failed" in warned(paths)[0]
        assert server.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        perform(paths, error=failing())
    (mail,) = server.received
    assert (mail.encrypted, mail.logins) == (True, [f"me:{PASSWORD}"])


def test_a_server_that_says_nothing_is_not_waited_for_without_end(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailing, "LIMIT_SECONDS", 0.2)
    with MailServer(silent=True) as server:
        watched(mail="smtp", smtp={**LOCAL, "port": server.port})
        perform(paths, error=failing())
    assert warned(paths)[0].endswith("timed out")


@pytest.mark.parametrize("address", ["o'hara@example.com", "admin@host", "a!b@example.com"])
def test_mail_goes_to_the_very_address_that_is_given(paths: Paths, address: str) -> None:
    with MailServer() as server:
        instance = sample_instance(
            notifications={"mail": "smtp", "smtp": {**LOCAL, "port": server.port}},
            admin={"email": address},
        )
        notify.watch([instance], lambda _: None)
        perform(paths, error=failing())
    (mail,) = server.received
    assert (mail.recipients, mail.mail["To"]) == ([address], address)


def test_this_machine_calls_itself_by_its_name_without_asking_for_another(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> str:
        raise AssertionError("a name server was asked")

    monkeypatch.setattr("socket.getfqdn", ask)
    with MailServer() as server:
        watched(mail="smtp", smtp={**LOCAL, "port": server.port})
        perform(paths, error=failing())
    assert [one.name for one in server.received] == [mailing.this_host()]


def test_a_wrong_password_is_told_without_it(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    warnings: list[str] = []
    with MailServer(tls=context, login="me:another") as server:
        watched(warnings, mail="smtp", smtp={**login(tmp_path), "port": server.port})
        perform(paths, error=failing())
    assert "535 5.7.8 wrong user or password" in warned(paths)[0]
    assert PASSWORD not in paths.log(NAME).read_text() + "".join(warnings)


def sendmail(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A program with sendmail's interface."""
    program = folder / "bin" / "sendmail"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return folder / "mail"


def test_sendmail_gets_the_mail_on_stdin(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = sendmail(tmp_path, monkeypatch, f'{{ echo "$@"; cat; }} >{tmp_path}/mail')
    watched(mail="sendmail", sender="deploy@example.com")
    perform(paths, error=failing())
    first, _, data = got.read_bytes().partition(b"\n")
    assert first == b"-i -f deploy@example.com -- admin@example.com"
    mail = message_from_bytes(data, policy=policy.default)
    assert mail["Subject"] == "[vikunja-main] backup failed"
    assert warned(paths) == []


def test_a_sendmail_that_fails_is_told_in_its_words(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sendmail(tmp_path, monkeypatch, "echo 'no route to example.com'; exit 75")
    watched(mail="sendmail")
    perform(paths, error=failing())
    said = "Notification: sendmail failed with exit code 75: no route to example.com"
    assert warned(paths) == [said]


@pytest.fixture
def service() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An HTTP service on loopback: its address as apprise writes it, and what it got."""
    got: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            good = "/refused" not in self.path
            if good:
                got.append(json.loads(data))
            self.send_response(200 if good else 403)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"json://127.0.0.1:{server.server_address[1]}", got
        server.shutdown()
        thread.join()


def services_file(folder: Path, *lines: str) -> str:
    file = folder / "services"
    file.write_text("\n".join(("# who is told", "", *lines)))
    return str(file)


def test_a_service_is_told_through_apprise(
    paths: Paths, tmp_path: Path, service: tuple[str, list[dict[str, Any]]]
) -> None:
    address, got = service
    watched(apprise_file=services_file(tmp_path, f"{address}/token-{PASSWORD}"))
    perform(paths, error=failing())
    perform(paths)
    assert [(one["title"], one["type"]) for one in got] == [
        ("[vikunja-main] backup failed", "failure"),
        ("[vikunja-main] backup works again", "success"),
    ]
    assert "the dump failed" in got[0]["message"]
    assert warned(paths) == []


def test_a_service_that_refuses_keeps_no_other_from_being_told_and_shows_no_address(
    paths: Paths, tmp_path: Path, service: tuple[str, list[dict[str, Any]]]
) -> None:
    address, got = service
    file = services_file(tmp_path, f"{address}/refused-{PASSWORD}", f"nosuch://{PASSWORD}", address)
    warnings: list[str] = []
    watched(warnings, apprise_file=file)
    perform(paths, error=failing())
    assert len(got) == 1
    assert warned(paths) == [
        f"Notification: {file}:3: the service did not take it",
        f"Notification: {file}:4: is no address that apprise knows",
    ]
    assert PASSWORD not in "".join(warnings)


def test_who_desired_for_none_is_not_watched(paths: Paths) -> None:
    notify.watch([sample_instance()], lambda _: None)
    assert operations._listeners == []
    perform(paths, error=failing())
    assert warned(paths) == []

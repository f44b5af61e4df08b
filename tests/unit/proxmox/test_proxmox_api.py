"""Sessions of the Proxmox VE API, against the stand-in on loopback."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pve.cluster import Token
from pve.place import SECRET, USER, Place
from pve.server import Certificate, Handler

from tasks.containers.proxmox import https as https_way
from tasks.containers.proxmox.access import Https
from tasks.containers.proxmox.api import ProxmoxerSession, open_session
from tasks.containers.proxmox.api_token import parse_token, read_token
from tasks.errors import (
    DeployError,
    LockedError,
    NetworkError,
    ResourceError,
    StalePlanError,
    UsageError,
)

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
CREATE: dict[str, Any] = {
    "vmid": 100,
    "ostemplate": TEMPLATE,
    "rootfs": "local-lvm:8",
    "net0": "name=eth0,bridge=vmbr0,ip=192.0.2.10/24,gw=192.0.2.1",
    "unprivileged": True,
    "description": "instance vikunja-main",
    "pool": None,
}


def raised(session: ProxmoxerSession, *call: Any) -> DeployError:
    with pytest.raises(DeployError) as caught:
        session.call(*call)
    return caught.value


def created(place: Place, session: ProxmoxerSession) -> None:
    place.cluster.duration = 0
    session.call("POST", "/nodes/pve/lxc", CREATE)
    place.cluster.finish_due()


def test_an_answer_is_the_same_whichever_way(place: Place, session: ProxmoxerSession) -> None:
    assert session.call("GET", "/version")["version"].startswith(f"{place.cluster.version}.")
    names = [row["node"] for row in session.call("GET", "/cluster/resources", {"type": "node"})]
    assert names == ["pve", "pve2", "pve3"]
    assert session.round_trips == 2


def test_what_takes_long_answers_with_its_task(place: Place, session: ProxmoxerSession) -> None:
    upid = session.call("POST", "/nodes/pve/lxc", CREATE)
    assert upid.startswith("UPID:pve:")
    assert upid in place.cluster.tasks


def test_booleans_travel_as_numbers_and_the_absent_not_at_all(
    place: Place, session: ProxmoxerSession
) -> None:
    session.call("POST", "/nodes/pve/lxc", CREATE)
    sent = next(values for method, _, values in place.cluster.calls if method == "POST")
    assert sent["unprivileged"] == 1
    assert "pool" not in sent


def test_text_arrives_as_it_was_given(place: Place, session: ProxmoxerSession) -> None:
    created(place, session)
    text = "-o wörld 'a' \"b\" $(id) ; & = %41 +\nsecond line"
    assert session.call("PUT", "/nodes/pve/lxc/100/config", {"description": text}) is None
    found = session.call("GET", "/nodes/pve/lxc/100/config")
    assert found["description"] == f"{text}\n"


def test_wrong_parameters_are_all_named(session: ProxmoxerSession) -> None:
    wrong = {**CREATE, "memory": 1, "net0": "bridge=vmbr0"}
    error = raised(session, "POST", "/nodes/pve/lxc", wrong)
    assert isinstance(error, UsageError)
    assert "memory: " in error.what
    assert "net0: name: " in error.what


def test_a_taken_id_is_told(place: Place, session: ProxmoxerSession) -> None:
    created(place, session)
    error = raised(session, "POST", "/nodes/pve2/lxc", CREATE)
    assert isinstance(error, ResourceError)
    assert "the container id 100 is taken" in str(error)


def test_an_unknown_storage_is_told(session: ProxmoxerSession) -> None:
    error = raised(session, "POST", "/nodes/pve/lxc", {**CREATE, "rootfs": "nowhere:8"})
    assert isinstance(error, ResourceError)
    assert "there is no storage nowhere" in str(error)


def test_a_lost_update_is_refused_by_the_digest(place: Place, session: ProxmoxerSession) -> None:
    created(place, session)
    digest = session.call("GET", "/nodes/pve/lxc/100/config")["digest"]
    session.call("PUT", "/nodes/pve/lxc/100/config", {"memory": 1024, "digest": digest})
    late = {"memory": 2048, "digest": digest}
    assert isinstance(raised(session, "PUT", "/nodes/pve/lxc/100/config", late), StalePlanError)
    assert place.cluster.guests[100].config["memory"] == 1024


def test_a_locked_container_is_told_with_its_lock(place: Place, session: ProxmoxerSession) -> None:
    created(place, session)
    place.cluster.guests[100].config["lock"] = "backup"
    error = raised(session, "POST", "/nodes/pve/lxc/100/status/start")
    assert isinstance(error, LockedError)
    assert "locked by Proxmox VE: backup" in str(error)


def test_a_node_that_is_down_is_named(place: Place, session: ProxmoxerSession) -> None:
    place.cluster.nodes["pve2"].online = False
    error = raised(session, "GET", "/nodes/pve2/lxc")
    assert isinstance(error, NetworkError)
    assert "does not reach node pve2" in str(error)


def test_a_lost_quorum_is_told(place: Place, session: ProxmoxerSession) -> None:
    place.cluster.quorate = False
    error = raised(session, "POST", "/nodes/pve/lxc", CREATE)
    assert isinstance(error, NetworkError)
    assert "no quorum" in str(error)


def test_an_error_that_nobody_knows_keeps_its_text(place: Place, session: ProxmoxerSession) -> None:
    place.cluster.inject("GET /version", 500, "unexpected ghost in storage")
    error = raised(session, "GET", "/version")
    assert type(error) is DeployError
    assert "GET /version failed: unexpected ghost in storage" in str(error)


def test_a_missing_privilege_is_named_with_its_path(place: Place, https: ProxmoxerSession) -> None:
    created(place, https)
    rights = {"/vms/100": frozenset({"VM.Audit"})}
    place.cluster.tokens[USER] = Token(SECRET, rights)
    error = raised(https, "POST", "/nodes/pve/lxc/100/status/start")
    assert isinstance(error, ResourceError)
    assert "the privilege VM.PowerMgmt on /vms/100 is missing" in str(error)
    assert "pveum acl modify /vms/100" in error.hint


def test_a_token_that_is_not_accepted_is_told(place: Place, https: ProxmoxerSession) -> None:
    place.token_file.write_text(f"{USER}=wrong\n")
    error = raised(https, "GET", "/version")
    assert isinstance(error, ResourceError)
    assert "does not accept the API token" in str(error)
    assert "wrong" not in f"{error} {error.evidence}"


# Certificates


def test_a_certificate_is_taken_by_the_authority_in_a_file(place: Place) -> None:
    by_file = replace(place.over_https, fingerprint=None, ca_file=place.certificate.file)
    with open_session(by_file) as session:
        assert session.call("GET", "/version")


def test_a_certificate_that_nothing_speaks_for_is_refused(place: Place) -> None:
    with open_session(replace(place.over_https, fingerprint=None)) as session:
        error = raised(session, "GET", "/version")
    assert isinstance(error, NetworkError)
    assert "not signed by an authority" in str(error)
    assert place.cluster.calls == []


def test_another_certificate_than_the_pinned_one_is_refused(
    place: Place, other_certificate: Certificate
) -> None:
    wrong = replace(place.over_https, fingerprint=other_certificate.fingerprint)
    with open_session(wrong) as session:
        error = raised(session, "GET", "/version")
    assert isinstance(error, NetworkError)
    assert "not the pinned one" in str(error)
    assert place.cluster.calls == []


@pytest.mark.parametrize("fingerprint", ["", "AB:CD", "zz" * 32])
def test_a_fingerprint_that_is_none_is_refused_before_connecting(
    place: Place, fingerprint: str
) -> None:
    with open_session(replace(place.over_https, fingerprint=fingerprint)) as session:
        assert isinstance(raised(session, "GET", "/version"), UsageError)


def test_a_missing_file_of_authorities_is_told_before_connecting(place: Place) -> None:
    missing = replace(place.over_https, fingerprint=None, ca_file=Path("/nowhere/ca.pem"))
    with open_session(missing) as session:
        error = raised(session, "GET", "/version")
    assert isinstance(error, UsageError)
    assert "/nowhere/ca.pem: there is no such file" in str(error)


def test_a_redirect_to_plain_http_does_not_get_the_token(
    place: Place, https: ProxmoxerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)

        def reply(handler: Handler, *_: object) -> None:
            handler.send_response(302)
            handler.send_header("Location", f"http://127.0.0.1:{listening.getsockname()[1]}/")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        monkeypatch.setattr(Handler, "_reply", reply)
        assert isinstance(raised(https, "GET", "/version"), NetworkError)
        with pytest.raises(TimeoutError):
            listening.accept()


# What is no Proxmox VE


def test_a_closed_port_is_told(place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with open_session(replace(place.over_https, port=free.getsockname()[1])) as session:
            error = raised(session, "POST", "/nodes/pve/lxc", CREATE)
    assert isinstance(error, NetworkError)
    assert "whether it was done is not known" in str(error)


def test_silence_ends_in_an_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https_way, "ANSWER_LIMIT", 0.3)
    with place.cluster.lock, open_session(place.over_https) as session:
        error = raised(session, "GET", "/version")
    assert isinstance(error, NetworkError)
    assert "no answer in 0.3 s" in str(error)


@pytest.mark.parametrize("body", ["<html>hello</html>", "null", "{}"])
def test_something_else_that_answers_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    def reply(handler: Handler, *_: object) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    monkeypatch.setattr(Handler, "_reply", reply)
    with open_session(place.over_https) as session:
        error = raised(session, "GET", "/version")
    assert isinstance(error, NetworkError)
    assert "no Proxmox VE" in str(error)


def test_a_machine_without_pvesh_is_told(
    local: ProxmoxerSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = raised(local, "GET", "/version")
    assert isinstance(error, ResourceError)
    assert "pvesh is not installed" in str(error)


# The token's file


def test_a_token_is_read(place: Place) -> None:
    token = read_token(place.token_file)
    assert (token.user, token.name, token.value.reveal()) == ("deploy@pve", "tool", SECRET)
    assert SECRET not in repr(token)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_token_that_others_can_read_is_refused(place: Place, mode: int) -> None:
    place.token_file.chmod(mode)
    with pytest.raises(UsageError, match="others can read"):
        read_token(place.token_file)


def test_a_token_of_another_user_is_refused(place: Place) -> None:
    os.chown(place.token_file, 12345, -1)
    with pytest.raises(UsageError, match="belongs to user id 12345"):
        read_token(place.token_file)


@pytest.mark.parametrize(
    "text", ["", "secret", "deploy@pve=secret", "deploy!tool=secret", "a b@c!d=e"]
)
def test_what_is_no_token_is_refused_without_being_shown(place: Place, text: str) -> None:
    place.token_file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_token(place.token_file)
    assert parse_token(text) is None
    assert "secret" not in f"{caught.value}{caught.value.evidence}"


def test_a_token_file_that_is_missing_or_no_text_is_told(place: Place) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_token(place.token_file.with_name("none"))
    place.token_file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is no text"):
        read_token(place.token_file)


def test_a_session_needs_nothing_until_it_is_used() -> None:
    open_session(Https("pve.example", Path("/nonexistent"))).close()

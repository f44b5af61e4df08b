"""The model of a container that unit tests believe in, held to the scripts themselves.

Whatever needs no systemd; tests/lab/containers/test_systemd_conformance.py has the rest.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from conformance import Both
from model_files import Node, folder
from model_machine import User
from shells import RootedShell

from tasks.execution.guest_changes import applying
from tasks.execution.release_changes import RELEASE
from tasks.resources.base import Resource
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.overrides import Override
from tasks.resources.system import Secret

FILE = Node("file", b"somebody's\n", "0640", "www-data", "adm")
EMPTY = Node("file", b"")
LONE = Node("file", b"no end of a line")
FOLDER = folder("0750", "root", "www-data")


def link(target: str) -> Node:
    return Node("link", mode="0777", target=target)


@pytest.fixture
def both(tmp_path: Path) -> Both:
    programs, root = tmp_path / "programs", tmp_path / "root"
    programs.mkdir()
    root.mkdir()
    return Both(RootedShell(programs, root=root))


STANDING: Mapping[str, Mapping[str, Node]] = {
    "nothing": {},
    "a file": {"/srv/it": FILE},
    "an empty file": {"/srv/it": EMPTY},
    "a file without an end of line": {"/srv/it": LONE},
    "a folder": {"/srv/it": FOLDER, "/srv/it/below": FILE},
    "a link to a file": {"/srv/it": link("other"), "/srv/other": FILE},
    "a link to an empty file": {"/srv/it": link("other"), "/srv/other": EMPTY},
    "a link to a folder": {"/srv/it": link("other"), "/srv/other": FOLDER},
    "a link to nothing": {"/srv/it": link("gone")},
}
"""What a desired thing may find in its place."""

LANDED: Mapping[str, Callable[[str], Resource]] = {
    "a file": lambda path: File(path=path, content=b"desired\n", mode="0600", group="adm"),
    "an empty file": lambda path: File(path=path, content=b""),
    "a folder": lambda path: Directory(path=path, mode="2750", group="www-data"),
    "a link": lambda path: Link(path=path, target="/srv/desired"),
    "nothing": lambda path: Absent(path=path),
    "nothing, what is there put aside": lambda path: Override(path=path, units=("one.service",)),
    "a secret": lambda path: Secret(path=path, owner="root", group="www-data", mode="0640"),
    "what is of nobody": lambda path: File(path=path, content=b"x", owner="nobody-of-that-name"),
    "a folder of nobody": lambda path: Directory(path=path, group="nobody-of-that-name"),
    "a secret of nobody": lambda path: Secret(path=path, owner="nobody-of-that-name", group="root"),
}


@pytest.mark.parametrize("desired", LANDED)
@pytest.mark.parametrize("standing", STANDING)
def test_whatever_stands_there_it_lands_alike(both: Both, standing: str, desired: str) -> None:
    both.put(STANDING[standing])
    both.land(File(path="/srv/first", content=b"first"), LANDED[desired]("/srv/it"))
    both.observe_all()
    both.land(LANDED[desired]("/srv/it"), Directory(path="/srv/last"))
    both.observe_all()


WAYS: Mapping[str, Mapping[str, Node]] = {
    "there": {"/srv/way": FOLDER},
    "missing": {},
    "a file": {"/srv/way": FILE},
    "a link to a folder": {"/srv/way": link("other"), "/srv/other": FOLDER},
    "a link to nothing": {"/srv/way": link("gone")},
}


@pytest.mark.parametrize("desired", LANDED)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_way_is_it_lands_alike(both: Both, way: str, desired: str) -> None:
    both.put(WAYS[way])
    both.land(LANDED[desired]("/srv/way/it"))
    both.observe_all()


def test_a_secret_with_another_value_than_was_noted_is_told_alike(both: Both) -> None:
    question = ("probe", "noted-secret", "/srv/it")
    secret = Secret(path="/srv/it", owner="root", group="root")

    def state() -> str:
        return both.observe(question).probes[question[1:]]

    both.put({"/srv/it": Node("file", b"value\n")})
    assert state() == "unnoted"
    both.land(secret)
    assert state() == "same"
    both.put({"/srv/it": Node("file", b"other\n")})
    assert state() == "differs"
    both.land(secret)
    assert state() == "same"


def test_what_fails_ends_the_rest_alike_and_stamps_go_first(both: Both) -> None:
    stamps = "/var/lib/vikunja-deploy/stamps"
    both.put({stamps: folder("0700"), f"{stamps}/a.service": FILE, f"{stamps}/b.service": FILE})
    both.land(
        File(path="/srv/one", content=b"1"),
        File(path="/srv/two", content=b"2", owner="nobody-of-that-name"),
        File(path="/srv/three", content=b"3"),
        unstamped=["a.service", "gone.service"],
    )


@pytest.mark.parametrize(
    "text", [b"one\ntwo\n", b"\tof tabs \n", b"\n", b"", b"lone", b"back\\slash\n"]
)
def test_a_text_is_read_alike(both: Both, text: bytes) -> None:
    both.put({"/srv/text": Node("file", text), "/srv/link": link("text"), "/srv/folder": FOLDER})
    both.observe(*(("text", f"/srv/{name}") for name in ("text", "link", "folder", "gone")))


def test_the_content_of_what_differs_comes_along_alike(both: Both) -> None:
    large = Node("file", b"." * 262145)
    both.put({"/srv/large": large, "/srv/least": Node("file", large.content[1:]), "/srv/it": FILE})
    wanted = [("/srv/large", "1" * 64), ("/srv/least", "2" * 64), ("/srv/it", FILE.sha256)]
    both.observe(*(("file", digest, path) for path, digest in wanted))


def test_packages_and_users_are_told_alike(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "Package: {0}\nStatus: {1}\nVersion: 1.0\nArchitecture: all\nMaintainer: x\nDescription: x"
    )
    states = {"curl": "install ok installed", "nginx": "deinstall ok config-files"}
    known = "\n\n".join(lines.format(*state) for state in states.items())
    both.put({"/srv/dpkg": FOLDER, "/srv/dpkg/status": Node("file", f"{known}\n".encode())})
    both.machine.packages, both.machine.configured = {"curl"}, {"curl", "nginx"}
    both.machine.users["root"] = User("/root", "/bin/bash")
    shell = both.real
    assert isinstance(shell, RootedShell)
    shell.program("dpkg-query", f'exec /usr/bin/dpkg-query --admindir={shell.root}/srv/dpkg "$@"')
    facts = both.observe(
        *(("package", name) for name in ("curl", "nginx", "no-such-package")),
        *(("user", name) for name in ("root", "www-data", "nobody-of-that-name")),
    )
    assert (list(facts.packages), list(facts.users)) == (["curl"], ["root", "www-data"])


def build(*files: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content, mode in files:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


BINARY = ("backend/vikunja", b"\x7fELF", 0o644)
BUILDS = {
    "the backend alone": build(BINARY),
    "all parts": build(
        BINARY,
        ("frontend/index.html", b"<html>", 0o664),
        ("mcp-server/dist/index.js", b"//", 0o600),
        ("mcp-server/node/bin/node", b"\x7fELF node", 0o777),
    ),
    "one without a backend": build(("frontend/index.html", b"<html>", 0o644)),
}


def release(both: Both, name: str, color: str = "blue") -> None:
    argv = RELEASE.argv(color, "1 v1.0.0 abc")
    both.run(argv, BUILDS[name])


@pytest.mark.parametrize("second", BUILDS)
@pytest.mark.parametrize("first", BUILDS)
def test_a_release_takes_the_place_of_another_alike(both: Both, first: str, second: str) -> None:
    release(both, first)
    release(both, first, "green")
    both.observe_all()
    release(both, second)
    both.observe_all()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({}, "whole"),
        ({"backend/blue/vikunja": Node("file", b"\x7fELG", "0755")}, "was edited"),
        ({"backend/blue/vikunja": Node("file", b"\x7fELF", "0755")}, "whole"),
        ({"backend/blue/vikunja": Node("file", b"\x7fELF", "0644")}, "has other rights"),
        ({"frontend/blue/more": FILE}, "was added"),
        ({"mcp-server/blue/dist/index.js": link("/srv/other")}, "was edited"),
    ],
)
def test_what_is_not_as_it_was_released_is_found_alike(
    both: Both, damage: Mapping[str, Node], said: str
) -> None:
    question = ("probe", "release-files", "blue")
    assert both.observe(question).probes[question[1:]] == "unnoted"
    release(both, "all parts")
    both.put({f"/opt/vikunja/{path}": node for path, node in damage.items()})
    found = both.observe(question).probes[question[1:]]
    assert found == " ".join([*damage, said] if said != "whole" else [said])


TLS = "/etc/vikunja/tls/self-signed"


def certificate(both: Both, domain: str = "a.example", *others: str) -> str:
    others = others or ("192.0.2.1", "b.lan")
    question = ("probe", "self-signed-certificate", TLS, domain, *others)
    return both.observe(question).probes[question[1:]]


def make_certificate(both: Both) -> None:
    script = applying("self-signed-certificate")
    both.run(script.argv(TLS, "a.example", "192.0.2.1", "b.lan"), reason=False)


def test_a_certificate_is_made_and_judged_alike(both: Both) -> None:
    make_certificate(both)
    both.put({"/etc/vikunja/tls": folder(), TLS: folder("0750", "root", "www-data")})
    assert certificate(both) == "absent"
    make_certificate(both)
    assert certificate(both) == "present"
    assert certificate(both, "b.example") == "other-domain"
    assert certificate(both, "a.example", "192.0.2.2", "b.lan") == "other-names"
    assert certificate(both, "a.example", "192.0.2.1") == "other-names"
    both.edit(f"{TLS}/made", lambda made: re.sub(rb" \d+ ", b" 1 ", made))
    assert certificate(both) == "expiring"
    make_certificate(both)
    both.machine.files.change(f"{TLS}/key.pem", mode="0644")
    both.real.run(["chmod", "0644", f"{TLS}/key.pem"])
    assert certificate(both) == "exposed"
    both.edit(f"{TLS}/key.pem", lambda key: key + b"edited\n")
    assert certificate(both) == "mismatched"
    both.put({f"{TLS}/made": EMPTY})
    assert certificate(both) == "absent"


@pytest.mark.parametrize("standing", STANDING)
def test_a_database_file_is_found_alike(both: Both, standing: str) -> None:
    both.put(STANDING[standing])
    both.observe(("probe", "sqlite-database", "vikunja", "/srv/it"))

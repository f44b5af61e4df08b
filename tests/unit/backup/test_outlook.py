"""What stands against copies of a database: what is said of it, and when it is asked."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.checks import database as checks
from tasks.containers.base import ContainerFacts
from tasks.containers.lxc.section import Lxc
from tasks.databases import doubts, greeting, read_apart
from tasks.databases.greeting import refuse_newer_server, server_version
from tasks.databases.outlook import Apart, Outlook, read_outlook
from tasks.errors import DatabaseError
from tasks.host.process import Completed
from tasks.model.finding import Level, World
from tasks.model.host_files import NO_HOST_FILES
from tasks.model.instance import Instance
from tasks.paths import Paths
from tasks.secret import Secret

LINES = (
    "client\t17\t15",
    "unreadable\ttable public.a\t",
    "unreadable\ttable public.b\t",
    "charset\tlatin1\t3",
    "apart\textension bloom\tneeded",
    "apart\textension dblink\t",
    "apart\ttrigger fills\tstays",
)


def test_an_outlook_is_read_from_the_lines_of_a_script() -> None:
    assert read_outlook(LINES) == Outlook(
        client=(17, 15),
        unreadable=("table public.a", "table public.b"),
        charsets=(("latin1", 3),),
        apart=(
            Apart("extension bloom", "needed"),
            Apart("extension dblink"),
            Apart("trigger fills", "stays"),
        ),
    )
    assert read_outlook(()) == Outlook()
    assert read_apart("3079\t16499\textension dblink\t\n") == (Apart("extension dblink"),)


def test_each_doubt_says_what_cannot_be_and_what_to_do() -> None:
    said = [doubt.what for doubt in doubts(read_outlook(LINES), "vikunja", administered=False)]
    assert said == [
        "PostgreSQL 17 is newer than the programs of PostgreSQL 15 in the container: no backup and "
        "no update that migrates is possible",
        "no backup is possible: user vikunja may not read table public.a and 1 more",
        "no restore and no update that migrates is possible while tables have the trigger fills",
        "backups can be restored only by an administrator of the server: the extension bloom is "
        "none that user vikunja may create, and the database stands on it",
        "a restore may leave out what only an administrator may create: extension dblink",
        "3 of its tables are of the character set latin1: what people write with emoji ends in an "
        "error",
    ]
    assert doubts(Outlook(), "vikunja", administered=False) == ()


def test_an_administrator_makes_what_the_data_stands_on() -> None:
    made = Outlook(apart=(Apart("extension bloom", "needed"), Apart("extension dblink")))
    assert doubts(made, "vikunja", administered=True) == ()
    (left,) = doubts(Outlook(apart=(Apart("event trigger told"),)), "vikunja", administered=True)
    assert left.what.endswith("only an administrator may create: event trigger told")
    (new,) = doubts(Outlook(charsets=(("latin1", 0),)), "vikunja", administered=True)
    assert new.what.startswith("new tables in it are of the character set latin1")


# A server that is newer than any program of the container


def test_what_is_no_server_of_postgresql_leaves_it_unknown() -> None:
    """The lab asks real ones."""

    def serve() -> None:
        client, _ = server.accept()
        with client:
            client.recv(8)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        assert server_version("127.0.0.1", port, "vikunja", Secret(b"secret"), "vikunja") is None
        thread.join()
    assert server_version("127.0.0.1", port, "vikunja", Secret(b"secret"), "vikunja") is None


def outside(port: int, template: str, folder: Path) -> Instance:
    (folder / "password").write_text("secret\n")
    desired = {"type": "postgresql", "host": "127.0.0.1", "port": port}
    given = {"password_file": str(folder / "password")}
    sample = sample_instance(database=desired | given)
    return replace(sample, placement=Lxc(sample.container_name, template))


@pytest.mark.parametrize(
    ("template", "version", "refused"),
    [
        ("bookworm", 17, "would ever be possible"),
        ("trixie", 17, ""),
        ("bookworm", 15, ""),
        ("bookworm", None, ""),
        ("trixie", 18, "would ever be possible"),
    ],
)
def test_a_first_deployment_that_could_never_be_backed_up_is_refused(
    template: str,
    version: int | None,
    refused: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(greeting, "server_version", lambda *_: version)
    instance = outside(5432, template, tmp_path)
    if not refused:
        refuse_newer_server(instance, NO_HOST_FILES)
        return
    with pytest.raises(DatabaseError, match=refused) as caught:
        refuse_newer_server(instance, NO_HOST_FILES)
    assert caught.value.hint == (
        "Make the container of a newer Debian: trixie (17); or name a source of "
        "postgresql-client-17 in system.apt_sources"
        if version == 17
        else "Name a source of postgresql-client-18 in system.apt_sources, or use an older server"
    )


# In check


class Deployed:
    """A container that serves, whose database has such an outlook."""

    def __init__(self, instance: Instance, lines: tuple[str, ...], code: int = 0) -> None:
        self.spec: Any = None
        self._instance, self._lines, self._code = instance, lines, code

    def observe(self) -> ContainerFacts:
        return ContainerFacts(True, True, self._instance.id, {})

    def run(self, argv: list[str], **_: Any) -> Completed:
        if argv[0] == "cat":
            return Completed(tuple(argv), 0, b"database: damaged", b"")
        said = "".join(f"{line}\n" for line in self._lines).encode()
        return Completed(tuple(argv), self._code, said, b"no route\n")


def found_in(
    instance: Instance, container: Deployed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Level, str]]:
    container.spec = type("Spec", (), {"instance_id": instance.id})
    monkeypatch.setattr(checks, "container_for", lambda *_: container)
    monkeypatch.setattr(checks, "connect", lambda *_: "")
    world = World(instance, Paths(folder), lambda: None)
    return [(one.level, one.what) for one in checks.check(world)][1:]


def test_a_site_that_serves_is_warned_and_never_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = outside(5432, "bookworm", tmp_path)
    found = found_in(instance, Deployed(instance, LINES), tmp_path, monkeypatch)
    assert {level for level, _ in found} == {"warning"}
    assert [what for _, what in found] == [
        doubt.what for doubt in doubts(read_outlook(LINES), "vikunja", administered=False)
    ]


def test_a_database_that_cannot_be_asked_is_said_to_be_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = outside(5432, "bookworm", tmp_path)
    ((level, what),) = found_in(instance, Deployed(instance, (), 7), tmp_path, monkeypatch)
    assert level == "warning"
    assert what.startswith("whether backups of it are possible could not be asked: ")

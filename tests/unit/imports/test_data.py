"""Which data can be brought along, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tasks.errors import DatabaseError, ResourceError
from tasks.imports.data import data_of
from tasks.imports.folder import Folder
from tasks.imports.found import Found, FoundDatabase, FoundFiles, Setting
from tasks.imports.live import Live
from tasks.imports.source import Measured
from tasks.workflows.data_import import refuse_newer

FOUND = Found(
    layout="package",
    title="Vikunja's own package",
    program="/opt/vikunja/vikunja",
    version="v2.4.0",
    unit="vikunja.service",
    settings={"database_password": Setting("a password", "/etc/vikunja/config.yml")},
    database=FoundDatabase("sqlite", path="/opt/vikunja/vikunja.db", size=1),
    files=FoundFiles("/opt/vikunja/files", Measured(1, 1)),
    front=None,
    secrets={},
)
SERVER = FoundDatabase("postgresql", host="localhost", port=5432, name="tasks", user="tasks")


def nothing(*_: object, **__: object) -> None:
    raise AssertionError("nothing is run")


LIVE = Live("container:105", nothing)  # type: ignore[arg-type]


def test_a_living_source_is_asked_where_it_is() -> None:
    data = data_of(replace(FOUND, database=SERVER), LIVE)
    assert data.live is LIVE
    assert data.unit == "vikunja.service"
    assert data.password.reveal() == "a password"


def test_a_folder_has_its_paths_on_this_machine_and_no_unit(tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/vikunja").symlink_to("/srv/data")
    data = data_of(FOUND, Folder("folder:/root", tmp_path))
    assert data.database.path == f"{tmp_path}/srv/data/vikunja.db"
    assert data.files == f"{tmp_path}/srv/data/files"
    assert data.unit == ""
    assert data.service == "vikunja.service"


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (
            replace(FOUND, database=replace(FOUND.database, size=None)),
            "container:105: its database /opt/vikunja/vikunja.db is not there",
        ),
    ],
)
def test_what_cannot_be_brought_is_said(found: Found, what: str) -> None:
    with pytest.raises(ResourceError) as caught:
        data_of(found, LIVE)
    assert str(caught.value) == what


def test_a_folder_cannot_ask_a_server(tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as caught:
        data_of(replace(FOUND, database=SERVER), Folder("folder:/root", tmp_path))
    assert str(caught.value) == (
        "folder:/root: its database tasks is on a server, which a folder cannot ask"
    )


def test_a_database_that_is_newer_than_the_version_is_refused() -> None:
    data = data_of(FOUND, LIVE)
    refuse_newer(data, ("1", "2"), ("1", "2", "3"), "v2.5.0", "tasks")
    with pytest.raises(DatabaseError) as caught:
        refuse_newer(data, ("1", "2", "9"), ("1", "2", "3"), "v2.3.0", "tasks")
    assert str(caught.value) == (
        "tasks: the database of container:105 has been through 1 migrations that v2.3.0 does not"
        " know"
    )
    assert caught.value.hint == "Deploy v2.4.0 or a newer one first, then import again."

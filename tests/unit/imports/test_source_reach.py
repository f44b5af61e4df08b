"""What is read of an installation, and how it is stopped: the scripts themselves, here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

from tasks.errors import DeployError, ResourceError, UsageError
from tasks.host.process import Completed
from tasks.imports import data as data_module
from tasks.imports.attachments import difference
from tasks.imports.data import SourceData
from tasks.imports.found import FoundDatabase
from tasks.imports.live import Live
from tasks.imports.snapshot import digests_in
from tasks.imports.source import Measured
from tasks.imports.stopping import require_possible, require_stopped, users, writes_stopped
from tasks.secret import Secret

HERE = Live("here", data_module.run_here)


def test_files_are_read_by_pattern(tmp_path: Path) -> None:
    (tmp_path / "two words").mkdir()
    (tmp_path / "two words/a.conf").write_text("a\n")
    (tmp_path / "two words/b.conf").write_text("b\n")
    (tmp_path / "link.conf").symlink_to("two words/a.conf")
    (tmp_path / "folder.conf").mkdir()

    patterns = [f"{tmp_path}/two words/*.conf", f"{tmp_path}/*.conf", f"{tmp_path}/gone"]
    found = HERE.fetch(patterns)

    assert {path.removeprefix(f"{tmp_path}/"): content for path, content in found.items()} == {
        "two words/a.conf": b"a\n",
        "two words/b.conf": b"b\n",
        "link.conf": b"a\n",
    }
    assert HERE.fetch([f"{tmp_path}/gone"]) == {}


def test_sizes_and_folders_are_measured(tmp_path: Path) -> None:
    (tmp_path / "files/deep").mkdir(parents=True)
    (tmp_path / "files/1").write_bytes(b"12345")
    (tmp_path / "files/deep/2").write_bytes(b"1")

    path = str(tmp_path / "files/1")
    assert HERE.sizes([path, str(tmp_path / "gone")]) == {path: 5}
    assert HERE.measure(str(tmp_path / "files")) == Measured(2, 6)
    assert HERE.measure(str(tmp_path / "gone")) is None
    (tmp_path / "empty").mkdir()
    assert HERE.measure(str(tmp_path / "empty")) == Measured(0, 0)


def test_a_version_is_what_the_program_says(tmp_path: Path) -> None:
    program = tmp_path / "vikunja"
    program.write_text("#!/bin/sh\necho Vikunja api version v2.4.0\necho Built with go1.26\n")
    program.chmod(0o755)
    assert HERE.version(str(program)) == "v2.4.0"
    program.write_text("#!/bin/sh\nexit 1\n")
    assert HERE.version(str(program)) == ""
    assert HERE.version(str(tmp_path / "gone")) == ""


def test_a_file_that_may_not_be_read_is_named() -> None:
    def refuses(*_: object, **__: object) -> Completed:
        return Completed(("sh",), 7, b"", b"unreadable\t/etc/vikunja/config.yml\n")

    with pytest.raises(ResourceError) as caught:
        Live("ssh:me@host", refuses).fetch(["/etc/vikunja/config.yml"])
    assert str(caught.value) == ("ssh:me@host: /etc/vikunja/config.yml cannot be read by this user")


class Machine:
    """This machine with a systemctl that notes what it is told, and a unit that runs or not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.state = folder, folder / "log", folder / "state"
        self.state.write_text("active")
        self.log.touch()
        program = folder / "systemctl"
        program.write_text(
            "#!/bin/sh\n"
            f'echo "$1" >>{self.log}\n'
            f"case $1 in is-active) grep -qx active {self.state} ;;\n"
            f"stop) [ ! -e {folder}/fails ] && echo inactive >{self.state} ;;\n"
            f"start) echo active >{self.state} ;; esac\n"
        )
        program.chmod(0o755)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None,
        stdout: IO[bytes] | None,
        timeout: float,
    ) -> Completed:
        words = ["env", f"PATH={self.folder}:{os.environ['PATH']}", *argv]
        return data_module.run_here(words, stdin=stdin, stdout=stdout, timeout=timeout)

    @property
    def done(self) -> list[str]:
        return [word for word in self.log.read_text().split() if word != "is-active"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def data_at(machine: Machine, unit: str = "vikunja.service") -> SourceData:
    database = machine.folder / "vikunja.db"
    database.touch()
    return SourceData(
        said="container:old",
        live=Live("container:old", machine.run),
        database=FoundDatabase("sqlite", path=str(database), size=1),
        password=Secret(""),
        files=str(machine.folder),
        unit=unit,
        service=unit or "a compose file",
        version="v2.4.0",
    )


def nobody(_: str) -> None:
    raise AssertionError("nobody is asked")


def test_what_the_tool_has_stopped_stays_so_where_all_went_well(machine: Machine) -> None:
    with writes_stopped(data_at(machine), stop=True, ask=nobody):
        assert machine.state.read_text().strip() == "inactive"
    assert machine.done == ["stop"]


@pytest.mark.parametrize("failure", [DeployError("no"), KeyboardInterrupt()])
def test_what_the_tool_has_stopped_is_started_where_anything_fails(
    machine: Machine, failure: BaseException
) -> None:
    with (
        pytest.raises(type(failure)),
        writes_stopped(data_at(machine), stop=True, ask=nobody),
    ):
        raise failure
    assert machine.done == ["stop", "start"]


def test_a_unit_that_does_not_stop_is_said(machine: Machine) -> None:
    (machine.folder / "fails").touch()
    with (
        pytest.raises(DeployError, match=r"vikunja\.service could not be stopped"),
        writes_stopped(data_at(machine), stop=True, ask=nobody),
    ):
        raise AssertionError
    assert machine.done == ["stop"]


def test_whoever_looks_after_it_is_asked_and_believed_once_it_is_so(machine: Machine) -> None:
    asked = []

    def stop(service: str) -> None:
        asked.append(service)
        machine.state.write_text("inactive")

    with writes_stopped(data_at(machine), stop=False, ask=stop):
        pass
    assert asked == ["vikunja.service"]
    assert machine.done == []
    machine.state.write_text("active")
    with (
        pytest.raises(ResourceError, match=r"it still runs: vikunja\.service runs"),
        writes_stopped(data_at(machine), stop=False, ask=asked.append),
    ):
        raise AssertionError


def test_a_program_that_has_the_database_open_is_found(machine: Machine) -> None:
    data = data_at(machine, unit="")
    assert users(data) == ()
    require_stopped(data)
    with Path(data.database.path).open():
        (one,) = users(data)
        assert f"(process {os.getpid()}) has {data.database.path} open" in one
        with pytest.raises(ResourceError) as caught:
            require_stopped(data)
    assert caught.value.hint == (
        "Stop a compose file there, and run it again. Nothing was changed."
    )


def test_the_tool_stops_only_what_is_a_unit(machine: Machine) -> None:
    require_possible(data_at(machine), stop=True)
    require_possible(data_at(machine, unit=""), stop=False)
    with pytest.raises(UsageError, match="has no unit that could be stopped"):
        require_possible(data_at(machine, unit=""), stop=True)


def test_the_difference_is_what_came_changed_and_went() -> None:
    before = {"1": "10 100", "2": "5 100", "3": "7 100"}
    now = {"1": "10 100", "2": "6 100", "4": "1 200"}
    assert difference(before, now) == (["2", "4"], ["3"])


def test_digests_know_no_order_but_every_row() -> None:
    one = digests_in([b"\\= tasks\n", b"a\n", b"b\n", b"\\= users\n"])
    assert one == digests_in([b"\\= tasks\n", b"b\n", b"a\n", b"\\= users\n"])
    assert one["tasks"].rows == 2
    assert one["users"].rows == 0
    assert one["tasks"] != digests_in([b"\\= tasks\n", b"a\n", b"c\n"])["tasks"]
    twice = digests_in([b"\\= tasks\n", b"a\n", b"a\n"])["tasks"]
    assert twice != digests_in([b"\\= tasks\n", b"b\n", b"b\n"])["tasks"]

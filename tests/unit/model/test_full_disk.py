"""A disk that is full at any write of an operation's records: told in one line, nothing half
done, and once there is room again everything goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from small_disk import PAGE, SmallDisk, small_disk

from tasks.errors import BuildError, DeployError
from tasks.model import last_backup, last_drill, measured, registry
from tasks.model import state as states
from tasks.model.holder import inspect
from tasks.model.last_drill import LastDrill
from tasks.model.measured import Measured
from tasks.model.operation_log import OperationName, read_entries
from tasks.model.operations import operation
from tasks.paths import Paths

NAME = "vikunja-main"
FULL = "No space left on device"
MOST = 64


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", MOST) as made:
        yield made


def standing(disk: SmallDisk) -> Paths:
    """The records of a running instance, with a log whose next lines reach into a new page."""
    for old in disk.folder.iterdir():
        shutil.rmtree(old)
    paths = Paths(disk.folder)
    with operation(paths, NAME, "deploy"):
        pass
    log = paths.log(NAME)
    line = log.read_bytes().splitlines(keepends=True)[0]
    while log.stat().st_size < PAGE - 2 * len(line):
        with log.open("ab") as file:
            file.write(line)
    return paths


def work(paths: Paths, name: OperationName, fails: bool) -> None:
    with operation(paths, NAME, name) as op:
        for number in range(8):
            op.info(f"Doing the {number}th of several things that are told at some length")
        if name != "uninstall":
            op.record(active_color="green")
        if fails:
            raise BuildError("it does not work")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "name", ["deploy", "backup", "restore", "drill", "start", "stop", "restart", "uninstall"]
)
def test_whatever_write_meets_the_full_disk(
    disk: SmallDisk, name: OperationName, fails: bool
) -> None:
    for pages in count():
        paths = standing(disk)
        before = states.read(paths, NAME)
        lines = len(list(read_entries(paths, NAME)))
        disk.leave(pages)
        try:
            work(paths, name, fails)
            done = True
        except BuildError:
            done = disk.pages > 0
        except DeployError as failure:
            done = False
            assert FULL in str(failure)
            assert "\n" not in str(failure)
            assert str(paths.prefix) in failure.where
            assert "is its disk full" in failure.hint
        # Nobody is locked out, and every record can still be read.
        assert inspect(paths, NAME) is None
        after = states.read(paths, NAME)
        assert after is not None or (before is not None and name == "uninstall")
        assert len(list(read_entries(paths, NAME))) >= lines
        disk.free()
        if name != "uninstall" or after is not None:
            with operation(paths, NAME, "restart"):
                pass
        if done:
            break
    assert pages > 2
    # Nothing piled up beside what there always is.
    leftovers = [one for one in disk.names() if "/." in one and not one.endswith(".guard")]
    assert leftovers == []


def test_a_log_that_fills_up_stops_no_work_under_way(disk: SmallDisk) -> None:
    reached: set[int] = set()
    for room in range(0, 1500, 50):
        paths = standing(disk)
        log = paths.log(NAME)
        with log.open("ab") as file:
            file.write(b"x" * (PAGE - room - 1 - log.stat().st_size) + b"\n")
        warnings: list[str] = []
        done = 0
        try:
            with operation(paths, NAME, "stop", warn=warnings.append) as op:
                disk.leave(0)
                for _ in range(5):
                    op.info("Stopped one of the services")
                    done += 1
                disk.leave(1)
        except DeployError as failure:
            # The line that begins, or the one that ends it.
            assert FULL in str(failure)
        assert done in (0, 5)
        assert len(warnings) <= 1
        if warnings:
            assert warnings[0].endswith("stop goes on without its log")
            reached.add(room)
        disk.free()
        with operation(paths, NAME, "start"):
            pass
        entries = [(one.operation, one.level) for one in read_entries(paths, NAME)]
        assert entries[-2:] == [("start", "INFO"), ("start", "SUCCESS")]
    assert reached


def test_a_disk_that_fills_up_meanwhile_is_told_at_the_end(disk: SmallDisk) -> None:
    paths = standing(disk)
    with pytest.raises(DeployError, match=FULL), operation(paths, NAME, "stop"):
        disk.leave(0)
    # What was done is not known to the records; the next operation says so and goes on.
    assert inspect(paths, NAME) is None
    disk.free()
    warnings: list[str] = []
    with operation(paths, NAME, "start", warn=warnings.append):
        pass
    assert [one for one in warnings if "did not finish" in one]
    state = states.read(paths, NAME)
    assert state is not None
    assert (state.status, state.last_operation_status) == ("running", "success")


def test_other_records_keep_what_they_say(disk: SmallDisk) -> None:
    paths = Paths(disk.folder)
    drilled = LastDrill("2026-01-02T03:04:05Z", "1.tar.gz", "v1.0.0", 1, 1, 1.0, 2.0)
    writes: tuple[Callable[[], object], ...] = (
        lambda: last_backup.write(paths, NAME, "2026-01-02T03:04:05Z"),
        lambda: last_drill.write(paths, NAME, drilled),
        lambda: measured.write(paths, NAME, Measured(1.0, 2.0)),
        lambda: registry.remove(paths, "vikunja-other"),
    )
    for write in writes:
        write()
    whole = {name: (disk.folder / name).read_bytes() for name in disk.names()}
    disk.leave(0)
    for write in writes[:3]:
        with pytest.raises(DeployError, match=FULL):
            write()
    disk.free()
    assert {name: (disk.folder / name).read_bytes() for name in disk.names()} == whole

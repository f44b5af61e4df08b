"""doit's database: nothing that is done is lost, whatever kills or runs beside it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from doit.dependency import JSONCodec
from small_disk import small_disk

from tasks.engine.backend import Unusable, WriteThrough

DODO = """
import os, signal, time
from pathlib import Path
DOIT_CONFIG = {{"backend": "write-through", "dep_file": {database!r}, "verbosity": 0}}
def act(name):
    Path(name).write_text("done")
    if os.environ.get("KILL_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("PACE", "0")))
def task_work():
    for number in range(int(os.environ.get("FROM", "0")), int(os.environ.get("TO", "6"))):
        name = f"out{{number}}"
        yield {{"name": name, "actions": [(act, [name])], "targets": [name],
               "file_dep": ["input"]}}
"""

DOIT = str(Path(sys.executable).with_name("doit"))


def doit(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DOIT, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def project(folder: Path) -> Path:
    (folder / "dodo.py").write_text(DODO.format(database=str(folder / "doit.db")))
    (folder / "input").write_text("input")
    return folder


def undone(folder: Path, **environment: str) -> list[str]:
    lines = doit(folder, "list", "--all", "--status", **environment).stdout.splitlines()
    return [line.split()[1] for line in lines if line.startswith("R") and ":" in line]


def test_kill_9_in_the_middle_of_a_run_keeps_what_was_done(tmp_path: Path) -> None:
    folder = project(tmp_path)
    killed = doit(folder, KILL_AT="out3")
    assert killed.returncode == -signal.SIGKILL
    assert undone(folder) == ["work:out3", "work:out4", "work:out5"]
    assert doit(folder).returncode == 0
    assert undone(folder) == []


def test_two_runs_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    folder = project(tmp_path)
    halves = [{"FROM": "0", "TO": "8"}, {"FROM": "8", "TO": "16"}]
    running = [
        subprocess.Popen([DOIT], cwd=folder, env={**os.environ, "PACE": "0.05", **half})
        for half in halves
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert undone(folder, FROM="0", TO="16") == []


def test_several_that_make_it_at_once_all_have_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")

    def begin(name: str, together: threading.Barrier) -> None:
        together.wait(60)
        database = WriteThrough(name, JSONCodec())
        database.set(str(os.getpid()), "deps:", ["input"])
        database.dump()

    for number in range(40):
        name, together = str(tmp_path / str(number) / "doit.db"), context.Barrier(4)
        runs = [context.Process(target=begin, args=(name, together)) for _ in range(4)]
        for run in runs:
            run.start()
        for run in runs:
            run.join(60)
        assert [run.exitcode for run in runs] == [0] * 4, number
        there = WriteThrough(name, JSONCodec())
        assert all(there.in_(str(run.pid)) for run in runs)
        there.dump()


def test_threads_share_it(tmp_path: Path) -> None:
    folder = project(tmp_path)
    many = {"FROM": "0", "TO": "40", "PACE": "0.005"}
    assert doit(folder, "-n", "4", "-P", "thread", **many).returncode == 0
    assert undone(folder, **many) == []


def test_a_forgotten_task_is_forgotten_by_the_next_process(tmp_path: Path) -> None:
    folder = project(tmp_path)
    doit(folder)
    assert doit(folder, "forget", "work:out2").returncode == 0
    assert undone(folder) == ["work:out2"]


def test_a_record_half_made_is_not_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "doit.db"
    first = WriteThrough(str(path), JSONCodec())
    first.set("task", "result:", "new")
    # A kill here: what doit saves last has not been set.
    assert not WriteThrough(str(path), JSONCodec()).in_("task")
    first.set("task", "deps:", ["input"])
    second = WriteThrough(str(path), JSONCodec())
    assert (second.get("task", "result:"), second.get("task", "deps:")) == ("new", ["input"])


def test_a_damaged_database_is_put_aside_and_made_anew(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "doit.db").write_bytes(b"no database at all" * 100)
    assert doit(folder).returncode == 0
    assert undone(folder) == []
    assert (folder / "doit.db.damaged").read_bytes().startswith(b"no database")


def test_a_database_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "doit.db").mkdir()
    failed = doit(folder)
    assert failed.returncode != 0
    assert f"{folder}/doit.db: doit's database cannot be used: " in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_full_disk_is_told_and_nothing_done_before_is_forgotten(tmp_path: Path) -> None:
    reported: set[str] = set()
    with small_disk(tmp_path / "disk", 200) as disk:
        file = disk.folder / "doit.db"
        before = WriteThrough(str(file), JSONCodec())
        before.set("a", "deps:", ["b"])
        before.dump()
        for pages in range(12):
            disk.leave(pages)
            try:
                database = WriteThrough(str(file), JSONCodec())
            except Unusable as failure:
                reported.add("opening")
                failures = [failure]
            else:
                failures = []
                for number in range(60):
                    try:
                        database.set(f"t{number}", "deps:", ["x" * 900])
                    except Unusable as failure:
                        reported.add("writing")
                        failures = [failure]
                database.dump()
            assert failures
            assert "is its disk full" in failures[0].hint
            disk.free()
            after = WriteThrough(str(file), JSONCodec())
            assert after.get("a", "deps:") == ["b"]
            after.dump()
    assert reported == {"opening", "writing"}

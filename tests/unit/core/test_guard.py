"""Who stands by in the container while writes are stopped: when it puts back, and when not."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import pytest

from tasks.containers.base import Container
from tasks.databases import watchdog
from tasks.databases.watchdog import Watchdog, guard_text
from tasks.host.process import Completed

PATIENCE = 120.0


class Standing:
    """The guard as it runs in a container, with a way back that says that it was taken."""

    def __init__(self, home: Path, silence: int) -> None:
        (home / "recover").write_text("echo went back\n")
        (home / "guard").write_text(guard_text(str(home), silence))
        argv = ["bash", str(home / "guard")]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def says(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self) -> bytes:
        """What it did, its input still open."""
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        return self.process.stdout.read()


@pytest.fixture
def standing(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Standing]:
    made = Standing(tmp_path, getattr(request, "param", 1000))
    yield made
    made.process.kill()
    made.process.communicate()


def test_it_leaves_where_it_hears_that_all_is_well(standing: Standing) -> None:
    standing.says(b"here\nhere\ndone\n")
    assert standing.end() == b""


@pytest.mark.parametrize("said", [b"", b"here\n", b"here\ndon"])
def test_it_goes_back_where_its_input_ends(standing: Standing, said: bytes) -> None:
    standing.says(said)
    assert standing.process.communicate(timeout=PATIENCE)[0] == b"went back\n"


@pytest.mark.parametrize("standing", [1], indirect=True)
def test_it_goes_back_where_it_hears_nothing_any_more(standing: Standing) -> None:
    """As over a connection that nobody has told of its end."""
    standing.says(b"here\n")
    assert standing.end() == b"went back\n"


def test_it_ends_well_where_somebody_else_has_put_everything_back(
    standing: Standing, tmp_path: Path
) -> None:
    (tmp_path / "recover").unlink()
    assert standing.process.communicate(timeout=PATIENCE)[0] == b""
    assert standing.process.returncode == 0


def test_its_unit_is_made_of_plain_lines_that_can_be_read_again() -> None:
    argv = watchdog.guard_argv("vikunja-deploy-guard-1.service")
    assert not [word for word in argv if "\n" in word or "%" in word]
    (described,) = [word for word in argv if word.startswith("--description=")]
    assert len(described) < 80
    assert "--collect" in argv


class Listening:
    """A container in which the guard only listens. words: what it hears."""

    def __init__(self) -> None:
        self.words: list[bytes] = []
        self.heard = threading.Event()

    def run(self, argv: Any, *, stdin: IO[bytes], **_: Any) -> Completed:
        for line in stdin:
            self.words.append(line)
            if len(self.words) == 3:
                self.heard.set()
        return Completed(tuple(argv), 0, b"", b"")


def test_the_tool_says_all_the_time_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "BEAT", 0.01)
    listening = Listening()
    guard = Watchdog(cast(Container, listening))
    assert listening.heard.wait(PATIENCE)
    guard.disarm()
    assert set(listening.words[:-1]) == {b"here\n"}
    assert listening.words[-1] == b"done\n"


def test_it_falls_silent_where_it_is_to_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "BEAT", 0.01)
    listening = Listening()
    guard = Watchdog(cast(Container, listening))
    assert listening.heard.wait(PATIENCE)
    guard.trigger()
    assert set(listening.words) == {b"here\n"}


def test_it_is_held_for_gone_only_after_many_words_would_have_come() -> None:
    assert watchdog.SILENCE >= 5 * watchdog.BEAT

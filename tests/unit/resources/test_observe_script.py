"""The observer's shell text, run by this machine's own shell on files made for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tasks.resources.base import Facts, UnitFact
from tasks.resources.observe import Question, observer, parse, question_lines, unique

FIXED = "#!/bin/sh\n{}\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs that are found before this machine's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(FIXED.format(script))
    (folder / name).chmod(0o755)


def ask(programs: Path, *questions: Question) -> Facts:
    asked = unique(questions)
    done = subprocess.run(
        ["sh", "-c", observer(asked), "observe"],
        input=question_lines(asked),
        stdout=subprocess.PIPE,
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        check=True,
        timeout=20,
    )
    return parse(done.stdout, asked)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_of_a_file_it_tells_kind_mode_size_and_the_digest_where_that_was_asked_for(
    programs: Path, tmp_path: Path
) -> None:
    asked, unasked = tmp_path / "a file", tmp_path / "other"
    for file in (asked, unasked):
        file.write_bytes(b"content\n")
        file.chmod(0o640)
    facts = ask(programs, ("file", "=", str(asked)), ("file", "-", str(unasked)))
    found = facts.files[str(asked)]
    assert (found.type, found.mode, found.size) == ("file", "0640", 8)
    assert (found.owner, found.group) == (asked.owner(), asked.group())
    assert found.sha256 == sha(b"content\n")
    assert facts.files[str(unasked)].sha256 == ""


def test_what_is_not_there_is_not_in_its_answer(programs: Path, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    facts = ask(programs, ("file", "=", gone), ("text", gone), ("package", "no-such-package"))
    assert (facts.files, facts.texts, facts.packages) == ({}, {}, {})


def test_links_folders_and_pipes_are_told_apart_and_not_read(
    programs: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("not there")
    os.mkfifo(tmp_path / "pipe")
    names = ("link", "pipe", "programs")
    facts = ask(programs, *(("file", "=", str(tmp_path / name)) for name in names))
    link, pipe, folder = (facts.files[str(tmp_path / name)] for name in names)
    assert (link.type, link.target, link.sha256) == ("link", "not there", "")
    assert (pipe.type, pipe.sha256) == ("other", "")
    assert (folder.type, folder.sha256) == ("directory", "")


def test_the_content_comes_along_of_exactly_the_files_that_differ(
    programs: Path, tmp_path: Path
) -> None:
    same, edited, bare, large = (tmp_path / name for name in ("same", "edited", "bare", "large"))
    same.write_bytes(b"same")
    edited.write_bytes(b"by hand\n\x00")
    bare.write_bytes(b"only its digest is asked for")
    large.write_bytes(b"." * 262145)
    facts = ask(
        programs,
        ("file", sha(b"same"), str(same)),
        ("file", sha(b"up to date"), str(edited)),
        ("file", "=", str(bare)),
        ("file", sha(b"small"), str(large)),
    )
    contents = {Path(path).name: fact.content for path, fact in facts.files.items()}
    assert contents == {"same": None, "edited": b"by hand\n\x00", "bare": None, "large": None}


def test_a_text_is_the_first_line_of_a_file(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("one line\nanother\n")
    facts = ask(programs, ("text", str(tmp_path / "text")))
    assert facts.texts == {str(tmp_path / "text"): "one line"}


def test_a_derived_file_is_the_same_only_as_the_form_of_the_secret_it_is_of(
    programs: Path, tmp_path: Path
) -> None:
    secret, right, wrong = (tmp_path / name for name in ("secret", "right", "wrong"))
    secret.write_text("0123abcd\n")
    right.write_text("requirepass 0123abcd\n")
    wrong.write_text("requirepass 0123abce\n")
    form = "requirepass %s\n"
    facts = ask(programs, *(("derived", str(p), str(secret), form) for p in (right, wrong)))
    assert facts.probes == {("derived", str(right)): "same", ("derived", str(wrong)): "differs"}


def test_packages_are_those_that_dpkg_calls_installed(programs: Path) -> None:
    put(
        programs,
        "dpkg-query",
        r"printf 'package\t%s\t%s\t%s\n' curl installed 7.88 nginx config-files 1.22; exit 1",
    )
    assert ask(programs, ("package", "curl"), ("package", "nginx")).packages == {"curl": "7.88"}


def test_users_come_with_home_and_shell_and_missing_ones_do_not_come(programs: Path) -> None:
    facts = ask(programs, ("user", "root"), ("user", "nobody-of-that-name"))
    assert list(facts.users) == ["root"]
    home, _, shell = facts.users["root"].partition(":")
    assert home == "/root" and shell.startswith("/")


def test_each_unit_gets_its_own_states_whatever_packages_are_asked_for_beside(
    programs: Path,
) -> None:
    put(
        programs,
        "systemctl",
        """cat <<END
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=yes

UnitFileState=
LoadState=not-found
ActiveState=inactive
NeedDaemonReload=no

LoadState=masked
ActiveState=failed
UnitFileState=masked
NeedDaemonReload=no
END""",
    )
    put(programs, "dpkg-query", r"printf 'package\tcurl\tinstalled\t7.88\n'")
    names = ("nginx.service", "gone.service", "backend@blue.service")
    facts = ask(programs, *(("unit", name) for name in names), ("package", "curl"))
    assert facts.units == {
        "nginx.service": UnitFact("loaded", "active", "enabled", True),
        "gone.service": UnitFact("not-found", "inactive", "", False),
        "backend@blue.service": UnitFact("masked", "failed", "masked", False),
    }
    assert facts.packages == {"curl": "7.88"}


def test_a_probe_answers_with_its_first_line_and_cannot_read_the_questions(
    programs: Path,
) -> None:
    asked: tuple[Question, ...] = (("probe", "self-signed-certificate", "/gone", "d", "a"),)
    assert ask(programs, *asked).probes == {asked[0][1:]: "absent"}


def test_more_answers_than_a_pipe_holds_do_not_stop_it(programs: Path, tmp_path: Path) -> None:
    put(programs, "dpkg-query", "seq -f 'package\tp%.0f\tinstalled\t1.0' 20000")
    files = [tmp_path / f"file-{number:04}" for number in range(1500)]
    for file in files:
        file.write_text(file.name)
    facts = ask(programs, ("package", "p1"), *(("file", "=", str(file)) for file in files))
    assert len(facts.packages) == 20000
    assert all(facts.files[str(f)].sha256 == sha(f.name.encode()) for f in files)


def test_nothing_asked_is_answered_by_nothing(programs: Path) -> None:
    assert ask(programs).index() == {}

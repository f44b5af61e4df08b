"""The observer's shell text, run by this machine's own shell on files made for it."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tasks.errors import DeployError
from tasks.resources.base import Facts, FileFact, UnitFact
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
        observer(asked).argv(),
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


MAPS = """\
/proc/41/maps:7f01-7f02 r-xp 00000000 00:2b 12   /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
/proc/41/maps:7f02-7f03 r--p 00000000 00:2b 12   /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
/proc/41/maps:7f03-7f04 r-xp 00000000 00:2b 13   /usr/lib/x86_64-linux-gnu/libicu.so.72.1 (deleted)
/proc/41/maps:7f04-7f05 r--p 00000000 00:2b 14   /usr/lib/locale/locale-archive (deleted)
/proc/41/maps:7f05-7f06 rw-s 00000000 00:01 15   /dev/zero (deleted)
/proc/42/maps:7f01-7f02 r-xp 00000000 00:2b 16   /usr/bin/node (deleted)
/proc/42/maps:7f01-7f02 r-xp 00000000 00:2b 17   /opt/vikunja/backend/blue/vikunja (deleted)
"""


def test_of_what_runs_it_tells_the_packages_that_were_updated_since(programs: Path) -> None:
    states = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no"
    blocks = "\n\n".join(f"MainPID={pid}\n{states}" for pid in (41, 42, 43, 0))
    put(programs, "systemctl", f"cat <<END\n{blocks}\nEND")
    put(programs, "grep", f'echo "$*" >&2\ncat <<END\n{MAPS}END')
    put(
        programs,
        "dpkg-query",
        """cat <<END
diversion by libc6 from: /lib/libssl.so.3
libssl3:amd64: /usr/lib/x86_64-linux-gnu/libssl.so.3
nodejs: /usr/bin/node
END""",
    )
    names = ("a.service", "b.service", "c.service", "d.service")
    facts = ask(programs, *(("unit", name) for name in names))
    assert {name: unit.outdated for name, unit in facts.units.items()} == {
        # Of a package that has another name for it now, the file's.
        "a.service": ("libicu.so.72.1", "libssl3"),
        "b.service": ("nodejs",),
        "c.service": (),
        "d.service": (),
    }


def test_a_process_with_a_deleted_library_is_seen_in_what_the_kernel_tells(
    programs: Path, tmp_path: Path
) -> None:
    program = tmp_path / "sleeps"
    shutil.copy("/usr/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        program.unlink()
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        process.kill()
    said = [line for line in lines if " r-xp " in line and line.endswith(f"{program} (deleted)")]
    assert len(said) == 1


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


def test_an_answer_is_read_line_by_line_and_what_it_does_not_know_passed_over() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("/etc")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        member = tarfile.TarInfo("/etc/a")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"one"))
    lines = [
        "file\t/etc/a\tf\t644\troot\tadm\t3\t",
        "file\t/etc/b\tf\t600\ta\tb\t9\tnot a link's",
        "file\t/etc/l\tl\t777\troot\troot\t4\tto a",
        "file\t/dev/x\tc\t4660\troot\troot\t0\t",
        "sum\t/etc/a\t0123",
        "text\t/t\tone two",
        "package\tcurl\tinstalled\t7.88",
        "package\tnginx\tconfig-files\t1.22",
        "user\troot\t/root:/bin/sh",
        "unit\ta.service\tloaded\tactive\tenabled\tno\t/usr/lib/systemd/system/a.service /etc/x",
        "unit-file\t/etc/z",
        "unit-file\t/etc/y",
        "probe\t1\tpresent",
        "something\telse",
        "",
    ]
    asked: list[Question] = [
        ("probe", "log-files", "/a"),
        ("text", "/t"),
        ("probe", "log-files", "/b"),
    ]
    answer = "\n".join(lines).encode() + b"\ncontents\n" + buffer.getvalue()
    assert parse(answer, asked) == Facts(
        files={
            "/etc/a": FileFact("file", "0644", "root", "adm", 3, sha256="0123", content=b"one"),
            "/etc/b": FileFact("file", "0600", "a", "b", 9),
            "/etc/l": FileFact("link", "0777", "root", "root", 4, target="to a"),
            "/dev/x": FileFact("other", "4660", "root", "root", 0),
        },
        texts={"/t": "one two"},
        packages={"curl": "7.88"},
        users={"root": "/root:/bin/sh"},
        units={"a.service": UnitFact("loaded", "active", "enabled", False, ("/etc/x",))},
        unit_files=("/etc/y", "/etc/z"),
        probes={("log-files", "/b"): "present"},
    )


@pytest.mark.parametrize("answer", [b"", b"file\t/a", b"text\t/t\tcontents\n", b"x\ncontents"])
def test_an_answer_that_is_cut_short_is_never_taken_for_one(answer: bytes) -> None:
    with pytest.raises(DeployError, match="the container's answer is incomplete") as caught:
        parse(answer, ())
    assert caught.value.hint == "Look whether its disk or memory is full, then try again."
    assert list(caught.value.evidence) == answer.decode().splitlines()


def test_of_a_long_answer_that_is_cut_short_the_last_lines_are_evidence() -> None:
    answer = "".join(f"text\t/t\t{number}\n" for number in range(1000)).encode()
    with pytest.raises(DeployError) as caught:
        parse(answer, ())
    assert list(caught.value.evidence) == [f"text\t/t\t{number}" for number in range(995, 1000)]


@pytest.mark.parametrize(
    "question",
    [
        ("file", "-", ""),
        ("file", "-", "/a\tb"),
        ("file", "-", "/a\nb"),
        ("probe", "log-files", ""),
    ],
)
def test_what_would_be_another_question_is_not_asked(question: Question) -> None:
    with pytest.raises(DeployError, match=f"{question[0]}: cannot ask about"):
        question_lines([("text", "/t"), question])


def test_questions_are_lines_of_fields_and_probes_go_by_number() -> None:
    lines = question_lines(
        [
            ("probe", "log-files", "/a"),
            ("probe", "sqlite-database", "u", "/db"),
        ]
    )
    assert lines.decode().splitlines() == [
        "probe\t0\tlog_files\t/a",
        "probe\t1\tsqlite_database\tu\t/db",
    ]


def test_of_several_questions_about_a_file_the_one_that_asks_for_most_stays_and_comes_last() -> (
    None
):
    asked = unique(
        [
            ("file", "-", "/a"),
            ("text", "/a"),
            ("file", "=", "/a"),
            ("file", "-", "/a"),
            ("file", "0" * 64, "/b"),
            ("file", "=", "/b"),
            ("text", "/a"),
            ("file", "-", "/c"),
        ]
    )
    assert asked == (
        ("text", "/a"),
        ("file", "=", "/a"),
        ("file", "0" * 64, "/b"),
        ("file", "-", "/c"),
    )


def test_the_probes_that_are_asked_come_along_each_once() -> None:
    asked = [("text", "/t"), ("probe", "log-files", "/a"), ("probe", "log-files", "/b")]
    text = observer(asked).text
    assert text.count("probe_log_files()") == 1
    other = observer([("probe", "sqlite-database", "u", "/db")]).text
    assert "probe_sqlite_database" not in text and "probe_sqlite_database" in other

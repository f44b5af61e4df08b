"""What timers are made of, and what `timers` says to what it does not take.

How systemd takes them is in `tests/lab/test_timers.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.commands.timers import Timers, meant
from tasks.errors import UsageError
from tasks.host.timers import JOBS, are_installed, quoted, service, timer, units
from tasks.paths import PREFIX_VARIABLE, ROOT, Paths


def test_a_job_is_a_service_and_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PREFIX_VARIABLE, raising=False)
    made = units("backup", "*-*-* 03:30", Path("/etc/vikunja-deploy"))
    assert set(made) == {service("backup"), timer("backup")}
    lines = made[service("backup")].splitlines()
    assert f"ExecStart={ROOT}/doit backup --wait 3600 --config /etc/vikunja-deploy" in lines
    assert "Type=oneshot" in lines
    lines = made[timer("backup")].splitlines()
    assert {"OnCalendar=*-*-* 03:30", "RandomizedDelaySec=15min", "Persistent=true"} < {*lines}
    assert not any("$" in line for text in made.values() for line in text.splitlines())


def test_below_a_prefix_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX_VARIABLE, "/srv/a b")
    text = units("drill", "monthly", Path("/etc/x"))[service("drill")]
    assert f'ExecStart=/usr/bin/env "{PREFIX_VARIABLE}=/srv/a b" {ROOT}/doit drill' in text


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/etc/vikunja-deploy", "/etc/vikunja-deploy"),
        ("a b", '"a b"'),
        ("50%", "50%%"),
        ("$HOME", "$$HOME"),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("", '""'),
    ],
)
def test_words_are_written_as_systemd_reads_them(word: str, written: str) -> None:
    assert quoted(word) == written


def test_one_counts_as_there_once_it_starts_with_the_machine(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    wants = tmp_path / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants.parent / timer("backup")).write_text("")
    assert not are_installed(paths, "backup")
    (wants / timer("backup")).symlink_to(f"../{timer('backup')}")
    assert are_installed(paths, "backup") and not are_installed(paths, "drill")


def test_what_it_does_not_take_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert meant([]) == "" and meant(["install"]) == "install"
    for words in (["enable"], ["install", "vikunja-main"]):
        with pytest.raises(UsageError, match="no such thing can be done"):
            meant(words)
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert Timers().parse_execute([]) == 4
    assert Timers().parse_execute(["install", "--config", str(tmp_path / "nowhere")]) == 3
    broken = tmp_path / "config.yaml"
    broken.write_text("deployment: 7\n")
    assert Timers().parse_execute(["install", "--config", str(broken)]) == 3
    assert "systemd does not run this machine" in capsys.readouterr().err
    assert not (tmp_path / "etc").exists()


def test_every_job_is_a_command_and_says_when() -> None:
    assert [name for name, job in JOBS.items() if not job.calendar] == ["apply"]
    for name in JOBS:
        assert any(option["name"] == name for option in Timers.options)

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from instance_samples import sample_instance

from tasks.commands import usage
from tasks.commands.base import as_typed
from tasks.commands.plan import Plan
from tasks.commands.reference import commands
from tasks.paths import PREFIX_VARIABLE, ROOT

DOIT = Path(sys.executable).with_name("doit")


def said(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What the program says in a folder without a configuration."""
    return subprocess.run(
        [DOIT, *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            PREFIX_VARIABLE: str(folder),
            "DOIT_FILE": str(ROOT / "dodo.py"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_command_of_ours_is_in_one_group() -> None:
    grouped = [name for names in usage.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(commands())


def test_the_overview_names_ours_by_group_and_doits_own_in_a_line() -> None:
    text = usage.overview({"plan": "show what would change", "strace": "use strace"})
    assert "\nDeploy\n  plan       show what would change\n" in text
    assert "\n  doit's own (https://pydoit.org): strace\n" in text


@pytest.mark.parametrize("asked", [["--help"], ["-h"], ["some-id", "--json", "-h"]])
def test_a_command_shows_its_options_where_it_is_asked_for_help(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert Plan().parse_execute(asked) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("./doit plan [OPTION...] [ID...]\n\nShow what would change, and why;")
    for word in ("--detailed-exitcode", "-c, --config CONFIG", "-h, --help"):
        assert f"\n  {word} " in shown


def test_a_value_that_is_no_number_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    from tasks.commands.history import History

    assert History().parse_execute(["--lines", "many"]) == 3
    assert capsys.readouterr().err == "error: --lines many: a whole number is needed\n"


@pytest.mark.parametrize(
    ("left", "argv", "typed"),
    [
        (["--from"], ["doit", "restore", "--from", "/a=b/1"], ["--from", "/a=b/1"]),
        (["x"], ["doit", "verify", "x"], ["x"]),
        (["--out=a=b"], ["doit", "plan", "--out=a=b"], ["--out=a=b"]),
        # Called from within another program, whose arguments are none of ours.
        (["x"], ["pytest", "verify", "a=b"], ["x"]),
        (["x"], ["pytest"], ["x"]),
    ],
)
def test_an_argument_with_an_equals_sign_stays_one(
    left: list[str], argv: list[str], typed: list[str]
) -> None:
    assert as_typed(left, argv[1] if len(argv) > 1 else "verify", argv) == typed


def test_an_archive_below_a_folder_with_an_equals_sign_is_the_one_that_is_meant(
    tmp_path: Path,
) -> None:
    done = said("verify", "/nowhere/a=b/1.tar.gz", folder=tmp_path)
    assert "/nowhere/a=b/1.tar.gz" in done.stderr


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["pln"], "error: 'pln' is no command and no step\n       Did you mean plan? "),
        (["help", "pln"], "error: 'pln' is no command and no step\n       Did you mean plan? "),
        (
            ["--config", "x", "plan"],
            "error: --config cannot stand here\n       Options stand behin",
        ),
        (
            ["list", "--statsu"],
            "error: list: option --statsu not recognized\n       Did you",
        ),
        (["run", "--nosuch"], "error: run: option --nosuch not recognized\n"),
        (["list", "nosuch"], "error: 'nosuch' is no command and no step\n"),
        (["info", "nosuch"], "error: 'nosuch' is no command and no step\n"),
        (
            ["ignore", "rendr"],
            "error: 'rendr' is no command and no step\n       Did you mean render",
        ),
        (["info"], "error: `info` failed, must select *one* task.\n       ./doit help info"),
        (["strace"], "error: strace failed, must select *one* task to strace.\n"),
        (["dumpdb"], "error: dumpdb reads another kind of database\n       sqlite3 /"),
        (["list", "--config", "gone.yaml"], "error: --config gone.yaml: no such file or folder\n"),
        (
            ["-n", "2", "record:main"],
            "error: 'record:main' is no step: there is no configu",
        ),
    ],
)
def test_what_is_mistyped_is_answered_in_two_lines(
    typed: list[str], says: str, tmp_path: Path
) -> None:
    done = said(*typed, folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 2


@pytest.mark.parametrize(
    "typed",
    [
        ["list", "--all"],
        ["help"],
        ["info"],
        ["run"],
        ["clean"],
        ["forget"],
        ["ignore"],
        ["reset-dep"],
        ["-n", "2"],
        [],
    ],
    ids=" ".join,
)
def test_doits_own_commands_work_on_a_configuration_that_is_named(
    typed: list[str], tmp_path: Path
) -> None:
    instance = sample_instance()
    (tmp_path / "main.yaml").write_text(yaml.safe_dump(dict(instance.document)))
    done = said(*typed, f"validate:{instance.id}", "--config", "main.yaml", folder=tmp_path)
    # `info` ends as it says that there is something to do.
    assert (done.returncode, done.stderr) == (1 if typed == ["info"] else 0, "")
    assert f"validate:{instance.id}" in done.stdout or typed == ["clean"]


def test_a_step_that_is_mistyped_is_answered_with_the_nearest(tmp_path: Path) -> None:
    instance = sample_instance()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(dict(instance.document)))
    done = said(f"rendr:{instance.id}", folder=tmp_path)
    assert done.returncode == 3
    assert f"Did you mean render:{instance.id}? " in done.stderr


def test_help_of_a_command_is_what_its_option_shows(tmp_path: Path) -> None:
    done = said("help", "plan", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout == said("plan", "--help", folder=tmp_path).stdout

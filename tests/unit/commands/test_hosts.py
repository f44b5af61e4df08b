"""The tool on hosts as they are: any locale, any umask, streams that were closed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.host.caller import plain

DOIT = Path(sys.executable).with_name("doit")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of locales with one of ISO 8859-1, as Debian makes them."""
    folder = tmp_path_factory.mktemp("locales")
    subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(folder / "en_US.ISO-8859-1")],
        check=True,
    )
    yield folder


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name[:2] not in ("LC", "LA")}
    return subprocess.run(
        [str(DOIT), *arguments],
        cwd=folder,
        env={**inherited, "DOIT_FILE": str(ROOT / "dodo.py"), **environment},
        capture_output=True,
    )


def test_a_locale_without_our_characters_gets_plain_ones(tmp_path: Path, locales: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("deployment: {instance_id: Grün→}\n", encoding="utf-8")
    latin = {"LOCPATH": str(locales), "LC_ALL": "en_US.ISO-8859-1"}
    for arguments in (["plan", "--config", str(file)], ["list"]):
        done = run(tmp_path, *arguments, **latin)
        assert done.returncode == 3
        # The file was read as what it is; the terminal gets what it has.
        assert 'instance_id: "Grün->"'.encode("latin-1") in done.stderr
        assert b"Traceback" not in done.stderr
    for arguments in (["help"], ["help", "apply"]):
        shown = run(tmp_path, *arguments, **latin)
        assert (shown.returncode, b"Traceback" in shown.stderr) == (0, False), arguments


def test_what_a_user_says_of_the_encoding_counts(tmp_path: Path) -> None:
    done = run(tmp_path, "help", PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8")
    assert done.returncode == 0
    done.stdout.decode("ascii")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a → b", "a -> b"), ("Building …", "Building ..."), ("é", "e"), ("鱼", "?"), ("±1", "+-1")],
)
def test_a_character_that_is_missing_has_a_plain_one(text: str, shown: str) -> None:
    import codecs

    codecs.register_error("test-plain", plain)
    assert text.encode("ascii", "test-plain").decode() == shown


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_closed_streams_are_nobodys_files(tmp_path: Path, closed: str) -> None:
    redirections = " ".join(f"{number}>&-" for number in closed.split())
    script = f'exec {redirections}; exec "$@"'
    file = tmp_path / "config.yaml"
    file.write_text("deployment: {instance_id: 7}\n")
    done = subprocess.run(
        ["sh", "-c", script, "sh", str(DOIT), "plan", "--config", str(file)], capture_output=True
    )
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr + done.stdout


def test_folders_of_the_tool_can_be_passed_through_whatever_the_umask(tmp_path: Path) -> None:
    argv = ["sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-c"]
    program = (
        "import os; from tasks.host.caller import prepare; prepare(); os.mkdir('made');"
        " print(oct(os.stat('made').st_mode & 0o777))"
    )
    done = subprocess.run(
        [*argv, program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "0o755", done.stderr

"""A file that fitted the schema is not judged again; whatever changed is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from configuration_samples import BASE

from tasks.config import load_instances, memo
from tasks.config.memo import Memo
from tasks.errors import ConfigError, DeployError


def imported(config: Path, kept: Path) -> set[str]:
    """Which of the heavy modules a load imports, in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from tasks.config import load_instances;"
        f"load_instances([Path({str(config)!r})], memo=Path({str(kept)!r}));"
        "print(*(name for name in ('jsonschema', 'jinja2', 'requests') if name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_second_load_of_the_same_bytes_does_without_jsonschema(tmp_path: Path) -> None:
    config, kept = tmp_path / "config.yaml", tmp_path / "kept/memo.json"
    config.write_text(BASE)

    assert imported(config, kept) == {"jsonschema"}
    assert imported(config, kept) == set()
    config.write_text(BASE + "# changed\n")
    assert imported(config, kept) == {"jsonschema"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, tasks.config, tasks.config.document;"
        "print(*(n for n in ('yaml', 'jsonschema', 'ssl', 'difflib') if n in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_wrong_file_is_never_remembered(folder: Path, tmp_path: Path) -> None:
    (folder / "config.yaml").write_text(BASE + "redis: {port: 1}\n")
    kept = tmp_path / "memo.json"
    for _ in range(2):
        with pytest.raises(ConfigError, match="1 is less than the minimum 1024"):
            load_instances([Path("config.yaml")], memo=kept)

    assert not kept.exists()


def test_the_checks_of_this_machine_run_for_a_remembered_file(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    config = Path("config.yaml")
    config.write_text(BASE + f"files: [{{path: /etc/motd, source: {source}}}]\n")
    load_instances([config], memo=tmp_path / "memo.json")
    source.unlink()

    with pytest.raises(ConfigError, match="does not exist"):
        load_instances([config], memo=tmp_path / "memo.json")


def test_rules_beyond_the_schema_run_for_a_remembered_file(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "memo.json"
    text = BASE.replace("gateway: 192.168.1.1", "gateway: 192.168.2.1")
    (folder / "config.yaml").write_text(text)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"192\.168\.2\.1 is not in the subnet"):
            load_instances([Path("config.yaml")], memo=kept)

    assert Memo(kept).knows(text.encode())


def test_another_schema_or_other_code_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Memo(tmp_path / "memo.json")
    first.add(b"x")
    first.save()
    assert Memo(tmp_path / "memo.json").knows(b"x")

    monkeypatch.setattr(memo, "schema_bytes", lambda: b"{}")
    memo._rules_digest.cache_clear()
    try:
        assert not Memo(tmp_path / "memo.json").knows(b"x")
    finally:
        memo._rules_digest.cache_clear()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_valid": 7}', '{"schema_valid": [7]}', "\xff", "[" * 100000]
)
def test_a_damaged_memo_is_made_again(folder: Path, tmp_path: Path, text: str) -> None:
    (folder / "config.yaml").write_text(BASE)
    kept = tmp_path / "memo.json"
    kept.write_text(text, "latin-1")

    load_instances([Path("config.yaml")], memo=kept)

    assert Memo(kept).knows(BASE.encode())


def test_the_memo_does_not_grow_without_end(tmp_path: Path) -> None:
    kept = Memo(tmp_path / "memo.json")
    for number in range(memo.MOST_KEPT + 10):
        kept.add(str(number).encode())
    kept.save()

    assert len(json.loads((tmp_path / "memo.json").read_text())["schema_valid"]) == memo.MOST_KEPT
    assert not Memo(tmp_path / "memo.json").knows(b"0")
    assert Memo(tmp_path / "memo.json").knows(str(memo.MOST_KEPT + 9).encode())


def test_a_place_that_may_not_be_written_is_no_problem(tmp_path: Path) -> None:
    # sysfs refuses new files to everybody, root included.
    kept = Memo(Path("/sys/vikunja-deploy/memo.json"))
    kept.add(b"x")
    kept.save()
    assert kept.knows(b"x")


def test_a_place_that_cannot_be_a_file_is_a_problem(tmp_path: Path) -> None:
    kept = Memo(tmp_path)
    kept.add(b"x")
    with pytest.raises(DeployError, match="cannot be written"):
        kept.save()

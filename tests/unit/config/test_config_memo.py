"""A file that fitted the schema is not judged again; whatever changed is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from configuration_samples import BASE

from tasks.config import load, load_instances, memo
from tasks.config.memo import Memo
from tasks.errors import ConfigError, DeployError
from tasks.host.text_cache import MOST_KEPT, TextCache, key_of
from tasks.paths import ROOT


def imported(config: Path, kept: Path) -> set[str]:
    """Which of the heavy modules a load imports, in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from tasks.config import load_instances;"
        f"load_instances([Path({str(config)!r})], memo=Path({str(kept)!r}));"
        "print(*(n for n in ('yaml', 'jsonschema', 'jinja2', 'requests') if n in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_second_load_of_the_same_bytes_does_without_a_parser(tmp_path: Path) -> None:
    config, kept = tmp_path / "config.yaml", tmp_path / "kept/readings"
    config.write_text(BASE)

    assert imported(config, kept) == {"yaml", "jsonschema"}
    assert imported(config, kept) == set()
    config.write_text(BASE + "# changed\n")
    assert imported(config, kept) == {"yaml", "jsonschema"}


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


def test_what_is_remembered_is_what_was_read(folder: Path, tmp_path: Path) -> None:
    text = ROOT / "config.example.yaml"
    (folder / "config.yaml").write_bytes(text.read_bytes())
    kept = tmp_path / "readings"
    (first,) = load_instances([Path("config.yaml")], memo=kept)
    (again,) = load_instances([Path("config.yaml")], memo=kept)
    assert again == first
    assert again.document == first.document
    recalled = Memo(kept).recall(Path("config.yaml"), text.read_bytes())
    assert recalled == load._read(text.read_bytes(), [])


def test_only_root_may_look_at_what_is_remembered(folder: Path, tmp_path: Path) -> None:
    (folder / "config.yaml").write_text(BASE)
    load_instances([Path("config.yaml")], memo=tmp_path / "readings")
    (file,) = (tmp_path / "readings").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_wrong_file_is_never_remembered(folder: Path, tmp_path: Path) -> None:
    (folder / "config.yaml").write_text(BASE + "redis: {port: 1}\n")
    kept = tmp_path / "readings"
    for _ in range(2):
        with pytest.raises(ConfigError, match="1 is less than the minimum 1024"):
            load_instances([Path("config.yaml")], memo=kept)

    assert not kept.exists()


def test_the_checks_of_this_machine_run_for_a_remembered_file(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    config = Path("config.yaml")
    config.write_text(BASE + f"files: [{{path: /etc/motd, source: {source}}}]\n")
    load_instances([config], memo=tmp_path / "readings")
    source.unlink()

    with pytest.raises(ConfigError, match=r"config\.yaml:\d+: .*does not exist"):
        load_instances([config], memo=tmp_path / "readings")


def test_rules_beyond_the_schema_run_for_a_remembered_file(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "readings"
    text = BASE.replace("gateway: 192.168.1.1", "gateway: 192.168.2.1")
    (folder / "config.yaml").write_text(text)
    said = []
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"192\.168\.2\.1 is not in the subnet") as error:
            load_instances([Path("config.yaml")], memo=kept)
        said.append(str(error.value))

    assert said[0] == said[1]
    assert Memo(kept).recall(Path("config.yaml"), text.encode())


def test_another_schema_or_other_code_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.touch()
    Memo(tmp_path).add(file, b"x", ({}, {}))
    assert Memo(tmp_path).recall(file, b"x") == ({}, {})
    assert Memo(tmp_path).recall(file, b"y") is None

    monkeypatch.setattr(memo, "schema_bytes", lambda: b"{}")
    memo._rules_digest.cache_clear()
    try:
        assert Memo(tmp_path).recall(file, b"x") is None
    finally:
        memo._rules_digest.cache_clear()


SECRET = "vikunja: {environment: {VIKUNJA_MAILER_PASSWORD: canary}}\n"


def kept_texts(kept: Path) -> str:
    return "".join(path.read_text() for path in kept.iterdir())


@pytest.mark.parametrize("rotated", [SECRET.replace("canary", "new"), "redis: {port: 1}\n", "a: ["])
def test_a_secret_that_was_rotated_is_remembered_nowhere(
    folder: Path, tmp_path: Path, rotated: str
) -> None:
    config, kept = Path("config.yaml"), tmp_path / "readings"
    config.write_text(BASE + SECRET)
    load_instances([config], memo=kept)
    assert "canary" in kept_texts(kept)

    config.write_text(BASE + rotated)
    with suppress(ConfigError):
        load_instances([config], memo=kept)

    assert "canary" not in kept_texts(kept)


def test_what_was_remembered_of_a_file_that_is_gone_goes_with_the_next_one(
    folder: Path, tmp_path: Path
) -> None:
    gone, kept = tmp_path / "gone.yaml", tmp_path / "readings"
    gone.write_text(BASE + SECRET)
    load_instances([gone], memo=kept)
    # As versions before this one kept it: by what it says.
    (kept / key_of(gone.read_bytes())).write_bytes(gone.read_bytes())
    gone.unlink()
    (folder / "config.yaml").write_text(BASE)
    load_instances([Path("config.yaml")], memo=kept)

    assert "canary" not in kept_texts(kept)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"document": 7}', "\xff", "[" * 100000])
def test_a_damaged_memo_is_made_again(folder: Path, tmp_path: Path, text: str) -> None:
    (folder / "config.yaml").write_text(BASE)
    kept = tmp_path / "readings"
    (first,) = load_instances([Path("config.yaml")], memo=kept)
    (file,) = kept.iterdir()
    sound = file.read_bytes()
    file.write_text(text, "latin-1")

    assert load_instances([Path("config.yaml")], memo=kept) == (first,)
    assert file.read_bytes() == sound


def test_the_memo_does_not_grow_without_end(tmp_path: Path) -> None:
    kept = TextCache(tmp_path)
    for number in range(MOST_KEPT + 10):
        kept.put(str(number), b"x")
        os.utime(tmp_path / str(number), (number, number))

    assert kept.get("8") is None
    assert kept.get(str(MOST_KEPT + 9)) == b"x"
    assert len(list(tmp_path.iterdir())) == MOST_KEPT


def test_a_place_that_may_not_be_written_is_no_problem() -> None:
    # sysfs refuses new files to everybody, root included.
    kept = TextCache(Path("/sys/vikunja-deploy/readings"))
    kept.put("key", b"x")
    assert kept.get("key") is None


def test_a_place_that_cannot_be_a_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeployError, match="cannot be written"):
        TextCache(tmp_path / "file").put("key", b"x")


def test_as_many_files_as_one_host_has_are_remembered_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, files = tmp_path / "readings", []
    for number in range(150):
        file = tmp_path / f"{number}.yaml"
        name = f"vikunja-{number}"
        text = BASE.replace("vikunja-main", name).replace("192.168.1.50", f"192.168.1.{number + 2}")
        file.write_text(text.replace("vikunja.example.com", f"{name}.example.com"))
        files.append(file)
    once = load.load_sound(files, memo=kept)[0]
    monkeypatch.setattr(load, "_read", None)
    assert [one.id for one in load.load_sound(files, memo=kept)[0]] == [one.id for one in once]
    assert len(list(kept.iterdir())) == 150

"""Installations as they are known to be laid out → the configuration that stands for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from authority import new_authority
from installations import lay, run

from tasks.config import load_instances

CASES = yaml.safe_load(Path(__file__).with_name("layouts.yaml").read_text())


def pruned(value: Any) -> Any:
    """Without empty sections."""
    if not isinstance(value, dict):
        return value
    kept = {name: pruned(inner) for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner not in (None, {})}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_layout_becomes_its_configuration(
    case: dict[str, Any], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = here.parent / "root"
    lay(root, case["files"])
    (root / "etc").mkdir(exist_ok=True)
    if "certificate" in case:
        lay_certificate(root, *case["certificate"])

    code = run("--from", f"folder:{root}{case.get('from', '')}", *case.get("arguments", ()))

    printed = capsys.readouterr()
    said = printed.err.replace(str(root), "FOLDER").splitlines()
    assert code == 0, said
    text = (here / "config.yaml").read_text()
    document = pruned(yaml.safe_load(text))
    for answered in ("deployment", "admin", "release"):
        document.pop(answered, None)
    for name in ("ip_address", "gateway"):
        del document["network"][name]
    assert document == case["config"]
    for line in case.get("origins", ()):
        assert line in text
    folder = here / "config.secrets"
    secrets = {path.name: path for path in folder.iterdir()} if folder.exists() else {}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in secrets.values())
    held = {name: path.read_text() for name, path in secrets.items() if not name.startswith("ssl-")}
    assert held == case.get("secrets", {})
    assert not any(content.strip() in text for content in held.values())
    assert not any(content.strip() in printed.err for content in held.values())
    if "found" in case:
        assert said[:5] == case["found"]
    unplaced = [line[2:] for line in said if line.startswith("  ")]
    assert unplaced == case["unplaced"]
    assert load_instances([here / "config.yaml"])[0].id == "vikunja-main"
    assert sorted(path.name for path in here.iterdir() if path.name.startswith(".")) == []


def lay_certificate(root: Path, certificate: str, key: str) -> None:
    made = new_authority(root / "authority").issue("tasks.example.com")
    for path, file in ((certificate, made), (key, made.with_suffix(".key"))):
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())

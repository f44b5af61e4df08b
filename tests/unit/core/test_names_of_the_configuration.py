"""The configuration by another name is the same configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from model_site import Site

from tasks.commands.plan import Plan
from tasks.model import registry


@pytest.fixture
def applied(site: Site) -> Site:
    """By its absolute path, with a path in it that is relative to it."""
    site.document["backup"] = {"directory": "./kept"}
    site.write()
    site.deploy()
    (site.folder / "elsewhere").mkdir()
    (site.folder / "link").symlink_to(site.folder)
    (site.folder / "elsewhere" / "linked.yaml").symlink_to(site.config)
    return site


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (".", "config.yaml"),
        (".", "./elsewhere/../config.yaml"),
        ("elsewhere", "../config.yaml"),
        ("elsewhere", "..//./config.yaml"),
        ("elsewhere", "../link/config.yaml"),
        ("link/elsewhere", "../config.yaml"),
    ],
)
def test_a_plan_by_another_name_has_nothing_to_do(
    applied: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
    name: str,
) -> None:
    monkeypatch.chdir(applied.folder / where)

    assert Plan().parse_execute(["--config", name]) == 0
    assert "up to date" in capsys.readouterr().out


def test_a_link_to_the_file_itself_is_no_other_entry_of_the_registry(
    applied: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    applied.document["backup"] = {"directory": str(applied.folder / "kept")}
    applied.write()
    Plan().parse_execute(["--config", str(applied.folder / "elsewhere" / "linked.yaml")])

    assert "record:registry" not in capsys.readouterr().out


def test_another_file_with_the_same_text_is_another_entry(
    applied: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = applied.folder / "elsewhere" / "config.yaml"
    copied.write_bytes(applied.config.read_bytes())
    Plan().parse_execute(["--config", str(copied)])

    assert "record:registry" in capsys.readouterr().out


def test_what_is_registered_has_no_steps_back_in_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "elsewhere").mkdir()
    monkeypatch.chdir(site.folder / "elsewhere")
    site.config = Path("../config.yaml")
    site.apply()

    (entry,) = registry.read(site.paths)
    assert entry.config == str(site.folder.resolve() / "config.yaml")

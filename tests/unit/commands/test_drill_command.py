"""`drill` over several instances; what a drill itself does is in the lab."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_site import NAME, Site, model_site

from tasks.commands.drill import Drill, network_at
from tasks.errors import UsageError

OTHER = "vikunja-other"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with model_site(monkeypatch) as site:
        yield configurations(site)


def configurations(site: Site) -> Path:
    """Two instances, neither of which has a backup."""
    folder = site.folder / "configurations"
    folder.mkdir()
    for name, address in ((NAME, "10.99.0.10/24"), (OTHER, "10.99.0.11/24")):
        document = copy.deepcopy(site.document)
        document["deployment"]["instance_id"] = name
        document["network"]["ip_address"] = address
        document["backup"] = {"directory": str(site.folder / "backups")}
        (folder / f"{name}.yaml").write_text(json.dumps(document))
    return folder


def test_each_is_drilled_and_each_failure_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Drill().parse_execute(["--config", str(folder)]) == 4
    said = capsys.readouterr()
    for name in (NAME, OTHER):
        assert f"{name}: there is no backup in " in said.err
    assert said.out == ""
    assert Drill().parse_execute([OTHER, "--config", str(folder)]) == 4
    assert NAME not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("from", "1.tar.gz"), ("identity", "key"), ("address", "10.99.0.12")]
)
def test_what_is_of_one_archive_is_for_one(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert Drill().parse_execute([f"--{option}", value, "--config", str(folder)]) == 3
    assert (
        f"error: --{option} is for one instance\n"
        f"       Name one: ./doit drill ID, of {NAME}, {OTHER}\n"
    ) in capsys.readouterr().err


def test_an_address_that_does_not_fit_says_where_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with model_site(monkeypatch) as site:
        instance = site.instance
    with pytest.raises(UsageError, match=r"^--address 10\.1\.0\.9: not a free address of"):
        network_at(instance, "10.1.0.9")
    with pytest.raises(UsageError, match=r"^backup\.drill_address 10\.1\.0\.9/24: not a free"):
        network_at(instance, "10.1.0.9/24", "backup.drill_address")

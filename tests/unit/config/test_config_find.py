"""The search order: --config, the variable, ./config.yaml, /etc/vikunja-deploy/."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.config import find_configuration
from tasks.errors import UsageError


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A working folder and an environment in which nothing of this machine is seen."""
    cwd = tmp_path / "here"
    cwd.mkdir()
    return cwd, {"VIKUNJA_DEPLOY_PREFIX": str(tmp_path / "root")}


def fill(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_the_option_comes_first(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    fill(cwd, "config.yaml", "other.yaml", "named.yaml")
    environ["VIKUNJA_DEPLOY_CONFIG"] = "other.yaml"

    assert find_configuration("named.yaml", cwd, environ) == (cwd / "named.yaml",)


def test_the_variable_comes_second(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    fill(cwd, "config.yaml", "other.yaml")
    environ["VIKUNJA_DEPLOY_CONFIG"] = "other.yaml"

    assert find_configuration(None, cwd, environ) == (cwd / "other.yaml",)


def test_the_working_folder_comes_third(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    fill(cwd, "config.yaml")
    fill(cwd.parent / "root/etc/vikunja-deploy", "a.yaml")
    environ["VIKUNJA_DEPLOY_CONFIG"] = ""

    assert find_configuration(None, cwd, environ) == (cwd / "config.yaml",)


def test_the_system_folder_comes_last(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    files = fill(cwd.parent / "root/etc/vikunja-deploy", "a.yaml", "b.yaml")

    assert find_configuration(None, cwd, environ) == tuple(files)


def test_a_folder_gives_its_yaml_files_sorted(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    fill(cwd / "all", "b.yaml", "a.yaml", "c.yml", "notes.txt", ".a.yaml", "a.yaml~")

    assert find_configuration("all", cwd, environ) == (cwd / "all/a.yaml", cwd / "all/b.yaml")


def test_an_absolute_option_stays_as_it_is(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    file = fill(cwd / "all", "b.yaml")[0]

    assert find_configuration(str(file), Path("/"), environ) == (file,)


def test_nothing_found_points_at_init(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    fill(cwd.parent / "root/etc/vikunja-deploy")

    with pytest.raises(UsageError) as caught:
        find_configuration(None, cwd, environ)

    system = cwd.parent / "root/etc/vikunja-deploy"
    assert str(caught.value) == (
        f"no configuration: neither {cwd}/config.yaml nor {system}/*.yaml exists"
    )
    assert caught.value.hint == "Write one with ./doit init, or name it: --config PATH"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("option", "message", "hint"),
    [
        ("gone", "--config gone: no such file or folder", "Write one with ./doit init"),
        ("none", "--config none: the folder has no *.yaml file", "Write one with ./doit init"),
        (
            "yml",
            "--config yml: the folder has no *.yaml file",
            "Its *.yml files are not looked at: rename them to *.yaml",
        ),
        ("config.yaml/x", "--config config.yaml/x: cannot be read: Not a directory", ""),
        ("a\0b", "--config a\0b: is no path: embedded null byte", ""),
    ],
)
def test_an_option_that_names_nothing_says_so(
    places: tuple[Path, dict[str, str]], option: str, message: str, hint: str
) -> None:
    cwd, environ = places
    fill(cwd, "config.yaml")
    fill(cwd / "none")
    fill(cwd / "yml", "a.yml")

    with pytest.raises(UsageError) as caught:
        find_configuration(option, cwd, environ)

    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_variable_that_names_nothing_is_named(places: tuple[Path, dict[str, str]]) -> None:
    cwd, environ = places
    fill(cwd, "config.yaml")
    environ["VIKUNJA_DEPLOY_CONFIG"] = "gone"

    with pytest.raises(UsageError, match=r"^\$VIKUNJA_DEPLOY_CONFIG \(gone\): no such file"):
        find_configuration(None, cwd, environ)

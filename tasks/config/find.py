"""Where the configuration is: the search order of every command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.errors import UsageError
from tasks.paths import PREFIX_VARIABLE

CONFIG_VARIABLE = "VIKUNJA_DEPLOY_CONFIG"


def find_configuration(
    option: str | None, cwd: Path, environ: Mapping[str, str]
) -> tuple[Path, ...]:
    """The configuration files, absolute and sorted.

    option: what --config names, a file or a folder of *.yaml. Without it $VIKUNJA_DEPLOY_CONFIG,
    then ./config.yaml, then /etc/vikunja-deploy/. Relative names start at cwd.
    Raises UsageError where there is none.
    """
    path, name = configuration_path(option, cwd, environ)
    return _files_of(path, name)


def configuration_path(
    option: str | None, cwd: Path, environ: Mapping[str, str]
) -> tuple[Path, str]:
    """The file or folder that is looked into, and who named it; see find_configuration. One that is
    named need not be there."""
    if option:
        return cwd / option, f"--config {option}"
    if named := environ.get(CONFIG_VARIABLE):
        return cwd / named, f"${CONFIG_VARIABLE} ({named})"
    if (here := cwd / "config.yaml").exists():
        return here, str(here)
    system = Path(environ.get(PREFIX_VARIABLE) or "/") / "etc/vikunja-deploy"
    if system.is_dir() and _yaml_files(system):
        return system, str(system)
    raise UsageError(
        f"no configuration: neither {here} nor {system}/*.yaml exists",
        hint="Write one with ./doit init, or name it: --config PATH",
    )


def _files_of(path: Path, name: str) -> tuple[Path, ...]:
    try:
        if not path.is_dir():
            path.lstat()
            return (path,)
        files = _yaml_files(path)
    except FileNotFoundError:
        raise UsageError(
            "no such file or folder", where=name, hint="Write one with ./doit init"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=name) from error
    except ValueError as error:
        raise UsageError(f"is no path: {error}", where=name) from error
    if files:
        return files
    hint = "Write one with ./doit init"
    if any(path.glob("*.yml")):
        hint = "Its *.yml files are not looked at: rename them to *.yaml"
    raise UsageError("the folder has no *.yaml file", where=name, hint=hint)


def _yaml_files(folder: Path) -> tuple[Path, ...]:
    return tuple(
        sorted(
            entry
            for entry in folder.iterdir()
            if entry.suffix == ".yaml" and not entry.name.startswith(".")
        )
    )

"""What dodo.py needs to know from outside: which instances, and where doit's database is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tasks.engine.instances import load_watched
from tasks.errors import UsageError
from tasks.model.instance import Instance
from tasks.paths import host_paths


def configured_instances(warn: Callable[[str], None]) -> tuple[Instance, ...]:
    """The instances of the configuration that the environment or the caller's folder names; the
    end of their operations is told. None where there is no configuration at all: doit's own
    commands still work. warn: where goes what could not be told. UsageError where one is named
    and not there, ConfigError where it is wrong.
    """
    from tasks.config import CONFIG_VARIABLE

    try:
        files = configuration_files()
    except UsageError:
        if os.environ.get(CONFIG_VARIABLE):
            raise
        return ()
    return load_watched(files, warn)


def configuration_files() -> tuple[Path, ...]:
    """See find_configuration, as called where the caller was."""
    import doit.loader

    from tasks.config import find_configuration

    # doit has changed into dodo.py's folder by now; what the caller named is relative to its own.
    caller = Path(doit.loader.initial_workdir or Path.cwd())
    return find_configuration(None, caller, os.environ)


def database_path() -> Path:
    """doit's database: with the other records for root, else in the user's own state folder."""
    shared = host_paths().engine_database
    if os.access(shared if shared.exists() else shared.parent, os.W_OK) or os.geteuid() == 0:
        return shared
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return home / "vikunja-deploy" / "doit.db"

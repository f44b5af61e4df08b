"""What `plan` and `check` can say about a build before it is one."""

from __future__ import annotations

import os

from tasks.builds import git, recipe, runtime
from tasks.builds.fetching import probe
from tasks.builds.local import LocalWorkplace, build_identity
from tasks.builds.toolchain import after, missing, problems
from tasks.builds.workplace import environment
from tasks.errors import BuildError
from tasks.model.instance import Instance
from tasks.paths import Paths


def check_toolchain(instance: Instance, commit: str, paths: Paths) -> list[str]:
    """Problems that building the commit would meet, one line each; empty: none is known.

    Asks no network, starts no container and changes nothing: a commit that was never fetched
    and a builder container that has to be looked into give no answer before the build, whose
    own check is complete and comes before anything is changed.
    """
    if instance.git is None:
        return []
    mirror = git.mirror_path(instance.git, paths)
    if not git.holds(mirror, commit):
        return []

    def show(path: str) -> str | None:
        return git.show(mirror, commit, path)

    try:
        chosen = recipe.parts(
            instance, git.files(mirror, commit), show, version=commit, commit=commit
        )
    except BuildError as error:
        return [error.what]
    fetch = instance.build.toolchains == "fetch"
    without_node = [] if fetch else runtime.problems(instance, show)
    if instance.build.where != "local":
        return without_node
    wanted = recipe.asks_for(chosen, show)
    here = paths.cache if paths.cache.is_dir() else paths.prefix
    workplace = LocalWorkplace(here, here, build_identity())
    found = probe(
        workplace, wanted, environment(str(here), instance.build.environment, fetch=fetch)
    )
    if fetch:
        found = after(missing(wanted, found, os.uname().machine), found)
    return [*problems(wanted, found, workplace.name, fetch=fetch), *without_node]

"""Whether the container's root file system is there, or can be made."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

from tasks.containers import container_for
from tasks.containers.lxc.apt import Setup, read_setup
from tasks.containers.lxc.rootfs import local_authorities, recipe_of
from tasks.errors import NetworkError, ResourceError
from tasks.host.user_ids import read_idmap
from tasks.model.finding import Finding, World
from tasks.paths import Paths

ANSWER_SECONDS = 10.0


def check(world: World) -> Iterator[Finding]:
    """ResourceError where no apt source serves the release."""
    there = container_for(world.instance, world.paths).observe()
    if there.exists and world.instance.placement.template in (None, there.template):
        yield world.ok("template", f"the container has been made of Debian {there.template}")
        return
    suite = world.instance.template
    setup = read_setup(suite)
    if is_cached(world.paths, suite, setup):
        yield world.ok("template", f"the root file system of Debian {suite} has been made")
        return
    yield evaluate(world, suite, ask(setup))


def is_cached(paths: Paths, suite: str, setup: Setup) -> bool:
    try:
        ids = read_idmap()
    except ResourceError:
        # An apply gives root its range.
        return False
    recipe = recipe_of(suite, setup, local_authorities(), ids)
    return (paths.cache / "rootfs" / recipe.key / "recipe").is_file()


def ask(setup: Setup) -> int | str:
    """HTTP status of the release's own file in the archive, or why there was none; 200 where only
    apt knows how to reach it."""
    (suite,) = setup.base.suites
    scheme = setup.base.uri.partition(":")[0]
    if scheme not in ("http", "https"):
        return 200
    proxies = {
        name.lower().removesuffix("_proxy"): value for name, value in setup.environment.items()
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    url = f"{setup.base.uri.rstrip('/')}/dists/{suite}/InRelease"
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, ValueError) as error:
        return str(error)


def evaluate(world: World, suite: str, answer: int | str) -> Finding:
    """answer: HTTP status, or why there was none."""
    if isinstance(answer, str):
        what = f"this machine's Debian archive cannot be reached: {answer}"
        return world.problem(
            "template", what, "Run apt-get update and mend what it says", NetworkError
        )
    if answer == 404:
        what = f"this machine's Debian archive has no release {suite}"
        return world.problem("template", what, "Set lxc.template to one that it has", ResourceError)
    if answer != 200:
        what = f"this machine's Debian archive answers with HTTP {answer}"
        hint = f"mmdebstrap {suite} may fail: run apt-get update and mend what it says"
        return world.warning("template", what, hint)
    return world.ok("template", f"the root file system of Debian {suite} can be made")

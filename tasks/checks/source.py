"""Whether what is to be deployed can be had: the branch, its toolchains, or the release."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tasks import builds
from tasks.builds.builder import BRIDGE, SUBNET
from tasks.builds.digests import said_of
from tasks.builds.published import archive_url, kind_of
from tasks.builds.remote import Remote
from tasks.builds.web import following, shown
from tasks.checks import memory
from tasks.errors import BuildError, NetworkError
from tasks.host.routes import Route, overlapping, read_routes
from tasks.model.finding import Finding, World
from tasks.model.instance import Release
from tasks.planning.target import find_target
from tasks.resources.base import Facts

ANSWER_SECONDS = 10.0


def check(world: World) -> Iterator[Finding]:
    if world.instance.release is None:
        yield from check_git(world)
    elif world.instance.release.url is None:
        yield from check_published(world, world.instance.release)
    else:
        yield check_release(world, world.instance.release.url)


def check_git(world: World) -> Iterator[Finding]:
    """GitError or NetworkError where the branch cannot be resolved."""
    instance = world.instance
    commit = world.commit()
    assert instance.git is not None and commit is not None
    yield world.ok("git", f"{instance.git.branch} is at {commit[:10]}")
    if builds.find(world.paths, builds.artifact_key(instance, commit)):
        yield world.ok("build", f"{commit[:10]} has been built")
        return
    yield from evaluate_toolchain(world, builds.check_toolchain(instance, commit, world.paths))
    yield memory.check(world, commit)
    if instance.build.where == "container":
        yield from evaluate_builder(world, read_routes())


def evaluate_toolchain(world: World, problems: Sequence[str]) -> Iterator[Finding]:
    where = "this machine" if world.instance.build.where == "local" else "the builder container"
    if not problems:
        yield world.ok("build", f"to be built in {where}; nothing is known to be missing")
    for what in problems:
        yield world.problem(
            "build", what, "Install it, or see build.toolchains and build.packages", BuildError
        )


def evaluate_builder(world: World, routes: Sequence[Route]) -> Iterator[Finding]:
    """The builder's network is fixed: nothing else may be reached by its addresses."""
    other = overlapping(routes, IPv4Network(f"{SUBNET}.0/24"), BRIDGE)
    if other is not None:
        yield world.problem(
            "build",
            f"the builder's network {SUBNET}.0/24 is reached through {other.interface}",
            "Set build.where: local, or free that network",
        )


def check_published(world: World, release: Release) -> Iterator[Finding]:
    """NetworkError where nobody can be asked, BuildError where no such version is published."""
    instance = world.instance
    target = find_target(instance, builds.ask(instance, world.paths), Facts(), world.paths)
    if release.channel is not None:
        yield world.ok("release", f"{release.channel} is at {target.version}")
    if builds.find(world.paths, target.key):
        yield world.ok("release", f"{target.version} is in the cache")
        return
    kind = kind_of()
    said = said_of(release, target.version, kind)
    if said.sha256 is None:
        what = f"{target.version} will not be cross-checked: {said.why}"
        yield world.warning("release", what, "Only the mirror will say what it is")
    url = archive_url(release.mirror, target.version, kind)
    yield evaluate_answer(world, url, ask(url), "release.mirror")


def check_release(world: World, url: str) -> Finding:
    parts = urlsplit(url)
    if builds.find(world.paths, builds.artifact_key(world.instance, None)):
        return world.ok("release", f"{shown(url)} is in the cache")
    if parts.scheme == "file":
        return evaluate_file(world, Path(unquote(parts.path)))
    return evaluate_answer(world, url, ask(url), "release.url")


def evaluate_file(world: World, path: Path) -> Finding:
    if path.is_file():
        return world.ok("release", f"{path} is there")
    return world.problem("release", f"{path} is no file", "Correct release.url", BuildError)


def ask(url: str) -> int | str:
    """HTTP status of a HEAD request, or why there was none."""
    remote = Remote.parse(url)
    headers = {"User-Agent": "vikunja-deploy"}
    try:
        request = urllib.request.Request(remote.url, method="HEAD", headers=headers)
        if remote.authorization:
            # Not sent along to where the server redirects to.
            value = remote.authorization.partition(": ")[2]
            request.add_unredirected_header("Authorization", value)
        with following().open(request, timeout=ANSWER_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, ValueError) as error:
        return str(error)


def evaluate_answer(world: World, url: str, answer: int | str, key: str) -> Finding:
    """answer: HTTP status, or why there was none. Some servers forbid HEAD: no problem yet. key: of
    the configuration that says where it is."""
    where = shown(url)
    if isinstance(answer, str):
        what = f"{where} cannot be reached: {answer}"
        return world.problem("release", what, f"Check {key} and the network", NetworkError)
    if answer in (404, 410):
        what = f"{where} is not there (HTTP {answer})"
        return world.problem("release", what, f"Correct {key}", NetworkError)
    if answer >= 400:
        what = f"{where} answers a question about it with HTTP {answer}"
        return world.warning("release", what, "Try to download it by hand")
    return world.ok("release", f"{where} is there")

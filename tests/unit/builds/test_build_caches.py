"""What of toolchains and caches stays when a build has ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from build_trees import Repository, instance_of, package_json, shell

from tasks.builds import build, caches
from tasks.builds.local import build_identity
from tasks.model import releases
from tasks.model.releases import Releases, Served
from tasks.paths import Paths

NPM = """#!/bin/sh
[ "$1" = --version ] && { echo 11.0.0; exit; }
for package; do :; done
mkdir -p "$3/node_modules/.bin"
printf '#!/bin/sh\\necho %s\\n' "${package#*@}" > "$3/node_modules/.bin/pnpm"
chmod +x "$3/node_modules/.bin/pnpm"
"""
GO = """#!/bin/sh
[ "$1" = env ] && { echo "$GOMODCACHE/golang.org/toolchain@v0.0.1-$(cat wanted)"; exit; }
echo go version go1.24.0 linux/amd64
"""
UI = shell("mkdir dist && pnpm --version > dist/index.html")


@pytest.fixture
def tools(paths: Paths) -> Path:
    """A folder with stand-ins for npm, and for a Go that fetches what a tree wants by itself."""
    folder = paths.prefix / "tools"
    folder.mkdir(mode=0o755)
    for name, text in {"npm": NPM, "go": GO}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


class Builds:
    def __init__(self, repository: Repository, paths: Paths, tools: Path) -> None:
        self.repository, self.paths = repository, paths
        self.environment = {"PATH": f"{tools}:/usr/bin:/bin"}
        self.home = paths.cache / "build-home"

    def make(self, pnpm: str, go: str = "go1.26.0") -> str:
        """Build a commit that asks for these; its key."""
        files = {
            "frontend/package.json": package_json(packageManager=f"pnpm@{pnpm}"),
            "wanted": go,
        }
        commit = self.repository.commit(files)
        instance = instance_of(
            self.repository.url,
            frontend=(("pnpm", "--version"), UI),
            toolchains="fetch",
            environment=self.environment,
        )
        return build(instance, commit, self.paths).key

    def keep(self, *keys: str) -> None:
        served = tuple(Served(key, "0" * 40, "v1", None) for key in keys)
        releases.write(self.paths, "main", Releases(served, keys[0], ()))

    def there(self) -> set[str]:
        return {path.name for path in (self.home / "toolchains").glob("[!.]*")}

    def fetched_by_go(self, version: str, file: str = "bin/go") -> Path:
        made = self.home / f"go/pkg/mod/golang.org/toolchain@v0.0.1-{version}" / file
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text("x")
        return made


@pytest.fixture
def builds(repository: Repository, paths: Paths, tools: Path) -> Builds:
    return Builds(repository, paths, tools)


def test_toolchains_of_kept_builds_and_of_the_newest_stay_and_no_others(builds: Builds) -> None:
    first = builds.make("9.0.1")
    builds.keep(first)
    second = builds.make("10.0.1")
    builds.keep(second, first)
    third = builds.make("11.0.1")
    assert builds.there() == {"npm-pnpm@9.0.1", "npm-pnpm@10.0.1", "npm-pnpm@11.0.1"}

    builds.keep(third, second)
    builds.make("12.0.1")

    assert builds.there() == {"npm-pnpm@10.0.1", "npm-pnpm@11.0.1", "npm-pnpm@12.0.1"}


def test_what_go_has_fetched_by_itself_goes_likewise(builds: Builds) -> None:
    old, new = builds.fetched_by_go("go1.25.0"), builds.fetched_by_go("go1.26.0")
    download = builds.home / "go/pkg/mod/cache/download/golang.org/toolchain/@v"
    download.mkdir(parents=True)
    for ending in ("zip", "ziphash"):
        (download / f"v0.0.1-go1.26.0.{ending}").write_text("x")
    _own(builds.home)

    builds.make("9.0.1")

    assert (old.exists(), new.exists()) == (False, True)
    assert [path.suffix for path in download.iterdir()] == [".ziphash"]


def test_caches_that_have_become_too_large_are_begun_anew_without_the_toolchains(
    builds: Builds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = builds.paths.prefix / "shared"
    builds.environment["npm_config_cache"] = str(outside)
    kept = builds.fetched_by_go("go1.26.0")
    large = [
        builds.home / "cache/go-build/00/large",
        builds.home / "cache/pnpm/large",
        builds.home / "go/pkg/mod/github.com/one@v1/large",
        builds.home / "go/pkg/mod/golang.org/x/large",
        builds.home / "go/pkg/mod/cache/download/github.com/large",
        outside / "large",
    ]
    for path in large:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (1 << 20))
    _own(builds.home)
    builds.make("9.0.1")
    assert all(path.exists() for path in large)

    monkeypatch.setattr(caches, "MOST_MB", 4)
    builds.make("10.0.1")

    assert [path for path in large if path.exists()] == [outside / "large"]
    assert kept.exists() and builds.there() == {"npm-pnpm@10.0.1"}


def test_what_a_kill_has_put_aside_is_removed_by_the_next_build(builds: Builds) -> None:
    left = builds.home / "toolchains/.gone/npm-pnpm@8.0.0.0/file"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    left.parent.chmod(0o500)
    _own(builds.home)

    builds.make("9.0.1")

    assert not left.parent.parent.exists()


def _own(home: Path) -> None:
    """Make it the build's user's, as what a build has left is."""

    identity = build_identity()
    for path in (home, *home.rglob("*")):
        if identity:
            os.chown(path, *identity)

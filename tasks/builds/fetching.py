"""Getting toolchains into a place's home: Go from Go's own checked archive, the rest from npm.

Each lands under a name of its own in `<home>/toolchains`, whole or not at all, so that builds
that ask for the same share it. `go mod download` checks Go against the checksum database; npm
checks every package against the registry's SHA-512.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.builds.toolchain import PROBE, Fetch, Requirements, missing, problems, read_probe, tools
from tasks.builds.unreached import unreached
from tasks.builds.versions import Version
from tasks.builds.workplace import GOFLAGS, Workplace, capture, environment
from tasks.errors import BuildError, DeployError, NetworkError
from tasks.progress import Progress

SECONDS = 1200.0

# Older Go unpacks a toolchain as it would a module: without execute bits, and with the names
# that let a module hold other modules.
GO_SCRIPT = """set -eu
target=$1; wanted=$2
[ ! -d "$target" ] || exit 0
mkdir -p "${target%/*}"
chmod -R u+w "$target".partial 2>/dev/null || true
rm -rf "$target.partial" "$target.json"
go mod download -json "golang.org/toolchain@v0.0.1-$wanted" >"$target.json" || {
  cat "$target.json" >&2
  exit 1
}
folder=$(sed -n 's/^[[:space:]]*"Dir": "\\(.*\\)",*$/\\1/p' "$target.json")
rm -f "$target.json"
# A build with flags of its own may have left it for reading only.
chmod -R u+w "$folder"
mv -T "$folder" "$target.partial"
rm -rf "$GOMODCACHE/cache/download/golang.org/toolchain"
chmod -R u+w "$target.partial"
find "$target.partial" -name _go.mod | while IFS= read -r file; do
  mv "$file" "${file%/*}/go.mod"
done
chmod -R a+x "$target.partial/bin" "$target.partial/pkg/tool"
mv -T "$target.partial" "$target"
"""
NPM_SCRIPT = """set -eu
target=$1; shift
[ ! -d "$target" ] || exit 0
rm -rf "$target.partial"
mkdir -p "$target.partial"
npm install --prefix "$target.partial" --ignore-scripts --no-audit --no-fund "$@"
mv -T "$target.partial" "$target"
"""


def ready(
    workplace: Workplace,
    wanted: Requirements,
    desired: Mapping[str, str],
    *,
    fetch: bool,
    machine: str,
    progress: Progress,
) -> dict[str, str]:
    """The environment in which the place has all that a tree asks for.

    desired: further variables, the user's own.
    Raises BuildError with every problem where it has not, and fetching is off or does not help;
    NetworkError where nobody answers from whom it could be had.
    """
    values = environment(workplace.home, desired, fetch=fetch)
    found = probe(workplace, wanted, values)
    if fetch:
        getting = missing(wanted, found, machine)
        if "npm" not in found and (getting.packages or "npm" in wanted.commands):
            progress.step("getting npm")
            workplace.provide(("npm",), progress)
            found = probe(workplace, wanted, values)
            getting = missing(wanted, found, machine)
        folders = _get(workplace, getting, values, progress)
        if folders:
            values = environment(workplace.home, desired, fetch=fetch, tools=folders)
            found = probe(workplace, wanted, values)
    wrong = problems(wanted, found, workplace.name, fetch=fetch)
    if wrong:
        raise BuildError(
            wrong[0] if len(wrong) == 1 else "the tools for this build are not there",
            where=workplace.name,
            hint="nothing was changed; docs/building.md says how toolchains are chosen",
            evidence=wrong if len(wrong) > 1 else (),
        )
    return values


def probe(
    workplace: Workplace, wanted: Requirements, values: Mapping[str, str]
) -> dict[str, Version | None]:
    """Which tools the place has, in one command."""
    # Go and the package managers would otherwise answer with the version that some project wants.
    quiet = dict(values) | {
        "GOTOOLCHAIN": "local",
        "npm_config_manage_package_manager_versions": "",
    }
    argv = ["/bin/sh", "-c", PROBE, "sh", *tools(wanted)]
    returncode, output = capture(workplace, argv, environment=quiet, timeout=60)
    if returncode:
        raise BuildError(
            "the tools of this place cannot be listed",
            where=workplace.name,
            evidence=output.splitlines()[-20:],
        )
    return read_probe(output)


def _get(
    workplace: Workplace, getting: Fetch, values: Mapping[str, str], progress: Progress
) -> tuple[str, ...]:
    folders = []
    store = f"{workplace.home}/toolchains"
    if getting.go:
        progress.step(f"getting {getting.go}")
        target = f"{store}/{getting.go}"
        _script(workplace, GO_SCRIPT, (target, getting.go), values, getting.go)
        folders.append(f"{target}/bin")
    for package in getting.packages:
        folders.append(f"{fetch_package(workplace, package, values, progress)}/node_modules/.bin")
    return tuple(folders)


def fetch_package(
    workplace: Workplace, package: str, values: Mapping[str, str], progress: Progress
) -> str:
    """The folder at the place with this package of npm's (`pnpm@10.28.1`) in its node_modules."""
    progress.step(f"getting {package}")
    target = f"{workplace.home}/toolchains/npm-{package}"
    _script(workplace, NPM_SCRIPT, (target, package), values, package)
    return target


def _script(
    workplace: Workplace,
    script: str,
    arguments: tuple[str, ...],
    values: Mapping[str, str],
    what: str,
) -> None:
    argv = ["/bin/sh", "-c", script, "sh", *arguments]
    # What builds are given to compile with is not for getting what they compile with.
    own = {**values, "GOFLAGS": GOFLAGS}
    returncode, output = capture(workplace, argv, environment=own, timeout=SECONDS)
    if returncode:
        lines = output.splitlines()[-20:]
        server = unreached(lines)
        kind: type[DeployError] = BuildError
        first = "see the lines above"
        said = f"{what} cannot be fetched"
        if server is not None:
            kind, first = NetworkError, "check the network"
            said = f"{said}: {server} was waited for and did not answer"
        raise kind(
            said,
            where=workplace.name,
            hint=f"{first}, or install it and set build.toolchains: packaged",
            evidence=lines,
        )

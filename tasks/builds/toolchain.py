"""Which Go, Node and package manager a tree asks for, and whether a place has them. All pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from msgspec import Struct

from tasks.builds import versions
from tasks.builds.versions import Version, parse, written

GO_SELF_FETCHING: Version = (1, 21, 0)
"""From here on Go gets the version that go.mod asks for by itself (GOTOOLCHAIN=auto)."""

ARCHITECTURES = {"x86_64": ("amd64", "x64"), "aarch64": ("arm64", "arm64")}
"""Go's and npm's names of what `uname -m` says."""

PROBED = ("go", "node", "npm", "pnpm", "yarn")
PROBE = """for tool; do
  command -v "$tool" >/dev/null || continue
  case $tool in
    go) version=$(go version 2>&1 | head -n 1) ;;
    node|npm|pnpm|yarn) version=$("$tool" --version 2>/dev/null </dev/null | tail -n 1) ;;
    *) version= ;;
  esac
  printf '%s=%s\\n' "$tool" "$version"
done"""
"""For sh, the tools as arguments: prints `tool=version` for each that is there."""


class Requirements(Struct, frozen=True):
    """What a tree asks for; None and empty where it does not care.

    go: least version. go_preferred: the one to get where a newer one is needed. node: least
    version. node_exact: as `.nvmrc` says it. node_ranges: npm ranges, by the file that says so.
    manager: name and version of `packageManager`. commands: what build commands call.
    """

    go: Version | None = None
    go_preferred: Version | None = None
    node: Version | None = None
    node_exact: str = ""
    node_ranges: tuple[tuple[str, str], ...] = ()
    manager: tuple[str, Version] | None = None
    commands: tuple[str, ...] = ()


class Fetch(Struct, frozen=True):
    """What to get: a Go version (`go1.26.4`, empty for none) and npm packages (`pnpm@10.28.1`)."""

    go: str = ""
    packages: tuple[str, ...] = ()


def read_go_mod(text: str) -> tuple[Version | None, Version | None]:
    """The `go` and the `toolchain` line."""
    go = re.search(r"^go\s+(\d+(?:\.\d+){0,2})", text, re.MULTILINE)
    toolchain = re.search(r"^toolchain\s+go(\d+(?:\.\d+){0,2})", text, re.MULTILINE)
    return (parse(go[1]) if go else None, parse(toolchain[1]) if toolchain else None)


def read_nvmrc(text: str) -> str:
    """The version as written (`24.13.0`, `24`), empty for names such as `lts/*`."""
    for line in text.splitlines():
        word = line.split("#")[0].strip().removeprefix("v")
        if word:
            return word if re.fullmatch(r"\d+(\.\d+){0,2}", word) else ""
    return ""


def read_package_json(text: str) -> tuple[str, tuple[str, Version] | None, bool]:
    """`engines.node`, `packageManager` and whether there are production dependencies."""
    try:
        document = json.loads(text)
    except ValueError:
        return "", None, False
    if not isinstance(document, dict):
        return "", None, False
    engines = document.get("engines")
    node = engines.get("node", "") if isinstance(engines, dict) else ""
    name, _, version = str(document.get("packageManager") or "").partition("@")
    found = parse(version)
    manager = (name, found) if name in ("npm", "pnpm", "yarn") and found else None
    return str(node), manager, bool(document.get("dependencies"))


def requirements(
    show: Callable[[str], str | None], folders: Sequence[str], commands: Iterable[Sequence[str]]
) -> Requirements:
    """What a tree asks for. show: gives a file's text or None. folders: those with Node parts."""
    go, toolchain = read_go_mod(show("go.mod") or "")
    exact, ranges, manager = "", [], None
    for folder in folders:
        name = f"{folder}/package.json"
        node, found, _ = read_package_json(show(name) or "")
        ranges += [(name, node)] if node else []
        manager = manager or found
        exact = exact or read_nvmrc(show(f"{folder}/.nvmrc") or "")
    if folders:
        exact = exact or read_nvmrc(show(".nvmrc") or "")
    return Requirements(
        go=go,
        go_preferred=max((v for v in (go, toolchain) if v), default=None),
        node=parse(exact),
        node_exact=exact,
        node_ranges=tuple(ranges),
        manager=manager,
        commands=tuple(dict.fromkeys(argv[0] for argv in commands if argv)),
    )


def tools(wanted: Requirements) -> tuple[str, ...]:
    """What to look for at a place: argv of PROBE."""
    named = [name for name in wanted.commands if PurePosixPath(name).name == name]
    return tuple(dict.fromkeys((*PROBED, *named)))


def read_probe(output: str) -> dict[str, Version | None]:
    """PROBE's output: what is there, with its version where that could be told."""
    found: dict[str, Version | None] = {}
    for line in output.splitlines():
        name, separator, version = line.partition("=")
        if separator:
            found[name] = parse(re.sub(r"^go version go", "", version))
    return found


def problems(
    wanted: Requirements, found: Mapping[str, Version | None], workplace: str, *, fetch: bool
) -> list[str]:
    """Each thing that would stop a build at that place, in one line that says what to do."""
    result = []
    remedy = "set build.toolchains: fetch, or build.packages" if not fetch else "see build.packages"
    go = found.get("go")
    if wanted.go and "go" not in found:
        result.append(
            f"the tree is written in Go, {workplace} has none: add golang-go to build.packages"
        )
    elif wanted.go and go and go < wanted.go and not (fetch and go >= GO_SELF_FETCHING):
        result.append(
            f"the tree wants Go {written(wanted.go)}, {workplace} has {written(go)}: {remedy}"
        )
    result += node_problems(wanted, found, workplace, remedy)
    for name in wanted.commands:
        known = name in found or "/" in name or (name == "go" and wanted.go)
        if not known:
            result.append(
                f"a build command calls {name}, {workplace} has no such command: {remedy}"
            )
    return result


def node_problems(
    wanted: Requirements, found: Mapping[str, Version | None], workplace: str, remedy: str
) -> list[str]:
    """What a tree asks of Node and a place has not, one line each."""
    node = found.get("node")
    if not (wanted.node or wanted.node_ranges):
        return []
    if node is None:
        return [f"the tree wants Node, {workplace} has none: {remedy}"]
    result = []
    if wanted.node and node < wanted.node:
        text = f"the tree wants Node {wanted.node_exact} (.nvmrc), {workplace} has {written(node)}"
        result.append(f"{text}: {remedy}")
    result += [
        f"{file} wants Node {text}, {workplace} has {written(node)}: {remedy}"
        for file, text in wanted.node_ranges
        if not versions.satisfies(node, text)
    ]
    return result


def missing(wanted: Requirements, found: Mapping[str, Version | None], machine: str) -> Fetch:
    """What `build.toolchains: fetch` has to get so that no problem is left.

    machine: as `uname -m` names it. Nothing can be fetched for one that is not known.
    """
    if machine not in ARCHITECTURES:
        return Fetch()
    go_name, node_name = ARCHITECTURES[machine]
    go = found.get("go")
    fetch_go = ""
    if wanted.go and wanted.go_preferred and go and go < wanted.go and go < GO_SELF_FETCHING:
        version = wanted.go_preferred
        # Before 1.21 a release's first version had two numbers.
        name = written(version if version >= GO_SELF_FETCHING or version[2] else version[:2])
        fetch_go = f"go{name}.linux-{go_name}"
    packages: list[str] = []
    node = found.get("node")
    if node_problems(wanted, found, "", ""):
        version_wanted = node_to_fetch(wanted)
        packages.append(f"node-linux-{node_name}@{version_wanted}")
        node = parse(version_wanted)
        # npm as packaged by Debian works with Debian's Node only.
        packages.append("npm@11" if node and node >= (22, 9, 0) else "npm@10")
    for manager in ("pnpm", "yarn"):
        if manager not in wanted.commands:
            continue
        asked = wanted.manager[1] if wanted.manager and wanted.manager[0] == manager else None
        has = found.get(manager)
        if has is None or (asked and has < asked):
            packages.append(f"{manager}@{written(asked)}" if asked else manager)
    return Fetch(fetch_go, tuple(packages))


def after(getting: Fetch, found: Mapping[str, Version | None]) -> dict[str, Version | None]:
    """What a place has once it got all that; npm packages need an npm to come through."""
    result = dict(found)
    if getting.go:
        result["go"] = parse(getting.go.removeprefix("go"))
    if "npm" in found:
        for package in getting.packages:
            name, _, version = package.partition("@")
            result["node" if name.startswith("node-linux-") else name] = parse(version)
    return result


def node_to_fetch(wanted: Requirements) -> str:
    """The version, as npm reads it, that serves all that a tree asks of Node."""
    if wanted.node_exact and _fits_all(wanted):
        return wanted.node_exact if wanted.node_exact.count(".") == 2 else f"^{wanted.node_exact}"
    lowest = max(
        (low for _, text in wanted.node_ranges if (low := parse(text))), default=(22, 0, 0)
    )
    return f"^{written(lowest)}"


def _fits_all(wanted: Requirements) -> bool:
    """Whether the newest of what .nvmrc names is in every range: a part may ask for more."""
    major, minor, patch = parse(wanted.node_exact) or (0, 0, 0)
    parts = wanted.node_exact.count(".")
    newest = (major, minor if parts else 10**6, patch if parts == 2 else 10**6)
    return all(versions.satisfies(newest, text) for _, text in wanted.node_ranges)

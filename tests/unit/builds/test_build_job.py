"""Real builds of tiny trees on this machine: what comes out, what is refused, what is cached."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from build_trees import (
    COMPILE,
    Recorded,
    Repository,
    content,
    instance_of,
    members,
    package_json,
    shell,
)
from msgspec.structs import replace

from tasks.builds import artifact_key, build, find, prune, verify
from tasks.builds.artifact import log_path
from tasks.builds.builder import builder_spec
from tasks.containers.lxc.section import Lxc
from tasks.errors import BuildError, GitError
from tasks.paths import Paths

UI = shell("mkdir -p dist && echo '<div id=app>' > dist/index.html")
MCP = shell("mkdir dist && cp source.js dist/index.js")


def test_a_build_leaves_an_artifact_with_its_record(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"main.go": "x"})
    repository.git("tag", "v1.2.3")
    instance = instance_of(repository.url)

    made = build(instance, commit, paths)

    assert (made.commit, made.version, made.parts) == (commit, "v1.2.3", ("backend",))
    assert made.path == paths.cache / "artifacts" / f"{made.key}.tar"
    assert made.size == made.path.stat().st_size
    assert find(paths, artifact_key(instance, commit)) == made
    verify(made)
    assert content(made.path, "backend/vikunja").endswith(b"v1.2.3")


def test_a_commit_after_a_tag_is_described_from_it(repository: Repository, paths: Paths) -> None:
    repository.commit({"main.go": "x"})
    repository.git("tag", "v2.0.0-fork")
    commit = repository.commit({"main.go": "y"})

    assert build(instance_of(repository.url), commit, paths).version == (
        f"v2.0.0-fork-1-g{commit[:10]}"
    )


def test_a_commit_without_any_tag_is_named_by_its_hash(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})

    assert build(instance_of(repository.url), commit, paths).version == commit[:10]


def test_placeholders_are_replaced_in_arguments_and_nowhere_near_a_shell(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})
    repository.git("tag", "v1;touch-bad")
    commands = (
        ("cp", "/bin/true", "vikunja"),
        ("/bin/sh", "-c", 'printf %s "$1" >> vikunja', "sh", "{version}|{commit}"),
    )

    made = build(instance_of(repository.url, backend=commands), commit, paths)

    assert content(made.path, "backend/vikunja").endswith(f"v1;touch-bad|{commit}".encode())


def test_the_ui_is_built_before_the_backend_and_both_are_packed(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"frontend/package.json": "{}"})
    embed = shell("cp /bin/true vikunja && cat frontend/dist/index.html >> vikunja")

    made = build(instance_of(repository.url, frontend=(UI,), backend=(embed,)), commit, paths)

    assert made.parts == ("backend", "frontend")
    assert content(made.path, "frontend/index.html") == b"<div id=app>\n"
    assert content(made.path, "backend/vikunja").endswith(b"<div id=app>\n")


def test_an_empty_page_is_refused_before_the_backend_embeds_it(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"frontend/package.json": "{}"})
    empty = shell("mkdir dist && : > dist/index.html")
    instance = instance_of(repository.url, frontend=(empty,), backend=(shell("echo backend"),))
    key = artifact_key(instance, commit)

    with pytest.raises(BuildError, match=r"no frontend/dist/index\.html"):
        build(instance, commit, paths)
    assert "echo backend" not in log_path(paths, key).read_text()
    assert find(paths, key) is None


def test_a_tree_without_a_frontend_builds_without_its_commands(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})

    made = build(instance_of(repository.url, frontend=(shell("exit 1"),)), commit, paths)

    assert made.parts == ("backend",)


def test_an_mcp_server_without_dependencies_is_packed_without_packages(
    repository: Repository, paths: Paths
) -> None:
    files = {"mcp-server/package.json": package_json(), "mcp-server/source.js": "1"}
    commit = repository.commit(files)
    commands = (shell("mkdir node_modules && echo dev > node_modules/tool.js"), MCP)

    made = build(instance_of(repository.url, mcp=True, mcp_commands=commands), commit, paths)

    assert made.parts == ("backend", "mcp-server")
    names = members(made.path)
    assert {"mcp-server/package.json", "mcp-server/dist/index.js"} <= set(names)
    assert not any("node_modules" in name for name in names)


def test_an_mcp_server_brings_its_production_packages(repository: Repository, paths: Paths) -> None:
    commit = repository.commit(
        {
            "mcp-server/package.json": package_json(
                dependencies={"used": "file:used-1.0.0.tgz"},
                devDependencies={"tool": "file:tool-1.0.0.tgz"},
            ),
            "mcp-server/source.js": "1",
            "mcp-server/used/package.json": '{"name": "used", "version": "1.0.0"}',
            "mcp-server/tool/package.json": '{"name": "tool", "version": "1.0.0"}',
        }
    )
    commands = (("npm", "pack", "./used", "./tool"), ("npm", "install", "--offline"), MCP)

    made = build(instance_of(repository.url, mcp=True, mcp_commands=commands), commit, paths)

    names = members(made.path)
    assert "mcp-server/node_modules/used/package.json" in names
    assert not any(name.startswith("mcp-server/node_modules/tool") for name in names)


def test_dependencies_that_no_command_installed_are_an_error(
    repository: Repository, paths: Paths
) -> None:
    package = package_json(dependencies={"express": "1"})
    commit = repository.commit({"mcp-server/package.json": package, "mcp-server/source.js": "1"})

    with pytest.raises(BuildError, match="left no node_modules"):
        build(instance_of(repository.url, mcp=True, mcp_commands=(MCP,)), commit, paths)


def test_an_mcp_server_that_is_not_there_is_an_error_before_anything_is_built(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})
    instance = instance_of(repository.url, mcp=True)

    with pytest.raises(BuildError, match=r"no mcp-server/package\.json") as caught:
        build(instance, commit, paths)
    assert "services.mcp.enabled: false" in caught.value.hint
    assert not log_path(paths, artifact_key(instance, commit)).exists()


def test_a_failing_command_shows_its_code_its_last_lines_and_the_log(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})
    failing = shell("for i in $(seq 30); do echo line $i; done; echo broken >&2; exit 7")
    instance = instance_of(repository.url, backend=(failing,))

    with pytest.raises(BuildError, match="failed with exit code 7") as caught:
        build(instance, commit, paths)
    error = caught.value
    assert error.exit_code == 9
    assert error.evidence == (*(f"line {i}" for i in range(12, 31)), "broken")
    log = log_path(paths, artifact_key(instance, commit))
    assert str(log) in error.hint
    assert "line 1\n" in log.read_text()
    assert not list((paths.cache / "build").iterdir())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (shell("true"), "left no vikunja binary"),
        (shell("printf '#!/bin/sh\\n' > vikunja; chmod +x vikunja"), "not an executable program"),
        (shell("cp /bin/false vikunja"), "does not run"),
        (shell("cp /bin/true vikunja; chmod -x vikunja"), "left no vikunja binary"),
        (shell("ln -s /bin/true vikunja"), "points out of its part"),
    ],
)
def test_what_is_no_program_is_refused(
    repository: Repository, paths: Paths, command: tuple[str, ...], message: str
) -> None:
    commit = repository.commit({"main.go": "x"})
    instance = instance_of(repository.url, backend=(command,))

    with pytest.raises(BuildError, match=message):
        build(instance, commit, paths)
    assert find(paths, artifact_key(instance, commit)) is None
    assert not list((paths.cache / "artifacts").glob(".*"))


def test_a_command_that_does_not_exist_is_named_before_the_build(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})

    with pytest.raises(BuildError, match="calls magic-build, this machine has no such command"):
        build(instance_of(repository.url, backend=(("magic-build",),)), commit, paths)


def test_a_command_over_its_time_is_ended_with_all_it_started(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})
    slow = shell("echo started; (sleep 987654 & sleep 987654)")

    with pytest.raises(BuildError, match="was ended after") as caught:
        build(instance_of(repository.url, backend=(slow,), timeout_seconds=1), commit, paths)
    assert "build.timeout_seconds" in caught.value.hint
    assert caught.value.evidence == ("started",)
    assert "987654" not in running_commands()


def test_a_daemon_of_a_build_does_not_outlive_its_command(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})
    lingering = shell("setsid sleep 876543 >/dev/null 2>&1 & cp /bin/true vikunja")

    build(instance_of(repository.url, backend=(lingering,)), commit, paths)

    assert "876543" not in running_commands()


def running_commands() -> str:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "\n".join(found)


def test_the_build_environment_has_nothing_of_the_callers(
    repository: Repository, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIKUNJA_CANARY", "secret-of-the-caller")
    commit = repository.commit({"main.go": "x"})
    repository.git("tag", "v1.0.0")
    command = shell("cp /bin/true vikunja; env >> vikunja")

    made = build(
        instance_of(repository.url, backend=(command,), environment={"MY_FLAG": "on"}),
        commit,
        paths,
    )

    tail = content(made.path, "backend/vikunja").decode(errors="replace")
    assert "secret-of-the-caller" not in tail
    assert "MY_FLAG=on\n" in tail
    assert "RELEASE_VERSION=v1.0.0\n" in tail
    assert "SOURCE_DATE_EPOCH=1735787045\n" in tail
    assert f"HOME={paths.cache}/build-home\n" in tail


def test_root_builds_as_a_user_that_owns_nothing(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"main.go": "x"})
    command = shell("cp /bin/true vikunja; id -u >> vikunja")

    made = build(instance_of(repository.url, backend=(command,)), commit, paths)

    expected = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    assert content(made.path, "backend/vikunja").endswith(f"{expected}\n".encode())


def test_equal_trees_make_equal_archives(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"frontend/package.json": "{}"})
    scattered = shell(
        "mkdir -p dist/b dist/a; umask 077; echo 1 > dist/b/2; echo 1 > dist/index.html"
    )
    instance = instance_of(repository.url, frontend=(scattered,))
    first = build(instance, commit, paths)
    prune(paths, (), keep=0)
    assert find(paths, first.key) is None

    second = build(instance, commit, paths)

    assert second == first
    found = members(second.path)
    assert list(found) == [
        "frontend", "frontend/a", "frontend/b", "frontend/b/2", "frontend/index.html",
        "backend", "backend/vikunja",
    ]  # fmt: skip
    assert {member.mtime for member in found.values()} == {1735787045}
    assert {(member.uid, member.gid, member.uname) for member in found.values()} == {(0, 0, "")}
    assert [oct(member.mode) for member in found.values()] == [
        "0o755", "0o755", "0o755", "0o644", "0o644", "0o755", "0o755",
    ]  # fmt: skip


def test_two_instances_that_want_the_same_share_one_build(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"main.go": "x"})
    first = build(instance_of(repository.url, id="vikunja-one"), commit, paths)
    progress = Recorded()

    second = build(instance_of(repository.url, id="vikunja-two"), commit, paths, progress)

    assert second == first
    assert progress.texts == []


@pytest.mark.parametrize(
    "changed",
    [
        {"backend": (COMPILE, ("true",))},
        {"frontend": (("true",),)},
        {"environment": {"CGO_ENABLED": "0"}},
        {"packages": ("make",)},
        {"where": "container"},
        {"toolchains": "fetch"},
        {"mcp": True},
    ],
)
def test_what_changes_the_outcome_changes_the_key(changed: dict[str, object]) -> None:
    commit = "a" * 40
    assert artifact_key(instance_of("r", **changed), commit) != artifact_key(  # type: ignore[arg-type]
        instance_of("r"), commit
    )


def test_a_build_in_a_container_is_for_its_release_and_newer_ones() -> None:
    commit = "a" * 40
    older = instance_of("r", where="container")
    newer = replace(older, placement=Lxc("r", "trixie"))
    assert artifact_key(older, commit) != artifact_key(newer, commit)
    local = replace(instance_of("r"), placement=Lxc("r", "trixie"))
    assert artifact_key(instance_of("r"), commit) == artifact_key(local, commit)
    specs = [builder_spec(suite) for suite in ("trixie", "bookworm", "forky")]
    assert [spec.template for spec in specs] == ["trixie", "bookworm", "forky"]
    assert len({(spec.name, spec.ip_address) for spec in specs}) == 3


def test_what_does_not_change_the_outcome_keeps_the_key() -> None:
    commit = "a" * 40
    key = artifact_key(instance_of("r"), commit, "x86_64")
    assert artifact_key(instance_of("s", id="b", timeout_seconds=9), commit, "x86_64") == key
    assert artifact_key(instance_of("r", mcp_commands=(("x",),)), commit, "x86_64") == key
    assert artifact_key(instance_of("r"), commit, "aarch64") != key
    assert artifact_key(instance_of("r"), "b" * 40, "x86_64") != key


def test_an_export_ignored_file_is_part_of_the_tree(repository: Repository, paths: Paths) -> None:
    files = {".gitattributes": "needed export-ignore\nid export-subst\n", "needed": "there"}
    commit = repository.commit(files | {"id": "$Format:%H$"})
    command = shell("cp /bin/true vikunja; cat needed id >> vikunja")

    made = build(instance_of(repository.url, backend=(command,)), commit, paths)

    assert content(made.path, "backend/vikunja").endswith(b"there$Format:%H$")


def test_a_commit_that_the_remote_lost_says_plan_again(
    repository: Repository, paths: Paths
) -> None:
    repository.commit({"main.go": "x"})

    with pytest.raises(GitError, match="the branch moved") as caught:
        build(instance_of(repository.url), "c" * 40, paths)
    assert caught.value.hint == "plan again"


def test_a_branch_that_moved_on_still_builds_the_commit_of_the_plan(
    repository: Repository, paths: Paths
) -> None:
    planned = repository.commit({"main.go": "x"})
    repository.commit({"main.go": "y"})

    assert build(instance_of(repository.url), planned, paths).commit == planned


def test_the_output_streams_to_the_progress(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"main.go": "x"})
    progress = Recorded()
    talking = shell("printf 'half\\r\\033[32mcolorful\\033[0m\\n'; cp /bin/true vikunja")

    build(instance_of(repository.url, backend=(talking,)), commit, paths, progress)

    assert any(text.endswith(": colorful") for text in progress.texts)


def test_an_unreachable_prefix_is_explained(repository: Repository, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        return
    commit = repository.commit({"main.go": "x"})
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(BuildError, match="cannot get through") as caught:
        build(instance_of(repository.url), commit, Paths(closed))
    assert "chmod o+x" in caught.value.hint

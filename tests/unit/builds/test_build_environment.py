"""What build commands find set: the tool's own variables, the user's, the version."""

from __future__ import annotations

import json

import pytest
from build_trees import Repository, content, instance_of, shell

from tasks.builds import build
from tasks.builds.making import version_text
from tasks.builds.workplace import environment
from tasks.paths import Paths

REPORT = shell("mkdir dist; cp src/version.json dist/index.html; env > dist/env")


def test_flags_of_the_user_go_along_with_those_of_the_tool() -> None:
    values = environment("/home/b", {"GOFLAGS": "-mod=readonly -tags=x"}, fetch=True)

    assert values["GOFLAGS"] == "-modcacherw -buildvcs=false -mod=readonly -tags=x"
    assert environment("/home/b", {}, fetch=True)["GOFLAGS"] == "-modcacherw -buildvcs=false"


def test_builds_fetch_no_browsers_unless_somebody_wants_them() -> None:
    usual = environment("/home/b", {}, fetch=True)
    wanted = environment("/home/b", {"CYPRESS_INSTALL_BINARY": "13.6.1"}, fetch=True)

    assert (usual["PUPPETEER_SKIP_DOWNLOAD"], usual["CYPRESS_INSTALL_BINARY"]) == ("true", "0")
    assert wanted["CYPRESS_INSTALL_BINARY"] == "13.6.1"


def test_the_version_is_written_where_the_ui_shows_it(repository: Repository, paths: Paths) -> None:
    repository.commit({"frontend/src/version.json": '{"VERSION": "dev"}'})
    repository.git("tag", "v1.2.0")
    commit = repository.commit({"a": "1"})

    made = build(instance_of(repository.url, frontend=(REPORT,)), commit, paths)

    shown = json.loads(content(made.path, "frontend/index.html"))
    assert shown == {"VERSION": f"v1.2.0-1-{commit[:10]}"}
    assert b"PUPPETEER_SKIP_DOWNLOAD=true\n" in content(made.path, "frontend/env")


def test_a_tree_that_shows_no_version_gets_no_file(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"frontend/src/main.js": ""})
    report = shell("mkdir dist; ls src > dist/index.html")

    made = build(instance_of(repository.url, frontend=(report,)), commit, paths)

    assert content(made.path, "frontend/index.html") == b"main.js\n"


@pytest.mark.parametrize(
    ("version", "shown"),
    [("v2.5.0", "v2.5.0"), ("v2.5.0-14-g0123456789", "v2.5.0-14-0123456789"), ('"', '"')],
)
def test_the_version_is_written_as_vikunja_writes_it(version: str, shown: str) -> None:
    assert json.loads(version_text(version)) == {"VERSION": shown}

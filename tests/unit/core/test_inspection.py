"""What an inspection concludes: what was deployed, what serves, what is to, and what is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.builds import Answer
from tasks.containers.base import ContainerFacts
from tasks.desired.record import DOCUMENT
from tasks.desired.release import ReleaseTarget
from tasks.model.applied import NOTHING_APPLIED
from tasks.model.host_files import NO_HOST_FILES
from tasks.model.plan import Lost, PlanEntry
from tasks.paths import Paths
from tasks.planning.inputs import Inputs, deployed
from tasks.planning.inspection import find_lost, find_update, replaces, with_host
from tasks.planning.takeover import serves
from tasks.planning.target import find_target
from tasks.resources.base import Facts, FileFact
from tasks.resources.files import Directory, File
from tasks.resources.release import binary, release_file

INSTANCE = sample_instance()
NEVER = Inputs(INSTANCE, {}, NO_HOST_FILES, NOTHING_APPLIED)
BEFORE = replace(NEVER, applied=replace(NOTHING_APPLIED, created_at="2025-01-01T00:00:00Z"))
THERE = ContainerFacts(True, True, "vikunja-main", {})
GONE = ContainerFacts(False, False, None, {})
FILE = FileFact("file", "0640", "root", "root")
RECORDED = Facts(files={DOCUMENT: FILE}, container=THERE)


@pytest.mark.parametrize(
    ("sources", "facts", "was_deployed", "does_serve"),
    [
        (NEVER, Facts(), False, False),
        (BEFORE, Facts(), True, False),
        (NEVER, RECORDED, True, True),
        (BEFORE, RECORDED, True, True),
    ],
)
def test_an_instance_was_deployed_where_the_host_or_the_container_has_its_record(
    sources: Inputs, facts: Facts, was_deployed: bool, does_serve: bool
) -> None:
    assert deployed(sources, facts) is was_deployed
    assert serves(facts) is does_serve


DATABASE = PlanEntry("vikunja-main", "system", "sqlite-database:x", "create", (), lost=True)
HARMLESS = PlanEntry("vikunja-main", "system", "file:/a", "create", ())


@pytest.mark.parametrize(
    ("sources", "container", "entries", "lost"),
    [
        (BEFORE, THERE, (HARMLESS,), None),
        (BEFORE, THERE, (HARMLESS, DATABASE), Lost(None, ("sqlite-database:x",))),
        (BEFORE, GONE, (HARMLESS,), Lost(None)),
        # Of what was never deployed nothing is missed.
        (NEVER, GONE, (HARMLESS,), None),
        (BEFORE, None, (HARMLESS,), None),
    ],
)
def test_what_was_deployed_and_is_gone_is_told(
    tmp_path: Path,
    sources: Inputs,
    container: ContainerFacts | None,
    entries: tuple[PlanEntry, ...],
    lost: Lost | None,
) -> None:
    assert find_lost(sources, Facts(container=container), entries, Paths(tmp_path)) == lost


def test_what_is_to_serve_is_named_by_the_commit_of_its_branch_or_the_archive_s_version(
    tmp_path: Path,
) -> None:
    paths, commit = Paths(tmp_path), "0123456789abcdef" * 2 + "01234567"
    target = find_target(INSTANCE, Answer(commit), Facts(), paths)
    assert (target.commit, target.version) == (commit, "")
    assert target.because == "main is at 0123456789 now"
    assert find_target(INSTANCE, Answer(), Facts(), paths).because == ""
    archive = sample_instance(
        git=None, release={"url": "https://example.com/a.zip", "sha256": "0" * 64, "version": "v1"}
    )
    target = find_target(archive, Answer(), Facts(), paths)
    assert (target.commit, target.version, target.because) == (None, "v1", "")
    assert target.key != find_target(INSTANCE, Answer(), Facts(), paths).key


def test_where_nothing_serves_or_the_same_build_is_to_serve_there_is_no_update(
    tmp_path: Path,
) -> None:
    target = ReleaseTarget("2" * 40, "key")
    serving = Facts(
        files={binary("blue"): FileFact("file", "0755", "root", "root", size=9)},
        texts={release_file("blue"): f"key v1 {'1' * 40} 9"},
    )
    for facts in (Facts(), serving):
        assert find_update(INSTANCE, target, facts, Paths(tmp_path)) is None


def test_what_is_replaced_is_told_from_what_is_only_changed() -> None:
    folder = Facts(files={"/a": FileFact("directory", "0755", "root", "root")})
    assert replaces(File(path="/a", content=b""), folder)
    assert not replaces(File(path="/a", content=b""), Facts())
    assert not replaces(Directory(path="/a"), folder)


def test_what_is_found_on_the_host_adds_up() -> None:
    facts = Facts(host={"record:state": "running", "artifact:k": "absent"}, texts={"/t": "one"})
    more = with_host(facts, {"artifact:k": "present"})
    assert more.host == {"record:state": "running", "artifact:k": "present"}
    assert more.texts == facts.texts

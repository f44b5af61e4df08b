"""`check` says when a build has less memory than such builds were seen to take."""

from __future__ import annotations

from pathlib import Path

import pytest
from build_trees import Repository
from instance_samples import sample_instance

from tasks.builds import git
from tasks.checks import memory
from tasks.checks.memory import available_mb, evaluate, version_of
from tasks.model.finding import World
from tasks.paths import Paths


def world(folder: Path, repository: str = "https://example.org/vikunja.git") -> World:
    instance = sample_instance(git={"repository": repository})
    return World(instance, Paths(folder), lambda: None)


@pytest.mark.parametrize(
    ("version", "megabytes", "level", "said"),
    [
        ("v2.5.0", 1300, "ok", "1.3 GB of memory for the build"),
        ("main", 1200, "warning", "1.2 GB of memory for the build, that of Vikunja 2.x was seen"),
        ("v0.24.6", 4200, "ok", "4.2 GB of memory for the build"),
        ("0.24.6", 3000, "warning", "that of Vikunja 0.24.6 was seen to take 4.2 GB"),
        ("v0.24.6-3-g0123456789", 3000, "warning", "was seen to take 4.2 GB"),
    ],
)
def test_less_than_was_seen_is_a_warning_and_refuses_nothing(
    tmp_path: Path, version: str, megabytes: int, level: str, said: str
) -> None:
    found = evaluate(world(tmp_path), version, megabytes)

    assert (found.level, said in found.what, found.exit_code) == (level, True, 0)


def test_a_build_may_take_what_is_free_and_swap_and_in_the_builder_no_more_than_its_share() -> None:
    meminfo = "MemTotal:  8192000 kB\nMemAvailable:    4096000 kB\nSwapFree:  1024000 kB\n"

    assert available_mb(meminfo, None) == 5000
    assert available_mb(meminfo, 3000) == 4000
    assert available_mb(meminfo, 9000) == 5000
    assert available_mb("", None) == 0


def test_the_version_is_the_mirror_s_or_what_the_branch_is_called(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    commit = repository.commit({"a": "1"})
    repository.git("tag", "v0.24.6")
    one = world(tmp_path, repository.url)
    desired = one.instance.git
    assert desired is not None

    assert version_of(one, commit) == desired.branch
    git.fetch(desired, commit, one.paths)
    assert version_of(one, commit) == "v0.24.6"
    assert memory.check(one, commit).what.partition(" GB of memory")[1]

"""What a disk has done to a repository: the mirror here is a cache, the source is somebody's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from build_trees import Repository, content, instance_of

from tasks.builds import build, resolve
from tasks.builds import git as module
from tasks.errors import GitError
from tasks.model.instance import Instance
from tasks.paths import Paths


def run(folder: Path, *arguments: str) -> str:
    argv = ["git", "--git-dir", str(folder), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def stored(folder: Path, name: str) -> Path:
    """The file that holds a loose object."""
    digest = run(folder, "rev-parse", name)
    return folder / "objects" / digest[:2] / digest[2:]


def spoil(path: Path, content: bytes = b"") -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def spoiled_pack(folder: Path, edit: Callable[[bytes], bytes]) -> None:
    run(folder, "repack", "-a", "-d", "-q")
    (pack,) = (folder / "objects" / "pack").glob("*.pack")
    spoil(pack, edit(pack.read_bytes()))


DAMAGE: dict[str, Callable[[Path, str], None]] = {
    "a file is gone": lambda folder, commit: stored(folder, f"{commit}:go.mod").unlink(),
    "a folder is empty": lambda folder, commit: spoil(stored(folder, f"{commit}:pkg")),
    "the commit is empty": lambda folder, commit: spoil(stored(folder, commit)),
    "the reference is empty": lambda folder, commit: spoil(folder / "refs/wanted" / commit),
    "the settings are zeros": lambda folder, _: spoil(folder / "config", b"\0" * 8),
    "HEAD is empty": lambda folder, _: spoil(folder / "HEAD"),
    "the objects are gone": lambda folder, _: shutil.rmtree(folder / "objects"),
    "a pack was cut": lambda folder, _: spoiled_pack(folder, lambda data: data[: len(data) // 2]),
}
"""What becomes of the mirror, and is seen before anything is read of it."""

ROT: dict[str, Callable[[Path, str], None]] = {
    "a file is empty": lambda folder, commit: spoil(stored(folder, f"{commit}:go.mod")),
    "a file is rubbish": lambda folder, commit: spoil(
        stored(folder, f"{commit}:go.mod"), b"rot" * 9
    ),
    "a file that only the build reads is empty": lambda folder, commit: spoil(
        stored(folder, f"{commit}:main.go")
    ),
}
"""What is seen only as it is read."""


@pytest.fixture
def fetched(repository: Repository, paths: Paths) -> tuple[Instance, str, Path]:
    """An instance, its commit, and the mirror that has it."""
    noise = "".join(f"{number}\n" for number in range(4000))
    commit = repository.commit({"go.mod": f"module x\n// {noise}", "pkg/a": "1", "main.go": "x"})
    repository.git("tag", "v1.2.3")
    instance = instance_of(repository.url)
    assert instance.git is not None
    return instance, commit, module.fetch(instance.git, commit, paths)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_mirror_is_fetched_anew_by_the_build_itself(
    fetched: tuple[Instance, str, Path], paths: Paths, kind: str
) -> None:
    instance, commit, mirror = fetched
    DAMAGE[kind](mirror, commit)

    made = build(instance, commit, paths)

    assert content(made.path, "backend/vikunja").endswith(b"v1.2.3")
    run(mirror, "fsck", "--strict")


@pytest.mark.parametrize("kind", ROT)
def test_what_is_found_damaged_as_it_is_read_is_said_and_gone_and_the_next_try_is_well(
    fetched: tuple[Instance, str, Path], paths: Paths, kind: str
) -> None:
    instance, commit, mirror = fetched
    ROT[kind](mirror, commit)

    with pytest.raises(GitError, match="the mirror of the repository was damaged") as caught:
        build(instance, commit, paths)

    assert (caught.value.where, mirror.exists()) == (str(mirror), False)
    assert "fetched anew" in caught.value.hint and "network" not in caught.value.hint
    assert build(instance, commit, paths).version == "v1.2.3"


def test_a_file_that_cannot_be_read_is_not_one_that_is_not_there(
    fetched: tuple[Instance, str, Path], paths: Paths
) -> None:
    _, commit, mirror = fetched
    ROT["a file is empty"](mirror, commit)

    with pytest.raises(GitError, match="was damaged"):
        module.show(mirror, commit, "go.mod")


@pytest.mark.parametrize(
    "edit", [lambda data: data[: len(data) // 2], lambda data: data[:60] + b"rot" * 9 + data[87:]]
)
def test_a_damaged_source_is_no_matter_of_the_network(
    repository: Repository, paths: Paths, edit: Callable[[bytes], bytes]
) -> None:
    commit = repository.commit({"a": "".join(f"{number}\n" for number in range(4000))})
    desired = instance_of(repository.url).git
    assert desired is not None and resolve(desired) == commit
    spoiled_pack(repository.path / ".git", edit)

    with pytest.raises(GitError) as caught:
        module.fetch(desired, commit, paths)

    assert (caught.value.what, caught.value.where) == (
        "the repository itself is damaged",
        repository.url,
    )
    assert "git fsck" in caught.value.hint and "network" not in caught.value.hint


def test_a_mirror_that_is_none_any_more_is_not_looked_for_above_it(
    fetched: tuple[Instance, str, Path], paths: Paths
) -> None:
    _, commit, mirror = fetched
    shutil.copytree(mirror, mirror.parent / ".git")
    (mirror / "HEAD").write_bytes(b"")

    assert not module.holds(mirror, commit)

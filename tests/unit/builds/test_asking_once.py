"""Many instances of one repository ask it once between them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from instance_samples import sample_instance

from tasks.builds import answer
from tasks.builds.answer import Answer, asking_once
from tasks.errors import GitError
from tasks.model.instance import Git, Instance
from tasks.paths import Paths


def on(branch: str) -> Instance:
    return sample_instance(git={"repository": "https://git.example.com/v.git", "branch": branch})


def asked_for(
    instances: list[Instance], monkeypatch: pytest.MonkeyPatch, fails: str = ""
) -> tuple[list[Answer | str], list[str]]:
    """What each gets, and which branches the remote was asked for."""
    asked: list[str] = []

    def resolve(git: Git) -> str:
        asked.append(git.branch)
        if git.branch == fails:
            raise GitError("no such branch")
        return f"commit of {git.branch}"

    monkeypatch.setattr(answer, "resolve", resolve)
    ask = asking_once()

    def one(instance: Instance) -> Answer | str:
        try:
            return ask(instance, Paths(Path("/nowhere")))()
        except GitError as error:
            error.where = error.where or instance.id
            return str(error)

    with ThreadPoolExecutor(len(instances)) as pool:
        return list(pool.map(one, instances)), asked


def test_one_of_those_with_one_branch_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = asked_for([on("main"), on("next"), *[on("main")] * 6], monkeypatch)
    assert sorted(asked) == ["main", "next"]
    assert found == [Answer(f"commit of {one}") for one in ("main", "next", *["main"] * 6)]


def test_where_that_fails_each_has_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = asked_for([on("gone"), on("gone"), on("main")], monkeypatch, fails="gone")
    assert sorted(asked) == ["gone", "gone", "main"]
    assert all(isinstance(one, str) for one in found[:2])
    assert found[2] == Answer("commit of main")

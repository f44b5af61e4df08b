"""Resolving branches against real repositories and servers that misbehave."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from build_trees import Repository

from tasks.builds import git as module
from tasks.builds import resolve, resolve_many
from tasks.builds.remote import Remote, environment, failure
from tasks.errors import GitError, NetworkError
from tasks.model.instance import Git
from tasks.paths import Paths


@pytest.fixture
def private_server() -> Iterator[tuple[str, list[str | None]]]:
    """An HTTP server that wants credentials for everything; and what it was sent."""
    sent: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", sent
        server.shutdown()


def test_a_branch_resolves_to_its_newest_commit(repository: Repository) -> None:
    repository.commit({"a": "1"})
    newest = repository.commit({"a": "2"})

    assert resolve(Git(repository.url, "main")) == newest
    assert resolve(Git(str(repository.path), "main")) == newest


def test_a_tag_resolves_to_the_commit_it_stands_for(repository: Repository) -> None:
    commit = repository.commit({"a": "1"})
    repository.git("tag", "--annotate", "--message", "release", "v1.0.0")

    assert resolve(Git(repository.url, "v1.0.0")) == commit


def test_a_branch_comes_before_a_tag_of_the_same_name(repository: Repository) -> None:
    repository.commit({"a": "1"})
    repository.git("tag", "main")
    newest = repository.commit({"a": "2"})

    assert resolve(Git(repository.url, "main")) == newest


def test_a_moved_branch_is_seen_at_once(repository: Repository) -> None:
    desired = Git(repository.url, "main")
    first = repository.commit({"a": "1"})
    assert resolve(desired) == first
    second = repository.commit({"a": "2"})
    assert resolve(desired) == second


def test_a_missing_branch_names_the_nearest(repository: Repository) -> None:
    repository.commit({"a": "1"})
    for branch in ("master-plan", "feature/mcp", "feature/mcp-2"):
        repository.git("branch", branch)

    with pytest.raises(GitError, match="no branch or tag named 'feature/mpc'") as caught:
        resolve(Git(repository.url, "feature/mpc"))
    assert caught.value.exit_code == 8
    assert caught.value.hint.startswith("nearest: feature/mcp, feature/mcp-2")


def test_a_pattern_is_not_a_branch(repository: Repository) -> None:
    repository.commit({"a": "1"})
    with pytest.raises(GitError, match="no branch or tag named"):
        resolve(Git(repository.url, "ma*"))


def test_an_empty_repository_says_so(repository: Repository) -> None:
    with pytest.raises(GitError) as caught:
        resolve(Git(repository.url, "main"))
    assert caught.value.hint == "the repository is empty: push a branch"


def test_a_repository_that_is_not_there_is_a_git_error(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="there is no such repository"):
        resolve(Git(str(tmp_path / "nowhere"), "main"))


def test_an_address_that_looks_like_an_option_is_none(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(GitError):
        resolve(Git(f"--upload-pack=touch {witness}", "main"))
    assert not witness.exists()


def test_a_refused_connection_is_a_network_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(NetworkError, match="cannot be reached") as caught:
        resolve(Git(f"http://127.0.0.1:{port}/vikunja.git", "main"))
    assert caught.value.exit_code == 6


def test_a_name_that_does_not_resolve_is_a_network_error() -> None:
    with pytest.raises(NetworkError, match="cannot be reached"):
        resolve(Git("http://no-such-host.invalid/vikunja.git", "main"))


def test_a_silent_server_ends_at_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/vikunja.git"
        begun = time.monotonic()
        with pytest.raises(NetworkError, match="no answer within 1 s"):
            resolve(Git(address, "main"), timeout=1)
        assert time.monotonic() - begun < 60


def test_a_private_repository_is_an_error_and_never_a_prompt(
    private_server: tuple[str, list[str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    prompt = tmp_path / "prompt"
    prompt.write_text(f"#!/bin/sh\ntouch {asked}\necho guess\n")
    prompt.chmod(0o755)
    monkeypatch.setenv("GIT_ASKPASS", str(prompt))
    monkeypatch.setenv("SSH_ASKPASS", str(prompt))

    with pytest.raises(GitError, match="without credentials") as caught:
        resolve(Git(f"http://{private_server[0]}/vikunja.git", "main"), timeout=20)
    assert caught.value.exit_code == 8
    assert not asked.exists()


def test_credentials_in_the_address_are_sent_and_never_shown(
    private_server: tuple[str, list[str | None]],
) -> None:
    host, sent = private_server
    with pytest.raises(GitError) as caught:
        resolve(Git(f"http://robot:s%40cret@{host}/vikunja.git", "main"), timeout=20)

    error = caught.value
    assert "cret" not in "\n".join((str(error), error.hint, *error.evidence))
    assert f"Basic {base64.b64encode(b'robot:s@cret').decode()}" in sent


def test_credentials_stay_out_of_argv() -> None:
    remote = Remote.parse("https://robot:secret@example.org/v.git")
    assert remote.url == "https://example.org/v.git"
    values = environment(remote, {"GIT_CONFIG_COUNT": "2", "GIT_DIR": "/else", "HOME": "/h"})
    assert values["GIT_CONFIG_KEY_2"] == "http.https://example.org/v.git.extraHeader"
    assert values["GIT_CONFIG_COUNT"] == "3"
    assert values["HOME"] == "/h"
    assert "GIT_DIR" not in values


def test_a_repository_of_another_user_says_what_to_type() -> None:
    error = failure(
        Remote("/srv/vikunja"),
        "fatal: detected dubious ownership in repository at '/srv/vikunja'\n",
    )
    assert isinstance(error, GitError)
    assert error.hint == "git config --global --add safe.directory /srv/vikunja"


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("fatal: unable to access 'x': Could not resolve host: x", NetworkError),
        ("ssh: connect to host x port 22: Connection timed out", NetworkError),
        ("fatal: unable to access 'x': SSL certificate problem: expired", NetworkError),
        ("error: RPC failed; HTTP 502\nfatal: The requested URL returned error: 502", NetworkError),
        ("fatal: could not read Username for 'x': terminal prompts disabled", GitError),
        ("git@x: Permission denied (publickey).", GitError),
        ("Host key verification failed.", GitError),
        ("remote: Repository not found.", GitError),
    ],
)
def test_what_git_says_maps_to_an_exit_code(stderr: str, kind: type[Exception]) -> None:
    assert type(failure(Remote("x"), stderr)) is kind


def test_equal_desired_are_asked_for_once_and_errors_are_values(repository: Repository) -> None:
    commit = repository.commit({"a": "1"})
    good, bad = Git(repository.url, "main"), Git(repository.url, "nope")

    found = resolve_many([good, bad, good])

    assert list(found) == [good, bad]
    assert found[good] == commit
    assert isinstance(found[bad], GitError)


def test_resolving_a_local_repository_starts_git_once(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit({"a": "1"})
    folder, starts = tmp_path / "bin", tmp_path / "starts"
    folder.mkdir()
    program = folder / "git"
    program.write_text(f'#!/bin/sh\necho "$1" >>{starts}\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    resolve(Git(repository.url, "main"))
    assert len(starts.read_text().splitlines()) == 1


def test_a_fetched_commit_is_read_without_the_remote(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"go.mod": "go 1.19\n", "pkg/migration/20250101000000.go": "x"})
    desired = Git(repository.url, "main")
    mirror = module.fetch(desired, commit, paths)
    repository.path.rename(repository.path.with_name("gone"))

    assert module.fetch(desired, commit, paths) == mirror
    assert module.show(mirror, commit, "go.mod") == "go 1.19\n"
    assert module.show(mirror, commit, "go.sum") is None
    assert module.files(mirror, commit) == ("go.mod", "pkg")
    assert module.files(mirror, commit, "pkg/migration") == ("20250101000000.go",)
    assert module.files(mirror, commit, "none") == ()


def test_an_interrupted_fetch_is_fetched_again(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"a": "1"})
    desired = Git(repository.url, "main")
    mirror = module.fetch(desired, commit, paths)
    # Objects without the reference: what a fetch that was killed before its end leaves.
    (mirror / "refs" / "wanted" / commit).unlink()
    assert not module.holds(mirror, commit)

    module.fetch(desired, commit, paths)

    assert module.holds(mirror, commit)


def test_every_tag_comes_along(repository: Repository, paths: Paths) -> None:
    repository.commit({"a": "1"})
    repository.git("tag", "v0.9")
    middle = repository.commit({"a": "2"})
    commit = repository.commit({"a": "3"})
    mirror = module.fetch(Git(repository.url, "main"), middle, paths)
    repository.git("tag", "v1.0", middle)
    mirror = module.fetch(Git(repository.url, "main"), commit, paths)

    assert module.describe(mirror, commit) == f"v1.0-1-g{commit[:10]}"

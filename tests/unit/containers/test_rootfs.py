"""What decides a root file system, and the host's packages."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from tasks.containers.lxc.apt import Setup
from tasks.containers.lxc.rootfs import (
    contained_argv,
    local_authorities,
    mmdebstrap_argv,
    recipe_of,
)
from tasks.containers.lxc.sources import Source
from tasks.errors import NetworkError, ResourceError
from tasks.host import packages
from tasks.host.locks import locked
from tasks.host.process import Completed
from tasks.host.user_ids import IdMap

BASE = Source("http://deb.example.org/debian", ("bookworm",), ("main", "contrib"), "/k.gpg")
SETUP = Setup(
    base=BASE,
    sources=(BASE,),
    keyrings={"/k.gpg": b"key"},
    settings=('Acquire::Retries "3";',),
    environment={},
)


def test_the_machine_s_sources_make_the_tree_and_nothing_is_taken_for_trusted() -> None:
    argv = mmdebstrap_argv("bookworm", SETUP)
    # The sources themselves, each with its key, are on standard input.
    assert argv[-3:] == ["bookworm", "/mnt", "-"]
    assert not [word for word in argv if "keyring" in word or "trusted" in word]


def test_a_tree_is_made_as_the_container_s_own_root() -> None:
    argv = contained_argv(Path("/cache/x"), IdMap(200000, 300000), ["program"])
    maps = ["lxc-usernsexec", "-m", "u:0:200000:65536", "-m", "g:0:300000:65536", "--", "program"]
    assert argv[-len(maps) :] == maps
    assert argv[:3] == ["setpriv", "--pdeathsig", "SIGKILL"]


def test_everything_that_decides_the_content_decides_the_key() -> None:
    def key(setup: Setup = SETUP, suite: str = "bookworm", first: int = 100000) -> str:
        return recipe_of(suite, setup, {"a.crt": b"1"}, IdMap(first, first)).key

    keys = {
        key(),
        key(suite="trixie"),
        key(first=200000),
        key(replace(SETUP, sources=(BASE, BASE))),
        key(replace(SETUP, settings=())),
        key(replace(SETUP, keyrings={"/k.gpg": b"other"})),
        recipe_of("bookworm", SETUP, {"a.crt": b"2"}, IdMap()).key,
    }
    assert len(keys) == 7
    assert key() == key()


def test_local_authorities_are_found_in_folders_too(tmp_path: Path) -> None:
    (tmp_path / "company").mkdir()
    (tmp_path / "company/root.crt").write_bytes(b"x")
    (tmp_path / "readme.txt").write_bytes(b"y")
    assert local_authorities(tmp_path) == {"company/root.crt": b"x"}


def test_only_fully_installed_packages_count() -> None:
    status = "installed lxc\nconfig-files lxcfs\nnot-installed uidmap\n"
    assert packages.parse_installed(status) == {"lxc"}


def test_a_node_of_proxmox_keeps_its_own_lxc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's would take lxc-pve's place, and Proxmox VE with it."""
    said = "installed lxc-pve\\ninstalled lxcfs\\n"
    query = tmp_path / "dpkg-query"
    query.write_text(f'#!/bin/sh\nprintf "{said}"\nexit 1\n')
    query.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert packages.missing(["lxc", "lxcfs", "uidmap"]) == ["uidmap"]


def test_apt_waits_for_its_lock_and_takes_names_as_names() -> None:
    argv = packages.install_argv(["lxc"])
    assert "DPkg::Lock::Timeout=300" in argv
    assert argv[-3:] == ["install", "--", "lxc"]


def test_a_network_failure_is_told_from_a_package_that_does_not_exist() -> None:
    failed = packages.failure(["lxc"], "E: Failed to fetch http://x  Could not connect")
    assert isinstance(failed, NetworkError)
    missing = packages.failure(["nosuch"], "E: Unable to locate package nosuch")
    assert isinstance(missing, ResourceError)
    assert missing.evidence == ("E: Unable to locate package nosuch",)


def test_ids_for_root_are_added_once_and_others_lines_stay(tmp_path: Path) -> None:
    (tmp_path / "subuid").write_text("alice:100000:65536\n")
    changed = packages.ensure_user_ids(tmp_path)
    assert [path.name for path in changed] == ["subuid", "subgid"]
    assert (tmp_path / "subuid").read_text() == "alice:100000:65536\nroot:165536:65536\n"
    assert (tmp_path / "subgid").read_text() == "root:100000:65536\n"
    assert packages.ensure_user_ids(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["subgid", "subuid"]


def test_two_that_need_packages_install_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = threading.Event()

    def apt(argv: Sequence[str]) -> Completed:
        installed.set()
        return Completed(tuple(argv), 0, b"", b"")

    monkeypatch.setattr(packages, "DPKG", tmp_path)
    monkeypatch.setattr(packages, "missing", list)
    monkeypatch.setattr(packages, "_apt", apt)
    with ThreadPoolExecutor() as pool:
        with locked(tmp_path):
            second = pool.submit(packages.ensure, ["lxc"])
            assert not installed.wait(0.2)
        assert second.result(10) == ["lxc"]
    assert installed.is_set()

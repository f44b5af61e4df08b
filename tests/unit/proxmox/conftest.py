"""A stand-in cluster of three nodes, and the ways to reach it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from pve import pvesh
from pve.cluster import Cluster, Token
from pve.lifecycles import DESIRED, SPEC, Managed, finder
from pve.place import SECRET, USER, Place
from pve.server import Certificate, make_certificate, serving
from pve.standin import working

from tasks.containers.proxmox.access import Local
from tasks.containers.proxmox.api import ProxmoxerSession, open_session
from tasks.containers.proxmox.desired import Ha
from tasks.containers.proxmox.lifecycle import Lifecycle


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "other")


@pytest.fixture(params=[8, 9])
def place(
    request: pytest.FixtureRequest, certificate: Certificate, tmp_path: Path
) -> Iterator[Place]:
    cluster = Cluster(("pve", "pve2", "pve3"), version=request.param)
    cluster.tokens = {USER: Token(SECRET), "root@pam!pvesh": Token("root")}
    token_file = tmp_path / "token"
    token_file.touch(0o600)
    token_file.write_text(f"{USER}={SECRET}\n")
    with serving(cluster, certificate) as port:
        yield Place(cluster, certificate, port, token_file)


@pytest.fixture
def with_pvesh(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pvesh of the stand-in on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    shim = programs / "pvesh"
    line = shlex.join(pvesh.PROGRAM)
    shim.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    given = {"port": place.port, "token": "root@pam!pvesh=root"}
    monkeypatch.setenv("PVE_STANDIN", json.dumps(given))


@pytest.fixture
def https(place: Place) -> Iterator[ProxmoxerSession]:
    with open_session(place.over_https) as session:
        yield session


@pytest.fixture
def local(with_pvesh: None) -> ProxmoxerSession:
    return open_session(Local())


@pytest.fixture(params=["https", "local"])
def session(request: pytest.FixtureRequest, place: Place) -> ProxmoxerSession:
    """One session after the other, for what must not depend on the way."""
    found: ProxmoxerSession = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["alone", "managed"])
def either(
    request: pytest.FixtureRequest, place: Place, https: ProxmoxerSession, tmp_path: Path
) -> Iterator[Lifecycle]:
    """A container of its own, and one of the HA manager."""
    place.cluster.duration = 0.01
    ha = Ha(None, "started", 1)
    with working(place.cluster):
        if request.param == "alone":
            yield Lifecycle(SPEC, replace(DESIRED, storage="local"), https, lock_limit=0)
        else:
            find = finder(place, tmp_path / "files", 100, ha)
            desired = replace(DESIRED, vmid=100, storage="local", ha=ha)
            yield Managed(SPEC, desired, https, lock_limit=0, finder=find)

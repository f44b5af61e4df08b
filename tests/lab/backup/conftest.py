"""One container with the databases' tools in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.containers.lxc.driver import LxcContainer


@pytest.fixture(scope="session")
def box(make_container: Callable[[str], LxcContainer]) -> LxcContainer:
    container = make_container("backup")
    container.create()
    container.start()
    install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", "sqlite3"]
    container.run(["apt-get", "-q", "update"], timeout=300)
    container.run(["env", "DEBIAN_FRONTEND=noninteractive", *install], timeout=600)
    container.run(["useradd", "--system", "vikunja"])
    return container

"""One container with the databases' servers and tools in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines import ENGINES, LabDatabase, prepare
from journey import Site, new_site
from places import LabNetwork

from tasks.containers.lxc.container import LxcContainer
from tasks.paths import Paths

SERVERS = Path(__file__).parents[1] / "database_host.sh"
MORE = """
apt-get -q -y --no-install-recommends install sqlite3
useradd --system vikunja
install -d -m 0700 /etc/vikunja/secrets
# MariaDB's server brings gawk; what a site has is Debian's own, which understands less.
update-alternatives --set awk /usr/bin/mawk
"""


@pytest.fixture(scope="session")
def box(make_container: Callable[[str], LxcContainer]) -> LxcContainer:
    container = make_container("backup")
    container.create()
    container.start()
    script = f"{SERVERS.read_text()}\n{MORE}"
    container.run(["sh", "-s"], stdin=script.encode(), timeout=900)
    return container


@pytest.fixture(params=ENGINES, scope="module")
def made(request: pytest.FixtureRequest, box: LxcContainer) -> LabDatabase:
    """An empty database of an engine, in the container or outside it."""
    return prepare(box, request.param)


@pytest.fixture
def lab(made: LabDatabase) -> Iterator[LabDatabase]:
    """The same with tables and odd values in them."""
    made.fill()
    yield made
    for place in made.database.places():
        made.database.drop(place)


@pytest.fixture(scope="session")
def engine_site(
    lab_paths: Paths, lab_network: LabNetwork, request: pytest.FixtureRequest
) -> Callable[[str], Site]:
    """A deployed site by its engine, each made when it is first asked for. Who changes it, puts
    it back."""
    made: dict[str, Site] = {}

    def of(engine: str) -> Site:
        if engine == "sqlite":
            site: Site = request.getfixturevalue("deployed")
            return site
        if engine not in made:
            made[engine] = new_site(lab_paths, lab_network, engine[:2], database={"type": engine})
            made[engine].run("apply", "--yes")
        return made[engine]

    return of

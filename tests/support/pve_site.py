"""Sites on the stand-in, as tests of the command line have them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from journey import Site, sample_document
from places import LabNetwork
from pve.standin import Standin

from tasks.builds.sample import make_repository
from tasks.containers.lxc.attach import attach

FIRST_ID = 300_000 + 10 * (os.getpid() % 10_000)


@dataclass
class PveSite(Site):
    """One instance on the stand-in, reached in one way."""

    standin: Standin
    vmid: int

    @property
    def environment(self) -> dict[str, str]:
        return self.standin.environment

    @property
    def config(self) -> dict[str, Any]:
        return self.standin.cluster.guests[self.vmid].config

    def served(self) -> dict[str, Any]:
        url = f"https://{self.address}/api/v1/info"
        argv = ["curl", "-sk", "--max-time", "10", url]
        found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        info: dict[str, Any] = json.loads(found)
        return info

    def template(self) -> str:
        """What its container was made from."""
        notes = str(self.config["description"])
        return notes.partition("made from: ")[2].split()[0]

    def inside(self, *argv: str) -> str:
        """Done in the container by somebody else than the tool."""
        done = attach(
            str(self.vmid),
            self.paths.lxc,
            argv,
            stdin=None,
            stdout=None,
            timeout=60,
            check=True,
        )
        return done.stdout.decode()


def new_pve_site(
    standin: Standin, network: LabNetwork, number: int, kind: str, node: str
) -> PveSite:
    repository = standin.paths.prefix / "sample.git"
    make_repository(repository)
    name = f"vkd-lab-{kind}-{number}-{os.getpid()}"
    document = sample_document(
        name, network.bridge, network.free_address(), network.gateway, repository
    )
    del document["lxc"]
    document["backup"] = {"directory": str(standin.paths.prefix / "backups")}
    document["proxmox"] = {
        "node": node,
        "container_id": FIRST_ID + number,
        "connection": standin.connection(kind, node),
        "lock_wait_seconds": 300,
    }
    site = PveSite(standin.paths, document, standin, FIRST_ID + number)
    site.edit({})
    return site

"""A fleet of instances on the stand-in for Proxmox VE, with what its calls cost built in."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.support import lab
from bench.support.lab import BRIDGE, PREFIX, Lab, said
from bench.support.measure import Void
from tasks.paths import ROOT

sys.path.append(str(ROOT / "tests/support"))

from pve.cluster import Cluster, Guest
from pve.real import RealContainers
from pve.standin import Standin, standing_in

FIRST_ID = 400_001
NODE = "pve"

PCT_START, PVESH_START = 0.65, 0.77
"""Seconds that the tools of Proxmox VE take to start, as observed on the real thing."""

CALLS = {"GET /nodes/{node}/lxc": 0.114, "PUT /nodes/{node}/lxc/{vmid}/config": 0.096}
"""Seconds of calls of the API over https that take more than two thousandths."""

TASK = 1.0
"""Seconds that a task takes at least."""

SHIM = """\
#!/bin/sh
echo >>{tally}/{name}
[ -e {tally}/quick ] || sleep {delay}
exec {command} "$@"
"""

PCT = """\
#!/bin/sh
# pct exec ID -- PROGRAM...
echo >>{tally}/pct
sleep {delay}
id=$2
shift 3
exec lxc-attach --lxcpath={lxc} --name="$id" --clear-env -- "$@"
"""

COUNTED_SSH = """\
#!/bin/bash
# Counts the bytes of both directions beside what they are for.
echo >>{tally}/ssh
tee >(wc -c >>{tally}/ssh-sent) | {command} "$@" | tee >(wc -c >>{tally}/ssh-received)
exit ${{PIPESTATUS[1]}}
"""


class Fleet(Lab):
    """Instances on the nodes of a cluster, in turn. idle: so many more that are in the cluster
    and do not run."""

    def __init__(self, names: Sequence[str], idle: int = 0, nodes: Sequence[str] = (NODE,)) -> None:
        super().__init__(dict.fromkeys(names, 0))
        self.nodes = tuple(nodes)
        self.idle = [f"vkd-bench-idle-{number:03}" for number in range(idle)]
        self.tally = self.work / "tally"
        self._standin: Standin | None = None

    @property
    def standin(self) -> Standin:
        assert self._standin is not None
        return self._standin

    @contextlib.contextmanager
    def up(self, packages: Sequence[str]) -> Iterator[None]:
        """The stand-in answers; packages: what its templates have in them."""
        self._keep_base(packages)
        cluster = Cluster(self.nodes, duration=TASK)
        for node in cluster.nodes.values():
            node.bridges = (BRIDGE,)
            node.storages["local-lvm"].total = 10_000 << 30
        cluster.backend = RealContainers(self.paths)
        cluster.delays = CALLS
        with standing_in(self.paths, cluster) as made:
            self._standin = made
            self._write_programs()
            yield

    def _write_programs(self) -> None:
        folder = self.standin.programs
        self.tally.mkdir()
        hidden = folder / "real"
        hidden.mkdir()
        (folder / "pvesh").rename(hidden / "pvesh")
        texts = {
            "pvesh": SHIM.format(
                tally=self.tally, name="pvesh", delay=PVESH_START, command=hidden / "pvesh"
            ),
            "pct": PCT.format(tally=self.tally, delay=PCT_START, lxc=self.paths.lxc),
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    @contextlib.contextmanager
    def counting_ssh(self) -> Iterator[None]:
        """ssh's calls and bytes are counted, at some cost."""
        ssh = self.standin.programs / "ssh"
        aside = self.standin.programs / "real/ssh"
        ssh.rename(aside)
        ssh.write_text(COUNTED_SSH.format(tally=self.tally, command=aside))
        ssh.chmod(0o755)
        try:
            yield
        finally:
            aside.rename(ssh)

    def connect(self, names: Sequence[str], kind: str, memory_mb: int = 2048) -> Path:
        """The folder of configuration with just these instances, reached in this way."""
        self.standin.be_node(NODE if kind == "local" else None)
        for file in self.configs.iterdir():
            file.unlink()
        every = [*self.files, *self.idle]
        for name in names:
            place = every.index(name)
            desired = lab.document(name, 0)
            del desired["lxc"]
            third, fourth = divmod(lab.FIRST_ADDRESS + place, 200)
            desired["network"]["ip_address"] = (
                f"{lab.SUBNET.rpartition('.')[0]}.{8 + third}.{fourth}/16"
            )
            desired["network"]["gateway"] = f"{lab.SUBNET}.1"
            desired["resources"] = {**desired.get("resources", {}), "memory_mb": memory_mb}
            desired["proxmox"] = {
                "node": self.nodes[place % len(self.nodes)],
                "container_id": FIRST_ID + place,
                "connection": self.standin.connection(kind),
            }
            text = yaml.safe_dump(desired, sort_keys=False)
            (self.configs / f"{name}.yaml").write_text(text)
        return self.configs

    def environment(self) -> dict[str, str]:
        path = self.standin.environment["PATH"]
        named = {"PATH": path, "VIKUNJA_DEPLOY_CONFIG": str(self.configs)}
        return lab.environment(PREFIX) | named

    def make(self) -> None:
        """Bring the instances up, and enter the idle ones."""
        said(f"deploying {len(self.files)} instances …")
        self.connect(list(self.files), "local")
        (self.tally / "quick").touch()
        self.doit("apply", "--yes")
        (self.tally / "quick").unlink()
        cluster = self.standin.cluster
        with cluster.lock:
            model = next(iter(cluster.guests.values()))
            for number, name in enumerate(self.idle, len(self.files)):
                config: dict[str, Any] = {
                    **model.config,
                    "hostname": name,
                    "tags": f"vikunja-deploy.{name}",
                    "description": f"vikunja-deploy: {name}\nmade from: debian-13-standard\n",
                }
                cluster.guests[FIRST_ID + number] = Guest(FIRST_ID + number, NODE, config)
            cluster.publish()

    def doit(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the tool for the instances that are connected; Void where it ends otherwise."""
        done = subprocess.run(
            [str(ROOT / "doit"), *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != code or "Traceback" in done.stderr:
            said = (done.stdout + done.stderr)[-3000:]
            raise Void(f"{' '.join(arguments)} ended with {done.returncode}, not {code}:\n{said}")
        return done

    def count(self, name: str) -> int:
        """How often a program was started since `forget`."""
        file = self.tally / name
        return len(file.read_text().splitlines()) if file.exists() else 0

    def bytes(self) -> int:
        """What went through ssh since `forget`, both ways."""
        files = (self.tally / "ssh-sent", self.tally / "ssh-received")
        return sum(int(line) for one in files if one.exists() for line in one.read_text().split())

    def forget(self) -> None:
        shutil.rmtree(self.tally)
        self.tally.mkdir()

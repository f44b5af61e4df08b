"""A whole stand-in below a prefix: cluster, API, cluster file system, programs for PATH.

with standing_in(paths, Cluster(("pve", "pve2"))) as standin:
    standin.be_node("pve")
    subprocess.run([...], env=standin.environment)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pve import manager
from pve.cluster import Cluster, Token
from pve.files import ClusterFiles
from pve.place import SECRET, USER
from pve.programs import set_down, write_programs
from pve.server import Certificate, make_certificate, serving
from tasks.paths import PREFIX_VARIABLE, Paths

TICK = 0.02
"""Seconds between two looks at what tasks are over."""

ROOT_TOKEN = "root@pam!pvesh"


@dataclass
class Standin:
    """token_file: of a token that may do everything. programs: folder for PATH."""

    paths: Paths
    cluster: Cluster
    files: ClusterFiles
    certificate: Certificate
    port: int
    token_file: Path
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of the tool on this machine."""
        return {
            **os.environ,
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            PREFIX_VARIABLE: str(self.paths.prefix),
            "NO_COLOR": "1",
        }

    def be_node(self, node: str | None) -> None:
        """Let this machine be that node of the cluster, or none of them."""
        seen = self.files.seen_by(node) if node else self.files.root / "nothing"
        aside = self.paths.cluster.with_name(".pve.new")
        aside.unlink(missing_ok=True)
        aside.symlink_to(seen)
        aside.rename(self.paths.cluster)

    def set_down(self, node: str, *, down: bool = True) -> None:
        set_down(self.cluster, self.files, node, down=down)

    def clear(self) -> None:
        """Remove every container, whatever is being done to it."""
        cluster = self.cluster
        with cluster.lock:
            for task in cluster.tasks.values():
                task.ends = 0
            cluster.finish_due()
            for guest in cluster.guests.values():
                cluster.backend.destroy(guest)
            kept = (cluster.ha, cluster.ha_groups, cluster.ha_rules, cluster.replication)
            reported = (cluster.ha_commands, cluster.ha_tries)
            for found in (cluster.guests, cluster.machines, *kept, *reported):
                found.clear()
            cluster.publish()

    def connection(self, kind: str, node: str = "pve") -> dict[str, Any]:
        """The section proxmox.connection of a configuration."""
        if kind == "https":
            return {
                "type": "https",
                "host": "127.0.0.1",
                "port": self.port,
                "token_file": str(self.token_file),
                "fingerprint": self.certificate.fingerprint,
            }
        return {"type": kind} | ({"host": node} if kind == "openssh" else {})

    def ssh_log(self) -> list[str]:
        """The nodes that ssh was used to, one entry a call."""
        log = self.files.root / "ssh.log"
        return log.read_text().split() if log.exists() else []


@contextmanager
def working(cluster: Cluster) -> Iterator[None]:
    """Tasks end in their time, whether or not anybody asks for them."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(TICK):
            with cluster.lock:
                cluster.finish_due()
                manager.work(cluster)
                cluster.publish()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def standing_in(paths: Paths, cluster: Cluster) -> Iterator[Standin]:
    """Everything up, on this machine, which is the cluster's first node."""
    root = paths.prefix / "standin"
    root.mkdir()
    (root / "nothing").mkdir()
    cluster.tokens |= {USER: Token(SECRET), ROOT_TOKEN: Token("root")}
    token_file = root / "token"
    token_file.touch(0o600)
    token_file.write_text(f"{USER}={SECRET}\n")
    certificate = make_certificate(root)
    files = ClusterFiles(root, cluster)
    cluster.publish = files.publish
    paths.cluster.parent.mkdir(parents=True, exist_ok=True)
    with serving(cluster, certificate) as port, working(cluster):
        programs = root / "bin"
        write_programs(
            programs,
            cluster,
            files,
            port=port,
            token=f"{ROOT_TOKEN}=root",
            etc_pve=paths.cluster,
        )
        # The API answers at this address; ssh has to find the node that it belongs to.
        (root / "names" / "127.0.0.1").write_text(f"{next(iter(cluster.nodes))}\n")
        standin = Standin(paths, cluster, files, certificate, port, token_file, programs)
        standin.be_node(next(iter(cluster.nodes)))
        yield standin

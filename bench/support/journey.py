"""The journey of many instances on a cluster of three nodes, its outcome asserted at each step.

Deployed at once from another machine; edited while a node is down; one moved by somebody else
between plan and apply. What it costs is shown, and judged by nothing: it is a test of what becomes
of twenty, too long for every run of the tests, which make the same way with three.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

from bench.support.fleet import FIRST_ID, TASK, Fleet
from bench.support.lab import said
from bench.support.measure import Void

NODES = ("pve", "pve2", "pve3")

NODE_DOWN, STALE = 6, 21
"""Exit codes that a step of it ends with."""


class Journey:
    """seconds: of each step of the tool, by what it did."""

    def __init__(self, fleet: Fleet, names: Sequence[str]) -> None:
        self.fleet = fleet
        self.names = list(names)
        self.seconds: dict[str, float] = {}

    def go(self) -> dict[str, Any]:
        """All of it. Raises Void where something is not as it should be."""
        self.deploy()
        self.with_a_node_down()
        self.moved_meanwhile()
        return {"instances": len(self.names), "nodes": len(NODES), "seconds": self.seconds}

    def deploy(self) -> None:
        self._desired(2048)
        with self._timed("first apply"):
            self.fleet.doit("apply", "--yes")
        for node in NODES:
            there = sum(guest.node == node for guest in self._guests())
            wanted = len(self._of(node))
            require(there == wanted, f"{node} has {there} containers, not {wanted}")
        self._made_in_parallel()
        self._all_serve()
        with self._timed("plan, nothing to do"):
            self.fleet.doit("plan", "--detailed-exitcode")

    def with_a_node_down(self) -> None:
        """Its instances are reported, the others done, the exit code says that not all are."""
        away = self._of("pve3")
        self._desired(2304)
        self.fleet.standin.set_down("pve3")
        with self._timed("plan, a node down"):
            planned = self.fleet.doit("plan", code=NODE_DOWN)
        self._reported(away, planned.stderr)
        with self._timed("apply, a node down"):
            applied = self.fleet.doit("apply", "--yes", code=NODE_DOWN)
        self._reported(away, applied.stderr)
        self._memory({name: 2048 if name in away else 2304 for name in self.names})
        self.fleet.standin.set_down("pve3", down=False)
        left = self._pending()
        require(left == set(away), f"left to do is {sorted(left)}, not {sorted(away)}")
        with self._timed("apply of the rest"):
            self.fleet.doit("apply", "--yes")
        self._memory(dict.fromkeys(self.names, 2304))
        self._nothing_left()

    def moved_meanwhile(self) -> None:
        """A saved plan does nothing that it did not say; the next one finds the container."""
        moved = self.names[0]
        self._desired(2560)
        saved = self.fleet.work / "plan.json"
        self.fleet.doit("plan", "--out", str(saved))
        cluster = self.fleet.standin.cluster
        guest = cluster.guests[self._vmid(moved)]
        with cluster.lock:
            home, guest.node = guest.node, NODES[1]
            cluster.publish()
        refused = self.fleet.doit("apply", "--plan", str(saved), code=STALE)
        require(moved in refused.stderr, f"{moved} is not named:\n{refused.stderr}")
        self._memory(dict.fromkeys(self.names, 2304))
        with self._timed("apply, one moved"):
            self.fleet.doit("apply", "--yes")
        require(guest.node == home, f"{moved} is on {guest.node}, not on {home}")
        self._memory(dict.fromkeys(self.names, 2560))
        self._nothing_left()
        self._all_serve()

    def _made_in_parallel(self) -> None:
        """One at a time on each node, for Proxmox VE's own lock gives up; nodes at once."""
        tasks = [t for t in self.fleet.standin.cluster.tasks.values() if t.kind == "vzcreate"]
        spans = [(task.node, task.ends - TASK, task.ends) for task in tasks]
        pairs = [(a, b) for a, b in combinations(spans, 2) if a[1] < b[2] and b[1] < a[2]]
        require(all(a[0] != b[0] for a, b in pairs), "containers were made at once on one node")
        require(bool(pairs), "no two nodes made containers at once")

    def _desired(self, memory_mb: int) -> None:
        self.fleet.connect(self.names, "https", memory_mb)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        said(f"{what} …")
        begun = time.monotonic()
        yield
        self.seconds[what] = round(time.monotonic() - begun, 1)

    def _of(self, node: str) -> list[str]:
        """The instances that are desired there."""
        first = NODES.index(node)
        return self.names[first :: len(NODES)]

    def _vmid(self, name: str) -> int:
        return FIRST_ID + self.names.index(name)

    def _guests(self) -> list[Any]:
        return list(self.fleet.standin.cluster.guests.values())

    def _memory(self, wanted: dict[str, int]) -> None:
        guests = self.fleet.standin.cluster.guests
        found = {name: guests[self._vmid(name)].config["memory"] for name in wanted}
        wrong = {name: has for name, has in found.items() if has != wanted[name]}
        require(not wrong, f"memory of {wrong}, desired {wanted}")

    def _pending(self) -> set[str]:
        plan = json.loads(self.fleet.doit("plan", "--json").stdout)
        return {one["instance"] for one in plan["instances"] if one["entries"]}

    def _nothing_left(self) -> None:
        self.fleet.doit("plan", "--detailed-exitcode")

    def _reported(self, away: Sequence[str], stderr: str) -> None:
        missing = [name for name in away if f"{name}: node pve3 is down" not in stderr]
        require(not missing, f"not reported: {missing}\n{stderr}")

    def _all_serve(self) -> None:
        for name in self.names:
            config = self.fleet.standin.cluster.guests[self._vmid(name)].config
            address = str(config["net0"]).partition("ip=")[2].partition("/")[0]
            argv = ["curl", "-skf", "--max-time", "30", f"https://{address}/api/v1/info"]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            require(done.returncode == 0, f"{name} does not serve at {address}")


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Void(otherwise)

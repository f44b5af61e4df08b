"""Limits of a container, in either version of the kernel's control groups.

Each controller is looked up by itself: a host can have some in version 1 and some in version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

PERIOD = 100_000
"""Microseconds over which CPU time is counted; the kernel's default."""

MEBIBYTE = 1024 * 1024


class Hierarchy(Struct, frozen=True):
    """A mounted control group hierarchy. version: 1 or 2."""

    mount: Path
    version: int


class Layout(Struct, frozen=True):
    """Where a host has the controllers that limits need; None where it has none."""

    cpu: Hierarchy | None
    memory: Hierarchy | None


def parse_layout(mountinfo: str, unified_controllers: Mapping[str, str]) -> Layout:
    """mountinfo: /proc/self/mountinfo; unified_controllers: text of `cgroup.controllers` by
    the mount point of each version 2 hierarchy."""
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup":
            names, version = options.split(","), 1
        elif kind == "cgroup2":
            names, version = unified_controllers.get(point, "").split(), 2
        else:
            continue
        for name in names:
            if name in ("cpu", "memory"):
                found.setdefault(name, Hierarchy(Path(point), version))
    return Layout(cpu=found.get("cpu"), memory=found.get("memory"))


def read_layout() -> Layout:
    mountinfo = Path("/proc/self/mountinfo").read_text()
    controllers = {}
    for line in mountinfo.splitlines():
        if " - cgroup2 " in line:
            point = line.split(" ")[4]
            file = Path(point) / "cgroup.controllers"
            controllers[point] = file.read_text() if file.is_file() else ""
    return parse_layout(mountinfo, controllers)


def cpu_values(version: int, cores: float) -> dict[str, str]:
    """Files of a group and what they hold for this many cores."""
    quota = round(cores * PERIOD)
    if version == 2:
        return {"cpu.max": f"{quota} {PERIOD}"}
    return {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(quota)}


def memory_values(version: int, megabytes: int) -> dict[str, str]:
    name = "memory.max" if version == 2 else "memory.limit_in_bytes"
    return {name: str(megabytes * MEBIBYTE)}


def limit_lines(layout: Layout, cores: float | None, megabytes: int | None) -> list[str]:
    """Lines of an LXC configuration file."""
    lines = []
    for hierarchy, values in _values(layout, cores, megabytes):
        prefix = "lxc.cgroup2" if hierarchy.version == 2 else "lxc.cgroup"
        lines += [f"{prefix}.{name} = {value}" for name, value in values.items()]
    return lines


def _values(
    layout: Layout, cores: float | None, megabytes: int | None
) -> list[tuple[Hierarchy, dict[str, str]]]:
    found = []
    if layout.cpu and cores is not None:
        found.append((layout.cpu, cpu_values(layout.cpu.version, cores)))
    if layout.memory and megabytes is not None:
        found.append((layout.memory, memory_values(layout.memory.version, megabytes)))
    return found


def parse_cpu(quota: str, period: str) -> float | None:
    """Cores; a whole number as an int. None for no limit."""
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    cores = int(quota) / int(period)
    return int(cores) if cores == int(cores) else cores


def parse_memory(value: str) -> int | None:
    """MiB; None for no limit (version 1 writes that as a number larger than any memory)."""
    if not value.isdigit() or int(value) >= 1 << 60:
        return None
    return int(value) // MEBIBYTE


def parse_limits(keys: Mapping[str, str]) -> tuple[float | None, int | None]:
    """Cores and MiB of an LXC configuration's keys, of whichever version they are for."""
    if "lxc.cgroup2.cpu.max" in keys:
        quota, _, period = keys["lxc.cgroup2.cpu.max"].partition(" ")
    else:
        quota = keys.get("lxc.cgroup.cpu.cfs_quota_us", "")
        period = keys.get("lxc.cgroup.cpu.cfs_period_us", str(PERIOD))
    memory = keys.get("lxc.cgroup2.memory.max") or keys.get("lxc.cgroup.memory.limit_in_bytes", "")
    return parse_cpu(quota, period or str(PERIOD)), parse_memory(memory)


def group_of(proc_cgroup: str, controller: str, hierarchy: Hierarchy) -> Path | None:
    """The container's own group in a hierarchy, from /proc/PID/cgroup of its first process.

    systemd in the container moves itself to groups further down; the container's own is the one
    that LXC made, `lxc.payload.<name>`.
    """
    for line in proc_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        wanted = "" if hierarchy.version == 2 else controller
        if wanted not in controllers.split(","):
            continue
        parts = path.strip("/").split("/")
        for index, part in enumerate(parts):
            if part.startswith("lxc.payload."):
                return hierarchy.mount.joinpath(*parts[: index + 1])
    return None


class Group(Struct, frozen=True):
    """The control groups of a running container; None where a controller is missing."""

    layout: Layout
    cpu: Path | None
    memory: Path | None

    def limits(self) -> tuple[float | None, int | None]:
        """Cores and MiB as the kernel enforces them now."""
        cores = megabytes = None
        if self.cpu and self.layout.cpu:
            if self.layout.cpu.version == 2:
                quota, _, period = (self.cpu / "cpu.max").read_text().strip().partition(" ")
            else:
                quota = (self.cpu / "cpu.cfs_quota_us").read_text().strip()
                period = (self.cpu / "cpu.cfs_period_us").read_text().strip()
            cores = parse_cpu(quota, period)
        if self.memory and self.layout.memory:
            (name,) = memory_values(self.layout.memory.version, 0)
            megabytes = parse_memory((self.memory / name).read_text().strip())
        return cores, megabytes

    def apply(self, cores: float, megabytes: int) -> None:
        """Raises OSError where the kernel refuses (less memory than is in use)."""
        if self.cpu and self.layout.cpu:
            for name, value in cpu_values(self.layout.cpu.version, cores).items():
                (self.cpu / name).write_text(value)
        if self.memory and self.layout.memory:
            for name, value in memory_values(self.layout.memory.version, megabytes).items():
                (self.memory / name).write_text(value)


def group_of_process(pid: int) -> Group:
    layout = read_layout()
    text = Path(f"/proc/{pid}/cgroup").read_text()
    return Group(
        layout=layout,
        cpu=group_of(text, "cpu", layout.cpu) if layout.cpu else None,
        memory=group_of(text, "memory", layout.memory) if layout.memory else None,
    )

"""Whether a build has the memory that builds of Vikunja were seen to need."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.builds import git
from tasks.builds.builder import builder_spec
from tasks.model.finding import Finding, World

MEMORY = Path("/proc/meminfo")
BEFORE_1_0_MB, SINCE_MB = 4200, 1300
"""Seen: the web UI's build takes most of it, and far more of it in 0.24.6 than in 2.4 and 2.5."""


def check(world: World, commit: str) -> Finding:
    """Of a commit that is to be built."""
    instance = world.instance
    limit = None
    if instance.build.where == "container":
        limit = builder_spec(instance.suite).memory_mb
    return evaluate(world, version_of(world, commit), available_mb(MEMORY.read_text(), limit))


def version_of(world: World, commit: str) -> str:
    """As the mirror knows it, else what the branch or tag is called."""
    desired = world.instance.git
    assert desired is not None
    mirror = git.mirror_path(desired, world.paths)
    return git.describe(mirror, commit) if git.holds(mirror, commit) else desired.branch


def available_mb(meminfo: str, limit: int | None) -> int:
    """What a build can have. meminfo: as the kernel says it; limit: of the builder, in MB."""
    found = dict(re.findall(r"^(\w+): +(\d+) kB$", meminfo, re.MULTILINE))
    free, swap = (int(found.get(name, 0)) >> 10 for name in ("MemAvailable", "SwapFree"))
    return (free if limit is None else min(free, limit)) + swap


def evaluate(world: World, version: str, available: int) -> Finding:
    """available: MB. Another tree than Vikunja's may need less, and nothing is refused for it."""
    needed = BEFORE_1_0_MB if re.match(r"v?0\.\d", version) else SINCE_MB
    what = f"{available / 1000:.1f} GB of memory for the build"
    if available >= needed:
        return world.ok("build", what)
    return world.warning(
        "build",
        f"{what}, that of Vikunja {'0.24.6' if needed == BEFORE_1_0_MB else '2.x'} was seen to take"
        f" {needed / 1000:.1f} GB",
        "Add swap or memory, end what uses it, or take a published release (release) instead",
    )

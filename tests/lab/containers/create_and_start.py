"""Creates and starts the container that stdin describes; killed by the test that started it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.container import LxcContainer
from tasks.paths import Paths

desired = json.load(sys.stdin)
desired["nameservers"] = tuple(desired["nameservers"])
container = LxcContainer(ContainerSpec(**desired), Paths(Path(sys.argv[1])))
print("ready", flush=True)
container.create()
container.start()
print("up", flush=True)

"""What somebody else than the tool does to a container, at the web interface or on a node."""

from __future__ import annotations

import re

from pve.calls import answer
from pve.cluster import Cluster, Guest
from pve.containers import stored

ROOT = "root@pam"


def edit(cluster: Cluster, vmid: int, **settings: str) -> None:
    """Set tags, notes (`description`) or whatever else of it, as the web interface does."""
    answer(cluster, ROOT, "PUT", f"/nodes/{cluster.guests[vmid].node}/lxc/{vmid}/config", settings)
    cluster.publish()


def clone(cluster: Cluster, vmid: int, newid: int) -> Guest:
    """`pct clone`: notes and tags are taken along, interfaces get addresses of their own."""
    original = cluster.guests[vmid]
    config = {name: value for name, value in original.config.items() if name != "lock"}
    for name in [name for name in config if re.fullmatch(r"net\d+", name)]:
        without = re.sub(r",hwaddr=[^,]+", "", str(config[name]))
        config[name] = stored(name, without)
    config["rootfs"] = str(config["rootfs"]).replace(f"-{vmid}-", f"-{newid}-")
    with cluster.lock:
        made = cluster.guests[newid] = Guest(newid, original.node, config)
        cluster.publish()
    return made

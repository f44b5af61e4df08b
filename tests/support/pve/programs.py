"""The stand-in's programs, for PATH: pvesh on its nodes, and ssh to them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from pve import pvesh
from pve.cluster import Cluster
from pve.files import ClusterFiles, address_of

PVESH = """\
#!/bin/sh
export PVE_STANDIN={place}
exec {program} "$@"
"""

SSH = """\
#!/bin/sh
# As sshd: runs the one line by a shell, in an environment of its own, on the node that is meant.
while [ $# -gt 2 ]; do shift; done
if ! read -r node <{root}/names/"$1"; then
    echo "ssh: Could not resolve hostname $1: Name or service not known" >&2
    exit 255
fi
if [ -e {root}/down/"$node" ]; then
    echo "ssh: connect to host $1 port 22: No route to host" >&2
    exit 255
fi
echo "$node" >>{root}/ssh.log
exec unshare --mount sh -c '
    mount --bind "$1" "$2" && shift 2 && exec env -i "PATH=$PATH" HOME=/root sh -c "$1"
' sh {root}/hosts/"$node" {etc_pve} "$2"
"""


def write_programs(
    folder: Path, cluster: Cluster, files: ClusterFiles, *, port: int, token: str, etc_pve: Path
) -> None:
    """token: `USER=SECRET` of what root@pam may do. etc_pve: where nodes have their cluster's
    files. Nodes are reached by name, and by the address that the cluster has for them."""
    place = json.dumps({"port": port, "token": token})
    _program(
        folder / "pvesh",
        PVESH.format(
            place=shlex.quote(place),
            program=shlex.join(pvesh.PROGRAM),
        ),
    )
    _program(folder / "ssh", SSH.format(root=files.root, etc_pve=etc_pve))
    names = files.root / "names"
    names.mkdir()
    for number, node in enumerate(cluster.nodes, 1):
        for name in (node, address_of(number)):
            (names / name).write_text(f"{node}\n")
    (files.root / "down").mkdir()


def set_down(cluster: Cluster, files: ClusterFiles, node: str, *, down: bool = True) -> None:
    """Switch a node off or on: nobody reaches it, and the others know."""
    with cluster.lock:
        cluster.nodes[node].online = not down
        flag = files.root / "down" / node
        if down:
            flag.touch()
        else:
            flag.unlink(missing_ok=True)
        files.publish()


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)

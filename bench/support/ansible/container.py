"""An Ansible connection into a running container of this machine, by nsenter.

No ssh handshake, no daemon, no copy of modules: with pipelining, the shortest way there is.
"""

from __future__ import annotations

import os
import shlex
from typing import Any, NoReturn

from ansible.errors import AnsibleError  # type: ignore[import-not-found]
from ansible.plugins.connection.local import (  # type: ignore[import-not-found]
    Connection as LocalConnection,
)

DOCUMENTATION = """
    name: container
    short_description: run in a container of this machine
    description: Runs modules in the container that $BENCH_ENTER enters.
    author: vikunja-deploy
    extends_documentation_fragment: connection_pipelining
"""


class Connection(LocalConnection):  # type: ignore[misc]
    transport = "container"

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        entered = f"exec {os.environ['BENCH_ENTER']} /bin/sh -c {shlex.quote(cmd)}"
        result: tuple[int, bytes, bytes] = super().exec_command(entered, in_data, sudoable)
        return result

    def put_file(self, *_: Any) -> NoReturn:
        raise AnsibleError("nothing is to be copied while nothing is to be changed")

    fetch_file = put_file

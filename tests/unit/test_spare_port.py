"""A port for a rehearsal is one that no connection has: people's requests make scores of them."""

from __future__ import annotations

import socket
import subprocess

import pytest

from tasks.checks.ports import FIRST
from tasks.guest.runner import script_text


def spare_port() -> int:
    argv = ["sh", "-c", f"set -eu\n{script_text('spare-port')}\nspare_port"]
    return int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def listens(port: int) -> socket.socket:
    """As programs of Go do."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


@pytest.mark.parametrize("over", [False, True], ids=["under way", "over"])
def test_a_port_that_a_connection_has_is_not_spare(over: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = spare_port()
        client = socket.create_connection(server.getsockname(), source_address=("127.0.0.1", taken))
        accepted, _ = server.accept()
        with client, accepted:
            if over:
                client.close()
                accepted.close()
            with pytest.raises(OSError, match="in use"):
                listens(taken)
            found = spare_port()
            assert found != taken
            listens(found).close()


def test_what_listens_has_its_port_and_the_kernel_gives_none_of_these_away() -> None:
    with listens(spare_port()) as server:
        assert server.getsockname()[1] < spare_port() < FIRST

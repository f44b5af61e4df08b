"""How many WebSockets ended with a color that was stopped."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.guest.runner import GuestScript

WEBSOCKETS_ENDED = GuestScript(
    "websockets",
    ("health", "in-hand", "proxy-log", "websockets"),
    call='log_file=$2 log_from=$3\ntell_ended "$1"',
    guard=False,
)
"""Arguments: the color, and from where on the proxy's log tells of it, as drain.sh says."""


def ended(stdout: bytes) -> Iterator[str]:
    """What there is to log of what a script says, `COLOR N` a line."""
    for line in stdout.decode().splitlines():
        color, count = line.split()
        what = "1 WebSocket" if count == "1" else f"{count} WebSockets"
        yield f"{color}: {what} ended when it was stopped"

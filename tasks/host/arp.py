"""Asking a network who has an address, without taking part in it (RFC 5227: an ARP probe)."""

from __future__ import annotations

import select
import socket
import struct
import time
from ipaddress import IPv4Address
from pathlib import Path

ETHERTYPE = 0x0806
REQUEST, REPLY = 1, 2
BROADCAST = b"\xff" * 6
UNSPECIFIED = b"\x00" * 4
FRAME = struct.Struct("!6s6sHHHBBH6s4s6s4s")
"""Ethernet header, then ARP for Ethernet and IPv4."""

PROBES = 2
WAIT_SECONDS = 0.5
INTERFACES = Path("/sys/class/net")


def probe_frame(hardware: bytes, address: IPv4Address) -> bytes:
    """The question who has the address; its own address is left open, so no cache changes."""
    return FRAME.pack(
        *(BROADCAST, hardware, ETHERTYPE),
        *(1, 0x0800, 6, 4, REQUEST),
        *(hardware, UNSPECIFIED, bytes(6), address.packed),
    )


def holder(frame: bytes, address: IPv4Address) -> str | None:
    """The hardware address of who says in this frame to have the address; None if nobody does."""
    if len(frame) < FRAME.size:
        return None
    fields = FRAME.unpack_from(frame)
    ethertype, operation, sender, claimed = fields[2], fields[7], fields[8], fields[9]
    if ethertype != ETHERTYPE or operation != REPLY or claimed != address.packed:
        return None
    return ":".join(f"{byte:02x}" for byte in sender)


def is_up(interface: str, interfaces: Path = INTERFACES) -> bool:
    """Whether anybody can be asked there: the interface exists and has a carrier."""
    try:
        return (interfaces / interface / "carrier").read_text().strip() == "1"
    except OSError:
        return False


def who_has(address: IPv4Address, interface: str) -> str | None:
    """The hardware address that answers for the address on the interface, None if none does.

    Needs root. Waits up to a second. OSError where the interface cannot be used.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_PACKET, kind, socket.htons(ETHERTYPE)) as link:
        link.bind((interface, ETHERTYPE))
        hardware = link.getsockname()[4]
        for _ in range(PROBES):
            link.send(probe_frame(hardware, address))
            deadline = time.monotonic() + WAIT_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                if not select.select([link], [], [], left)[0]:
                    break
                if found := holder(link.recv(2048), address):
                    return found
    return None

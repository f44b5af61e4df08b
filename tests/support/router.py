"""A bridge of somebody else's with a way out, and a DHCP server whose leases are the test's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def run(*argv: str) -> Iterator[None]:
    """What a command set up, until it is undone by the same words with -D or delete."""
    subprocess.run(argv, check=True)
    try:
        yield
    finally:
        undo = {"-A": "-D", "-I": "-D", "add": "delete"}
        subprocess.run([undo.get(word, word) for word in argv], check=False)


class Router:
    """bridge: its name. subnet: the first three numbers. folder: of the server's files."""

    def __init__(self, bridge: str, subnet: str, folder: Path) -> None:
        self.bridge, self.subnet, self.folder = bridge, subnet, folder
        self._server: subprocess.Popen[bytes] | None = None

    def serve(self, last: int, prefix: str = "", *, leases: bool = False) -> None:
        """Give everybody this one address; what was given before is forgotten.

        prefix: a network of IPv6 that is announced, such as `2001:db8:1::`; leases: addresses are
        asked for in it (`…::20`), rather than made.
        """
        self.stop()
        (self.folder / "leases").unlink(missing_ok=True)
        address = f"{self.subnet}.{last}"
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"]
        argv += [f"--interface={self.bridge}", "--bind-interfaces", "--dhcp-authoritative"]
        argv += [f"--dhcp-range={address},{address},255.255.255.0,2m", "--no-ping"]
        argv += [f"--dhcp-leasefile={self.folder}/leases", f"--pid-file={self.folder}/pid"]
        if prefix:
            own = ["ip", "-6", "address", "replace", f"{prefix}1/64", "dev", self.bridge, "nodad"]
            subprocess.run(own, check=True)
            given = f"{prefix}20,{prefix}20,64,2m" if leases else f"{prefix},ra-only,64,5m"
            argv += ["--enable-ra", f"--dhcp-range={given}"]
        self._server = subprocess.Popen(argv)

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    @property
    def leases(self) -> str:
        return (self.folder / "leases").read_text()


@contextmanager
def routing(bridge: str, subnet: str, folder: Path) -> Iterator[Router]:
    """It gives .20 at first."""
    iptables = shutil.which("iptables") or "iptables"
    with ExitStack() as undone:
        for argv in (
            ("ip", "link", "add", bridge, "type", "bridge"),
            ("ip", "address", "add", f"{subnet}.1/24", "dev", bridge),
            ("ip", "-6", "address", "add", "fe80::1/64", "dev", bridge),
            (iptables, "-w", "-t", "nat", "-A", "POSTROUTING", "-s", f"{subnet}.0/24",
             "!", "-d", f"{subnet}.0/24", "-j", "MASQUERADE"),
            (iptables, "-w", "-I", "FORWARD", "-i", bridge, "-j", "ACCEPT"),
            (iptables, "-w", "-I", "FORWARD", "-o", bridge, "-j", "ACCEPT"),
        ):  # fmt: skip
            undone.enter_context(run(*argv))
        subprocess.run(["ip", "link", "set", bridge, "up"], check=True)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        router = Router(bridge, subnet, folder)
        router.serve(20)
        undone.callback(router.stop)
        yield router

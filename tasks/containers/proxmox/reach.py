"""Which way to a node: this machine, or ssh to where the cluster says that it is."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from tasks.containers.proxmox.access import Https, Local, OpenSsh
from tasks.containers.proxmox.section import Connection, Proxmox, Ssh
from tasks.containers.proxmox.view import Member
from tasks.errors import NetworkError
from tasks.paths import Paths

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Reach(Struct, frozen=True):
    """How one configuration reaches a cluster. control: folder of ssh's shared connections."""

    connection: Connection
    ssh: Ssh
    control: Path

    @property
    def api(self) -> Local | Https | OpenSsh:
        """The way to the API."""
        desired = self.connection
        if desired.type == "local":
            return Local()
        assert desired.host is not None
        if desired.type == "openssh":
            return self._ssh(desired.host)
        assert desired.token_file is not None
        return Https(
            desired.host, desired.token_file, desired.port, desired.ca_file, desired.fingerprint
        )

    def entry(self, *, is_node: bool) -> Local | OpenSsh:
        """The way to a node, whichever. is_node: this machine is one, maybe of another cluster:
        it is meant only where the connection leads back to it."""
        if self.connection.host is None or (is_node and self.connection.host in LOOPBACK):
            return Local()
        return self._ssh(self.connection.host)

    def node(self, member: Member, entry: Local | OpenSsh, asked: str) -> Local | OpenSsh:
        """The way to a node. asked: name of the one at `entry`."""
        if member.name == asked:
            return entry
        named = self.ssh.hosts.get(member.name)
        if named:
            return self._ssh(named)
        if not member.online:
            raise NetworkError(
                f"node {member.name} is down, or the cluster does not reach it",
                hint="`pvecm status` on another node shows who is missing",
            )
        # Between nodes, the cluster keeps the keys of all under their names.
        alias = (f"HostKeyAlias={member.name}",) if isinstance(entry, Local) else ()
        return self._ssh(member.address or member.name, alias)

    def _ssh(self, host: str, options: tuple[str, ...] = ()) -> OpenSsh:
        return OpenSsh(host, self.control, self.ssh.user, self.ssh.port, options)


def reach_of(desired: Proxmox, paths: Paths) -> Reach:
    return Reach(desired.connection, desired.ssh, paths.run / "ssh")

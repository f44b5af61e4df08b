"""How a Proxmox VE is reached."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class Local(Struct, frozen=True):
    """On a node itself, as root, through pvesh."""

    where: str = "this node"


class Https(Struct, frozen=True):
    """The API over HTTPS.

    token_file: see tasks.containers.proxmox.api_token. The certificate is checked against ca_file
    where given, by its SHA-256 fingerprint where given, else against the system's authorities.
    """

    host: str
    token_file: Path
    port: int = 8006
    ca_file: Path | None = None
    fingerprint: str | None = None

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"


class OpenSsh(Struct, frozen=True):
    """pvesh on a node through ssh, as root, with a key that asks nothing.

    control: folder (0700) of the connection that all calls share. options: further `-o` of ssh.
    """

    host: str
    control: Path
    user: str = "root"
    port: int = 22
    options: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        return f"{self.user}@{self.host}"

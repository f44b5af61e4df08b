"""A stand-in that answers, as tests hand it around."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pve.cluster import Cluster
from pve.server import Certificate
from tasks.containers.proxmox.access import Https

USER = "deploy@pve!tool"
SECRET = "5e0f4d7c-0000-4000-8000-00000000abcd"


@dataclass(frozen=True)
class Place:
    """A stand-in that answers on loopback. over_https verifies by its fingerprint."""

    cluster: Cluster
    certificate: Certificate
    port: int
    token_file: Path

    @property
    def over_https(self) -> Https:
        return Https(
            "127.0.0.1", self.token_file, self.port, fingerprint=self.certificate.fingerprint
        )

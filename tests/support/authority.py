"""A certificate authority for servers of the lab, by OpenSSL's own program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """One, in a folder of its own: its certificate, and what it has issued."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *, subject: str = "", names: str = "", days: int = 30) -> Path:
        """A certificate beside its key, `NAME.pem` and `NAME.key`. subject: its common name. names:
        as OpenSSL has them, `IP:192.0.2.1,DNS:db.example.com`. days: from now; 0: expired."""
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        _openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(request),
            "-subj", f"/CN={subject or name}",
        )  # fmt: skip
        extensions.write_text(f"subjectAltName={names}\n" if names else "")
        # Which `x509` of Debian 12 has no other way to say.
        period = ["-days", str(days)] if days else ["-days", "-1"]
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.certificate),
            "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial", "-extfile", str(extensions),
            *period, "-out", str(certificate),
        )  # fmt: skip
        key.chmod(0o600)
        return certificate


def new_authority(folder: Path) -> Authority:
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "ca.key"),
        "-out", str(folder / "ca.pem"), "-days", "30", "-subj", f"/CN=lab {folder.name}",
    )  # fmt: skip
    return Authority(folder)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

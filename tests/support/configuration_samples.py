"""A small valid configuration, and the folder with the files that wrong ones name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

FILES = Path(__file__).parents[1] / "unit/config/files"

BASE = """\
deployment:
  instance_id: vikunja-main
proxmox:
  node: pve
network:
  ip_address: 192.168.1.50/24
  gateway: 192.168.1.1
  domain: vikunja.example.com
database:
  type: sqlite
git:
  repository: https://git.example.com/vikunja.git
admin:
  email: admin@example.com
"""


def make_folder(folder: Path) -> None:
    """Everything that the data files name, with the modes that version control does not keep."""
    for file in FILES.iterdir():
        shutil.copy(file, folder)
    shutil.copy(folder / "good.key", folder / "own.key")
    (folder / "own.key").chmod(0o600)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    passwords = {
        "password": ("correct horse\n", 0o600),
        "empty-password": ("\n", 0o600),
        "open-password": ("correct horse\n", 0o644),
        "long-password": ("correct\nhorse\n", 0o600),
    }
    for name, (text, mode) in passwords.items():
        (folder / name).write_text(text)
        (folder / name).chmod(mode)


def data_of(case: dict[str, Any]) -> bytes:
    """The file of a case of the data files, which say what is changed in BASE."""
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "text" in case:
        return str(case["text"]).encode()
    changes = case.get("replace", {})
    lines = [changes.get(str(number), line) for number, line in enumerate(BASE.splitlines(), 1)]
    text = "".join(f"{line}\n" for line in lines if line is not None)
    return f"{text}{case.get('add', '')}".encode()

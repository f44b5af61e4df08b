"""A working folder, no terminal, and a machine without Proxmox VE."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tasks.containers import proxmox


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(proxmox, "PVEVERSION", tmp_path / "no-pveversion")
    return folder

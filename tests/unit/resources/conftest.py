from __future__ import annotations

from pathlib import Path

import pytest
from shells import HostShell


@pytest.fixture
def shell(tmp_path: Path) -> HostShell:
    programs = tmp_path / "programs"
    programs.mkdir()
    return HostShell(programs)

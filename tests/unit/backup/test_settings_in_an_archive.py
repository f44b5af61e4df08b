"""An archive has the settings of the color that serves."""

from __future__ import annotations

import subprocess
from pathlib import Path

from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.backup.configuration import gather
from tasks.backup.running_instance import CONTENTS
from tasks.paths import Paths


def test_the_link_to_the_settings_is_followed(tmp_path: Path) -> None:
    folder, source = tmp_path / "vikunja", tmp_path / "config.yaml"
    folder.mkdir()
    source.touch()
    for color in ("blue", "green"):
        (folder / f"environment.{color}").write_text(f'VIKUNJA_COLOR="{color}"\n')
    (folder / "environment").symlink_to("environment.green")
    argv = CONTENTS.argv("configuration", str(folder))
    inside = subprocess.run(argv, check=True, capture_output=True).stdout
    gathered = gather(replace(sample_instance(), source=source), Paths(tmp_path), inside)
    assert gathered.files["environment"] == b'VIKUNJA_COLOR="green"\n'

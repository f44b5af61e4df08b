"""keep.sh and put-back.sh, run for real: what was there first comes back, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from shells import HostShell

from tasks.guest.runner import script_text
from tasks.host.process import Completed

BLUE = "vikunja-backend@blue.service"


class Place:
    """A folder that the scripts take for the container's."""

    def __init__(self, shell: HostShell, folder: Path) -> None:
        self.shell, self.home, self.etc = shell, folder / "home", folder / "etc"
        self.called = folder / "called"
        (self.home / "stamps").mkdir(parents=True)
        self.etc.mkdir()
        self.stamp(BLUE, "serves")
        for name in ("systemctl", "nginx"):
            shell.program(name, f'echo {name} "$@" >>{self.called}')

    def stamp(self, unit: str, text: str) -> None:
        (self.home / "stamps" / unit).write_text(f"{text}\n")

    def script(self, name: str, *arguments: str) -> Completed:
        text = script_text(name)
        assert "home=/var/lib/vikunja-deploy\n" in text
        text = text.replace("home=/var/lib/vikunja-deploy\n", f"home={self.home}\n")
        return self.shell.run(["sh", "-c", text, name, *arguments])

    def keep(self, *names: str, units: tuple[str, ...] = ()) -> None:
        paths = [str(self.etc / name) for name in names]
        completed = self.script("keep", "blue", *units, "--", *paths)
        assert (completed.returncode, completed.stderr) == (0, b"")

    def put_back(self) -> bytes:
        completed = self.script("put-back", "blue")
        assert (completed.returncode, completed.stderr) == (0, b"")
        return completed.stdout

    def seen(self) -> dict[str, tuple[str, int]]:
        found = {}
        for path in sorted(self.etc.rglob("*")):
            text = str(path.readlink()) if path.is_symlink() else ""
            text = text or ("" if path.is_dir() else path.read_text())
            found[str(path.relative_to(self.etc))] = (text, path.lstat().st_mode)
        return found


@pytest.fixture
def place(shell: HostShell, tmp_path: Path) -> Place:
    return Place(shell, tmp_path)


def fill(place: Place) -> None:
    (place.etc / "file").write_text("old\n")
    (place.etc / "file").chmod(0o640)
    (place.etc / "link").symlink_to("old")
    (place.etc / "tls").mkdir()
    (place.etc / "tls" / "key").write_text("old\n")


def change(place: Place, text: str) -> None:
    (place.etc / "file").write_text(text)
    (place.etc / "file").chmod(0o644)
    (place.etc / "link").unlink(missing_ok=True)
    (place.etc / "link").symlink_to(text)
    (place.etc / "tls" / "key").write_text(text)
    (place.etc / "tls" / "more").write_text(text)
    (place.etc / "with space").write_text(text)


ALL = ("file", "link", "tls", "with space")


def test_what_was_there_comes_back_and_what_was_not_goes(place: Place) -> None:
    fill(place)
    before = place.seen()
    place.keep(*ALL)
    change(place, "new")
    assert place.put_back() == b"put back\n"
    assert place.seen() == before
    assert place.put_back() == b""
    assert not (place.home / "before").exists()


def test_what_was_kept_first_counts(place: Place) -> None:
    fill(place)
    (place.etc / "other").write_text("old\n")
    before = place.seen()
    place.keep(*ALL)
    change(place, "killed")
    place.keep("other", "file", "with space")
    (place.etc / "other").write_text("new\n")
    change(place, "new")
    assert place.put_back() == b"put back\n"
    assert place.seen() == before


def test_what_was_kept_of_what_serves_no_more_is_forgotten(place: Place) -> None:
    fill(place)
    place.keep(*ALL)
    change(place, "new")
    place.stamp(BLUE, "serves with the new ones")
    after = place.seen()
    assert place.put_back() == b""
    assert place.seen() == after
    place.keep("file")
    (place.etc / "file").write_text("newer\n")
    assert place.put_back() == b"put back\n"
    assert place.seen() == after


def test_the_proxy_takes_the_old_files_up_and_what_cannot_is_known_to_be_behind(
    place: Place,
) -> None:
    fill(place)
    units = ("nginx.service", "redis-server.service", "logrotate.timer")
    for unit in units:
        place.stamp(unit, "old")
    place.keep("file", units=units)
    change(place, "new")
    for unit in units[:2]:
        place.stamp(unit, "new")
    place.put_back()
    assert place.called.read_text().splitlines() == [
        "nginx -t -q",
        "systemctl reload nginx.service",
    ]
    stamps = {path.name: path.read_text() for path in (place.home / "stamps").iterdir()}
    assert stamps == {
        BLUE: "serves\n", "nginx.service": "old\n", "logrotate.timer": "old\n"
    }  # fmt: skip

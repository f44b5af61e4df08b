"""land.sh, run for real: files, folders, links and secrets land whole, in order, or not at all."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from shells import HostShell

from tasks.errors import DeployError
from tasks.host.process import Completed
from tasks.resources.base import Resource
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.landing import landing, operation
from tasks.resources.system import Package, Secret, User

Land = Callable[..., Completed]


@pytest.fixture
def land(shell: HostShell, tmp_path: Path) -> Land:
    def landed(*resources: Resource, unstamped: tuple[str, ...] = ()) -> Completed:
        return shell.land(landing(resources, unstamped), tmp_path / "home")

    return landed


def owned(path: Path) -> tuple[str, str]:
    return oct(path.lstat().st_mode & 0o7777), f"{path.owner()}:{path.group()}"


def test_everything_lands_in_order_with_mode_and_owner(land: Land, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    completed = land(
        Directory(path=str(folder), mode="0750", owner="root", group="adm"),
        File(path=f"{folder}/file", content=b"content\n", mode="0640", owner="nobody"),
        Link(path=f"{folder}/link", target="file"),
        Secret(path=f"{folder}/secret", owner="root", group="root"),
    )
    assert (completed.returncode, completed.stderr) == (0, b"")
    assert completed.stdout == b"done 0\ndone 1\ndone 2\ndone 3\n"
    assert owned(folder) == ("0o750", "root:adm")
    assert owned(folder / "file") == ("0o640", "nobody:root")
    assert (folder / "link").read_bytes() == b"content\n"
    assert len((folder / "secret").read_text().strip()) == 48
    assert sorted(path.name for path in folder.iterdir()) == ["file", "link", "secret"]
    assert list((tmp_path / "home").glob("landing*")) == []


@pytest.mark.parametrize("content", [b"", b"\0\xff\n", b"x" * 300_000, "ä\n".encode()])
def test_contents_land_byte_by_byte(land: Land, tmp_path: Path, content: bytes) -> None:
    assert land(File(path=str(tmp_path / "file"), content=content)).returncode == 0
    assert (tmp_path / "file").read_bytes() == content


@pytest.mark.parametrize("name", ["with space", "*", "quo'te", "$(id)", "-f", "back\\slash"])
def test_any_name_lands_and_nothing_else_happens(land: Land, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert land(File(path=f"{folder}/{name}", content=b"content")).returncode == 0
    assert [path.name for path in folder.iterdir()] == [name]
    assert land(Absent(path=f"{folder}/{name}")).returncode == 0
    assert list(folder.iterdir()) == []


def test_a_file_brings_its_folder(land: Land, tmp_path: Path) -> None:
    assert land(File(path=f"{tmp_path}/a/b/file", content=b"content")).returncode == 0
    assert owned(tmp_path / "a" / "b") == ("0o755", "root:root")


def test_what_is_in_the_way_is_kept_aside(land: Land, tmp_path: Path) -> None:
    path = tmp_path / "path"
    path.mkdir()
    (path / "kept").write_text("somebody's")
    assert land(File(path=str(path), content=b"content")).returncode == 0
    assert path.read_bytes() == b"content"
    (aside,) = tmp_path.glob("path.replaced-*")
    assert (aside / "kept").read_text() == "somebody's"
    assert land(Directory(path=str(path))).returncode == 0
    assert path.is_dir()
    assert sorted(p.read_bytes() for p in tmp_path.glob("path.replaced-*") if p.is_file()) == [
        b"content"
    ]


def test_a_link_is_replaced_not_written_through(land: Land, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("somebody's")
    (tmp_path / "file").symlink_to("target")
    assert land(File(path=f"{tmp_path}/file", content=b"content")).returncode == 0
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "target").read_text() == "somebody's"


def test_a_secret_is_made_once_and_kept(land: Land, tmp_path: Path) -> None:
    desired = Secret(path=f"{tmp_path}/secret", owner="root", group="root")
    path = tmp_path / "secret"
    land(desired)
    value = path.read_text()
    path.chmod(0o644)
    land(desired)
    assert (path.read_text(), owned(path)[0]) == (value, "0o600")
    path.write_text("")
    land(desired)
    assert path.read_text() not in ("", value)


def test_a_secret_that_was_moved_and_linked_keeps_its_value(land: Land, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("value\n")
    (tmp_path / "secret").symlink_to("elsewhere")
    desired = Secret(path=f"{tmp_path}/secret", owner="root", group="root")
    assert land(desired).returncode == 0
    assert not (tmp_path / "secret").is_symlink()
    assert ((tmp_path / "secret").read_text(), owned(tmp_path / "secret")[0]) == (
        "value\n",
        "0o600",
    )


def test_a_folder_in_the_place_of_a_secret_is_put_aside(land: Land, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    assert land(Secret(path=f"{tmp_path}/secret", owner="root", group="root")).returncode == 0
    assert len((tmp_path / "secret").read_text()) == 49


def test_the_first_that_fails_stops_the_rest_and_is_named(land: Land, tmp_path: Path) -> None:
    completed = land(
        File(path=f"{tmp_path}/first", content=b"1"),
        File(path=f"{tmp_path}/second", content=b"2", owner="nobody-of-that-name"),
        File(path=f"{tmp_path}/third", content=b"3"),
    )
    assert completed.returncode == 1
    assert completed.stdout == b"done 0\n"
    assert f"cannot land: file 1 0644 nobody-of-that-name root {tmp_path}/second".encode() in (
        completed.stderr
    )
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()
    assert not (tmp_path / "third").exists()


def test_stamps_go_before_anything_lands(land: Land, tmp_path: Path) -> None:
    stamp = tmp_path / "home" / "stamps" / "nginx.service"
    stamp.parent.mkdir(parents=True)
    stamp.write_text("revision\n")
    land(
        File(path=f"{tmp_path}/file", content=b"", owner="nobody-of-that-name"),
        unstamped=("nginx.service",),
    )
    assert not stamp.exists()


def test_what_a_killed_landing_left_is_cleared(land: Land, tmp_path: Path) -> None:
    left = tmp_path / "home" / "landing.killed"
    left.mkdir(parents=True)
    (left / "0").write_text("secret")
    aside = tmp_path / ".file.vikunja-deploy"
    aside.write_text("half")
    assert land(File(path=f"{tmp_path}/file", content=b"whole")).returncode == 0
    assert not left.exists() and not aside.exists()


def test_the_stream_holds_the_operations_and_each_content_by_number() -> None:
    stream = landing(
        [
            Directory(path="/d"),
            File(path="/a", content=b"one"),
            Absent(path="/b"),
            File(path="/c", content=b"two", mode="0600"),
            User(user="vikunja", home="/h"),
        ],
        ["x.service"],
    )
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    assert members == {
        "operations": (
            b"unstamp\tx.service\n"
            b"directory\t0755\troot\troot\t/d\n"
            b"file\t0\t0644\troot\troot\t/a\n"
            b"absent\t/b\n"
            b"file\t1\t0600\troot\troot\t/c\n"
            b"user\tvikunja\t/h\t/usr/sbin/nologin\n"
        ),
        "0": b"one",
        "1": b"two",
    }


@pytest.mark.parametrize("path", ["/a\tb", "/a\nb", ""])
def test_a_path_that_would_part_an_operation_is_refused(path: str) -> None:
    with pytest.raises(DeployError, match="file: cannot land"):
        landing([File(path=path, content=b"")])


def test_what_cannot_land_is_refused() -> None:
    with pytest.raises(DeployError, match="package:curl cannot be landed"):
        operation(Package(package="curl"), 0)

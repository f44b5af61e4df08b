"""Releases of every kind, honest and hostile."""

from __future__ import annotations

import hashlib
import io
import socket
import stat
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from build_trees import Recorded, content, instance_of, members, release_of

from tasks.builds import artifact_key, build, find, verify
from tasks.errors import BuildError, NetworkError
from tasks.model.instance import Instance
from tasks.paths import Paths

BINARY = Path("/bin/true").read_bytes()
NAME = "vikunja-v1.0.0-linux-amd64"


def released(path: Path | str, content: bytes, *, sha256: str = "", mcp: bool = False) -> Instance:
    digest = sha256 or hashlib.sha256(content).hexdigest()
    release = release_of(url=str(path), sha256=digest, version="v1.0.0")
    return instance_of(release=release, mcp=mcp)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], compression: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


HONEST = {NAME: BINARY, f"{NAME}.sha256": b"abc", "config.yml.sample": b"x", "LICENSE": b"y"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("vikunja.zip", zipped(HONEST)),
        ("vikunja.tar", tarred(HONEST)),
        ("vikunja.tar.gz", tarred(HONEST, "gz")),
        ("vikunja.tar.xz", tarred(HONEST, "xz")),
        ("folder.zip", zipped({f"vikunja/{NAME}": BINARY, "vikunja/LICENSE": b""})),
        (NAME, BINARY),
        ("named-otherwise.bin", zipped(HONEST)),
    ],
)
def test_a_release_of_each_kind_makes_the_same_artifact(
    paths: Paths, tmp_path: Path, name: str, data: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    instance = released(file, data)

    made = build(instance, None, paths)

    assert (made.commit, made.version, made.parts) == (None, "v1.0.0", ("backend",))
    assert find(paths, artifact_key(instance, None)) == made
    verify(made)
    assert content(made.path, "backend/vikunja") == BINARY
    assert members(made.path)["backend/vikunja"].mode == 0o755
    file.unlink()
    assert build(instance, None, paths) == made


def test_a_file_address_serves_as_well(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "with blank.zip"
    file.write_bytes(zipped(HONEST))

    assert build(released(file.as_uri(), file.read_bytes()), None, paths).version == "v1.0.0"


def test_a_wrong_checksum_names_both_and_leaves_nothing(paths: Paths, tmp_path: Path) -> None:
    data = zipped(HONEST)
    file = tmp_path / "vikunja.zip"
    file.write_bytes(data)

    with pytest.raises(BuildError) as caught:
        build(released(file, data, sha256="0" * 64), None, paths)
    assert hashlib.sha256(data).hexdigest() in caught.value.what
    assert "0" * 64 in caught.value.what
    assert [entry.suffix for entry in (paths.cache / "artifacts").iterdir()] == [".lock"]


def test_a_checksum_in_capitals_is_the_same(paths: Paths, tmp_path: Path) -> None:
    data = zipped(HONEST)
    file = tmp_path / "vikunja.zip"
    file.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest().upper()

    assert build(released(file, data, sha256=digest), None, paths).parts == ("backend",)


def tar_of(*made: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in made:
            archive.addfile(member)
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def foreign_program() -> bytes:
    return BINARY[:18] + b"\x28\x00" + BINARY[20:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no zip, tar or program"),
        (b"<html>not found</html>", "no zip, tar or program"),
        (zipped(HONEST)[:-40], "no zip, tar or program"),
        (tarred(HONEST, "gz")[:-2000], "no zip, tar or program"),
        (tarred(HONEST, "xz")[:-2000], "no zip, tar or program"),
        (b"PK\x03\x04" + b"\0" * 100, "no zip, tar or program"),
        (zipped({"README": b"x"}), "no program named"),
        (zipped({NAME: b"#!/bin/sh\n"}), "no program named"),
        (zipped({NAME: BINARY, "vikunja-v1.0.0-linux-arm64": BINARY}), "more than one program"),
        (zipped({"vikunja-linux-arm": foreign_program()}), "another kind of processor"),
        (BINARY[:10], "not an executable program"),
        (tar_of(link("vikunja", "/etc/passwd")), "no program named"),
        (tar_of(link("vikunja", "/bin/true", tarfile.LNKTYPE)), "no program named"),
        (tar_of(link("vikunja", "", tarfile.FIFOTYPE)), "no program named"),
    ],
)
def test_what_is_no_release_is_refused(
    paths: Paths, tmp_path: Path, data: bytes, message: str
) -> None:
    file = tmp_path / "release"
    file.write_bytes(data)
    instance = released(file, data)

    with pytest.raises(BuildError, match=message):
        build(instance, None, paths)
    assert find(paths, artifact_key(instance, None)) is None
    assert [entry.suffix for entry in (paths.cache / "artifacts").iterdir()] == [".lock"]


@pytest.mark.parametrize("name", ["../../../../escape", "/escape", "a/../../escape"])
def test_a_hostile_name_reaches_nothing(paths: Paths, tmp_path: Path, name: str) -> None:
    for data in (zipped({name: b"bad", NAME: BINARY}), tarred({name: b"bad", NAME: BINARY})):
        file = tmp_path / "release"
        file.write_bytes(data)

        made = build(released(file, data), None, paths)

        assert set(members(made.path)) == {"backend", "backend/vikunja"}
    assert not Path("/escape").exists()
    assert not list(tmp_path.parent.rglob("escape"))


def test_a_traversing_name_of_the_binary_itself_lands_in_its_place(
    paths: Paths, tmp_path: Path
) -> None:
    data = zipped({"../../vikunja": BINARY})
    file = tmp_path / "release.zip"
    file.write_bytes(data)

    assert set(members(build(released(file, data), None, paths).path)) == {
        "backend",
        "backend/vikunja",
    }


def test_a_set_user_id_bit_is_not_kept(paths: Paths, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo(NAME)
        member.external_attr = (stat.S_IFREG | 0o6777) << 16
        archive.writestr(member, BINARY)
    file = tmp_path / "release.zip"
    file.write_bytes(buffer.getvalue())

    made = build(released(file, buffer.getvalue()), None, paths)

    assert members(made.path)["backend/vikunja"].mode == 0o755


def test_a_bomb_is_refused_by_its_size(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.builds.release_archive.MAXIMUM_BINARY", 1 << 20)
    data = zipped({NAME: BINARY + b"\0" * (2 << 20)})
    file = tmp_path / "release.zip"
    file.write_bytes(data)

    with pytest.raises(BuildError, match="larger than"):
        build(released(file, data), None, paths)


def test_a_download_is_refused_by_its_size(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.builds.download.MAXIMUM_DOWNLOAD", 1 << 12)
    file = tmp_path / "release.zip"
    file.write_bytes(zipped(HONEST))

    with pytest.raises(BuildError, match="larger than"):
        build(released(file, file.read_bytes()), None, paths)


def test_a_release_with_a_desired_for_the_mcp_server_is_an_error(
    paths: Paths, tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match="holds no MCP server"):
        build(released(tmp_path / "x", b"x", mcp=True), None, paths)


def test_a_missing_file_says_where(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="No such file") as caught:
        build(released(tmp_path / "nowhere.zip", b"x"), None, paths)
    assert caught.value.where == str(tmp_path / "nowhere.zip")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server of a folder: its address and the folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()


def test_a_release_is_downloaded_with_progress(paths: Paths, server: tuple[str, Path]) -> None:
    address, folder = server
    data = zipped(HONEST)
    (folder / "vikunja.zip").write_bytes(data)
    progress = Recorded()

    made = build(released(f"{address}/vikunja.zip?token=secret", data), None, paths, progress)

    assert content(made.path, "backend/vikunja") == BINARY
    assert f"downloading {address}/vikunja.zip" in progress.texts
    assert not any("secret" in text for text in progress.texts)


def test_a_release_that_the_server_does_not_have_is_an_error(
    paths: Paths, server: tuple[str, Path]
) -> None:
    with pytest.raises(BuildError, match="the server answers 404"):
        build(released(f"{server[0]}/nothing.zip", b"x"), None, paths)


def test_a_download_that_breaks_off_is_a_network_error(paths: Paths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")

        threading.Thread(target=answer, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v.zip"
        with pytest.raises(NetworkError, match="broke off after 4 of 1000 bytes"):
            build(released(address, b"x"), None, paths)


def test_a_server_that_is_not_there_is_a_network_error(paths: Paths) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(NetworkError, match="cannot be downloaded") as caught:
        build(released(f"http://user:secret@127.0.0.1:{port}/v.zip", b"x"), None, paths)
    assert "secret" not in str(caught.value) + caught.value.hint

"""A finished release instead of a build: downloaded, checked, and packed as a build would be."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import lzma
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

from tasks.builds import artifact as store
from tasks.builds import pack
from tasks.builds.artifact import Artifact
from tasks.builds.remote import Remote
from tasks.errors import BuildError, NetworkError
from tasks.model.instance import Instance, Release
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

MAXIMUM_DOWNLOAD = 2 << 30
MAXIMUM_BINARY = 1 << 30
MAXIMUM_MEMBERS = 100_000
TIMEOUT_SECONDS = 60
"""Without a byte from the server."""
CHUNK = 1 << 20
UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    # What zipfile raises for an encrypted member or a method that it does not know.
    RuntimeError,
)


def from_release(
    instance: Instance, key: str, paths: Paths, progress: Progress = SILENT
) -> Artifact:
    """The artifact of `instance.release`; the caller holds the lock of `key`.

    Raises NetworkError, or BuildError for a wrong checksum or an archive without a binary.
    """
    from tasks.builds.job import finish

    release = instance.release
    assert release is not None
    if instance.services.mcp.enabled:
        raise BuildError(
            "a release archive holds no MCP server, but services.mcp.enabled is true",
            where=instance.id,
            hint="set services.mcp.enabled: false, or build from git",
        )
    begun = time.monotonic()
    partial = store.partial_path(paths, key)
    download = partial.with_suffix(".download.partial")
    try:
        _download(release, download, progress)
        progress.step("unpacking the release")
        # What a release archive says about times is its maker's; the binary's age matters to no
        # one, equal bytes do.
        with pack.packing(partial, modified=0) as packer:
            packer.folder("backend")
            with binary(download, shown(release.url)) as (content, size):
                packer.file("backend/vikunja", content, size, executable=True)
    finally:
        download.unlink(missing_ok=True)
    seconds = time.monotonic() - begun
    return finish(paths, key, partial, None, release.version, ("backend",), seconds)


def shown(url: str) -> str:
    """An address as it may be shown: without user, password and query."""
    return Remote.parse(url).url.partition("?")[0]


def _download(release: Release, target: Path, progress: Progress) -> None:
    where = shown(release.url)
    digest = hashlib.sha256()
    size = 0
    with _open(release.url) as (source, total), target.open("wb") as file:
        while chunk := _read(source, where):
            size += len(chunk)
            if size > MAXIMUM_DOWNLOAD:
                raise BuildError(
                    f"the release is larger than {MAXIMUM_DOWNLOAD >> 30} GiB", where=where
                )
            digest.update(chunk)
            file.write(chunk)
            progress.step(f"downloading {where}", size / total if total else None)
    if total is not None and size < total:
        raise NetworkError(
            f"the download broke off after {size} of {total} bytes", where=where, hint="try again"
        )
    found = digest.hexdigest()
    if found != release.sha256.lower():
        raise BuildError(
            f"the SHA-256 is {found}, release.sha256 says {release.sha256.lower()}",
            where=where,
            hint="compare with the checksum that the release's maker publishes; do not use the "
            "file if they differ",
        )


def _read(source: IO[bytes], where: str) -> bytes:
    try:
        return source.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(where, error) from error


@contextmanager
def _open(url: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """The bytes behind an address or path, and how many there are where that is known."""
    parts = urlsplit(url)
    where = shown(url)
    if parts.scheme in ("", "file"):
        path = Path(unquote(parts.path) if parts.scheme else url)
        try:
            with path.open("rb") as file:
                yield file, path.stat().st_size
        except OSError as error:
            raise BuildError(
                f"the release cannot be read: {error.strerror}",
                where=str(path),
                hint="check release.url",
            ) from error
        return
    remote = Remote.parse(url)
    request = urllib.request.Request(remote.url, headers={"User-Agent": "vikunja-deploy"})
    if remote.authorization:
        # Not sent along to where the server redirects to.
        request.add_unredirected_header("Authorization", remote.authorization.partition(": ")[2])
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        what = f"the server answers {error.code} {error.reason}"
        if error.code >= 500:
            hint = "it has trouble of its own: try again later"
            raise NetworkError(what, where=where, hint=hint) from error
        raise BuildError(what, where=where, hint="check release.url") from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(where, error) from error
    with response:
        length = response.headers.get("Content-Length")
        yield response, int(length) if length and length.isdigit() else None


def _unreachable(where: str, error: Exception) -> NetworkError:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    if isinstance(error, TimeoutError) or isinstance(reason, TimeoutError):
        reason = f"the server was waited for, and sent nothing for {TIMEOUT_SECONDS} s"
    return NetworkError(
        f"the release cannot be downloaded: {reason}",
        where=where,
        hint="check the network, name resolution and release.url",
    )


@contextmanager
def binary(path: Path, where: str) -> Iterator[tuple[IO[bytes], int]]:
    """Vikunja's binary in a zip, a tar or by itself: its content and size.

    Nothing is unpacked: one member is read, so names and links in an archive reach nothing.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head == pack.ELF:
        with path.open("rb") as file:
            yield file, _bounded(path.stat().st_size, where)
        return
    try:
        if head.startswith(b"PK"):
            with zipfile.ZipFile(path) as zipped:
                yield from _from_zip(zipped, where)
        else:
            with tarfile.open(path, "r:*") as tarred:
                yield from _from_tar(tarred, where)
    except UNREADABLE as error:
        raise BuildError(
            f"the release is no zip, tar or program that can be read: {error}",
            where=where,
            hint="use a zip or tar of Vikunja's releases, or the binary itself",
        ) from error


def _from_zip(zipped: zipfile.ZipFile, where: str) -> Iterator[tuple[IO[bytes], int]]:
    regular = [member for member in zipped.infolist() if not member.is_dir()]
    names = {member.filename: member for member in regular[:MAXIMUM_MEMBERS]}

    def head(name: str) -> bytes:
        with zipped.open(name) as content:
            return content.read(4)

    chosen = names[_choose(list(names), head, where)]
    with zipped.open(chosen) as content:
        yield content, _bounded(chosen.file_size, where)


def _from_tar(tarred: tarfile.TarFile, where: str) -> Iterator[tuple[IO[bytes], int]]:
    names: dict[str, tarfile.TarInfo] = {}
    total = 0
    for member in tarred:
        total += member.size
        if total > MAXIMUM_DOWNLOAD or len(names) > MAXIMUM_MEMBERS:
            raise BuildError("the release unpacks to more than 2 GiB", where=where)
        if member.isfile():
            names[member.name] = member

    def open_member(name: str) -> IO[bytes]:
        content = tarred.extractfile(names[name])
        assert content is not None
        return content

    chosen = _choose(list(names), lambda name: open_member(name).read(4), where)
    yield open_member(chosen), _bounded(names[chosen].size, where)


def _choose(names: list[str], head: Callable[[str], bytes], where: str) -> str:
    """The one program among the members that is Vikunja by its name."""
    named = [name for name in names if PurePosixPath(name).name.startswith("vikunja")]
    programs = [name for name in named if head(name) == pack.ELF]
    exact = [name for name in programs if PurePosixPath(name).name == "vikunja"]
    if len(exact) == 1:
        return exact[0]
    if len(programs) == 1:
        return programs[0]
    raise BuildError(
        "the release holds more than one program named vikunja…"
        if programs
        else "the release holds no program named vikunja…",
        where=where,
        hint="use the archive for Linux and this machine's kind of processor",
        evidence=(programs or names)[:20],
    )


def _bounded(size: int, where: str) -> int:
    if size > MAXIMUM_BINARY:
        raise BuildError(
            f"the program in the release is larger than {MAXIMUM_BINARY >> 30} GiB", where=where
        )
    return size

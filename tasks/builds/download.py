"""An archive from a web server or a file of this machine, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from tasks.builds import web
from tasks.errors import BuildError, NetworkError
from tasks.progress import Progress

MAXIMUM_DOWNLOAD = 2 << 30
CHUNK = 1 << 20


def download(url: str, target: Path, progress: Progress, hint: str) -> str:
    """Write what is behind an address (https, http, file) or path; its SHA-256, hex.

    hint: what to look at where it is not there. Raises NetworkError where the server is not
    reached or breaks off, BuildError where it has no such thing.
    """
    where = web.shown(url)
    digest = hashlib.sha256()
    size = 0
    with _open(url, hint) as (source, total), target.open("wb") as file:
        while chunk := _read(source, where, hint):
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
    return digest.hexdigest()


def _read(source: IO[bytes], where: str, hint: str) -> bytes:
    try:
        return source.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise web.unreachable(where, error, hint, web.SILENT_SECONDS) from error


@contextmanager
def _open(url: str, hint: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """The bytes behind an address or path, and how many there are where that is known."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        with web.opened(url, hint) as opened:
            yield opened
        return
    path = Path(unquote(parts.path) if parts.scheme else url)
    try:
        with path.open("rb") as file:
            yield file, path.stat().st_size
    except OSError as error:
        raise BuildError(
            f"the release cannot be read: {error.strerror}", where=str(path), hint=hint
        ) from error

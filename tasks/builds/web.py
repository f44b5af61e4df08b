"""What is asked of a web server: bytes behind an address, or a small answer in JSON.

Redirects are followed to https, and from http to http: nothing that began encrypted goes on in
clear, and nothing leads to a file.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from tasks.builds.remote import Remote
from tasks.errors import BuildError, DeployError, NetworkError

SILENT_SECONDS = 60
"""Without a byte from a server that sends an archive."""
ANSWER_SECONDS = 10.0
"""For the whole of a small answer."""
MAXIMUM_ANSWER = 16 << 20
CHUNK = 1 << 16


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows what the module says, and raises BuildError where a server leads elsewhere."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, to: str
    ) -> Any:
        before, after = (url.partition(":")[0] for url in (req.full_url, to))
        if after != "https" and (before, after) != ("http", "http"):
            raise BuildError(
                f"the server redirects to {shown(to)}, which is followed only to https",
                where=shown(req.full_url),
                hint="give the address that it leads to, if you trust it",
            )
        return super().redirect_request(req, fp, code, msg, headers, to)


def following() -> urllib.request.OpenerDirector:
    """What asks, and follows redirects as above."""
    return urllib.request.build_opener(Redirects)


def shown(url: str) -> str:
    """An address as it may be shown: without user, password and query."""
    return Remote.parse(url).url.partition("?")[0]


@contextmanager
def opened(
    url: str, hint: str, *, accept: str = "*/*", seconds: float | None = None
) -> Iterator[tuple[IO[bytes], int | None]]:
    """The bytes behind an address of http or https, and how many there are where that is known.

    seconds: that the server may be silent, SILENT_SECONDS by default. hint: what to look at where
    it does not answer well.
    Raises NetworkError where it does not answer or has trouble, BuildError where it refuses.
    """
    where, limit = shown(url), SILENT_SECONDS if seconds is None else seconds
    remote = Remote.parse(url)
    headers = {"User-Agent": "vikunja-deploy", "Accept": accept}
    request = urllib.request.Request(remote.url, headers=headers)
    if remote.authorization:
        # Not sent along to where the server redirects to.
        request.add_unredirected_header("Authorization", remote.authorization.partition(": ")[2])
    try:
        response = following().open(request, timeout=limit)
    except urllib.error.HTTPError as error:
        raise refusal(error, where, hint) from error
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(where, error, hint, limit) from error
    with response:
        length = response.headers.get("Content-Length")
        yield response, int(length) if length and length.isdigit() else None


def refusal(error: urllib.error.HTTPError, where: str, hint: str) -> DeployError:
    """What an answer that is none means: a server in trouble, or one that has nothing there."""
    what = f"the server answers {error.code} {error.reason}"
    if error.code in (301, 302, 303, 307, 308):
        what = "the server redirects on and on"
    if error.code >= 500:
        return NetworkError(what, where=where, hint="it has trouble of its own: try again later")
    return BuildError(what, where=where, hint=hint)


def unreachable(where: str, error: Exception, hint: str, seconds: float) -> NetworkError:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    if isinstance(error, TimeoutError) or isinstance(reason, TimeoutError):
        reason = f"the server was waited for, and sent nothing for {seconds:g} s"
    return NetworkError(
        f"cannot be downloaded: {reason}",
        where=where,
        hint=f"check the network and name resolution; {hint}",
    )


def ask(url: str, hint: str, seconds: float | None = None) -> Any:
    """What a server answers in JSON, within so many seconds (ANSWER_SECONDS) as a whole.

    Raises NetworkError or BuildError that say where and what.
    """
    limit = ANSWER_SECONDS if seconds is None else seconds
    until = time.monotonic() + limit
    where = shown(url)
    data = b""
    with opened(url, hint, accept="application/json", seconds=limit) as (source, total):
        try:
            while chunk := source.read1(CHUNK):  # type: ignore[attr-defined]
                data += chunk
                if time.monotonic() > until or len(data) > MAXIMUM_ANSWER:
                    raise NetworkError(
                        f"the answer was not whole after {limit:g} s", where=where, hint=hint
                    )
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(where, error, hint, limit) from error
    if total is not None and len(data) < total:
        raise NetworkError(
            f"the answer broke off after {len(data)} of {total} bytes", where=where, hint=hint
        )
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BuildError("the answer is no JSON", where=where, hint=hint) from error

"""Whether a build's tool failed for a server that nobody reaches, and which one that was."""

from __future__ import annotations

import re
from collections.abc import Iterable

SIGNS = re.compile(
    # Go
    r"dial tcp|i/o timeout|TLS handshake timeout|no such host|"
    # npm, pnpm, node
    r"\b(?:ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|"
    r"ERR_SOCKET_TIMEOUT|UND_ERR_CONNECT_TIMEOUT|UND_ERR_HEADERS_TIMEOUT)\b|"
    # git and curl
    r"could not resolve host|failed to connect|network is unreachable|no route to host|"
    r"temporary failure in name resolution|"
    # A server that answers with its own trouble
    r"\b50[234] (?:Bad Gateway|Service Unavailable|Gateway Time-?out)",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"\bhttps?://(?:[^\s/@]*@)?([\w.:-]+)")
NAMED = re.compile(
    r"(?:lookup|dial tcp:?|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|could not resolve host:?) "
    r"(?:lookup )?([\w.-]*\w(?::\d+)?)",
    re.IGNORECASE,
)


def unreached(lines: Iterable[str]) -> str | None:
    """The host in a failed command's last lines that did not answer, `a server` where they do not
    name it; None where they tell of no network."""
    signs = [line for line in lines if SIGNS.search(line)]
    if not signs:
        return None
    for pattern in (ADDRESS, NAMED):
        for line in signs:
            found = pattern.search(line)
            if found is not None:
                return found[1]
    return "a server"

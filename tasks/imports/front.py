"""nginx, Caddy and Apache: which of their sites passes requests on to Vikunja; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tasks.imports.found import Front

PATTERNS = (
    "/etc/nginx/nginx.conf",
    "/etc/nginx/conf.d/*.conf",
    "/etc/nginx/sites-enabled/*",
    "/etc/caddy/Caddyfile",
    "/etc/caddy/conf.d/*",
    "/etc/apache2/sites-enabled/*.conf",
    "/etc/httpd/conf.d/*.conf",
)

_COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)


def find_front(files: Mapping[str, bytes], port: int, host: str) -> Front | None:
    """The first site that passes on to the port, or has the host's name. host: may be empty."""
    for path, content in sorted(files.items()):
        text = _COMMENT.sub("", content.decode(errors="replace"))
        program = next((one for one in ("nginx", "caddy", "apache2", "httpd") if one in path), "")
        if not program:
            continue
        sites = {"nginx": _nginx, "caddy": _caddy}.get(program, _apache)(text)
        fitting = [
            Front("apache" if program in ("apache2", "httpd") else program, path, *site[:4])
            for site in sites
            if _passes(site[4], port) or (host and host in site[0])
        ]
        # Mostly one of them redirects to the one that encrypts.
        if fitting:
            return max(fitting, key=lambda front: front.encrypts)
    return None


Site = tuple[tuple[str, ...], str, str, bool, str]
"""Names, certificate, key, whether it encrypts, and its text."""


def _passes(text: str, port: int) -> bool:
    return re.search(rf"(127\.0\.0\.1|localhost|\[::1\]|vikunja|\s):{port}\b", text) is not None


def _blocks(text: str, opening: str) -> Iterator[tuple[str, str]]:
    """What stands before each opening brace, and what up to the one that closes it."""
    for found in re.finditer(opening, text, re.MULTILINE):
        depth, at = 1, found.end()
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield found[0].rstrip("{ \t"), text[found.end() : at - 1]


def _nginx(text: str) -> Iterator[Site]:
    for _, block in _blocks(text, r"\bserver\s*\{"):
        names = _word(block, r"server_name\s+([^;]+);").split()
        encrypts = re.search(r"listen\s[^;]*\bssl\b", block) is not None
        yield (
            tuple(name for name in names if name not in ("_", "localhost")),
            _word(block, r"ssl_certificate\s+([^;]+);") if encrypts else "",
            _word(block, r"ssl_certificate_key\s+([^;]+);") if encrypts else "",
            encrypts,
            block,
        )


def _caddy(text: str) -> Iterator[Site]:
    for head, block in _blocks(text, r"^[^\s({][^\n{]*\{"):
        addresses = re.split(r"[\s,]+", head.strip())
        names = [re.sub(r"^https?://|:\d+$|/.*$", "", one) for one in addresses]
        plain = all(one.startswith("http://") or one.endswith(":80") for one in addresses)
        files = re.search(r"^\s*tls\s+(/\S+)\s+(/\S+)", block, re.MULTILINE)
        yield (
            tuple(filter(None, names)),
            files[1] if files else "",
            files[2] if files else "",
            not plain,
            block,
        )


def _apache(text: str) -> Iterator[Site]:
    for found in re.finditer(r"<VirtualHost[^>]*>(.*?)</VirtualHost>", text, re.DOTALL | re.I):
        block = found[1]
        names = [
            _word(block, r"^\s*ServerName\s+(\S+)"),
            *_word(block, r"^\s*ServerAlias\s+(.+)").split(),
        ]
        yield (
            tuple(name.partition(":")[0] for name in names if name),
            _word(block, r"^\s*SSLCertificateFile\s+(\S+)"),
            _word(block, r"^\s*SSLCertificateKeyFile\s+(\S+)"),
            re.search(r"^\s*SSLEngine\s+on", block, re.MULTILINE | re.I) is not None,
            block,
        )


def _word(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE | re.IGNORECASE)
    return found[1].strip().strip('"') if found else ""

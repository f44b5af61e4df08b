"""A server of S3 that knows one bucket, keeps its objects in memory, and answers nobody whose
signature (version 4, in a header or in the address) is not that of its key."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_MODIFIED = "Mon, 30 Nov 2026 02:00:00 GMT"


def signed(request: BaseHTTPRequestHandler, key: str, secret: str) -> bool:
    """Whether it is the request of who has this key."""
    address = urlsplit(request.path)
    query = dict(parse_qsl(address.query, keep_blank_values=True))
    if "X-Amz-Signature" in query:
        signature = query.pop("X-Amz-Signature")
        credential, names = query["X-Amz-Credential"], query["X-Amz-SignedHeaders"]
        moment, content = query["X-Amz-Date"], "UNSIGNED-PAYLOAD"
    else:
        found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if found is None or "x-amz-content-sha256" not in request.headers:
            return False
        credential, names, signature = found.groups()
        moment, content = request.headers["x-amz-date"], request.headers["x-amz-content-sha256"]
    name, day, region, *_ = credential.split("/")
    headers = "".join(f"{one}:{request.headers[one].strip()}\n" for one in names.split(";"))
    sorted_query = "&".join(
        f"{quote(one, safe='-_.~')}={quote(query[one], safe='-_.~')}" for one in sorted(query)
    )
    canonical = "\n".join([request.command, address.path, sorted_query, headers, names, content])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{day}/{region}/s3/aws4_request\n{digest}"
    by = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request", text):
        by = hmac.digest(by, part.encode(), "sha256")
    return name == key and by.hex() == signature


@dataclass
class Bucket:
    """endpoint: with whose path or host the bucket is named. objects: by name."""

    name: str
    key: str
    secret: str
    endpoint: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)


class _Answer(BaseHTTPRequestHandler):
    bucket: Bucket

    def do_HEAD(self) -> None:
        self._answer(self._found())

    def do_GET(self) -> None:
        self._answer(self._found())

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        name = self._name()
        if name and self._admitted():
            self.bucket.objects[name] = content
        self._answer(self._found(), body=False)

    def _admitted(self) -> bool:
        return signed(self, self.bucket.key, self.bucket.secret)

    def _name(self) -> str | None:
        """Of the object, empty for the bucket; None where it is another one's."""
        path = unquote(urlsplit(self.path).path)
        if self.headers["Host"].startswith(f"{self.bucket.name}."):
            return path.removeprefix("/")
        first, _, rest = path.removeprefix("/").partition("/")
        return rest if first == self.bucket.name else None

    def _found(self) -> tuple[int, bytes]:
        name = self._name()
        if not self._admitted():
            return 403, b""
        if name == "":
            return 200, self._listing()
        content = None if name is None else self.bucket.objects.get(name)
        return (404, b"") if content is None else (200, content)

    def _listing(self) -> bytes:
        query = dict(parse_qsl(urlsplit(self.path).query))
        prefix = query.get("prefix", "")
        items = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-30T02:00:00.000Z"
            f"</LastModified><ETag>&quot;{_digest(content)}&quot;</ETag><Size>{len(content)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for name, content in sorted(self.bucket.objects.items())
            if name.startswith(prefix)
        )
        head = f"<Name>{self.bucket.name}</Name><Prefix>{escape(prefix)}</Prefix>"
        text = f"<ListBucketResult>{head}<IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()

    def _answer(self, found: tuple[int, bytes], *, body: bool = True) -> None:
        status, content = found
        self.send_response(status)
        self.send_header("ETag", f'"{_digest(content)}"')
        self.send_header("Last-Modified", _MODIFIED)
        self.send_header("Content-Length", str(len(content) if body else 0))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@contextmanager
def bucket_server(name: str, key: str, secret: str, address: str = "127.0.0.1") -> Iterator[Bucket]:
    """While it answers at an address of this machine's; by `localhost` where that is its own."""
    bucket = Bucket(name, key, secret)
    handler = type("Answer", (_Answer,), {"bucket": bucket})
    server = ThreadingHTTPServer((address, 0), handler)
    host = "localhost" if address == "127.0.0.1" else address
    bucket.endpoint = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

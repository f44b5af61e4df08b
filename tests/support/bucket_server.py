"""A server of S3 on loopback that knows one bucket, and believes signatures of version 4 only: as
much of it as a client needs that asks whether the bucket is there."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


def signed(request: BaseHTTPRequestHandler, key: str, secret: str) -> bool:
    """Whether it is the request of who has this key."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    content = request.headers.get("x-amz-content-sha256")
    if found is None or found[1] != key or content is None:
        return False
    _, day, region, names, signature = found.groups()
    if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names.split(";")):
        return False
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names.split(";"))
    canonical = "\n".join([request.command, request.path, "", headers, names, content])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    by = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request", text):
        by = hmac.digest(by, part.encode(), "sha256")
    return by.hex() == signature


@contextmanager
def bucket_server(bucket: str, key: str, secret: str) -> Iterator[str]:
    """Its endpoint, with paths and hosts that name the bucket."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            there = self.path == f"/{bucket}" or (
                host == f"{bucket}.localhost" and self.path == "/"
            )
            self.send_response(403 if not signed(self, key, secret) else 200 if there else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

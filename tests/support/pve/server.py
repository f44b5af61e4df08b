"""The stand-in's HTTPS API on loopback, with a certificate of its own."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pve.calls import answer
from pve.cluster import Cluster, Refused
from pve.tickets import caller

PREFIX = "/api2/json"


@dataclass(frozen=True)
class Certificate:
    file: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256, as `pvenode cert info` writes it."""
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.file.read_text())).hexdigest()
        return ":".join(digest[i : i + 2] for i in range(0, 64, 2)).upper()


def make_certificate(folder: Path, name: str = "pve") -> Certificate:
    """Self-signed, for localhost and 127.0.0.1."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(made.key)]
    argv += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", str(made.file)]
    subprocess.run(argv, check=True, capture_output=True)
    return made


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body are two writes: without it the second waits for the first's receipt.
    disable_nagle_algorithm = True
    cluster: Cluster

    def log_message(self, *_: Any) -> None:
        """The tests' output is not the place."""

    def _reply(self, status: int, text: str, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status, text)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        url = urlsplit(self.path)
        given = dict(parse_qsl(url.query or body, keep_blank_values=True))
        path = unquote(url.path).removeprefix(PREFIX)
        try:
            user = caller(self.cluster, self.command, path, dict(self.headers.items()))
            data = answer(self.cluster, user, self.command, path, given)
        except Refused as refused:
            self.cluster.pause(refused.delay)
            errors = {"errors": refused.errors} if refused.errors else {}
            self._reply(refused.status, refused.text, {"data": None, **errors})
            return
        self._reply(200, "OK", {"data": data})

    do_GET = do_POST = do_PUT = do_DELETE = _handle


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, as one does that refuses the certificate, is no error here."""
        if not isinstance(sys.exc_info()[1], ssl.SSLError | ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(cluster: Cluster, certificate: Certificate) -> Iterator[int]:
    """Answer for the cluster while the block runs; the port comes back."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    server = Server(("127.0.0.1", 0), type("ClusterHandler", (Handler,), {"cluster": cluster}))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A real ACME server, pebble, on this machine, and a real name server, BIND, in the container that
asks it for certificates: pebble looks names up there, and fetches what it wants to see from it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from system_lab import Inside

PORT = 14000
PEBBLE = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
"""It would refuse every twentieth nonce that is right, and now and then two in a row, which certbot
takes for an answer."""
DAY = 86400

_ZONE = """$TTL 1
@ SOA ns hostmaster 1 3600 600 86400 1
@ NS ns
ns A {address}
{names}
"""
_NAMED = """
options {{ directory "/var/cache/bind"; recursion no; listen-on {{ any; }}; }};
key "acme" {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "{zone}" {{
    type master; file "/var/lib/bind/{zone}";
    update-policy {{ grant acme subdomain {zone}. TXT; }};
}};
"""
_SERVE = """
    export DEBIAN_FRONTEND=noninteractive
    command -v named >/dev/null || apt-get install -qq -y --no-install-recommends bind9 >/dev/null
    install -d -o bind -g bind /var/lib/bind
    rm -f /var/lib/bind/*
    printf %s "$1" >/etc/bind/named.conf
    printf %s "$2" >"/var/lib/bind/$3"
    chown bind:bind "/var/lib/bind/$3"
    systemctl restart named.service
"""


def serve_names(inside: Inside, zone: str, names: Mapping[str, str], secret: str) -> None:
    """The name server in the container knows these names of the zone, and takes TXT records of who
    knows the secret (base64)."""
    lines = "\n".join(f"{name} A {address}" for name, address in names.items())
    text = _ZONE.format(address="127.0.0.1", names=lines)
    inside.sh(_SERVE, _NAMED.format(zone=zone, secret=secret), text, zone, timeout=300)


def own_authority(folder: Path, address: str) -> tuple[Path, Path, Path]:
    """An authority for the server's own certificate, that certificate, and its key."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    cert, key, request = folder / "server.pem", folder / "server.key", folder / "request.pem"
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj"]
    for argv in (
        ["req", "-x509", *new, "/CN=Authority of the test", "-keyout", ca_key, "-out", ca,
         "-days", "30", "-addext", "basicConstraints=critical,CA:TRUE"],
        ["req", *new, "/CN=pebble", "-keyout", key, "-out", request,
         "-addext", f"subjectAltName=IP:{address}"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
         "-days", "30", "-copy_extensions", "copy", "-out", cert],
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)
    return ca, cert, key


class Authority:
    """An ACME server at an address of this machine. address: that of the container's gateway.
    What it knows of accounts and certificates goes with its process."""

    def __init__(self, folder: Path, address: str, name_server: str) -> None:
        self.url = f"https://{address}:{PORT}/dir"
        self.ca_file, self._cert, self._key = own_authority(folder, address)
        self._address, self._name_server = address, name_server
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: Any) -> None:
        """settings: further ones of pebble's."""
        document = {
            "listenAddress": f"{self._address}:{PORT}",
            "managementListenAddress": f"{self._address}:{PORT + 1}",
            "certificate": str(self._cert),
            "privateKey": str(self._key),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": 90 * DAY,
            **settings,
        }
        file = self._folder / "pebble.json"
        file.write_text(json.dumps({"pebble": document}))
        argv = ["pebble", "-config", str(file), "-dnsserver", f"{self._name_server}:53"]
        with (self._folder / "pebble.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, env={**os.environ, **PEBBLE}, stdout=log, stderr=log
            )
        until = time.monotonic() + 20
        while socket.socket().connect_ex((self._address, PORT)):
            assert self._process.poll() is None, (self._folder / "pebble.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    @contextmanager
    def running(self, **settings: Any) -> Iterator[None]:
        self.start(**settings)
        try:
            yield
        finally:
            self.stop()

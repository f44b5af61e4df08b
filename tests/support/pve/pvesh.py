"""The stand-in's pvesh: as the real one, it waits for tasks, and says on stderr what it likes.

$PVE_STANDIN: JSON with `port` of the HTTPS API and `token`, which is what root@pam may do.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import time
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

PROGRAM = (sys.executable, "-I", "-S", __file__)
"""It needs nothing that is installed, and what tests measure is not in it."""
METHODS = {"get": "GET", "create": "POST", "set": "PUT", "delete": "DELETE"}


def fail(text: str) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    sys.exit(2)


def request(method: str, path: str, options: dict[str, str]) -> Any:
    place = json.loads(os.environ["PVE_STANDIN"])
    # Without the authorities of this machine, which take longer to read than all else.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", place["port"], context=context)
    data = urlencode(options)
    url = f"/api2/json{quote(path, safe='/:@!')}"
    headers = {"Authorization": f"PVEAPIToken={place['token']}"}
    if method in ("GET", "DELETE"):
        connection.request(method, f"{url}?{data}", headers=headers)
    else:
        connection.request(method, url, data, headers)
    response = connection.getresponse()
    body = json.loads(response.read())
    if response.status == 400 and body.get("errors"):
        problems = "\n".join(f"{name}: {text}" for name, text in body["errors"].items())
        fail(f"400 {response.reason}\n{problems}")
    if response.status in (403, 501, 595):
        fail(f"{response.status} {response.reason}")
    if response.status >= 400:
        fail(response.reason)
    return body["data"]


def chatter(path: str, options: dict[str, str]) -> list[str]:
    """What the programs print that plug a change into a running container."""
    if not path.endswith("/config"):
        return []
    guest = path.removesuffix("/config")
    if request("GET", f"{guest}/status/current", {})["status"] != "running":
        return []
    lines = ["net.ipv4.conf.eth0.promote_secondaries = 1"] if "net0" in options else []
    vmid = guest.rpartition("/")[2]
    return lines + [
        f"Formatting '/var/lib/vz/images/{vmid}/vm-{vmid}-disk-1.raw', fmt=raw size=4294967296 "
        "preallocation=off"
        for name in options
        if name.startswith("mp")
    ]


def main(argv: list[str]) -> None:
    command, path, *rest = argv
    if os.environ.get("LC_ALL") != "C":
        sys.stderr.write("perl: warning: Setting locale failed.\n")
    options = {name.lstrip("-"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    assert options.pop("output-format") == "json"
    if command != "get":
        sys.stderr.write("trying to acquire lock...\n OK\n")
    said = chatter(path, options) if command == "set" else []
    data = request(METHODS[command], path, options)
    print("".join(f"{line}\n" for line in said), end="")
    if isinstance(data, str) and data.startswith("UPID:"):
        task = f"/nodes/{data.split(':')[1]}/tasks/{data}"
        while request("GET", f"{task}/status", {})["status"] == "running":
            time.sleep(0.01)
        for line in request("GET", f"{task}/log", {}):
            print(line["t"])
        print(data)
    elif data is not None:
        print(json.dumps(data))


if __name__ == "__main__":
    main(sys.argv[1:])

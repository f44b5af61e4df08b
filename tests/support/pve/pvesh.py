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

METHODS = {"get": "GET", "create": "POST", "set": "PUT", "delete": "DELETE"}


def fail(text: str) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    sys.exit(2)


def request(method: str, path: str, options: dict[str, str]) -> Any:
    place = json.loads(os.environ["PVE_STANDIN"])
    context = ssl.create_default_context()
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


def main(argv: list[str]) -> None:
    command, path, *rest = argv
    if os.environ.get("LC_ALL") != "C":
        sys.stderr.write("perl: warning: Setting locale failed.\n")
    options = {name.lstrip("-"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    assert options.pop("output-format") == "json"
    if command != "get":
        sys.stderr.write("trying to acquire lock...\n OK\n")
    data = request(METHODS[command], path, options)
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

"""A server on loopback that answers as Vikunja's download host and GitHub's API do, or wrongly."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tasks.builds.published import KINDS, archive_name


def release_zip(version: str, kind: str, program: bytes, said: str | None = None) -> bytes:
    """What Vikunja publishes: the program under its release name, its `.sha256`, and papers. said:
    another checksum in the `.sha256`."""
    name = f"vikunja-{version}-linux-{kind}"
    digest = said or hashlib.sha256(program).hexdigest()
    files = {
        name: program,
        f"{name}.sha256": f"{digest}  {name}\n".encode(),
        "config.yml.sample": b"service:\n",
        "LICENSE": b"AGPL\n",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, data in files.items():
            archive.writestr(zipfile.ZipInfo(inside), data)
    return buffer.getvalue()


class Answer:
    """status, body and headers of an answer. cut: how many bytes of the body are sent. slow: it
    waits until the server ends before it says more than its first byte. drips: a byte each 50 ms.
    """

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        *,
        to: str = "",
        cut: int | None = None,
        slow: bool = False,
        drips: bool = False,
    ) -> None:
        self.body, self.status, self.to, self.cut = body, status, to, cut
        self.slow, self.drips = slow, drips


def as_json(value: object) -> Answer:
    return Answer(json.dumps(value).encode())


def folders(*names: str) -> Answer:
    """The index as the download host gives it."""
    listed = [{"name": name, "path": f"/vikunja/{name}/"} for name in names]
    return as_json({"path": "/vikunja/", "folders": listed, "files": []})


class ReleaseServer:
    """answers: path with its query → Answer; of all others 404. asked: the paths, in order."""

    def __init__(self, address: str, ended: threading.Event) -> None:
        self.address = address
        self.ended = ended
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []

    @property
    def mirror(self) -> str:
        return f"{self.address}/vikunja"

    @property
    def digests(self) -> str:
        return f"{self.address}/api/repos/go-vikunja/vikunja"

    def publish(self, version: str, archives: Mapping[str, bytes]) -> None:
        """A release in both places, with these archives by kind of processor, and their indexes."""
        folder = version if not version.startswith("v0.") else version[1:]
        assets = []
        for kind, data in archives.items():
            name = archive_name(version, kind)
            self.answers[f"/vikunja/{folder}/{name}"] = Answer(data)
            self.answers[f"/download/{name}"] = Answer(data)
            assets.append(
                {
                    "name": name,
                    "browser_download_url": f"{self.address}/download/{name}",
                    "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
                }
            )
        released = {"tag_name": version, "draft": False, "prerelease": False, "assets": assets}
        self.answers[f"{self._api}/releases/tags/{version}"] = as_json(released)
        listed = self.answers.get(f"{self._api}/releases?per_page=100", as_json([]))
        self.answers[f"{self._api}/releases?per_page=100"] = as_json(
            [released, *json.loads(listed.body)]
        )
        index = self.answers.get("/vikunja/", folders())
        names = [one["name"] for one in json.loads(index.body)["folders"]]
        self.answers["/vikunja/"] = folders(folder, *names)

    def holds(self, version: str, *migrations: str) -> None:
        """Say which migrations a version was made of."""
        listed = [{"name": f"{name}.go", "type": "file"} for name in migrations]
        path = f"{self._api}/contents/pkg/migration?ref={version}"
        self.answers[path] = as_json([{"name": "migration.go", "type": "file"}, *listed])

    def edit(self, version: str, **changes: object) -> None:
        """Change what the second place says of every archive of a version."""
        path = f"{self._api}/releases/tags/{version}"
        said = json.loads(self.answers[path].body)
        said["assets"] = [{**one, **changes} for one in said["assets"]]
        self.answers[path] = as_json(said)

    _api = "/api/repos/go-vikunja/vikunja"


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[ReleaseServer]:
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            answer = site.answers.get(self.path, Answer(b"not found", 404))
            self.send_response(answer.status)
            if answer.to:
                self.send_header("Location", answer.to)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if answer.slow:
                self.wfile.write(answer.body[:1])
                self.wfile.flush()
                ended.wait(30)
                return
            for at in range(len(answer.body) if answer.drips else 0):
                self.wfile.write(answer.body[at : at + 1])
                if ended.wait(0.05):
                    return
            if not answer.drips:
                self.wfile.write(answer.body[: answer.cut])

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((host, 0), Handler) as running:
        site = ReleaseServer(f"http://{host}:{running.server_port}", ended)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield site
        finally:
            ended.set()
            running.shutdown()


__all__ = ["KINDS", "Answer", "ReleaseServer", "as_json", "folders", "release_zip", "serving"]

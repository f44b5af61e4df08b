"""Debian's own archives are found among others by asking, as a node of Proxmox VE has them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.containers.lxc.apt import read_setup
from tasks.containers.lxc.origin import debian_only, origin_of
from tasks.containers.lxc.sources import Source
from tasks.errors import ResourceError

RELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: {}
Label: x
Suite: stable
Codename: trixie
"""
ORIGINS = {
    "/debian/dists/trixie/InRelease": "Debian",
    "/debian/dists/trixie-updates/InRelease": "Debian",
    # Of an old kind, which has no InRelease.
    "/security/dists/trixie-security/Release": "Debian",
    "/other/dists/trixie/InRelease": "Proxmox",
}


class Archives(BaseHTTPRequestHandler):
    """Of three parties; one of them answers nobody who has not paid."""

    def do_GET(self) -> None:
        origin = ORIGINS.get(self.path)
        if self.path.startswith("/enterprise/"):
            self.send_response(401)
            self.end_headers()
        elif origin is None:
            self.send_response(404)
            self.end_headers()
        else:
            content = RELEASE.format(origin).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def archives() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archives)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def node(etc: Path, archives: str, *names: str) -> Path:
    """The sources of a node; names: those that it has."""
    folder = etc / "sources.list.d"
    folder.mkdir(parents=True)
    (folder / "preferences.d").mkdir()
    suites = {
        # Before Debian's, by its name.
        "ceph": ("enterprise/ceph", "trixie"),
        "debian": ("debian", "trixie trixie-updates"),
        "other": ("other", "trixie"),
        "pve-enterprise": ("enterprise/pve", "trixie"),
        "security": ("security", "trixie-security"),
    }
    for name in names or suites:
        path, suite = suites[name]
        (folder / f"{name}.sources").write_text(
            f"Types: deb\nURIs: {archives}/{path}\nSuites: {suite}\nComponents: main\n"
        )
    return etc


def test_of_a_nodes_archives_only_debians_own_serve(tmp_path: Path, archives: str) -> None:
    setup = read_setup("trixie", etc=node(tmp_path / "apt", archives))
    assert (setup.base.uri, setup.base.suites) == (f"{archives}/debian", ("trixie",))
    assert [(source.uri, source.suites) for source in setup.sources] == [
        (f"{archives}/debian", ("trixie", "trixie-updates")),
        (f"{archives}/security", ("trixie-security",)),
    ]


def test_without_debians_own_each_archive_says_why_it_is_none(
    tmp_path: Path, archives: str
) -> None:
    etc = node(tmp_path / "apt", archives, "ceph", "other")
    with pytest.raises(ResourceError, match="serves the Debian release trixie") as caught:
        read_setup("trixie", etc=etc)
    assert caught.value.evidence == (
        f"{archives}/enterprise/ceph trixie: does not answer",
        f"{archives}/other trixie: its origin is Proxmox",
    )


def test_what_apt_has_fetched_is_not_asked_for(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    for name, origin in (
        ("127.0.0.1:9_debian_dists_trixie_InRelease", "Debian"),
        ("127.0.0.1:9_debian_dists_trixie-updates_Release", "Debian"),
        ("127.0.0.1:9_pve%5fx_dists_trixie_InRelease", "Proxmox"),
    ):
        (lists / name).write_text(RELEASE.format(origin))
    # Where nobody listens.
    debian = Source("http://127.0.0.1:9/debian/", ("trixie", "trixie-updates", "forky"), ("main",))
    other = Source("http://user:word@127.0.0.1:9/pve_x", ("trixie",), ("main",))
    assert debian_only([other, debian], tmp_path, lists=lists) == (
        [debian],
        ["http://user:word@127.0.0.1:9/pve_x trixie: its origin is Proxmox"],
    )


@pytest.mark.parametrize(
    ("release", "origin"),
    [("Origin: Debian\n", "Debian"), ("Label: x\n Origin: y\n", ""), ("", "")],
)
def test_a_release_names_its_origin(release: str, origin: str) -> None:
    assert origin_of(release) == origin

"""The proxies in front of a site that docs/proxies.md has configurations of, in a container of
their own: what runs is what stands on the page, but for addresses, names and ports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tasks.containers.base import Container
from tasks.paths import ROOT

PAGE = ROOT / "docs" / "proxies.md"
SITE, NAME = "192.168.1.50", "vikunja.example.com"
"""What the page calls them."""

PACKAGES = ("nginx", "caddy", "haproxy")
TRAEFIK = "/usr/local/bin/traefik"
"""No package of Debian's: bench/support/traefik.py builds it."""

HOME = "/etc/vikunja-proxies"
_KEY = """
set -eu
mkdir -p "$1" && cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN="$2" \
    -addext "subjectAltName=DNS:$2" -keyout vikunja.key -out vikunja.pem 2>/dev/null
cat vikunja.pem vikunja.key >vikunja-both.pem
chmod 0644 vikunja*
"""
_INSTALL = """
set -eu
export DEBIAN_FRONTEND=noninteractive
# None of them is to run as Debian has it.
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 0755 /usr/sbin/policy-rc.d
apt-get install -qq -y --no-install-recommends "$@" curl openssl >/dev/null
rm /usr/sbin/policy-rc.d
"""
_START = """
set -eu
systemctl stop "outer-$1.service" 2>/dev/null || :
systemctl reset-failed "outer-$1.service" 2>/dev/null || :
name=$1 url=https://$2:$3/api/v1/info port=$3
shift 3
systemd-run --quiet --unit="outer-$name" --setenv=HOME=/root -p LimitNOFILE=65536 "$@"
for _ in $(seq 100); do
    # Traefik listens before it knows where to.
    ! curl -skf -o /dev/null --max-time 5 --connect-to "::127.0.0.1:$port" "$url" || exit 0
    systemctl -q is-active "outer-$name.service" || break
    sleep 0.1
done
journalctl -q -o cat -n 20 -u "outer-$name.service" >&2
exit 1
"""
_NGINX = """
user www-data;
worker_processes auto;
pid /run/outer-nginx.pid;
daemon off;
events { worker_connections 8192; }
http { access_log off; include %s; }
"""


@dataclass(frozen=True)
class Outer:
    """A proxy. files: how the page's configurations are called below HOME, in its order. port:
    where it listens."""

    name: str
    heading: str
    files: tuple[str, ...]
    argv: tuple[str, ...]
    port: int


OUTER = {
    one.name: one
    for one in (
        Outer("nginx", "nginx", ("site.conf",), ("nginx", "-c", f"{HOME}/nginx/main.conf"), 8441),
        Outer("caddy", "Caddy", ("Caddyfile",),
              ("caddy", "run", "--adapter", "caddyfile", "--config", f"{HOME}/caddy/Caddyfile"),
              8442),
        Outer("haproxy", "HAProxy", ("haproxy.cfg",),
              ("haproxy", "-db", "-f", f"{HOME}/haproxy/haproxy.cfg"), 8443),
        Outer("traefik", "Traefik", ("traefik.yaml", "vikunja.yaml"),
              (TRAEFIK, f"--configFile={HOME}/traefik/traefik.yaml"), 8444),
        Outer("passed-on", "The PROXY protocol", ("haproxy.cfg",),
              ("haproxy", "-db", "-f", f"{HOME}/passed-on/haproxy.cfg"), 8445),
    )
}  # fmt: skip


def on_the_page(heading: str) -> list[str]:
    """The configurations below a heading, in their order; keys of the site's own are none."""
    (section,) = re.findall(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.M | re.S)
    blocks = re.findall(r"^```\w*\n(.*?)^```$", section, re.M | re.S)
    return [block for block in blocks if not block.startswith("services:")]


def configured(outer: Outer, site: str, name: str) -> dict[str, str]:
    """Its files by their path: the page's, for a site at this address and with this name."""
    texts = on_the_page(outer.heading)
    assert len(texts) == len(outer.files), f"{PAGE}: {outer.heading}"
    changes = {
        SITE: site,
        NAME: name,
        "/etc/ssl/": f"{HOME}/",
        "/etc/traefik/": f"{HOME}/traefik/",
    }
    found = {}
    for file, text in zip(outer.files, texts, strict=True):
        # It listens elsewhere, so that all can at once; where it goes stays.
        text = re.sub(r"(listen |(?<!\d):)443\b", rf"\g<1>{outer.port}", text)
        for old, new in changes.items():
            text = text.replace(old, new)
        found[f"{HOME}/{outer.name}/{file}"] = text
    if outer.name == "nginx":
        found[f"{HOME}/nginx/main.conf"] = _NGINX % f"{HOME}/nginx/site.conf"
    return found


def install(container: Container, name: str) -> None:
    """Debian's own, and a certificate for the name of the site."""
    container.run(["sh", "-c", _INSTALL, "install", *PACKAGES], timeout=600)
    container.run(["sh", "-c", _KEY, "key", HOME, name])


def start(container: Container, outer: Outer, site: str, name: str) -> None:
    """Let it run anew, and wait until the site answers through it."""
    root = Path(f"{HOME}/{outer.name}")
    container.run(["mkdir", "-p", str(root)])
    for path, text in configured(outer, site, name).items():
        container.run(["tee", path], stdin=text.encode())
    argv = [outer.name, name, str(outer.port), *outer.argv]
    container.run(["sh", "-c", _START, "start", *argv])


def stop(container: Container, outer: Outer) -> None:
    container.run(["systemctl", "stop", f"outer-{outer.name}.service"])

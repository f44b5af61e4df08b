"""A Vikunja that was installed otherwise: the sample application in a container that knows nothing
of this tool, laid out as one of the layouts that people have, and what its people put into it."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from journey import Site
from places import LabNetwork, spec_for

from tasks.containers.base import MARKER_PATH
from tasks.containers.lxc.attach import attach
from tasks.containers.lxc.container import LxcContainer
from tasks.model.instance import DatabaseType

PASSWORD = "correct horse battery"
SECRET = "a-secret-of-before-0123456789"
PROGRAM = "/opt/vikunja/vikunja"

UNIT = """\
[Unit]
Description=Vikunja
[Service]
Type=simple
WorkingDirectory=/opt/vikunja
ExecStart=/usr/local/bin/vikunja
Restart=always
[Install]
WantedBy=multi-user.target
"""


@dataclass
class Layout:
    """files: of the installation, by path. program: where it is. unit: that serves. data: its
    database and folder of attachments. engine: of its database; where that is a server, it is in
    the same container."""

    name: str
    unit: str
    program: str
    files: Mapping[str, str]
    data: tuple[str, str]
    links: Mapping[str, str] = field(default_factory=dict)
    engine: DatabaseType = "sqlite"


COMMUNITY_SCRIPT = Layout(
    "the community script for Proxmox VE",
    "vikunja.service",
    PROGRAM,
    {
        "/usr/lib/systemd/system/vikunja.service": UNIT,
        "/etc/vikunja/config.yml": f"""\
service:
  publicurl: "http://old.example.com/"
  secret: "{SECRET}"
  JWTSecret: "{SECRET}"
  rootpath: "/opt/vikunja/"
database:
  type: "sqlite"
  path: "/etc/vikunja/vikunja.db"
""",
        "/root/.vikunja": "2.5.0\n",
    },
    ("/etc/vikunja/vikunja.db", "/opt/vikunja/files"),
    {"/usr/local/bin/vikunja": PROGRAM},
)

PACKAGE = Layout(
    "Vikunja's own package",
    "vikunja.service",
    PROGRAM,
    {
        "/usr/lib/systemd/system/vikunja.service": UNIT,
        "/etc/systemd/system/vikunja.service.d/local.conf": (
            f"[Service]\nEnvironment=VIKUNJA_SERVICE_SECRET={SECRET}\n"
            f"Environment=VIKUNJA_SERVICE_JWTSECRET={SECRET}\n"
        ),
        "/etc/vikunja/config.yml": """\
service:
  publicurl: "http://old.example.com/"
  rootpath: "/opt/vikunja/"
database:
  path: "/opt/vikunja/vikunja.db"
""",
    },
    ("/opt/vikunja/vikunja.db", "/opt/vikunja/files"),
    {"/usr/local/bin/vikunja": PROGRAM},
)

BASH_PROJECT = Layout(
    "the bash project before this tool (blue only)",
    "vikunja-backend@blue.service",
    "/opt/vikunja/backend/blue/vikunja",
    {
        "/etc/systemd/system/vikunja-backend@.service": """\
[Service]
WorkingDirectory=/opt/vikunja/backend/%i
EnvironmentFile=/etc/vikunja/environment
ExecStart=/opt/vikunja/backend/%i/vikunja
Restart=on-failure
""",
        "/etc/vikunja/deployment-config.yaml": "deployment: {instance_id: vikunja-main}\n",
        "/etc/vikunja/environment": f"""\
VIKUNJA_SERVICE_PUBLICURL=http://old.example.com/
VIKUNJA_SERVICE_JWTSECRET={SECRET}
VIKUNJA_SERVICE_SECRET={SECRET}
VIKUNJA_DATABASE_PATH=/var/lib/vikunja/vikunja.db
VIKUNJA_FILES_BASEPATH=/var/lib/vikunja/files
""",
    },
    ("/var/lib/vikunja/vikunja.db", "/var/lib/vikunja/files"),
)


DATABASE_PASSWORD = "db $password/'+"

PSQL = ("psql", "--quiet", "--no-psqlrc", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1")

ON_SERVER = """\
service:
  publicurl: "http://old.example.com/"
  rootpath: "/opt/vikunja/"
database:
  type: "{type}"
  host: "127.0.0.1"
  database: "vikunja"
  user: "vikunja"
  password: "{password}"
"""

SERVERS = {
    "postgresql": """
        dpkg -s postgresql >/dev/null 2>&1 || apt-get install -y -q postgresql >/dev/null
        systemctl start postgresql.service
        runuser -u postgres -- psql -qX --set=ON_ERROR_STOP=1 --set=password="$1" <<'SQL'
        drop database if exists vikunja;
        drop role if exists vikunja;
        create role vikunja login password :'password';
        create database vikunja owner vikunja template template0 encoding 'UTF8';
SQL
    """,
    "mysql": """
        dpkg -s mariadb-server >/dev/null 2>&1 || apt-get install -y -q mariadb-server >/dev/null
        systemctl start mariadb.service
        password=$(printf %s "$1" | sed "s/'/''/g")
        mariadb <<SQL
        drop database if exists vikunja;
        create database vikunja character set utf8mb4;
        create or replace user vikunja@localhost identified by '$password';
        grant all on vikunja.* to vikunja@localhost;
SQL
    """,
}
"""An empty database of its own. Argument: the password of its user."""

DUMPED = {
    "sqlite": 'cat "$1" "$1-wal" 2>/dev/null',
    # A dump of PostgreSQL has a key of its own each time.
    "postgresql": r"runuser -u postgres -- pg_dump vikunja | grep -v '^\\'",
    "mysql": "mariadb-dump --skip-dump-date vikunja",
}


def on_server(engine: DatabaseType, more: str = "") -> Layout:
    """The package, with its data on a server of its machine. more: settings."""
    kind = {"postgresql": "postgres"}.get(engine, engine)
    settings = ON_SERVER.format(type=kind, password=DATABASE_PASSWORD) + more
    files = {**PACKAGE.files, "/etc/vikunja/config.yml": settings}
    return replace(PACKAGE, files=files, engine=engine)


@dataclass
class OldInstallation:
    """container: its own. said: as `--from` names it."""

    container: LxcContainer
    address: str
    layout: Layout | None = None

    @property
    def said(self) -> str:
        return f"container:{self.container.spec.name}"

    def run(self, *argv: str, stdin: bytes | None = None, check: bool = True) -> str:
        done = attach(
            self.container.spec.name,
            self.container.paths.lxc,
            argv,
            stdin=stdin,
            stdout=None,
            timeout=600,
            check=check,
        )
        return done.stdout.decode(errors="replace")

    def shell(self, script: str, *arguments: str, stdin: bytes | None = None) -> str:
        return self.run("sh", "-c", script, "sh", *arguments, stdin=stdin)

    def make(self) -> None:
        self.container.create()
        self.container.start()
        self.run("rm", "-f", MARKER_PATH)

    def mark(self) -> None:
        """With the marker it is known for a container that may be removed."""
        self.shell('echo "$1" >"$2"', self.container.spec.instance_id, MARKER_PATH)

    def destroy(self) -> None:
        self.mark()
        self.container.destroy()

    def lay(self, layout: Layout, program: bytes) -> None:
        """Only what the layout has; started, and with nothing in it."""
        if self.layout:
            self.shell('systemctl disable --now -- "$1"; :', self.layout.unit)
        self.shell(
            "rm -rf /opt/vikunja /etc/vikunja /var/lib/vikunja /root/.vikunja"
            " /usr/local/bin/vikunja /usr/lib/systemd/system/vikunja* /etc/systemd/system/vikunja*"
        )
        self.layout = layout
        put = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
        self.shell(put, layout.program, "755", stdin=program)
        for path, content in layout.files.items():
            self.shell(put, path, "644", stdin=content.encode())
        for path, target in layout.links.items():
            self.run("ln", "-s", target, path)
        self.shell('mkdir -p "$(dirname "$1")"', layout.data[0])
        if layout.engine != "sqlite":
            prepare = f"set -e; export DEBIAN_FRONTEND=noninteractive\n{SERVERS[layout.engine]}"
            self.shell(prepare, DATABASE_PASSWORD)
        self.run("systemctl", "daemon-reload")
        self.start()

    def start(self) -> None:
        assert self.layout
        self.run("systemctl", "start", "--", self.layout.unit)
        for _ in range(100):
            try:
                if self.call("GET", "/api/v1/info")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError("it does not come up")

    def stop(self) -> None:
        assert self.layout
        self.run("systemctl", "stop", "--", self.layout.unit)

    @property
    def attached(self) -> str:
        """The folder of its attachments."""
        assert self.layout
        return self.layout.data[1]

    def query(self, statements: str) -> str:
        """What its database says, where its engine's own program is in the container."""
        assert self.layout
        programs = {
            "sqlite": ("sqlite3", self.layout.data[0]),
            "postgresql": ("runuser", "-u", "postgres", "--", *PSQL, "vikunja"),
            "mysql": ("mariadb", "--batch", "--skip-column-names", "vikunja"),
        }
        return self.run(*programs[self.layout.engine], stdin=statements.encode())

    @property
    def active(self) -> bool:
        assert self.layout
        argv = ("systemctl", "is-active", "--", self.layout.unit)
        return self.run(*argv, check=False).strip() == "active"

    def call(
        self, method: str, path: str, body: Any = None, token: str = "", data: bytes | None = None,
        kind: str = "application/json",
    ) -> tuple[int, Any]:  # fmt: skip
        request = urllib.request.Request(
            f"http://{self.address}:3456{path}",
            data if data is not None else json.dumps(body).encode() if body is not None else None,
            {"Content-Type": kind, **({"Authorization": f"Bearer {token}"} if token else {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def fill(self, name: str, tasks: int = 20, size: int = 100_000) -> str:
        """A user, tasks, and an attachment; the user's token."""
        account = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        assert self.call("POST", "/api/v1/register", account)[0] == 200
        _, said = self.call("POST", "/api/v1/login", account)
        for number in range(tasks):
            code, task = self.call("POST", "/api/v1/tasks", {"title": f"{name} {number} äöü"})
            assert code in (200, 201), task
        boundary = "a-boundary"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\n'
        content = hashlib.sha256(name.encode()).digest() * (size // 32)
        code, answer = self.call(
            "PUT",
            f"/api/v1/tasks/{task['id']}/attachments",
            data=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
            kind=f"multipart/form-data; boundary={boundary}",
        )
        assert code in (200, 201), answer
        return str(said["token"])

    def digests(self) -> str:
        """Of its database as it is, and of its attachments."""
        assert self.layout
        script = f'{{ {DUMPED[self.layout.engine]}; }} | sha256sum; cd "$2" && sha256sum *'
        return self.shell(script, *self.layout.data)

    def fetch(self, path: str, to: Path) -> None:
        """Copy a file of it, where it is there."""
        done = attach(
            self.container.spec.name,
            self.container.paths.lxc,
            ["sh", "-c", '[ ! -e "$1" ] || cat "$1"', "sh", path],
            stdin=None,
            stdout=None,
            timeout=60,
            check=True,
        )
        if done.stdout:
            to.write_bytes(done.stdout)

    def change(self, statement: str, folder: Path) -> None:
        """Change its database while it is stopped; there is no program for it in the container."""
        assert self.layout
        path = self.layout.data[0]
        for end in ("", "-wal"):
            self.fetch(f"{path}{end}", folder / f"database{end}")
        with sqlite3.connect(folder / "database") as database:
            database.execute(statement)
        database.execute("pragma journal_mode = delete")
        database.close()
        script = 'rm -f "$1-wal" "$1-shm" && cat >"$1"'
        self.shell(script, path, stdin=(folder / "database").read_bytes())

    def attachments(self) -> dict[str, str]:
        assert self.layout
        lines = self.shell('cd "$1" && sha256sum *', self.layout.data[1]).splitlines()
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


@contextmanager
def beside(site: Site) -> Iterator[OldInstallation]:
    """One in a container of its own, in a site's network."""
    name = f"vkd-lab-{os.getpid()}-old"
    lab = LabNetwork(site.document["network"]["bridge"], site.address.rpartition(".")[0], 200)
    spec = spec_for(name, name, lab)
    made = OldInstallation(LxcContainer(spec, site.paths), spec.ip_address.partition("/")[0])
    made.make()
    try:
        yield made
    finally:
        made.destroy()

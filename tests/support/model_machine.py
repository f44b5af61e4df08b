"""The inside of a container in memory: files, packages, users, systemd, databases.

It follows Debian's and systemd's rules as far as they matter: a process goes on with the files
it was started with, systemd with the unit files it has loaded, a failed start leaves evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from model_files import Node, Tree, folder

UNITS = "/etc/systemd/system"
VENDOR_UNITS = "/lib/systemd/system"
SECRETS = "/etc/vikunja/secrets"
STAMPS = "/var/lib/vikunja-deploy/stamps"
GREEN = "/etc/vikunja/active/green"
DOCUMENT = "/etc/vikunja/deployment-config.yaml"

Record = Callable[[str, str], None]
"""Takes what was done, by the address that the machine's owner would call it by, and how: an effect
that changed nothing as `none`."""


@dataclass(frozen=True)
class Answer:
    """What a script says, and ends with."""

    stdout: bytes = b""
    stderr: bytes = b""
    returncode: int = 0


BASE_FOLDERS = (
    "/etc/logrotate.d",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/tmpfiles.d",
    "/lib/systemd/system",
    "/opt",
    "/root",
    "/srv",
    "/usr/local/lib",
    "/usr/sbin",
    "/var/lib",
    "/var/log",
)
BASE_GROUPS = frozenset({"root", "adm", "www-data", "nogroup"})
NOLOGIN = "/usr/sbin/nologin"

PACKAGE_UNITS = {
    "nginx": "nginx.service",
    "redis-server": "redis-server.service",
    "postgresql": "postgresql.service",
    "mariadb-server": "mariadb.service",
    "logrotate": "logrotate.timer",
}
KNOWN_PACKAGES = frozenset(PACKAGE_UNITS) | {
    "ca-certificates",
    "curl",
    "openssl",
    "tzdata",
    "rclone",
    "sqlite3",
    "postgresql-client",
    "mariadb-client",
    "certbot",
    "nodejs",
    "unattended-upgrades",
}


class Refused(Exception):
    """A command in the machine fails: its exit code and what it says on stderr."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class User:
    home: str
    shell: str


@dataclass
class Unit:
    """loaded: of each unit file, the time of the content that systemd knows; None: not loaded.

    running: path → content that the process was started with or last took up. hangs: it runs, and
    does nothing.
    """

    active: Literal["active", "inactive", "failed"] = "inactive"
    enabled: bool = False
    loaded: dict[str, int] | None = None
    definition: dict[str, bytes] = field(default_factory=dict)
    running: dict[str, bytes] | None = None
    started: int = 0
    starts: int = 0
    reloads: int = 0
    hangs: bool = False
    outdated: tuple[str, ...] = ()
    """Packages that were updated since it was started."""


Key = tuple[str, str]
"""A database: `sqlite`, `postgres` or `mysql`, or host and port of a server outside; its name."""


def database_named(environment: bytes) -> Key:
    """The database that the services' settings name."""
    found = dict(re.findall(r'^VIKUNJA_DATABASE_(\w+)="([^"]*)"', environment.decode(), re.M))
    kind = found.get("TYPE", "sqlite")
    if kind == "sqlite":
        return kind, ""
    host = found["HOST"]
    return kind if host.startswith("127.0.0.1:") else host, found["DATABASE"]


@dataclass
class Database:
    owner: str
    password: bytes
    others: set[bytes] = field(default_factory=set)
    """More passwords by which its owner is let in."""


@dataclass
class Machine:
    files: Tree = field(default_factory=Tree)
    packages: set[str] = field(default_factory=set)
    configured: set[str] = field(default_factory=set)
    """Packages that were ever installed: their first-time setup is done."""
    users: dict[str, User] = field(default_factory=dict)
    groups: set[str] = field(default_factory=lambda: set(BASE_GROUPS))
    units: dict[str, Unit] = field(default_factory=dict)
    databases: dict[tuple[str, str], Database] = field(default_factory=dict)
    logins: dict[str, bytes] = field(default_factory=dict)
    """PostgreSQL's users beside the owners of databases, with their passwords."""
    serial: int = 0
    contents: dict[Key, str] = field(default_factory=dict)
    """What is in the application's table of migrations, by database, `unknown` where it does not
    answer. It stands for all that is in the database."""
    kept_proxy: dict[str, Node] | None = None
    """The proxy's last good files, and its stamp, while new ones have not proved themselves."""
    places: dict[str, str] = field(default_factory=dict)
    """The same of the copies beside the database."""
    attachments_left: bytes = b""
    """How many attachments are in which folder that is not configured any more."""
    nothing_to_migrate: bool = False
    """Whether the version that starts in a write-stop brings no migration along."""
    fails_to_migrate: bool = False
    """Whether a new version ends halfway through its migration."""

    put_back: dict[str, Node | None] = field(default_factory=dict)
    """Files as they were when the data began to move to another database."""
    filled: Key | None = None
    """The database that the rows are copied into."""
    fails_to_copy: bool = False
    """Whether some rows do not arrive."""
    makes_older_tables: bool = False
    """Whether the application makes the tables of another version."""
    somebodys: str = ""
    """A table that somebody has made in SQLite."""
    web_sockets: int = 0
    """How many are open to a color that is drained."""
    drained_within: tuple[str, ...] = ()
    """What a color that was drained was given for requests, uploads, WebSockets."""
    noted: dict[str, bytes] = field(default_factory=dict)
    """What land.sh has noted of secrets, by path: here their very content."""
    exposed: bool = False
    """Whether its PostgreSQL listens on all addresses."""
    never_healthy: str = ""
    """What is seen of a rehearsal that has migrated and does not answer."""
    fails_to_measure: bool = False
    """Whether nobody can tell how large the database is."""
    works_for_ever: bool = False
    """Whether what a killed run left working in it does not end."""

    @property
    def migrations(self) -> str:
        """Of the database that the services' settings name."""
        return self.contents.get(self.database_in_use(), "none")

    @migrations.setter
    def migrations(self, found: str) -> None:
        self.contents[self.database_in_use()] = found

    def database_in_use(self) -> Key:
        color = "green" if GREEN in self.files.nodes else "blue"
        return self.database_of(color)

    def database_of(self, color: str) -> Key:
        """The database that a color's settings name."""
        return database_named(self.files.content(f"/etc/vikunja/environment.{color}") or b"")

    def __post_init__(self) -> None:
        for path in BASE_FOLDERS:
            self.files.make_folders(path)
        self.users["root"] = User("/root", "/bin/bash")
        self.users["www-data"] = User("/var/www", NOLOGIN)

    # Users and packages

    def add_user(self, name: str, home: str) -> None:
        self.users[name] = User(home, NOLOGIN)
        self.groups.add(name)

    def install(self, package: str) -> bool:
        """Whether it was not there before."""
        if package not in KNOWN_PACKAGES:
            raise Refused(f"E: Unable to locate package {package}", 100)
        if package in self.packages:
            return False
        self.packages.add(package)
        first = package not in self.configured
        self.configured.add(package)
        unit = PACKAGE_UNITS.get(package)
        if unit:
            self.files.write(f"{VENDOR_UNITS}/{unit}", f"unit of {package}\n".encode())
            if first:
                self.unit(unit).enabled = True
        setup = _SETUPS.get(package)
        if setup is not None and first:
            setup(self)
        return True

    def uninstall(self, package: str) -> None:
        """apt-get remove: configuration stays."""
        self.packages.remove(package)
        name = PACKAGE_UNITS.get(package)
        if name:
            self.stop(name)
            self.files.remove(f"{VENDOR_UNITS}/{name}")

    def owner(self, node: Node) -> str:
        return node.owner if node.owner in self.users else "997"

    def group(self, node: Node) -> str:
        return node.group if node.group in self.groups else "997"

    # systemd

    def unit(self, name: str) -> Unit:
        return self.units.setdefault(name, Unit())

    def unit_files(self, name: str) -> dict[str, Node]:
        """What makes the unit on disk now: its file and its drop-ins, by path."""
        template = re.sub(r"@[^.]*\.", "@.", name)
        found: dict[str, Node] = {}
        for place in (f"{UNITS}/{name}", f"{UNITS}/{template}", f"{VENDOR_UNITS}/{name}"):
            node = self.files.get(place)
            if node is not None and node.type in ("file", "link"):
                found[place] = node
                break
        if found:
            drop_ins: dict[str, str] = {}
            for folder in (name, template, name.rpartition(".")[2]):
                for path in self.files.below(f"{UNITS}/{folder}.d"):
                    if path.endswith(".conf"):
                        drop_ins.setdefault(path.rpartition("/")[2], path)
            found |= {path: self.files.nodes[path] for path in drop_ins.values()}
        return found

    def loaded_files(self, name: str) -> list[str]:
        """Paths of its file and drop-ins, as systemd knows them."""
        loaded = self.unit(name).loaded
        return list(self.unit_files(name) if loaded is None else loaded)

    def gone_since_start(self, name: str) -> bool:
        """Whether a drop-in of its own, or a file put aside, is not where it was started with."""
        kind = name.rpartition(".")[2]
        places = (f"{UNITS}/{name}.d/", f"{UNITS}/{name}.replaced-", f"{UNITS}/{kind}.d/")
        gone = [p for p in self.files.below(UNITS) if p.startswith(places) and ".replaced-" in p]
        running = self.unit(name).running or {}
        dropped = [p for p in running if p.startswith(places[0]) and p not in self.files.nodes]
        return bool(dropped) or any(
            int(p.rpartition("-")[2]) > self.unit(name).started for p in gone
        )

    def masked(self, name: str) -> bool:
        node = self.files.get(f"{UNITS}/{name}")
        return node is not None and node.type == "link" and node.target == "/dev/null"

    def load_state(self, name: str) -> str:
        if self.masked(name):
            return "masked"
        return "loaded" if self.unit_files(name) else "not-found"

    def file_state(self, name: str) -> str:
        state = self.load_state(name)
        if state != "loaded":
            return "" if state == "not-found" else "masked"
        return "enabled" if self.unit(name).enabled else "disabled"

    def stale(self, name: str) -> bool:
        """NeedDaemonReload"""
        loaded = self.unit(name).loaded
        now = {path: node.mtime for path, node in self.unit_files(name).items()}
        return loaded is not None and loaded != now

    def load(self, name: str) -> None:
        unit, files = self.unit(name), self.unit_files(name)
        unit.loaded = {path: node.mtime for path, node in files.items()}
        unit.definition = {path: node.content for path, node in files.items()}

    def daemon_reload(self) -> None:
        for name, unit in self.units.items():
            if unit.loaded is not None:
                self.load(name)

    def start(self, name: str) -> None:
        if self.unit(name).active != "active":
            self._launch(name)

    def restart(self, name: str) -> None:
        self._launch(name)

    def _launch(self, name: str) -> None:
        unit = self.unit(name)
        if self.load_state(name) != "loaded":
            raise Refused(f"Unit {name} is {self.load_state(name)}.")
        if unit.loaded is None:
            self.load(name)
        unit.running, unit.hangs, unit.outdated = None, False, ()
        unit.active = "inactive"
        condition = self.condition(name)
        if condition and self.files.get(condition, last=True) is None:
            return
        needed = self.assertions(name)
        missing = [path for path in needed if self.files.get(path) is None]
        if missing:
            raise Refused(f"Assertion failed on job for {name}: {missing[0]}")
        try:
            if name.startswith(("nginx.", "vikunja-")):
                self.make_log_files()
            taken = self.inputs(name)
        except (Refused, OSError) as error:
            unit.active = "failed"
            raise error if isinstance(error, Refused) else Refused(f"{name}: {error}") from error
        unit.running = {**taken, **unit.definition}
        unit.active = "active"
        unit.started = self.files.clock
        unit.starts += 1
        for path in needed:
            database = self.files.get(path)
            if database is not None and database.type == "file" and not database.content:
                # The application fills it.
                self.files.put(path, replace(database, content=b"SQLite format 3"))

    def reload_or_restart(self, name: str) -> None:
        unit = self.unit(name)
        if unit.active != "active" or unit.running is None:
            self._launch(name)
            return
        if unit.hangs:
            raise Refused("nginx goes on with its workers of before: see its log", 1)
        if name == "nginx.service" and self.log_files() not in ("present", "no configuration"):
            # Reloaded without root rights.
            raise Refused("nginx: open() /var/log/vikunja/nginx-access.log failed (13)", 1)
        kept = {path: unit.running[path] for path in unit.definition if path in unit.running}
        unit.running = {**self.inputs(name), **kept}
        unit.reloads += 1

    def upgrade(self, name: str) -> None:
        """nginx takes over from itself, with what is installed now."""
        self.reload_or_restart(name)
        self.unit(name).outdated = ()

    def _desired_log_files(self) -> list[tuple[str, str, str, str]]:
        lines = (self.files.content("/etc/tmpfiles.d/vikunja.conf") or b"").decode().splitlines()
        fields = [line.split() for line in lines if line.startswith("f ")]
        return [(path, mode, owner, group) for _, path, mode, owner, group, _ in fields]

    def log_files(self) -> str:
        """As the probe of log-files.sh says; `no configuration` where nothing is desired yet."""
        desired = self._desired_log_files()
        if not desired:
            return "no configuration"
        nodes = [self.files.get(path) for path, *_ in desired]
        found = [node for node in nodes if node is not None and node.type == "file"]
        if not found:
            return "absent"
        if len(found) < len(desired):
            return "removed"
        rights = [(node.mode, self.owner(node), self.group(node)) for node in found]
        return "present" if rights == [tuple(rest) for _, *rest in desired] else "rights-changed"

    def make_log_files(self) -> None:
        """systemd-tmpfiles --create: the files that are missing, the rights of all."""
        for path, mode, owner, group in self._desired_log_files():
            if self.files.get(path) is None:
                self.files.make_folders(path.rpartition("/")[0])
                self.files.write(path, b"")
            self.files.change(path, mode=mode, owner=owner, group=group)

    def stop(self, name: str) -> None:
        unit = self.unit(name)
        unit.active, unit.running, unit.loaded, unit.hangs = "inactive", None, None, False

    def boot(self) -> None:
        """The container starts: whatever is enabled comes up, whatever cannot has failed."""
        for name in self.units:
            self.stop(name)
        # Units are ordered after what they need: databases and redis before what asks for them.
        for name in sorted(self.units, key=lambda name: name.startswith(("nginx", "vikunja"))):
            if self.unit(name).enabled and self.load_state(name) == "loaded":
                # One that cannot start has failed, and the others start all the same.
                with suppress(Refused):
                    self._launch(name)

    def condition(self, name: str) -> str:
        if found := re.fullmatch(r"vikunja-backend@(\w+)\.service", name):
            return f"/opt/vikunja/backend/{found[1]}/vikunja"
        if found := re.fullmatch(r"vikunja-mcp@(\w+)\.service", name):
            return f"/opt/vikunja/mcp-server/{found[1]}/dist/index.js"
        return ""

    def assertions(self, name: str) -> list[str]:
        text = b"".join(self.unit(name).definition.values()).decode()
        return re.findall(r"^AssertPathExists=(.+)$", text, re.MULTILINE)

    def inputs(self, name: str) -> dict[str, bytes]:
        """What a process of the unit reads as it starts; Refused where something is missing."""
        taken: dict[str, bytes] = {}
        for path in self._named_inputs(name, taken):
            content = self.files.content(path)
            if content is None:
                raise Refused(f"{name}: {path}: No such file or directory")
            if path.startswith(SECRETS) and not content.strip():
                raise Refused(f"{name}: {path} is empty")
            taken[path] = content
        return taken

    def refused_by_nginx(self, folder: str, ours: Sequence[str] = ()) -> str:
        """The path of a file there that is not ours and broken; empty where none is."""
        known = {f"{folder}/{name}" for name in ours}
        others = [p for p in self.files.below(folder) if p.endswith(".conf") and p not in known]
        return next((p for p in others if "/broken" in p), "")

    def _named_inputs(self, name: str, taken: dict[str, bytes]) -> list[str]:
        if name.startswith("vikunja-") and name.endswith(".service"):
            return self._service_inputs(name)
        if name == "nginx.service":
            if self.refused_by_nginx("/etc/nginx/conf.d"):
                raise Refused("nginx: unknown directive", 1)
            # One folder of everything that nginx's configuration includes.
            # What somebody else put there is taken up whenever it is, not our business.
            below = self.files.below("/etc/nginx")
            found = [p for p in below if "somebody" not in p and p.endswith(".conf")]
            paths = [path for path in found if self.files.content(path) is not None]
            text = b"".join(self.files.content(path) or b"" for path in paths).decode()
            words = r"^\s*(?:ssl_certificate|ssl_certificate_key|include) (/etc/vikunja/\S+);"
            return [*paths, *re.findall(words, text, re.M)]
        if name == "redis-server.service":
            text = (self.files.content("/etc/redis/redis.conf") or b"").decode()
            return ["/etc/redis/redis.conf", *re.findall(r"^include (\S+)", text, re.M)]
        if name == "mariadb.service":
            below = self.files.below("/etc/mysql/mariadb.conf.d")
            return [path for path in below if path.endswith(".cnf")]
        return []

    def _service_inputs(self, name: str) -> list[str]:
        definition = b"".join(self.unit(name).definition.values()).decode()
        color = name.partition("@")[2].removesuffix(".service")
        definition = definition.replace("%i", color)
        paths = re.findall(r"^EnvironmentFile=(\S+)", definition, re.M)
        command = re.findall(r"^ExecStart=(\S+)(?: (\S+))?", definition, re.M)[0]
        paths += [word for word in command if word and not word.endswith(".js")]
        if name.startswith("vikunja-mcp"):
            paths.append(f"{command[1]}/dist/index.js")
            paths.remove(command[1])
        for path in list(paths):
            text = (self.files.content(path) or b"").decode(errors="replace")
            paths += re.findall(r'_FILE="(/[^"]+)"', text)
            own = f"{SECRETS}/{color}"
            paths += [
                f"{own}/{secret}" for secret in re.findall(r"^\s*secret ([a-z-]+)", text, re.M)
            ]
            paths += re.findall(r"<(/etc/vikunja/secrets/[a-z/-]+)", text)
        return list(dict.fromkeys(paths))

    # What shows whether things are right

    def behind(self) -> dict[str, list[str]]:
        """Active units → the files that they run with in another version than there is now."""
        found = {}
        for name, unit in self.units.items():
            if unit.active != "active" or unit.running is None:
                continue
            now = {**self.inputs(name), **{p: n.content for p, n in self.unit_files(name).items()}}
            wrong = sorted(
                path
                for path in now.keys() | unit.running.keys()
                if now.get(path) != unit.running.get(path)
            )
            if wrong or self.stale(name):
                found[name] = wrong or ["unit files"]
        return found


def _nginx(machine: Machine) -> None:
    for path in ("/etc/nginx/conf.d", "/etc/nginx/sites-enabled", "/var/lib/nginx"):
        machine.files.make_folders(path)
    machine.files.make_folders("/var/log/nginx")
    _conffile(machine, "/etc/nginx/nginx.conf", Node("file", b"# Debian's\n"))
    if machine.files.get("/etc/nginx/sites-enabled/default") is None:
        machine.files.write("/etc/nginx/sites-enabled/default", b"# Debian's site\n")


def _conffile(machine: Machine, path: str, node: Node) -> None:
    """dpkg with --force-confold: what is there stays."""
    if machine.files.get(path) is None:
        machine.files.put(path, node)


def _redis(machine: Machine) -> None:
    machine.add_user("redis", "/var/lib/redis")
    machine.files.put("/etc/redis", folder("2770", "redis", "redis"))
    conf = Node("file", b"# Debian's\n", "0640", "redis", "redis")
    _conffile(machine, "/etc/redis/redis.conf", conf)


def _postgresql(machine: Machine) -> None:
    machine.add_user("postgres", "/var/lib/postgresql")


def _mariadb(machine: Machine) -> None:
    machine.add_user("mysql", "/nonexistent")
    machine.files.make_folders("/etc/mysql/mariadb.conf.d")


_SETUPS: dict[str, Callable[[Machine], None]] = {
    "nginx": _nginx,
    "redis-server": _redis,
    "postgresql": _postgresql,
    "mariadb-server": _mariadb,
}

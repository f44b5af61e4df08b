"""An instance as its configuration file desired it: frozen, typed, facts left out.

Field names and nesting are those of `schemas/config.schema.json`, which also holds every
default; nothing here repeats one. `tasks.config` is the only maker of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from tasks.conversion import convert
from tasks.model.application import Vikunja
from tasks.model.notifications import Notifications

Color = Literal["blue", "green"]
COLORS: tuple[Color, Color] = ("blue", "green")

DatabaseType = Literal["sqlite", "postgresql", "mysql"]

DriverName = Literal["proxmox", "lxc"]
"""Of a driver of containers, and of the section of the configuration that chooses it. The table of
the drivers themselves is in tasks/containers/drivers.py."""


@runtime_checkable
class Placement(Protocol):
    """The section that chooses a driver: where the container lives. A record in the driver's own
    folder. template: what it is made from; None: see Instance.template."""

    @property
    def template(self) -> str | None: ...

    @property
    def default_template(self) -> str:
        """What new containers are made from where the configuration names nothing."""

    def container_name(self, instance_id: str) -> str: ...

    def suite(self, template: str) -> str:
        """The Debian release that a template of this driver is of."""


class Resources(Struct, frozen=True):
    cpu_cores: int
    memory_mb: int
    disk_size_gb: int


DHCP = "dhcp"
"""In the place of an address: whichever a DHCP server gives."""

AUTO = "auto"
"""In the place of one of IPv6: the one that follows from what a router announces (SLAAC)."""


def is_asked(address: str | None) -> bool:
    """Whether others give it, in whose place one of these words stands."""
    return address in (DHCP, AUTO)


class Network(Struct, frozen=True):
    """ip_address, ip6_address: with prefix length; the first may be DHCP, the second DHCP or AUTO,
    without a gateway. mac_address: None for one that the driver chooses. trusted_ca: absolute host
    paths."""

    bridge: str
    ip_address: str
    gateway: str | None
    ip6_address: str | None
    gateway6: str | None
    mac_address: str | None
    domain: str
    aliases: tuple[str, ...]
    nameservers: tuple[str, ...]
    trusted_ca: tuple[Path, ...]

    @property
    def is_given(self) -> bool:
        """Whether the container asks for its address."""
        return self.ip_address == DHCP

    @property
    def any_given(self) -> bool:
        """Whether one of its addresses is what others give."""
        return self.is_given or is_asked(self.ip6_address)

    @property
    def interface(self) -> IPv4Interface | IPv6Interface:
        """Of an address that is not given by a server. ValueError."""
        return ip_interface(self.ip_address)


class DatabaseTls(Struct, frozen=True):
    """How a server outside is connected to; mode: None where nothing is said of it. Files are
    absolute host paths, PEM."""

    mode: Literal["disable", "require", "verify-ca", "verify-full"] | None
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None

    def __str__(self) -> str:
        """As scripts are told of it, `verify-full,ca,cert`: the mode, and what of the files there
        is beside the password in the container; nothing where there is no mode."""
        files = [("ca", self.ca_file), ("cert", self.cert_file)] if self.mode else []
        return ",".join([self.mode or "", *(name for name, file in files if file)])


NO_TLS = DatabaseTls(None, None, None, None)


def read_tls(said: str) -> DatabaseTls:
    """Of its text, which does not say which files of the host they were: those in the container
    count, and the names stand for them. Raises msgspec.ValidationError."""
    mode, *names = said.split(",")
    files = {f"{name}_file": Path(f"db-{name}") for name in names}
    if "cert" in names:
        files["key_file"] = Path("db-key")
    known = {**dict.fromkeys(DatabaseTls.__struct_fields__), "mode": mode or None, **files}
    return convert(known, DatabaseTls)


class Database(Struct, frozen=True):
    """host is None where the database lives in the container, and a path in it where it is reached
    by a socket: PostgreSQL's folder, MySQL's file. Files are absolute host paths."""

    type: DatabaseType
    host: str | None
    port: int | None
    name: str
    user: str | None
    password_file: Path | None
    admin_user: str | None
    admin_password_file: Path | None
    tls: DatabaseTls = NO_TLS

    @property
    def inside(self) -> bool:
        return self.host is None

    @property
    def by_socket(self) -> bool:
        return is_socket(self.host)


def is_socket(host: str | None) -> bool:
    """Whether a server is reached by a socket's path rather than over the network."""
    return host is not None and host.startswith("/")


class AptSource(Struct, frozen=True):
    """A further source of Debian packages. key_file: an absolute host path. packages: all that
    comes from there."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    key_file: Path
    packages: tuple[str, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """As apt knows them: without port."""
        found = (urlsplit(uri).hostname or "" for uri in self.uris)
        return tuple(dict.fromkeys(found))


class System(Struct, frozen=True):
    """updates: which are installed by themselves. updates_window: `[DAYS ]HH:MM-HH:MM`, in
    vikunja.timezone, when they begin."""

    apt_sources: tuple[AptSource, ...]
    updates: Literal["security", "all", "none"]
    updates_window: str

    @property
    def packages(self) -> tuple[str, ...]:
        """All that come from further sources."""
        return tuple(dict.fromkeys(one for source in self.apt_sources for one in source.packages))

    @property
    def postgresql_client(self) -> int | None:
        """The newest of PostgreSQL's client programs among them, by its number."""
        numbers = [
            int(name.removeprefix(_CLIENT))
            for name in self.packages
            if name.removeprefix(_CLIENT).isdigit() and name.startswith(_CLIENT)
        ]
        return max(numbers, default=None)


_CLIENT = "postgresql-client-"


class Redis(Struct, frozen=True):
    enabled: bool
    port: int


class Backend(Struct, frozen=True):
    port_blue: int
    port_green: int


class Mcp(Struct, frozen=True):
    enabled: bool
    port_blue: int
    port_green: int


class AcmeDns(Struct, frozen=True):
    """Both are set with challenge: dns. credentials_file: an absolute host path.
    propagation_seconds: None for the plug-in's own."""

    provider: str | None
    credentials_file: Path | None
    propagation_seconds: int | None


class Acme(Struct, frozen=True):
    """server: the address of a directory. email: None for admin.email. Files are absolute host
    paths."""

    server: str
    email: str | None
    challenge: Literal["http", "dns"]
    dns: AcmeDns
    eab_file: Path | None
    ca_file: Path | None


class Frontend(Struct, frozen=True):
    """ssl_cert and ssl_key are absolute host paths, both or neither. trusted_proxies: addresses and
    subnets. proxy_protocol: they say in front of each connection whose it is. public_url: scheme,
    name and port."""

    port: int
    ssl_port: int
    tls: Literal["auto", "self-signed", "files", "acme", "off"]
    ssl_cert: Path | None
    ssl_key: Path | None
    acme: Acme
    trusted_proxies: tuple[str, ...]
    proxy_protocol: bool
    public_url: str | None

    @property
    def encrypts(self) -> bool:
        """Whether connections are encrypted here."""
        return self.tls != "off"

    @property
    def self_signed(self) -> bool:
        """Whether a certificate is made in the container: with ACME, to serve until one comes."""
        return self.encrypts and self.ssl_cert is None

    @property
    def asks_authority(self) -> bool:
        """Whether its certificate comes by ACME."""
        return self.tls == "acme"


class Services(Struct, frozen=True):
    backend: Backend
    mcp: Mcp
    frontend: Frontend


class Git(Struct, frozen=True):
    repository: str
    branch: str


class Release(Struct, frozen=True):
    """A finished program instead of a build: the newest published version of a channel, the
    published version, or the archive at url.

    url: https, http or file; sha256: hex; both None of a published one. major: what a channel does
    where the newest is of another major. mirror: the folder of published releases; digests: the
    repository in an API of GitHub's shape, or `none`.
    """

    channel: Literal["stable"] | None
    version: str | None
    major: Literal["ask", "follow"]
    mirror: str
    digests: str
    url: str | None
    sha256: str | None


class Build(Struct, frozen=True):
    """commands: argv lists per part, run in the part's folder of the tree, in order.

    packages: Debian packages of the builder. environment: further variables of the commands.
    toolchains: where Go, Node and pnpm of the versions that a tree asks for come from: `fetch`
    gets what is missing into the build cache, `packaged` takes only what is installed.
    """

    where: Literal["container", "local"]
    toolchains: Literal["fetch", "packaged"]
    packages: tuple[str, ...]
    backend: tuple[tuple[str, ...], ...]
    frontend: tuple[tuple[str, ...], ...]
    mcp: tuple[tuple[str, ...], ...]
    environment: Mapping[str, str]
    timeout_seconds: int


class Update(Struct, frozen=True):
    """How what is new takes over from what serves. Times in seconds.

    migrations: what a version does that changes the database. observe_seconds: of another version;
    edit_observe_seconds: of the same with other settings. keep_releases: builds of the instance in
    this machine's cache.
    """

    migrations: Literal["rehearse", "online", "refuse"]
    observe_seconds: int
    edit_observe_seconds: int
    drain_seconds: int
    upload_wait_seconds: int
    websocket_seconds: int
    keep_releases: int

    @property
    def waits(self) -> tuple[int, int, int]:
        """How long a color that is to be stopped may take for requests, uploads, WebSockets."""
        return self.drain_seconds, self.upload_wait_seconds, self.websocket_seconds


class Rebuilding(Struct, frozen=True):
    """keep_days: how long the old container is kept. address: with its prefix length."""

    keep_days: int
    address: str | None


class Encrypt(Struct, frozen=True):
    """In the format of age: for the owners of these public keys, or of a passphrase; for nobody
    in particular where both are empty. passphrase_file: an absolute host path."""

    recipients: tuple[str, ...]
    passphrase_file: Path | None

    @property
    def wanted(self) -> bool:
        return bool(self.recipients) or self.passphrase_file is not None


class Backup(Struct, frozen=True):
    """require_mount: the directory has to be on a file system of its own. drill_address: with its
    prefix length. keep_…: how many days, weeks and months keep their newest, besides the newest
    retention_count. level: 1 to 9. s3: whether attachments that are in a bucket are copied. after:
    an argv that copies an archive elsewhere, or nothing."""

    directory: Path
    require_mount: bool
    drill_address: str | None
    retention_count: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    level: int
    s3: Literal["copy", "skip"]
    encrypt: Encrypt
    after: tuple[str, ...]
    after_timeout_seconds: int


class Admin(Struct, frozen=True):
    email: str


class ExtraFile(Struct, frozen=True):
    """A file of the user's own in the container; exactly one of content and source is set.

    secret: its content is shown nowhere.
    """

    path: str
    secret: bool
    mode: str
    owner: str
    group: str
    content: str | None = None
    source: Path | None = None


OLDEST_SUITE, NEWEST_SUITE = "bookworm", "trixie"
"""Releases of Debian that containers may have."""


class Instance(Struct, frozen=True, kw_only=True, dict=True):
    """One instance. One of git and release is set. placement: the section of the driver."""

    id: str
    version: str
    driver: DriverName
    placement: Placement
    resources: Resources
    network: Network
    system: System
    database: Database
    redis: Redis
    services: Services
    vikunja: Vikunja
    git: Git | None = None
    release: Release | None = None
    build: Build
    update: Update
    rebuild: Rebuilding
    backup: Backup
    admin: Admin
    notifications: Notifications
    files: tuple[ExtraFile, ...]
    source: Path
    """The file it was read from."""
    document: Mapping[str, Any]
    """What the file says, as plain data with all defaults filled in, JSON-ready. Digests of its
    keys tell what was edited since the last apply, so it stays as it is where a command goes by
    other values: those in use (which database serves, say), or an option's."""

    @property
    def template(self) -> str:
        """What its container is made from: as named, else what new ones are made from."""
        return self.placement.template or self.placement.default_template

    @property
    def suite(self) -> str:
        """The Debian release of its container, as far as the template tells."""
        return self.placement.suite(self.template)

    def made_from(self, template: str | None) -> Instance:
        """The same with the template that its container was made from, where none is named: an
        existing container never differs by what new ones are made from. None: there is none."""
        section: Any = self.placement
        if section.template is not None:
            return self
        chosen = template or self.template
        document = {
            **self.document,
            self.driver: {**self.document[self.driver], "template": chosen},
        }
        return replace(self, document=document, placement=replace(section, template=chosen))

    @property
    def container_name(self) -> str:
        return self.placement.container_name(self.id)

    @cached_property
    def digests(self) -> dict[str, dict[str, str]]:
        """What is known of the digests of its document's values, by what they were asked for by."""
        return {}

    @cached_property
    def public_url(self) -> str:
        """What people open: scheme, name, and the port where it is not the usual one."""
        frontend, domain = self.services.frontend, self.network.domain
        if frontend.public_url is not None:
            return frontend.public_url
        if not frontend.encrypts and frontend.trusted_proxies:
            return f"https://{domain}"
        usual = ":443" if frontend.encrypts else ":80"
        return self.site_origin.removesuffix(usual)

    @cached_property
    def site_origin(self) -> str:
        """What nginx is asked from within the container: scheme, name and port."""
        frontend, domain = self.services.frontend, self.network.domain
        if frontend.encrypts:
            return f"https://{domain}:{frontend.ssl_port}"
        return f"http://{domain}:{frontend.port}"

    def backend_port(self, color: Color) -> int:
        backend = self.services.backend
        return backend.port_blue if color == "blue" else backend.port_green

    def mcp_port(self, color: Color) -> int:
        mcp = self.services.mcp
        return mcp.port_blue if color == "blue" else mcp.port_green

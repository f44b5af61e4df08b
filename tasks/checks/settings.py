"""Whether the servers that the settings name answer, and take the logins: those of the application,
and the authority that certificates are asked of.

What counts is what the container reaches, so it is asked there, by curl, which every container of
ours has. Before there is one, this machine is asked instead, and says so. An authority that is
configured is trusted, also before an apply has brought it there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from json import JSONDecodeError
from urllib.parse import quote

from msgspec import Struct

from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.desired.acme import AUTHORITY
from tasks.errors import DeployError, NetworkError
from tasks.guest.runner import GuestScript
from tasks.host import process
from tasks.host.process import Completed
from tasks.model.application import S3, Ldap, OpenId, Vikunja
from tasks.model.finding import Finding, World
from tasks.model.host_files import HostFiles, read_host_files
from tasks.model.instance import Acme, Instance
from tasks.model.notifications import Smtp
from tasks.model.redaction import redact
from tasks.secret import Secret

LIMIT_SECONDS = 15
Line = tuple[str, str | None]
"""Of curl's configuration: an option, and its value where it has one."""

_NOT_FOUND = (126, 127)
_NOT_TRUSTED = 60
_EMPTY = sha256().hexdigest()
_REACH = "Check the name, the port, that something listens there, and its firewall"
_UNTRUSTED = (
    "The certificate has to be of an authority that Debian trusts or network.trusted_ca names, and "
    "for that name"
)
_OFFERED = (
    "It offers STARTTLS, which Vikunja then takes; VIKUNJA_MAILER_SKIPTLSVERIFY in "
    "vikunja.environment lets any certificate pass"
)
TRUSTING = GuestScript("ask-server", ("ask-server",), guard=False)


class Attempt(Struct, frozen=True):
    """One server to be asked. topic, what: in findings. config: curl's. hints: what to do, by
    curl's exit code. secrets: what no message may hold. issuer: of a discovery document. here: what
    this machine is asked with, where that differs; within: file of the container that config needs.
    key: what the document that it answers with has, as directories of ACME have."""

    topic: str
    what: str
    config: Secret[str]
    hints: Mapping[int, str]
    secrets: tuple[Secret[str], ...] = ()
    issuer: str = ""
    here: Secret[str] | None = None
    within: str = ""
    key: str = ""


def check(world: World) -> Iterator[Finding]:
    """Raises ResourceError or UsageError for a file of a secret that cannot be read."""
    instance = world.instance
    settings = instance.vikunja
    servers = settings.mailer.host or settings.auth.openid or settings.auth.ldap.host
    bucket, certificate = settings.files.in_bucket, instance.services.frontend.asks_authority
    if not (servers or bucket or certificate):
        return
    given = read_host_files(instance)
    container = _running(world)
    for attempt in attempts_of(instance, given):
        yield evaluate(world, attempt, *ask(attempt, container, given.authorities))


def attempts_of(instance: Instance, secrets: HostFiles) -> Iterator[Attempt]:
    frontend, settings = instance.services.frontend, instance.vikunja
    if frontend.asks_authority:
        yield authority(frontend.acme)
    if settings.mailer.host is not None:
        yield mail(settings.mailer, settings, _secret(secrets, "VIKUNJA_MAILER_PASSWORD"))
    for provider in settings.auth.openid:
        yield discovery(provider)
    if settings.auth.ldap.host is not None:
        password = _secret(secrets, "VIKUNJA_AUTH_LDAP_BINDPASSWORD")
        yield directory(settings.auth.ldap, password)
    if settings.files.in_bucket:
        yield storage(settings.files.s3, _secret(secrets, "VIKUNJA_FILES_S3_SECRETKEY"))


def authority(acme: Acme) -> Attempt:
    """The directory of an ACME server, which says where it is asked what. Nothing is ordered."""
    lines: list[Line] = [("url", acme.server), ("fail", None), ("location", None)]
    hints = {
        22: "Check services.frontend.acme.server: it is the address of a directory",
        _NOT_TRUSTED: "Its certificate has to be of an authority that the container trusts, or of "
        "services.frontend.acme.ca_file",
    }
    what = f"authority {acme.server}"
    if acme.ca_file is None:
        return Attempt("certificate", what, _config(lines), hints, key="newOrder")
    return Attempt(
        "certificate",
        what,
        _config([*lines, ("cacert", AUTHORITY)]),
        hints,
        here=_config([*lines, ("cacert", str(acme.ca_file))]),
        within=AUTHORITY,
        key="newOrder",
    )


def mail(mailer: Smtp, settings: Vikunja, password: Secret[str] | None) -> Attempt:
    """Greeting, encryption and login, as the application does them; no mail is sent."""
    scheme = "smtps" if mailer.encryption == "tls" else "smtp"
    where = f"{_host(mailer.host)}:{mailer.port}"
    lines: list[Line] = [("url", f"{scheme}://{where}"), ("request", "NOOP"), ("sasl-ir", None)]
    plain = mailer.encryption == "none"
    if mailer.encryption != "tls":
        # The application takes STARTTLS where it is offered, also where nobody wants it.
        lines.append(("ssl" if plain else "ssl-reqd", None))
    if settings.variable("MAILER_SKIPTLSVERIFY").lower() in ("true", "1"):
        lines.append(("insecure", None))
    if mailer.user and password:
        way = settings.variable("MAILER_AUTHTYPE") or "plain"
        lines.append(("login-options", f"AUTH={way.upper()}"))
        lines.append(("user", f"{mailer.user}:{password.reveal()}"))
    hints = {
        35: "With encryption: tls the port is mostly 465, with starttls 587",
        _NOT_TRUSTED: f"{_OFFERED}. {_UNTRUSTED}" if plain else _UNTRUSTED,
        64: "It offers no STARTTLS there: try encryption: tls with port 465, or none without a "
        "login",
        67: "Check vikunja.mailer.user and password_file; VIKUNJA_MAILER_AUTHTYPE in "
        "vikunja.environment where it wants login or cram-md5",
    }
    what = f"mail server {where}" + (f", login of {mailer.user}" if mailer.user else "")
    return Attempt("mail", what, _config(lines), hints, _known(password))


def discovery(provider: OpenId) -> Attempt:
    """The document that says where the provider is asked what."""
    url = f"{provider.url.rstrip('/')}/.well-known/openid-configuration"
    hints = {
        22: "Check its url: below it has to be /.well-known/openid-configuration",
        _NOT_TRUSTED: _UNTRUSTED,
    }
    lines: list[Line] = [("url", url), ("fail", None), ("location", None)]
    return Attempt(
        "openid", f"{provider.name} at {provider.url}", _config(lines), hints, issuer=provider.url
    )


def directory(ldap: Ldap, password: Secret[str] | None) -> Attempt:
    """A login as the application's, and its base."""
    scheme = "ldaps" if ldap.tls else "ldap"
    where = f"{_host(ldap.host)}:{ldap.port}"
    url = f"{scheme}://{where}/{quote(ldap.base_dn or '')}?dn?base?(objectClass=*)"
    lines: list[Line] = [("url", url)]
    if not ldap.verify_certificate:
        lines.append(("insecure", None))
    if ldap.bind_dn and password:
        lines.append(("user", f"{ldap.bind_dn}:{password.reveal()}"))
    missing = "Check vikunja.auth.ldap.base_dn, and that this login may read it"
    login = "Check vikunja.auth.ldap.bind_dn and bind_password_file"
    hints = {_NOT_TRUSTED: _UNTRUSTED, 38: login, 67: login, 39: missing, 78: missing}
    what = f"directory {where}" + (f", login of {ldap.bind_dn}" if ldap.bind_dn else "")
    return Attempt("ldap", what, _config(lines), hints, _known(password))


def storage(s3: S3, secret: Secret[str] | None) -> Attempt:
    """Whether the bucket is there for this key. Nothing is written: the application tries that
    whenever it starts."""
    endpoint, key = s3.endpoint or "", secret.reveal() if secret else ""
    scheme, _, host = endpoint.rstrip("/").partition("://")
    url = f"{scheme}://{host}/{s3.bucket}" if s3.path_style else f"{scheme}://{s3.bucket}.{host}/"
    lines: list[Line] = [
        ("url", url),
        ("head", None),
        ("fail", None),
        ("output", "/dev/null"),
        ("aws-sigv4", f"aws:amz:{s3.region}:s3"),
        ("user", f"{s3.access_key}:{key}"),
        # Older ones of curl leave it out, and most servers refuse that.
        ("header", f"x-amz-content-sha256: {_EMPTY}"),
    ]
    hints = {
        6: "With path_style: true its name is not in the host's",
        22: "403: check access_key, secret_file and region, and that the key may list the bucket; "
        "404: the bucket is not there",
        _NOT_TRUSTED: _UNTRUSTED,
    }
    return Attempt("s3", s3.place, _config(lines), hints, _known(secret))


def ask(
    attempt: Attempt, container: Container | None, authorities: Sequence[bytes] = ()
) -> tuple[Completed | None, bool]:
    """What curl says, and whether it is the container's; None where there is no curl to ask.

    authorities: whose certificates are trusted as well, in PEM form.
    """
    argv = ["curl", "--disable", "--config", "-"]
    if authorities:
        argv = TRUSTING.argv(*(one.decode("ascii") for one in authorities))
    config = attempt.config.reveal().encode()
    if container is not None and attempt.within:
        # It is laid by the first apply that has it.
        there = container.run(["test", "-e", attempt.within], check=False).returncode == 0
        container = container if there else None
    if container is not None:
        done = container.run(argv, stdin=config, timeout=2 * LIMIT_SECONDS, check=False)
        if done.returncode not in _NOT_FOUND:
            return done, True
    config = (attempt.here or attempt.config).reveal().encode()
    try:
        return process.run(argv, stdin=config, timeout=2 * LIMIT_SECONDS), False
    except OSError:
        return None, False


def evaluate(world: World, attempt: Attempt, done: Completed | None, inside: bool) -> Finding:
    who = "the container" if inside else "this machine (there is no container to ask yet)"
    if done is None:
        what = f"{attempt.what}: not tried, this machine has no curl"
        return world.warning(attempt.topic, what, "Install it: apt-get install curl")
    trouble = _trouble(attempt, done)
    if not trouble:
        return world.ok(attempt.topic, f"{attempt.what}: answers {who}")
    what = f"{attempt.what}: {who} is told: {trouble[0]}"
    if inside:
        return world.problem(attempt.topic, what, trouble[1], NetworkError)
    # The container may be let through where this machine is not.
    return world.warning(attempt.topic, what, trouble[1])


def _trouble(attempt: Attempt, done: Completed) -> tuple[str, str] | None:
    """What is wrong, and what to do."""
    if done.returncode != 0:
        said = redact(done.stderr.decode(errors="replace"), attempt.secrets).strip()
        # The lines behind it explain curl's own options.
        first = said.splitlines()[0] if said else f"curl ended with {done.returncode}"
        return first.partition(") ")[2] or first, attempt.hints.get(done.returncode, _REACH)
    if attempt.key and not _has(done.stdout, attempt.key):
        return "what is there is no directory of ACME", attempt.hints[22]
    if not attempt.issuer:
        return None
    try:
        issuer = str(json.loads(done.stdout)["issuer"])
    except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return "what is there is no discovery document", attempt.hints[22]
    if issuer != attempt.issuer:
        # The application compares them by the letter, and has no such provider then.
        return f"it calls itself {issuer}", f"Write that as its url, by the letter: {issuer}"
    return None


def _has(document: bytes, key: str) -> bool:
    try:
        found = json.loads(document)
    except (JSONDecodeError, UnicodeDecodeError):
        return False
    return isinstance(found, dict) and key in found


def _running(world: World) -> Container | None:
    """The instance's own container, where it runs. What is wrong with it is said by others."""
    try:
        container = container_for(world.instance, world.paths)
        found = container.observe()
    except DeployError:
        return None
    return container if found.running and found.owner == world.instance.id else None


def _config(lines: list[Line]) -> Secret[str]:
    """In the form that curl reads from a file: secrets show in no list of arguments."""
    # Of this machine's environment nothing counts: the container has another one.
    always: list[Line] = [("noproxy", "*"), ("max-time", str(LIMIT_SECONDS))]
    quiet: list[Line] = [("silent", None), ("show-error", None)]
    text = ""
    # Its warnings are of its options, and come as it reads them.
    for name, value in (*quiet, *lines, *always):
        text += f"{name}\n" if value is None else f"{name} = {_quoted(value)}\n"
    return Secret(text)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _host(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else host or ""


def _secret(found: HostFiles, name: str) -> Secret[str] | None:
    value = found.settings.get(name)
    return None if value is None else Secret(value.reveal().decode(errors="surrogateescape"))


def _known(password: Secret[str] | None) -> tuple[Secret[str], ...]:
    return () if password is None else (password,)

"""What becomes of the scripts that look, and make what is missing: tasks/guest/scripts/*.sh."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
import time
from collections.abc import Sequence

from model_answers import answers
from model_files import Node, first_line
from model_machine import SECRETS, STAMPS, Answer, Database, Machine, Record
from model_release import whole
from model_secrets import (
    LOCAL,
    REDIS_PASSWORDS,
    SERVICES,
    color_secrets,
    copy_secrets,
    in_use,
    let_in,
    let_into_redis,
    login,
    password,
    retire_secrets,
)

LATER = 4102444800
"""When a certificate of the model's ends, in seconds since 1970."""


def probe(machine: Machine, name: str, arguments: Sequence[str]) -> str:
    if name == "self_signed_certificate":
        return _certificate(machine, *arguments)
    if name == "acme_fallback":
        pair = machine.files.content(f"{arguments[0]}/current/certificate.pem")
        return "present" if pair else "absent"
    if name == "acme_certificate":
        return _given(machine, *arguments)
    if name == "answers":
        return answers(machine, arguments)
    if name == "release_files":
        return whole(machine, *arguments)
    if name == "nginx_files":
        folder, *ours = arguments
        refused = machine.refused_by_nginx(folder, ours)
        return f"nginx refuses {posixpath.basename(refused)}" if refused else "present"
    if name == "given_names":
        return "present" if machine.files.content(arguments[0]) else "absent"
    if name == "noted_secret":
        (path,) = arguments
        if path not in machine.noted:
            return "unnoted"
        return "same" if machine.files.content(path) == machine.noted[path] else "differs"
    if name == "log_files":
        state = machine.log_files()
        return "absent" if state == "no configuration" else state
    if name == "sqlite_database":
        found = machine.files.get(arguments[1], last=True)
        return "present" if found is not None and found.size else "absent"
    if name in ("postgresql_database", "mysql_database"):
        database, user = arguments
        state = login(machine, LOCAL[name], database, user)
        exposed = machine.exposed and name == "postgresql_database" and state == "present"
        return "exposed" if exposed else state
    if name in ("external_postgresql", "external_mysql"):
        host, port, database, user, *_ = arguments
        return login(machine, f"{host}:{port}", database, user)
    if name == "color_secrets":
        return color_secrets(machine, *arguments)
    if name == "redis_passwords":
        written = machine.files.content(REDIS_PASSWORDS)
        if written is None or not machine.files.content(f"{SECRETS}/redis-password"):
            return "absent"
        return "present" if written == let_into_redis(machine) else "outdated"
    if name == "retired_secrets":
        return "left" if machine.files.get(f"{SECRETS}/{arguments[0]}") else "absent"
    if name == "migrations":
        return _migrations(machine, *arguments)
    raise AssertionError(f"the model has no probe_{name}")


def trial(machine: Machine, arguments: Sequence[str], stdin: bytes | None) -> Answer:
    """scripts/database-trial.sh"""
    _, host, port, name, user, admin, *_ = arguments
    with tarfile.open(fileobj=io.BytesIO(stdin or b"")) as archive:
        member = archive.extractfile("db-password")
        assert member is not None
        secret = member.read()
    state = login(machine, f"{host}:{port}", name, user, secret)
    if state in ("present", "unasked") or (state in ("absent", "denied") and admin != "-"):
        return Answer()
    said = f"{host} port {port} finds it {state}.\n".encode()
    return Answer(b"", said, 6 if state == "unreachable" else 1)


def _migrations(machine: Machine, script: str, *arguments: str) -> str:
    if script == "sqlite":
        there = machine.files.content(arguments[1])
        return _ids(machine, ("sqlite", "")) if there else "none"
    if script.startswith("external-"):
        place, (database, user) = ":".join(arguments[:2]), arguments[2:4]
    else:
        place, (database, user) = LOCAL[script.replace("-", "_")], arguments
    if login(machine, place, database, user) != "present":
        return "unknown"
    return _ids(machine, (place, database))


def _ids(machine: Machine, key: tuple[str, str]) -> str:
    """`empty` where no application has made its tables, or somebody has dropped them."""
    found = machine.contents.get(key, "none")
    return "empty" if found == "none" else found


def _certificate(machine: Machine, place: str, domain: str, *others: str) -> str:
    files = machine.files
    pem, key = files.content(f"{place}/certificate.pem"), files.content(f"{place}/key.pem")
    made = first_line(files, f"{place}/made")
    if not pem or not key or not made:
        return "absent"
    digests, expiry, for_domain, *for_others = made.split()
    if digests != _digests(pem, key):
        return "mismatched"
    if for_domain != domain:
        return "other-domain"
    if for_others != list(others):
        return "other-names"
    if int(expiry) < time.time() + 14 * 86400:
        return "expiring"
    node = files.get(f"{place}/key.pem")
    assert node is not None
    exposed = (node.mode, machine.owner(node), machine.group(node)) != ("0640", "root", "www-data")
    return "exposed" if exposed else "present"


def give_certificate(
    machine: Machine, place: str, server: str, names: str, record: Record
) -> Answer:
    """apply_acme_certificate, of an authority that gives one."""
    machine.serial += 1
    pair = f"pair{machine.serial}"
    machine.files.make_folders(f"{place}/{pair}")
    for part in ("certificate", "key"):
        machine.files.write(f"{place}/{pair}/{part}.pem", f"{part} {machine.serial}\n".encode())
    machine.files.write(f"{place}/made", f"{pair} {LATER} {server} {names}\n".encode())
    machine.files.put(f"{place}/current", Node("link", target=pair, mode="0777"))
    machine.reload_or_restart("nginx.service")
    record(f"acme-certificate:{place}", "create")
    return Answer()


def _given(machine: Machine, place: str, server: str, names: str) -> str:
    """What an authority gave."""
    made = first_line(machine.files, f"{place}/made")
    current = machine.files.get(f"{place}/current")
    if not made or current is None or current.target != made.split()[0]:
        return "absent"
    if not machine.files.content(f"{place}/current/key.pem"):
        return "absent"
    return "present" if made.split()[2:] == [server, names] else "other-names"


def _digests(*contents: bytes) -> str:
    return "".join(hashlib.sha256(content).hexdigest() for content in contents)


def run_script(
    machine: Machine, name: str, arguments: Sequence[str], must_exist: bool, record: Record
) -> Answer:
    """apply_<name>"""
    function = name.replace("-", "_")
    before = probe(machine, function, arguments)
    if function == "self_signed_certificate":
        place, *names = arguments
        title = place
        if machine.files.place(f"{place}/made") is None:
            return Answer(stderr=b"openssl made no certificate\n", returncode=1)
        machine.serial += 1
        key = f"key {machine.serial}\n".encode()
        pem = f"certificate {machine.serial} for {' '.join(names)}\n".encode()
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.files.write(f"{place}/key.pem", key, "0640", group="www-data")
        machine.files.write(f"{place}/certificate.pem", pem)
        made = f"{_digests(pem, key)} {LATER} {' '.join(names)}\n"
        machine.files.write(f"{place}/made", made.encode(), "0600")
    elif function == "acme_fallback":
        title, otherwise = arguments
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.files.put(f"{title}/current", Node("link", target=otherwise, mode="0777"))
    elif function == "log_files":
        (title,) = arguments
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.make_log_files()
    elif function == "nginx_files":
        title, *ours = arguments
        while refused := machine.refused_by_nginx(title, ours):
            machine.files.put_aside(refused)
    elif function == "given_names":
        title = arguments[0]
        machine.files.remove(f"{STAMPS}/nginx.service")
        machine.files.write(title, b"# given\n", "0644")
    elif function == "color_secrets":
        title = arguments[0]
        if said := copy_secrets(machine, *arguments):
            return Answer(stderr=f"{said}\n".encode(), returncode=1)
    elif function == "redis_passwords":
        title = REDIS_PASSWORDS
        let_in(machine)
    elif function == "retired_secrets":
        title = arguments[0]
        retire_secrets(machine, *arguments)
        record(f"{name}:{title}", "delete" if before == "left" else "none")
        return Answer()
    elif must_exist and before == "absent":
        return Answer(stderr=f"{name}: it is gone\n".encode(), returncode=4)
    elif function == "sqlite_database":
        user, title = arguments
        machine.files.write(title, b"SQLite format 3", "0640", owner=user, group=user)
    else:
        title = _make_database(machine, function, arguments)
    after = probe(machine, function, arguments)
    if after != "present":
        return Answer(stderr=f"{name}: it is {after}\n".encode(), returncode=1)
    record(f"{name}:{title}", "create" if before == "absent" else "update")
    return Answer()


def _make_database(machine: Machine, function: str, arguments: Sequence[str]) -> str:
    secret = password(machine)
    if function in LOCAL:
        title, user = arguments
        place = LOCAL[function]
        service = SERVICES[place][1]
        if machine.unit(service).active != "active":
            machine.restart(service)
        known = set(in_use(machine, "db-password")) if place == "mysql" else set()
        machine.databases[place, title] = Database(user, secret, known)
        machine.exposed = False
        return title
    host, port, name, user, *administrator = arguments
    if administrator and machine.files.content(f"{SECRETS}/db-admin-password"):
        machine.databases[f"{host}:{port}", name] = Database(user, secret)
    return f"{host}:{port}/{name}"

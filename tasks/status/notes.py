"""What of a standing does not agree, does not answer or needs a hand. Pure.

The rules of the services and of what they use are in `rules`, those of records and containers here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from tasks.errors import DatabaseError
from tasks.output.database_move_text import kept_hint
from tasks.status import package_rules, rules
from tasks.status.facts import Standing
from tasks.status.guest_facts import Renewal
from tasks.status.rules import LEVELS, Note

CERTIFICATE_DAYS = 30
"""Fewer days than these are a warning."""

RENEWED_DAYS, LAST_DAYS = 21, 7
"""The same of a certificate that is renewed at 30; and fewer than the last are an error."""

BACKUP_DAYS = 8
"""A backup older than this is a warning: a weekly one has not come."""

STOPPING = ("start", "stop", "restore", "uninstall")
"""Operations that stop services, or find them stopped."""

DATABASE = DatabaseError.exit_code

UNTIMED_BACKUP = timedelta(days=1, hours=2)
"""Older than this one of every night is not: it is as late as a night's chance makes it."""

FIRST_BACKUP = timedelta(days=1)
"""So long after the first deployment a backup is missed."""


def serves(standing: Standing) -> bool:
    """Whether it is meant to serve: something was deployed, and nobody stopped it."""
    state = standing.state
    return state is not None and state.active_color is not None and state.status != "stopped"


def interrupts(standing: Standing) -> bool:
    """Whether an operation is under way that has to stop services for a while."""
    lock = standing.lock
    return lock is not None and lock.holder == "alive" and lock.operation in STOPPING


def notes(standing: Standing, now: datetime) -> tuple[Note, ...]:
    """What does not agree, what does not answer, what needs a hand; the worst first."""
    inside, name = standing.inside, standing.instance_id
    found = [*_place_notes(standing), *_operation_notes(standing)]
    if inside is not None and serves(standing):
        services = rules.service_notes(name, inside)
        if interrupts(standing):
            services = [replace(note, level="note") for note in services]
        found += services
        if not standing.locked:
            found += rules.standin_notes(name, inside)
    if inside is not None and inside.measured is not None:
        found += rules.usage_notes(name, inside.measured, standing.own_disk)
    if inside is not None and inside.packages is not None:
        found += package_rules.package_notes(name, inside.packages, now)
    found += [
        *package_rules.restart_note(standing.restart_pending),
        *_color_notes(standing),
        *_kept_notes(standing),
        *_rebuild_notes(standing, now),
        *_certificate_notes(standing, now),
        *_backup_notes(standing, now),
    ]
    return tuple(sorted(found, key=lambda note: LEVELS.index(note.level)))


def _place_notes(standing: Standing) -> list[Note]:
    name, container = standing.instance_id, standing.container
    label = f"container {standing.container_label}"

    def note(level: rules.Level, what: str, hint: str) -> list[Note]:
        return [Note(level, what, hint, "container")]

    if not standing.configured:
        where = f"it was applied from {standing.config}" if standing.config else "it has no entry"
        hint = (
            f"./doit status --config {standing.config}"
            if standing.config
            else "./doit instances shows what is recorded of it"
        )
        return note("note", f"not configured here: {where}", hint)
    if container == "foreign":
        if standing.unproven is not None:
            return note("warning", standing.unproven.what, standing.unproven.hint)
        hint = "Choose another container for this instance; that one is left as it is"
        return note("warning", f"{label} exists and is not proven to be this instance's", hint)
    if container == "stopped" and serves(standing):
        return note("unhealthy", f"{label} is stopped", f"./doit start {name} starts it")
    if container == "absent" and serves(standing):
        hint = f"./doit apply {name} makes a new one, empty; its data is in the backups"
        return note("unhealthy", f"{label} is gone", hint)
    if container == "absent" and standing.state is None and not standing.locked:
        return note("note", "never deployed", f"./doit apply {name}")
    found: list[Note] = []
    if standing.forwarding is False:
        found += note(
            "warning",
            f"{label} reaches nothing outside this machine: NAT or forwarding has been removed",
            f"./doit plan {name} shows it, ./doit apply {name} brings it back",
        )
    if standing.state is not None and standing.state.status == "stopped":
        found += note("note", "its services were stopped", f"./doit start {name} starts them")
    return found


def _color_notes(standing: Standing) -> list[Note]:
    inside, state = standing.inside, standing.state
    # Within an operation they may differ for a moment.
    if inside is None or state is None or state.active_color is None or standing.locked:
        return []
    others = [
        ("the state file", state.active_color),
        ("the record in the container", inside.recorded),
    ]
    differing = [
        f"{what} says {color or 'nothing'}" for what, color in others if color != inside.serving
    ]
    if not differing:
        return []
    name = standing.instance_id
    return [
        Note(
            "warning",
            f"nginx passes requests to {inside.serving}, {', '.join(differing)}",
            f"nginx counts: ./doit plan {name} shows the difference, ./doit apply {name} mends it",
            "records",
        )
    ]


def _rebuild_notes(standing: Standing, now: datetime) -> list[Note]:
    """Of a rebuild that broke off, and of old containers that are kept."""
    name, found = standing.instance_id, []
    if standing.rebuild is not None and not standing.locked:
        hint = f"./doit rebuild --recover {name} puts in order what is left of it"
        what = "a rebuild broke off" + (
            "" if standing.rebuild.phase == "preparing" else ": the site may not serve"
        )
        found.append(Note("warning", what, hint, "container"))
    for container, until in standing.replaced:
        when = (
            f"until {until:%Y-%m-%d}" if until > now else f"its time was over on {until:%Y-%m-%d}"
        )
        hint = (
            f"./doit apply {name} removes it after that; docs/staying.md says what it is good for"
        )
        what = f"kept: the old container {container}, stopped, {when}"
        found.append(Note("note", what, hint, "container"))
    return found


def _kept_notes(standing: Standing) -> list[Note]:
    """Of databases that the data was carried over from."""
    if standing.inside is None or not standing.inside.kept:
        return []
    name = standing.instance_id
    return [
        Note(
            "note",
            f"kept: {item.database.label}, {item.unused}",
            kept_hint(item, name),
            "database",
        )
        for item in standing.inside.kept
    ]


def _operation_notes(standing: Standing) -> list[Note]:
    state, lock, name = standing.state, standing.lock, standing.instance_id

    def note(level: rules.Level, what: str, hint: str) -> list[Note]:
        return [Note(level, what, hint, "operation")]

    if standing.locked and lock is not None:
        if lock.holder == "alive":
            return note("note", f"under way: {lock.describe()}", "Wait until it has finished")
        hint = f"Its process cannot be judged from here; if it is gone: ./doit unlock {name}"
        return note("warning", f"locked: {lock.describe()}", hint)
    if state is None:
        return []
    again = _again(name, state.last_operation)
    if standing.interrupted:
        return note("warning", f"the last {state.last_operation} was cut short", again)
    if state.last_operation_status == "failure":
        what = f"the last {state.last_operation} failed"
        last = standing.operations[-1] if standing.operations else None
        if last is not None and last.operation == "backup" and last.exit_code == DATABASE:
            hint = f"./doit check {name} says what stands against backups; {again}"
            return note("warning", f"{what}: {last.reason}", hint)
        return note("warning", what, f"./doit history {name} says why; {again}")
    return []


def _again(name: str, operation: str) -> str:
    """What goes on with an operation that did not finish."""
    if operation in ("start", "stop", "restart", "backup", "drill", "uninstall"):
        return f"./doit {operation} {name} does it again"
    if operation == "rebuild":
        return f"./doit rebuild {name} begins again"
    return f"./doit plan {name} shows what is left to do, ./doit apply {name} does it"


def _certificate_notes(standing: Standing, now: datetime) -> list[Note]:
    inside = standing.inside
    if inside is None or inside.certificate_until is None:
        return []
    days = (inside.certificate_until - now).days
    if inside.renewal is not None:
        return _renewal_notes(inside.renewal, days, standing.instance_id)
    if days >= CERTIFICATE_DAYS:
        return []
    when = f"{inside.certificate_until:%Y-%m-%d}"
    what = f"expires on {when}, in {days} days" if days >= 0 else f"expired on {when}"
    hint = f"Renew it, then: ./doit apply {standing.instance_id}"
    return [Note("warning", f"the certificate {what}", hint, "frontend")]


def _renewal_notes(renewal: Renewal, days: int, name: str) -> list[Note]:
    """Of a certificate by ACME. A try that fails once is made good by the next one."""
    tried = f"tried last {renewal.tried:%Y-%m-%d %H:%M} UTC" if renewal.tried else "never tried"
    why = f": {renewal.failure}" if renewal.failure else ""
    hint = f"./doit apply {name} tries again, and says more"
    if renewal.waiting:
        what = f"no authority has given a certificate yet, the site has its own ({tried}{why})"
        return [Note("warning", what, hint, "frontend")]
    if days >= RENEWED_DAYS:
        return []
    ends = f"expires in {days} days" if days >= 0 else "has expired"
    level: rules.Level = "warning" if days >= LAST_DAYS else "unhealthy"
    return [Note(level, f"the certificate {ends}, its renewal was {tried}{why}", hint, "frontend")]


def _backup_notes(standing: Standing, now: datetime) -> list[Note]:
    backups, name = standing.backups, standing.instance_id
    if backups is None or standing.state is None:
        return []
    untimed = "./doit timers install takes one every night, and proves one every month"
    if backups.newest is None:
        if standing.created_at and now - _moment(standing.created_at) > FIRST_BACKUP:
            hint = f"./doit backup {name} takes one" + ("" if standing.timed else f"; {untimed}")
            return [Note("warning", "there is no backup", hint, "backups")]
        return []
    found = []
    if backups.fuller is not None:
        archive, then, present = backups.fuller
        what = f"the newest backup holds {present}, {archive} {then}: was something lost?"
        hint = (
            f"{archive} stays until a backup holds as much; ./doit restore {name} --from {archive}"
        )
        found.append(Note("warning", what, f"{hint} replaces what is there with it", "backups"))
    days = (now - _moment(backups.newest)).days
    if days >= BACKUP_DAYS:
        what = f"the newest backup is {days} days old"
        why = f"./doit history {name} shows what became of the others"
        hint = f"./doit backup {name} takes one; {why}"
        found.append(Note("warning", what, hint, "backups"))
    elif not standing.timed and now - _moment(backups.newest) > UNTIMED_BACKUP:
        what = "no timer takes backups, and the newest is more than a day old"
        found.append(Note("warning", what, untimed, "backups"))
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

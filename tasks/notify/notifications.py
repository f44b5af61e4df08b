"""Tells how an operation ended. Nothing of it ever fails the operation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tasks.errors import DeployError
from tasks.model.instance import Instance
from tasks.model.operation_log import Log, format_time, utc_now
from tasks.model.operations import Ended
from tasks.model.redaction import masked, protected, redact
from tasks.notify import mail, notified, services
from tasks.notify.mail import this_host
from tasks.notify.message import Message, kind_of, message, topic


def notify(instance: Instance, end: Ended, warn: Callable[[str], None]) -> None:
    """Send what is to be told, and remember failures. What goes wrong is a WARN line in the
    instance's log, and goes to `warn`."""
    failed = notified.read(end.paths, instance.id)
    kind = kind_of(end, failed, instance.notifications.success)
    if kind is None:
        return
    about = topic(end.operation)
    host = this_host()
    text = message(kind, instance, end, failed.get(about, ""), host, protected())
    problems, delivered = _send(instance, text, host)
    if delivered and kind == "failure":
        failed[about] = format_time(utc_now())
    elif delivered:
        failed.pop(about, None)
    try:
        if delivered and kind != "success":
            notified.write(end.paths, instance.id, failed)
    except DeployError as error:
        problems.append(str(error))
    log = Log(end.paths, instance.id, end.operation)
    for problem in problems:
        line = masked(redact(f"Notification: {problem}", protected()))
        warn(f"{instance.id}: {line}")
        try:
            log.warn(line)
        except DeployError as unwritten:
            warn(str(unwritten))


def _send(instance: Instance, text: Message, host: str) -> tuple[list[str], bool]:
    """What went wrong, and whether anybody was told."""
    desired = instance.notifications
    ways: list[Callable[[], list[str]]] = []
    if desired.mail != "none":

        def by_mail() -> list[str]:
            mail.send(instance, text, host)
            return []

        ways.append(by_mail)
    if desired.apprise_file is not None:
        path: Path = desired.apprise_file
        ways.append(lambda: services.send(path, text))
    problems: list[str] = []
    delivered = False
    for way in ways:
        try:
            problems += way()
            delivered = True
        except DeployError as error:
            problems.append(f"{error}. {error.hint}".rstrip(". "))
        except Exception as error:
            # Whatever a mail library or a service's plugin comes up with: the operation is done.
            problems.append(f"{type(error).__name__}: {error}")
    return problems, delivered

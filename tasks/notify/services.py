"""Any service that apprise knows: the addresses are in a file that only its owner reads."""

from __future__ import annotations

import logging
from pathlib import Path

from tasks.errors import NetworkError, ResourceError, UsageError
from tasks.model.redaction import protect
from tasks.notify.message import Message
from tasks.secret import Secret

KINDS = {"failure": "failure", "recovery": "success", "success": "info"}
"""apprise's own word for each kind of message."""


def addresses(path: Path) -> list[tuple[int, Secret[str]]]:
    """Line number and address of each service. Raises ResourceError for an unreadable file."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(f"{path} cannot be read: {error}") from error
    found = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    return [(number, Secret(line)) for number, line in found if line and line[0] != "#"]


def send(path: Path, message: Message) -> list[str]:
    """Tell every service. Returns what went wrong, a line each; none of it names an address.

    Raises NetworkError where no service was told.
    """
    import apprise

    # It says what it does to loggers of its own, addresses among it.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    problems = []
    notified = 0
    for number, address in addresses(path):
        protect(address)
        service = apprise.Apprise()
        where = f"{path}:{number}"
        if not service.add(address.reveal()):
            problems.append(f"{where}: is no address that apprise knows")
        elif not service.notify(
            title=message.title, body=message.body, notify_type=KINDS[message.kind]
        ):
            problems.append(f"{where}: the service did not take it")
        else:
            notified += 1
    if not notified:
        if not problems:
            raise UsageError(f"{path} holds no address")
        raise NetworkError("; ".join(problems))
    return problems

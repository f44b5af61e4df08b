"""The users of an instance: listed, added, changed and deleted by the application's own commands.

A user is looked for by name in the application's own list, and named to it by id: a name that is a
number, or begins with a hyphen, would be taken for something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.errors import DeployError, ResourceError, UsageError
from tasks.model.redaction import protect, protected, redact
from tasks.secret import Secret
from tasks.workflows.application import AtWork, Ran
from tasks.workflows.passwords import typed_twice
from tasks.workflows.user_table import User, last_message, parse_table

ADMIN_SINCE = (2, 4)
"""Before, the application knows no administrators."""

LOGS_APART = ("VIKUNJA_LOG_ENABLED=true", "VIKUNJA_LOG_STANDARD=stderr", "VIKUNJA_LOG_LEVEL=INFO")
"""What goes wrong is in its log: kept, and apart from what it prints."""

ACTIVE, DISABLED, UNCONFIRMED = "Active", "Disabled", "Email Confirmation required"
"""The application's words for a user's status."""


def list_users(work: AtWork) -> tuple[User, ...]:
    done = _run(work, ["user", "list"], "users cannot be listed")
    return parse_table(done.output.decode(errors="replace"))


def add(work: AtWork, name: str, email: str, password: Secret[str], *, admin: bool = False) -> User:
    """Raises UsageError where the version that serves knows no administrators, DeployError for
    what the application says against it."""
    if admin:
        refuse_admin(work.program.version, work.instance.id)
    work.note(f"adds user {name} ({email})" + (", an administrator" if admin else ""))
    words = ["user", "create", f"--username={name}", f"--email={email}"]
    _run(work, words, f"{name} was not added", password)
    user = find(list_users(work), name, work.instance.id)
    if admin:
        what = f"{name} was added, and is no administrator"
        _run(work, ["user", "set-admin", "--admin", str(user.id)], what)
    return user


def reset_password(work: AtWork, name: str, password: Secret[str]) -> User:
    """Raises UsageError for a user who has none here."""
    user = _found(work, name)
    if user.issuer not in ("", "local"):
        raise UsageError(
            f"{name} has no password here, but logs in by {user.issuer}",
            where=work.instance.id,
            hint="Change it there.",
        )
    work.note(f"gives user {name} another password")
    words = ["user", "reset-password", "--direct", str(user.id)]
    _run(work, words, f"{name} has the password of before", password)
    return user


def change_status(work: AtWork, name: str, *, enable: bool) -> User:
    """Returns the user as it is then."""
    user = _found(work, name)
    work.note(f"{'enables' if enable else 'disables'} user {name}")
    flag = "--enable" if enable else "--disable"
    _run(work, ["user", "change-status", flag, str(user.id)], f"{name} is as before")
    now = find(list_users(work), name, work.instance.id)
    if now.status != (ACTIVE if enable else DISABLED):
        raise DeployError(f"{name} is {now.status!r} all the same", where=work.instance.id)
    return now


def delete(work: AtWork, name: str, *, now: bool) -> User:
    """now: at once; else the application asks the user by mail. Returns who it was."""
    user = _found(work, name)
    work.note(f"deletes user {name}" if now else f"lets user {name} be asked whether to go")
    flags = ["--now", "--confirm"] if now else []
    _run(work, ["user", "delete", *flags, str(user.id)], f"{name} was not deleted")
    return user


def refuse_admin(version: str, where: str) -> None:
    """Raise UsageError where this version knows no administrators. What is no release's version
    is left to the application."""
    found = re.match(r"v?(\d+)\.(\d+)\.", version)
    if found is not None and (int(found[1]), int(found[2])) < ADMIN_SINCE:
        since = ".".join(map(str, ADMIN_SINCE))
        raise UsageError(
            f"--admin needs Vikunja {since}.0 or newer; {version} serves",
            where=where,
            hint="Leave it out: before, nobody is above the others.",
        )


def find(users: Sequence[User], name: str, where: str) -> User:
    """The user of this name. Raises ResourceError."""
    for user in users:
        if user.username == name:
            return user
    from tasks.config.suggest import nearest

    near = nearest(name, [user.username for user in users])
    meant = f"Did you mean {near}? " if near else ""
    raise ResourceError(
        f"there is no user {name!r}",
        where=where,
        hint=f"{meant}./doit user {where} list shows all.",
    )


def _found(work: AtWork, name: str) -> User:
    return find(list_users(work), name, work.instance.id)


def _run(work: AtWork, words: Sequence[str], what: str, password: Secret[str] | None = None) -> Ran:
    """Run it, with the password typed at its prompt. Raises DeployError saying what, and why."""
    if password is None:
        done = work.run(words, settings=LOGS_APART)
    else:
        protect(password)
        done = work.run(words, form="silent", settings=LOGS_APART, stdin=typed_twice(password))
    if done.code != 0:
        # At a terminal all that it says comes as one.
        said = done.errors if password is None else done.output
        why = redact(last_message(said), protected())
        failure = DeployError(f"{what}: {why}", where=work.instance.id)
        if words[1] != "list":
            work.log.write("ERROR", str(failure))
        raise failure
    return done

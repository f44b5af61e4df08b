"""`user`: who may log in: listed, added, changed and deleted by the application's own commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tasks.commands.base import (
    JSON_OPTION,
    WAIT_OPTION,
    YES_OPTION,
    DeployCommand,
    load,
    named,
    only,
    option,
)
from tasks.errors import CancelledError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.secret import Secret
    from tasks.workflows.application import AtWork
    from tasks.workflows.user_table import User

HEADERS = ("ID", "NAME", "EMAIL", "STATUS", "SINCE")
VERBS = ("list", "add", "reset-password", "enable", "disable", "delete")
TAKES = {"email": "add", "admin": "add", "now": "delete", "yes": "delete"}
"""Options that only one verb takes."""


class People(DeployCommand):
    name = "user"
    doc_purpose = "list, add, change and delete users"
    doc_usage = "[ID] list | VERB NAME"
    needs_root = True
    options = (
        option("email", str, "", "address of who is added"),
        option("admin", bool, False, "who is added becomes an administrator; Vikunja 2.4 on"),
        option("password_stdin", bool, False, "read the password from stdin, not from a terminal"),
        option("now", bool, False, "delete at once; else Vikunja asks the user by mail"),
        YES_OPTION,
        WAIT_OPTION,
        JSON_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.paths import host_paths
        from tasks.workflows.application import at_work

        ids = [word for word in arguments[:1] if word not in VERBS]
        instance, verb, name = meant(load(options, ids), arguments)
        refuse_options(verb, options)
        password = password_for(verb, options)
        if verb == "delete":
            refuse_unaskable(instance, options)
            confirm(name, options)
        with at_work(
            instance, host_paths(), "user", wait_seconds=options["wait"], warn=console.warning
        ) as work:
            users = done(work, verb, name, options, password)
        report(instance, verb, users, options)
        return 0


def meant(instances: Sequence[Instance], arguments: Sequence[str]) -> tuple[Instance, str, str]:
    """The instance, the verb and the name, which is empty for `list`. Raises UsageError."""
    words = list(arguments)
    known = {instance.id for instance in instances}
    ids = [words.pop(0)] if words and (words[0] in known or words[0] not in VERBS) else []
    instance = only(instances, ids, "user")
    verb, *names = words or [""]
    if verb not in VERBS:
        from tasks.config.suggest import nearest

        near = nearest(verb, VERBS)
        raise UsageError(
            f"user {verb!r}: no such thing can be done" if verb else "user: what is to be done?",
            hint=f"Did you mean {near}?" if near else f"One of {', '.join(VERBS)}.",
        )
    if len(names) != (0 if verb == "list" else 1):
        typed = "user ID list" if verb == "list" else f"user ID {verb} NAME"
        raise UsageError(
            f"user {verb} takes {'no' if verb == 'list' else 'one'} name", hint=f"./doit {typed}"
        )
    return instance, verb, "".join(names)


def refuse_options(verb: str, options: Mapping[str, Any]) -> None:
    """Raise UsageError for what this verb does not take, or lacks."""
    wrong = [name for name, owner in TAKES.items() if options[name] and owner != verb]
    if options["password_stdin"] and verb not in ("add", "reset-password"):
        wrong.append("password-stdin")
    if wrong:
        raise UsageError(f"user {verb} takes no --{wrong[0]}")
    if verb == "add" and not options["email"]:
        raise UsageError("user add needs --email", hint="./doit user ID add NAME --email E")


def password_for(verb: str, options: Mapping[str, Any]) -> Secret[str] | None:
    """The password that the verb needs, from stdin or a terminal. Raises UsageError."""
    if verb not in ("add", "reset-password"):
        return None
    from tasks.workflows.passwords import password_of

    if options["password_stdin"]:
        return password_of(sys.stdin.buffer.read())
    if not console.interactive():
        raise UsageError(
            f"user {verb} asks for the password at a terminal, and there is none",
            hint="Give it with --password-stdin, from a file or a password manager.",
        )
    first = password_of(console.ask_secret("Password: "))
    if first != password_of(console.ask_secret("The same again: ")):
        raise UsageError("the two passwords differ; nothing was changed")
    return first


def refuse_unaskable(instance: Instance, options: Mapping[str, Any]) -> None:
    """Raise UsageError where the application would ask by a mail that it does not send."""
    if not options["now"] and not instance.vikunja.sends_mail:
        raise UsageError(
            "without --now Vikunja asks the user by mail, and its mailer is off",
            where=instance.id,
            hint="Delete at once: --now. Or name a mail server in vikunja.mailer.",
        )


def confirm(name: str, options: Mapping[str, Any]) -> None:
    """Ask whether the user is to go. Raises CancelledError; UsageError where nobody is there."""
    if options["yes"]:
        return
    if not console.interactive():
        raise UsageError("user delete needs --yes where nobody can be asked")
    when = "now, for good" if options["now"] else "three days after the user has agreed to it"
    console.note(
        f"{name} goes {when}, with every project that is shared with nobody else and all its tasks."
    )
    if console.ask(f"Delete {name}? [y/N] ").lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed")


def done(
    work: AtWork, verb: str, name: str, options: Mapping[str, Any], password: Secret[str] | None
) -> tuple[User, ...]:
    """Do it. Returns whom it was done to; of `list` all."""
    from tasks.workflows import people

    if verb == "list":
        return people.list_users(work)
    if verb == "add":
        assert password is not None
        return (people.add(work, name, options["email"], password, admin=options["admin"]),)
    if verb == "reset-password":
        assert password is not None
        return (people.reset_password(work, name, password),)
    if verb == "delete":
        return (people.delete(work, name, now=options["now"]),)
    return (people.change_status(work, name, enable=verb == "enable"),)


def report(
    instance: Instance, verb: str, users: Sequence[User], options: Mapping[str, Any]
) -> None:
    if options["json"]:
        found = msgspec.to_builtins(users)
        console.result(
            json.dumps(found if verb == "list" else found[0], indent=2, ensure_ascii=False)
        )
    elif verb == "list":
        show(instance, users)
    else:
        say(instance, verb, users[0], options)


def show(instance: Instance, users: Sequence[User]) -> None:
    from tasks.output.columns import columns

    if not users:
        console.note(f"{instance.id}: nobody yet: ./doit user {named(instance)} add NAME --email E")
        return
    rows = [[str(user.id), user.username, user.email, user.status, user.created] for user in users]
    less = ("SINCE", "ID")
    console.result(columns(rows, HEADERS, width=console.width(), less=less))


SAID: Mapping[str, Callable[[str], str]] = {
    "add": lambda name: f"{name} can log in",
    "reset-password": lambda name: f"{name} has another password",
    "enable": lambda name: f"{name} can log in again",
    "disable": lambda name: f"{name} cannot log in any more",
}


def say(instance: Instance, verb: str, user: User, options: Mapping[str, Any]) -> None:
    from tasks.workflows.people import UNCONFIRMED

    name, url = user.username, instance.public_url
    if verb == "delete":
        how = "is gone" if options["now"] else f"is asked by mail to {user.email}"
        console.result(f"{instance.id}: {name} {how}")
    elif verb == "add" and user.status == UNCONFIRMED:
        console.result(f"{instance.id}: {name} is asked to confirm {user.email}")
        console.note(f"Without that: ./doit user {instance.id} enable {name}")
    elif verb == "add" and not instance.vikunja.takes_passwords:
        console.result(f"{instance.id}: {name} is added, and cannot log in by a password")
        console.note("vikunja.auth.local has switched that off")
    else:
        console.result(f"{instance.id}: {SAID[verb](name)}: {url}")

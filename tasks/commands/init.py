"""`./doit init`: asks what is needed and writes a commented configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.commands.base import DeployCommand, caller_folder, option
from tasks.errors import CancelledError, ConfigError, Problem, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.config.interview import Question

MOST_TRIES = 5


class Init(DeployCommand):
    doc_purpose = "write a commented config.yaml"
    doc_usage = ""
    doc_description = (
        "Asks on a terminal for what is not given by options. Without a terminal, or where all "
        "that is needed is given, it asks nothing: --ip-address, --domain and --email are needed, "
        "outside of Proxmox VE with --driver proxmox also --node, --connection, --host and, for "
        "https, --token-file, and with --database-host --database-password-file."
    )
    options = (
        option("output", str, "config.yaml", "the file to write", short="o"),
        option("force", bool, False, "overwrite it", short="f"),
        option("instance_id", str, "", "name of the instance [vikunja-main]"),
        option("driver", str, "", "proxmox or lxc [proxmox on a Proxmox VE node, else lxc]"),
        option(
            "connection", str, "", "how Proxmox VE is reached: https, openssh [local on a node]"
        ),
        option("host", str, "", "name or address of a node, for https and openssh"),
        option("ssh_user", str, "", "user of ssh there [root]"),
        option("token_file", str, "", "file with the API token, for https"),
        option("fingerprint", str, "", "of its certificate [an authority speaks for it]"),
        option("node", str, "", "Proxmox node [this one]"),
        option("ip_address", str, "", "address of the container with its prefix length"),
        option("gateway", str, "", "gateway [first address of the subnet]"),
        option("domain", str, "", "domain of the site"),
        option("email", str, "", "e-mail address of the administrator"),
        option("database", str, "", "sqlite, postgresql or mysql [sqlite]"),
        option("database_host", str, "", "server of the database [in the container]"),
        option("database_user", str, "", "user on that server [vikunja]"),
        option("database_password_file", str, "", "file with that user's password"),
        option("source", str, "", "release, as published, or git, built [release]"),
        option("release", str, "", "stable follows the newest; v2.5.0 is that one [stable]"),
        option("repository", str, "", "git repository to build [Vikunja's own]"),
        option("branch", str, "", "branch or tag of it [main]"),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.config.interview import absolute, document, questions
        from tasks.config.sample import commented
        from tasks.containers.drivers import proposed
        from tasks.host.files import write_atomically

        if arguments:
            raise UsageError(
                f"init takes no arguments: {' '.join(arguments)}",
                hint="Another file than config.yaml is --output FILE",
            )
        output = caller_folder() / options["output"]
        refuse_existing(output, options["force"])
        asked = questions(proposed(), os.uname().nodename.partition(".")[0])
        given = {
            question.option: absolute(question.option, options[question.option], caller_folder())
            for question in asked
            if options[question.option]
        }
        if {"repository", "branch"} & given.keys():
            given.setdefault("source", "git")
        answers = answer(asked, given, output, ask=console.interactive())
        text = commented(document(asked, answers), schema_for(output))
        refuse_existing(output, options["force"])
        write_atomically(output, text.encode())
        console.result(str(output))
        named = named_by(output, options["output"])
        console.note(f"Next: ./doit check{named}, then ./doit plan{named}")
        return 0


def named_by(output: Path, typed: str) -> str:
    """How the next commands are to be told of the file; nothing where they find it themselves."""
    from tasks.config import find_configuration

    try:
        found = find_configuration(None, caller_folder(), os.environ)
    except UsageError:
        found = ()
    return "" if output in found else f" --config {typed}"


def refuse_existing(output: Path, force: bool) -> None:
    from tasks.host.files import named

    with named(output, "cannot be written"):
        is_folder, exists = output.is_dir(), output.exists() or output.is_symlink()
    if is_folder:
        raise UsageError(
            "is a folder", where=str(output), hint="Name a file in it: --output FOLDER/NAME.yaml"
        )
    if exists and not force:
        raise UsageError(
            "exists already",
            where=str(output),
            hint="--force overwrites it, --output FILE writes another one",
        )


def answer(
    asked: tuple[Question, ...], given: Mapping[str, str], output: Path, *, ask: bool
) -> dict[str, str]:
    """The answers by option name: given ones, then those of the terminal, then the defaults.

    ask: whether somebody can be asked; nobody is where all that is needed is given.
    Raises UsageError with all that is missing, ConfigError with all that is wrong.
    """
    answers: dict[str, str] = {}
    missing: list[Question] = []
    for question in asked:
        wanted = question.wanted(answers)
        value = given.get(question.option) or (question.default(answers) if wanted else "")
        if value:
            answers[question.option] = value
        elif wanted and not question.optional:
            missing.append(question)
    refuse_wrong(asked, answers, output)
    refuse_unwanted(asked, answers)
    if not missing:
        return answers
    if not ask:
        raise UsageError(
            f"{listed([question.flag for question in missing])} must be given",
            hint="Give them as options, or run ./doit init on a terminal, where it asks",
        )
    return interview(asked, given, output)


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`"""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def refuse_unwanted(asked: tuple[Question, ...], answers: Mapping[str, str]) -> None:
    for question in asked:
        if question.option in answers and not question.wanted(answers):
            raise UsageError(
                "does not go with the other options",
                where=question.flag,
                hint="--node and --connection are for --driver proxmox; --host and --ssh-user for "
                "--connection https or openssh, --token-file and --fingerprint for https; "
                "--database-host is for a database other than sqlite, its user and password file "
                "are for --database-host; --release is for --source release, --repository and "
                "--branch are for --source git",
            )


def refuse_wrong(asked: tuple[Question, ...], answers: Mapping[str, str], output: Path) -> None:
    from tasks.config.interview import problems

    found = [
        Problem(question.flag, 0, "", problem.what, problem.hint)
        for question, problem in problems(asked, answers, output)
    ]
    if found:
        raise ConfigError(found)


def interview(
    asked: tuple[Question, ...], given: Mapping[str, str], output: Path
) -> dict[str, str]:
    """Asks for what is not given, in order, each until its answer is right."""
    answers: dict[str, str] = {}
    for question in asked:
        if question.option in given:
            answers[question.option] = given[question.option]
        elif (
            question.asked
            and question.wanted(answers)
            and (value := ask_for(question, asked, answers, output))
        ):
            answers[question.option] = value
    # What was given is only judged together with what was answered before and after it.
    refuse_wrong(asked, answers, output)
    refuse_unwanted(asked, answers)
    return answers


def ask_for(
    question: Question, asked: tuple[Question, ...], answers: Mapping[str, str], output: Path
) -> str:
    from tasks.config.interview import absolute, problems

    default = question.default(answers) or question.suggestion(answers)
    for _ in range(MOST_TRIES):
        value = console.ask(f"{question.text}{f' [{default}]' if default else ''}: ") or default
        if not value:
            if question.optional:
                return ""
            console.note("  An answer is needed.")
            continue
        value = absolute(question.option, value, caller_folder())
        found = [
            problem
            for wrong, problem in problems(asked, {**answers, question.option: value}, output)
            if wrong is question
        ]
        if not found:
            return value
        for problem in found:
            console.note(f"  {problem.what}")
            if problem.hint:
                console.note(f"  {problem.hint}")
    raise CancelledError(
        "no usable answer, nothing was written",
        hint=f"{question.flag} gives it as an option",
    )


def schema_for(output: Path) -> str:
    """Where editors find the schema, seen from the file."""
    from tasks.paths import CONFIG_SCHEMA, ROOT

    folder = output.absolute().parent
    if folder.is_relative_to(ROOT):
        return os.path.relpath(CONFIG_SCHEMA, folder)
    return str(CONFIG_SCHEMA)

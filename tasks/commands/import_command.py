"""`import`: a configuration for an installation of Vikunja that was made otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.commands.base import (
    PROGRESS_OPTION,
    WAIT_OPTION,
    YES_OPTION,
    DeployCommand,
    caller_folder,
    option,
)
from tasks.commands.init import Init, answer, named_by, refuse_existing, schema_for
from tasks.errors import UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.config.interview import Question
    from tasks.imports.found import Found

_DECIDED = (
    "output",
    "force",
    "database",
    "database_host",
    "database_user",
    "database_password_file",
)
"""Options of init that the installation decides, or that are called otherwise here."""


class Import(DeployCommand):
    name = "import"
    doc_purpose = "move in from a Vikunja that was installed otherwise"
    doc_usage = "[ID] --from SOURCE"
    changes = True
    doc_description = "It looks, and changes nothing where it looks."
    options = (
        option("from", str, "", "container:NAME, ssh:USER@HOST[:PORT], folder:PATH or dump:FILE"),
        option("to", str, "config.yaml", "the file to write; secrets go into files beside it"),
        option("force", bool, False, "overwrite it", short="f"),
        option("unit", str, "", "which one, where several are there"),
        option("data", bool, False, "bring its data into an instance that is there"),
        option("stop_source", bool, False, "with --data: stop its unit [you do when asked]"),
        WAIT_OPTION,
        PROGRESS_OPTION,
        YES_OPTION,
        *(one for one in Init.options if one["name"] not in _DECIDED),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.config.interview import document
        from tasks.host.caller import require_root
        from tasks.imports.document import secrets_folder, write_configuration
        from tasks.imports.place import place
        from tasks.imports.report import found_lines, unplaced_lines
        from tasks.imports.sources import look_at, split
        from tasks.paths import host_paths

        kind, _ = split(options["from"])
        if options["data"]:
            from tasks.commands.import_data import bring

            require_root(self.name, self.name)
            return bring(options, arguments)
        if arguments:
            raise UsageError(
                f"import takes no arguments: {' '.join(arguments)}",
                hint="With --data it takes the instance that the data is brought into.",
            )
        if kind == "container":
            require_root(self.name, self.name)
        output = caller_folder() / options["to"]
        refuse_taken(output, options["force"])
        found = look_at(options["from"], caller_folder(), host_paths(), options["unit"])
        for line in found_lines(found):
            console.note(line)
        asked, answers = ask(found, options, output)
        placed = place(found, document(asked, answers), answers["instance_id"])
        refuse_taken(output, options["force"])
        secrets = write_configuration(placed, output, schema_for(output))
        console.result(str(output))
        if secrets:
            console.note(f"Secrets: {secrets_folder(output)}: {', '.join(secrets)}")
        for line in unplaced_lines(placed):
            console.note(line)
        named = named_by(output, options["to"])
        console.note(f"Next: ./doit check{named}, then ./doit apply{named}")
        console.note(
            f"Then its data: ./doit import{named} {answers['instance_id']} --data --from "
            f"{options['from']}"
        )
        return 0


def ask(
    found: Found, options: Mapping[str, Any], output: Path
) -> tuple[tuple[Question, ...], dict[str, str]]:
    """What the installation does not say: given by options, or asked for as init does."""
    from tasks.config.interview import absolute, questions
    from tasks.containers.drivers import proposed
    from tasks.imports.site import domain_of
    from tasks.model.instance import DHCP

    every = questions(proposed(), os.uname().nodename.partition(".")[0])
    asked = tuple(one for one in every if one.option not in _DECIDED)
    given = {
        one.option: absolute(one.option, options[one.option], caller_folder())
        for one in asked
        if options[one.option]
    }
    if {"repository", "branch"} & given.keys():
        given.setdefault("source", "git")
    if found.layout == "dump" and found.version and "source" not in given:
        # Its rows fit the tables of that version.
        given.setdefault("release", found.version)
    if domain := domain_of(found):
        given.setdefault("domain", domain)
    elif given.get("ip_address", DHCP) != DHCP:
        # Whose address was all that it had is opened at its address.
        given.setdefault("domain", given["ip_address"].partition("/")[0])
    return asked, answer(asked, given, output, ask=console.interactive())


def refuse_taken(output: Path, force: bool) -> None:
    from tasks.imports.document import is_taken, secrets_folder

    try:
        refuse_existing(output, force)
    except UsageError as failure:
        failure.hint = failure.hint.replace("--output", "--to")
        raise
    if is_taken(output) and not force:
        raise UsageError(
            "exists already, where its secrets would go",
            where=str(secrets_folder(output)),
            hint="--force writes into it, --to FILE.yaml takes another name",
        )

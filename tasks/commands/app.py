"""`app`: any of the application's own commands, but for those that have a command here."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.commands.base import WAIT_OPTION, DeployCommand, load, only
from tasks.errors import UsageError
from tasks.output import console

MOST_SECONDS = 86400.0

INSTEAD: Mapping[str, str] = {
    "web": "It is what serves: ./doit start, ./doit restart.",
    "dump": "It holds secrets in clear, and ends with 0 when it fails: ./doit backup.",
    "restore": "It empties the database first: ./doit restore.",
    "migrate": "What serves has migrated at its start; `migrate list` says what: ./doit apply.",
}
"""Commands that are refused, and what to type in their place."""

EXPOSED = ("-p", "--password")


class App(DeployCommand):
    name = "app"
    doc_purpose = "run one of the application's own commands, such as doctor"
    doc_usage = "[ID] -- COMMAND..."
    needs_root = True
    options = (WAIT_OPTION,)

    def parse_execute(self, in_args: list[str]) -> Any:
        from tasks.commands.base import as_typed

        typed = as_typed(in_args, self.name)
        at = typed.index("--") if "--" in typed else len(typed)
        self.words = typed[at + 1 :]
        return super().parse_execute(typed[:at])

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.host.terminal import lend
        from tasks.paths import host_paths
        from tasks.workflows.application import at_work

        instance = only(load(options, arguments), arguments, "app")
        refuse(self.words, instance.id)
        with at_work(
            instance, host_paths(), "app", wait_seconds=options["wait"], warn=console.warning
        ) as work:
            # Whatever else was typed may be secret.
            work.note(f"runs the application's {self.words[0]}")
            with lend() as lent:
                size = lent.size
                ran = work.run(
                    self.words,
                    form=f"{size[0]}x{size[1]}" if size else "plain",
                    stdin=lent.stdin,
                    stdout=lent.stdout,
                    timeout=MOST_SECONDS,
                )
        sys.stderr.buffer.write(ran.errors)
        sys.stderr.flush()
        return ran.code


def refuse(words: Sequence[str], where: str) -> None:
    """Raise UsageError for what migrates or replaces data, or serves, and for a password that
    everybody would see."""
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        raise UsageError(
            "app needs a command of the application, behind --",
            hint=f"./doit app {where} -- doctor. Without one it would serve.",
        )
    if words[0] in INSTEAD and list(words[:2]) != ["migrate", "list"]:
        raise UsageError(f"app does not run the application's {words[0]}", hint=INSTEAD[words[0]])
    if words[0] == "user" and any(word.startswith(EXPOSED) for word in words[1:]):
        raise UsageError(
            f"{EXPOSED[0]} puts a password where everybody on the machine reads it",
            hint=f"./doit user {where} add NAME --email E asks for it, or takes --password-stdin",
        )

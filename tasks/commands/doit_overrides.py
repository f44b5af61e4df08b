"""doit's own commands `help` and `run`, where their words would be unclear to who knows only ours.

`run` is what doit takes every first word for that is no command: a mistyped one ends there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from doit.cmd_base import DoitCmdBase
from doit.cmd_help import Help as DoitHelp
from doit.cmd_run import Run as DoitRun
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand

from tasks.commands import usage
from tasks.errors import CancelledError, DeployError, UsageError
from tasks.host.caller import prepare
from tasks.output import console

if TYPE_CHECKING:
    from tasks.engine.session import Session

LISTS = "./doit help lists the commands, ./doit list the steps."


class Help(DoitHelp):  # type: ignore[misc]
    doc_purpose = "show all commands, or one"

    def execute(self, params: Any, args: list[str]) -> int:
        prepare()
        if len(args) == 1 and args[0] not in (*self.cmds, "task"):
            # doit answers what is neither command nor step with all commands, and with 0.
            found = DoitCmdBase.execute(self, params, args)
            return 0 if found else refuse(args[0], self.cmds)
        result: int = super().execute(params, args)
        return result

    def print_usage(self, cmds: Any) -> None:
        console.result(usage.overview({name: kind.doc_purpose for name, kind in cmds.items()}))


class Run(DoitRun):  # type: ignore[misc]
    def parse_execute(self, in_args: list[str]) -> Any:
        prepare()
        try:
            return super().parse_execute(in_args)
        except InvalidCommand as failure:
            known = [name for names in usage.GROUPS.values() for name in names]
            return refuse(str(failure.not_found or failure), known)
        except CmdParseError:
            given = [word.partition("=")[0] for word in in_args if word.startswith("-")]
            unknown = [word for word in given if self.cmdparser.get_option(word)[0] is None]
            wrong = (unknown or given or ["this"])[0]
            return refused(
                f"{wrong} cannot stand here",
                f"Options stand behind their command: ./doit COMMAND {wrong} … {LISTS}",
            )

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the steps. The exit code is that of the first instance that failed, as an apply's."""
        interrupted = False
        code = DeployError.exit_code
        try:
            code = super().execute(params, args)
        except KeyboardInterrupt:
            console.clear_interrupt()
            interrupted = True
        session: Session | None = params.get("session")
        if session is None:
            return code
        if interrupted:
            session.cancel()
        session.close()
        failures = [run.failure for run in session.runs.values() if run.failure is not None]
        if interrupted and not any(isinstance(one, CancelledError) for one in failures):
            failures.append(CancelledError("cancelled"))
        for failure in failures:
            console.error(failure)
        # What doit calls an error would be changes that are pending.
        return failures[0].exit_code if failures else min(code, DeployError.exit_code)


def refuse(word: str, known: Iterable[str]) -> int:
    """Say that it is no command; the exit code."""
    from tasks.config.suggest import nearest

    near = nearest(word, known)
    meant = f"Did you mean {near}? " if near else ""
    return refused(f"{word!r} is no command and no step", f"{meant}{LISTS}")


def refused(what: str, hint: str) -> int:
    failure = UsageError(what, hint=hint)
    console.error(failure)
    return failure.exit_code

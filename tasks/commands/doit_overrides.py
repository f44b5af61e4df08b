"""doit's own commands, in our words, and for a configuration that is named.

`run` is what doit takes every first word for that is no command: a mistyped one ends there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

from doit.cmd_base import DoitCmdBase, check_tasks_exist
from doit.cmd_clean import Clean as DoitClean
from doit.cmd_dumpdb import DumpDB as DoitDumpDB
from doit.cmd_forget import Forget as DoitForget
from doit.cmd_help import Help as DoitHelp
from doit.cmd_ignore import Ignore as DoitIgnore
from doit.cmd_info import Info as DoitInfo
from doit.cmd_list import List as DoitList
from doit.cmd_resetdep import ResetDep as DoitResetDep
from doit.cmd_run import Run as DoitRun
from doit.cmd_strace import Strace as DoitStrace
from doit.cmdparse import CmdOption
from doit.exceptions import InvalidCommand

from tasks.commands import usage
from tasks.commands.base import CONFIG_OPTION, caller_folder, options_first
from tasks.errors import CancelledError, DeployError, UsageError
from tasks.host.caller import prepare
from tasks.output import console

if TYPE_CHECKING:
    from tasks.engine.session import Session

LISTS = "./doit help lists the commands, ./doit list the steps."


class _OfSteps(DoitCmdBase):  # type: ignore[misc]
    """A command of doit's: options may stand behind steps, one of them names the configuration,
    and what cannot be is said in two lines."""

    def get_options(self) -> list[CmdOption]:
        options: list[CmdOption] = super().get_options()
        taken = {option.short for option in options}
        short = "" if CONFIG_OPTION["short"] in taken else CONFIG_OPTION["short"]
        return [*options, CmdOption({**CONFIG_OPTION, "short": short})]

    def parse_execute(self, in_args: list[str]) -> Any:
        prepare()
        try:
            arguments = options_first(in_args, self.cmdparser, self.name)
            if arguments is None:
                console.result(self.help())
                return 0
            return super().parse_execute(arguments)
        except UsageError as failure:
            console.error(failure)
            return failure.exit_code
        except InvalidCommand as failure:
            return self.refuse(failure)

    def execute(self, params: Any, args: list[str]) -> Any:
        self.name_configuration(params)
        return super().execute(params, args)

    def name_configuration(self, params: Any) -> None:
        """For dodo.py, which doit loads next. UsageError where it is not there."""
        if params["config"]:
            from tasks.config import CONFIG_VARIABLE, find_configuration

            find_configuration(params["config"], caller_folder(), os.environ)
            os.environ[CONFIG_VARIABLE] = str(caller_folder() / params["config"])

    def refuse(self, failure: InvalidCommand) -> int:
        words = [word for word in self.sel_tasks or () if repr(word) in str(failure)]
        if failure.not_found or words:
            steps = [task.name for task in self.task_list or ()]
            return refuse(failure.not_found or words[0], [*known_commands(), *steps])
        return refused(
            str(failure).partition("\n")[0], f"./doit help {self.name} shows what it takes."
        )


class List(_OfSteps, DoitList):  # type: ignore[misc]
    pass


class Clean(_OfSteps, DoitClean):  # type: ignore[misc]
    pass


class Forget(_OfSteps, DoitForget):  # type: ignore[misc]
    pass


class Ignore(_OfSteps, DoitIgnore):  # type: ignore[misc]
    pass


class ResetDep(_OfSteps, DoitResetDep):  # type: ignore[misc]
    pass


class Info(_OfSteps, DoitInfo):  # type: ignore[misc]
    def _execute(self, pos_args: list[str], hide_status: bool = False) -> Any:
        check_tasks_exist({task.name for task in self.task_list}, pos_args)
        return super()._execute(pos_args, hide_status)


class Strace(_OfSteps, DoitStrace):  # type: ignore[misc]
    pass


class DumpDB(DoitDumpDB):  # type: ignore[misc]
    def parse_execute(self, in_args: list[str]) -> int:
        from tasks.engine.dodo import database_path

        return refused(
            "dumpdb reads another kind of database", f"sqlite3 {database_path()} .dump shows it."
        )


class Help(_OfSteps, DoitHelp):  # type: ignore[misc]
    doc_purpose = "show all commands, or one"

    def execute(self, params: Any, args: list[str]) -> int:
        if len(args) == 1 and args[0] not in (*self.cmds, "task"):
            # doit answers what is neither command nor step with all commands, and with 0.
            self.name_configuration(params)
            found = DoitCmdBase.execute(self, params, args)
            return 0 if found else refuse(args[0], self.cmds)
        result: int = super().execute(params, args)
        return result

    def print_usage(self, cmds: Any) -> None:
        console.result(usage.overview({name: kind.doc_purpose for name, kind in cmds.items()}))


class Run(_OfSteps, DoitRun):  # type: ignore[misc]
    def parse_execute(self, in_args: list[str]) -> Any:
        first = next((word for word in in_args if word in known_commands()), None)
        if first and in_args[0].startswith("-"):
            option = in_args[0].partition("=")[0]
            return refused(
                f"{option} cannot stand here",
                f"Options stand behind their command: ./doit {first} {option} … {LISTS}",
            )
        return super().parse_execute(in_args)

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the steps. The exit code is that of the first instance that failed, as an apply's."""
        self._params = params
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

    @wraps(DoitRun._execute)
    def _execute(self, **options: Any) -> Any:
        """Run them, once doit has read dodo.py: its session is told which, and how to show them."""
        session: Session | None = self._params.get("session")
        if session is None:
            return super()._execute(**options)
        from tasks.engine.instance_run import chosen_steps
        from tasks.output.show_progress import show_progress

        session.steps = chosen_steps(self.sel_tasks, alone=options["single"])
        if not session.steps:
            return super()._execute(**options)
        with show_progress(lines=True) as session.progress:
            if sys.stdout.isatty():
                # What writes above the bar.
                options["outfile"] = sys.stdout
            return super()._execute(**options)


def known_commands() -> list[str]:
    """Ours."""
    return [name for names in usage.GROUPS.values() for name in names]


def refuse(word: str, known: Iterable[str]) -> int:
    """Say that it is no command, and no step of a configured instance; the exit code."""
    from tasks.config.suggest import nearest
    from tasks.engine.dodo import configuration_files

    if ":" in word:
        try:
            configuration_files()
        except UsageError as failure:
            return refused(f"{word!r} is no step: there is {failure}", failure.hint)
    near = nearest(word, known)
    meant = f"Did you mean {near}? " if near else ""
    return refused(f"{word!r} is no command and no step", f"{meant}{LISTS}")


def refused(what: str, hint: str) -> int:
    failure = UsageError(what, hint=hint)
    console.error(failure)
    return failure.exit_code

"""What all commands share: exit codes, errors as lines, the options for finding instances."""

from __future__ import annotations

import gc
import getopt
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from doit.cmd_base import Command

from tasks.errors import CancelledError, ConfigError, DeployError, ResourceError, UsageError
from tasks.host.caller import prepare, require_root
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance

Option = dict[str, Any]

CHANGES_PENDING = 2
"""Exit code of a plan that is not empty, where that is asked for."""


def option(name: str, kind: type, default: Any, text: str, *, short: str = "") -> Option:
    """One command-line option in doit's form; `name` with hyphens is its long form."""
    return {
        "name": name,
        "long": name.replace("_", "-"),
        "short": short,
        "type": kind,
        "default": default,
        "help": text,
    }


CONFIG_OPTION = option("config", str, None, "a file, or a folder of *.yaml", short="c")
DEBUG_OPTION = option("debug", bool, False, "show tracebacks and details")
JSON_OPTION = option("json", bool, False, "one JSON document on stdout")
YES_OPTION = option("yes", bool, False, "do not ask", short="y")
WAIT_OPTION = option("wait", int, 0, "seconds to wait for an operation that is under way")
PROGRESS_OPTION = option("progress", bool, False, "a line for each step, also without a terminal")


class DeployCommand(Command):  # type: ignore[misc]
    """A command of ours: `perform` does the work, errors become lines and exit codes."""

    options: ClassVar[tuple[Option, ...]] = ()
    needs_root: ClassVar[bool] = False
    changes: ClassVar[bool] = False
    """Whether an instance may be another one after it: a plan shows what a cancelled one left."""
    left_out: ConfigError | None = None
    """What is wrong with files of the configuration that the rest goes on without."""

    def get_options(self) -> Any:
        self.cmd_options = (*self.options, CONFIG_OPTION, DEBUG_OPTION)
        return super().get_options()

    def parse_execute(self, in_args: list[str]) -> Any:
        prepare()
        try:
            arguments = options_first(as_typed(in_args, self.name), self.cmdparser, self.name)
            if arguments is None:
                console.result(self.help())
                return 0
            return super().parse_execute(arguments)
        except UsageError as failure:
            console.error(failure)
            return failure.exit_code

    def help(self) -> str:
        from tasks.commands import usage

        options = (*self.options, CONFIG_OPTION, DEBUG_OPTION)
        return usage.of_command(self.name, self.doc_usage, self.doc_purpose, options)

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        """Do it. options: by option name; arguments: the positional ones. Returns the exit code."""
        raise UsageError(f"{self.name} does nothing yet")

    def selected(self, options: Mapping[str, Any], ids: Sequence[str]) -> tuple[Instance, ...]:
        """The instances that are named, all of them where none is. A file that is wrong keeps
        nobody from the others: it is told at the end, with its exit code where none is named."""
        if ids:
            return select(load(options, ids), ids)
        instances, wrong = load_sound(options)
        if wrong is not None and not instances:
            raise wrong
        self.left_out = wrong
        return instances

    def execute(self, opt_values: Mapping[str, Any], pos_args: list[str]) -> int:
        self.left_out = None
        code = self._execute(opt_values, pos_args)
        if self.left_out is None:
            return code
        console.error(self.left_out)
        return code if code not in (0, CHANGES_PENDING) else self.left_out.exit_code

    def _execute(self, opt_values: Mapping[str, Any], pos_args: list[str]) -> int:
        # What a command makes it needs until its end: looking for what is not, at every 700 more
        # things, is a tenth of the time of a plan of many instances.
        gc.set_threshold(50_000)
        try:
            if self.needs_root:
                require_root(self.name, self.name)
            return self.perform(opt_values, pos_args)
        except KeyboardInterrupt:
            from tasks.containers.drivers import unfinished

            console.clear_interrupt()
            hint = "./doit plan shows what is left to do" if self.changes else ""
            console.error(CancelledError("cancelled", evidence=unfinished(), hint=hint))
            return CancelledError.exit_code
        except BrokenPipeError:
            # Whoever read stdout has gone; the interpreter must not fail on flushing it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 1
        except Exception as failure:
            if opt_values["debug"]:
                console.trace()
            if isinstance(failure, DeployError):
                if isinstance(failure.__cause__, KeyboardInterrupt):
                    console.clear_interrupt()
                console.error(failure)
                return failure.exit_code
            # Whatever it is, it is a fault of this program: no reason to show its insides.
            console.error(
                DeployError(
                    f"a fault in vikunja-deploy: {type(failure).__name__}: {failure}",
                    hint="Nothing is lost: ./doit plan tells how things are. Please report what"
                    f" ./doit {self.name} --debug prints.",
                )
            )
            return 1


def as_typed(arguments: Sequence[str], command: str, argv: Sequence[str] = ()) -> list[str]:
    """The arguments of the command with those that doit took away, as `a=b` sets a variable of it.

    A path may have such a name. argv: what was typed, the program's name first [this process's].
    """
    argv = argv or sys.argv
    typed = list(argv[argv.index(command) + 1 :]) if command in argv else []
    left = [word for word in typed if word[:1] == "-" or "=" not in word]
    return typed if left == list(arguments) else list(arguments)


def options_first(arguments: Sequence[str], parser: Any, command: str) -> list[str] | None:
    """The arguments with the options before all others: doit's parser stops at the first other.

    parser: doit's CmdParse. None where help is asked for. Raises UsageError for an option that the
    command does not have, one without the value that it needs, or with one of another kind.
    """
    short, long = parser.get_short() + "h", [*parser.get_long(), "help"]
    try:
        options, others = getopt.gnu_getopt(list(arguments), short, long)
    except getopt.GetoptError as error:
        from tasks.config.suggest import nearest

        near = nearest(error.opt, [name.rstrip("=") for name in long])
        meant = f"Did you mean --{near}? " if near and near != error.opt else ""
        raise UsageError(
            f"{command}: {error.msg}", hint=f"{meant}./doit help {command} shows what it takes."
        ) from None
    if any(name in ("-h", "--help") for name, _ in options):
        return None
    refuse_other_kinds(options, parser)
    valued = {f"--{name[:-1]}" for name in long if name.endswith("=")}
    valued |= {f"-{name[-1]}" for name in short.split(":")[:-1]}
    words = [word for name, value in options for word in (name, value)[: 1 + (name in valued)]]
    return [*words, "--", *others]


def refuse_other_kinds(options: Sequence[tuple[str, str]], parser: Any) -> None:
    """Raise UsageError where the value of a number's option is none."""
    numbers = {int: "a whole number", float: "a number"}
    for name, value in options:
        kind = parser.get_option(name)[0].type
        if kind in numbers:
            try:
                kind(value)
            except ValueError:
                raise UsageError(f"{name} {value}: {numbers[kind]} is needed") from None


def load(options: Mapping[str, Any], ids: Sequence[str] = ()) -> tuple[Instance, ...]:
    """The instances of the configuration that the options and the environment name.

    ids: the ones that are meant, where they are known. Raises ConfigError where any file is wrong,
    unless those that are meant are in others: then that is a warning.
    """
    instances, wrong = load_sound(options)
    if wrong is None:
        return instances
    if not ids or not {instance.id for instance in instances}.issuperset(ids):
        raise wrong
    for file, problems in itertools.groupby(wrong.problems, lambda problem: problem.file):
        console.warning(f"{file} is left out, problems: {len(list(problems))} (./doit check)")
    return instances


def load_sound(
    options: Mapping[str, Any],
) -> tuple[tuple[Instance, ...], ConfigError | None]:
    """The instances of files that nothing is wrong with, and what is wrong with the others."""
    from tasks.config import find_configuration
    from tasks.engine.instances import load_sound_watched

    files = find_configuration(options.get("config"), caller_folder(), os.environ)
    return load_sound_watched(files, console.warning)


def named(instance: Instance) -> str:
    """The id, as a command that somebody is told to type needs it: behind it --config and the file,
    where that is not found by itself."""
    from tasks.config import find_configuration

    try:
        found = find_configuration(None, caller_folder(), os.environ)
    except UsageError:
        found = ()
    return instance.id if instance.source in found else f"{instance.id} --config {shown(instance)}"


def shown(instance: Instance) -> str:
    """The file that an instance was read from, as the caller may type it."""
    path, here = instance.source, caller_folder()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def caller_folder() -> Path:
    """The folder that relative paths on the command line are relative to."""
    return Path.cwd()


def select(instances: Sequence[Instance], ids: Sequence[str]) -> tuple[Instance, ...]:
    """The instances named, in the configuration's order; all of them where none is named."""
    known = {instance.id: instance for instance in instances}
    for wanted in ids:
        if wanted not in known:
            names = ", ".join(known)
            raise ResourceError(
                f"no instance {wanted!r} in the configuration", hint=f"It has: {names}"
            )
    return tuple(known[name] for name in known if not ids or name in ids)


def only(instances: Sequence[Instance], ids: Sequence[str], command: str) -> Instance:
    """The one instance that a command works on: named, or the only one there is."""
    chosen = select(instances, ids)
    if len(chosen) != 1:
        names = ", ".join(instance.id for instance in chosen)
        raise UsageError(
            f"{command} works on one instance", hint=f"Name one: ./doit {command} ID, of {names}"
        )
    return chosen[0]

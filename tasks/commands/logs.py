"""`logs`: what the services of an instance, nginx and this tool wrote, put together by time."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.commands.base import DeployCommand, load, only, option
from tasks.errors import ResourceError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.containers.base import Container
    from tasks.logs.lines import Line
    from tasks.model.instance import Instance
    from tasks.paths import Paths

DEFAULT_LINES = 50
STYLES = ("cyan", "magenta", "blue", "yellow", "green", "red", "dim")


class Logs(DeployCommand):
    name = "logs"
    doc_purpose = "show the logs of an instance, in the order of their times"
    doc_usage = "[ID]"
    needs_root = True
    options = (
        option("component", list, [], "backend, mcp, nginx or deploy; may be repeated [all]"),
        option("follow", bool, False, "go on with what comes, until Ctrl-C", short="f"),
        option(
            "lines",
            int,
            None,
            "the newest so many of each log [50; with --since all]; 0 is all",
            short="n",
        ),
        option("since", str, None, "only what is younger: 30m, 2h, 1d, 10:30, 2025-10-19T10:30"),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.logs.lines import FIRST, parse_since
        from tasks.logs.reading import follow, past
        from tasks.logs.sources import chosen, sources
        from tasks.model.operation_log import utc_now
        from tasks.paths import host_paths

        components = chosen(options["component"])
        since = parse_since(options["since"], utc_now()) if options["since"] else FIRST
        newest = lines_wanted(options["lines"], bool(options["since"]))
        instance = only(load(options, arguments), arguments, "logs")
        paths = host_paths()
        wanted = sources(instance, components)
        container = running(instance, paths) if wanted else None
        deploy = (paths, instance.id) if "deploy" in components else None
        single = len({source.name for source in wanted}) + bool(deploy) == 1
        show = Shower(single)
        if options["follow"]:
            try:
                follow(container, wanted, deploy, since, newest, show)
            except KeyboardInterrupt:
                return 0
            return 0
        found = past(container, wanted, deploy, since, newest)
        for line in found:
            show(line)
        if not found:
            console.note("Nothing was written" + (" since then" if options["since"] else " yet"))
        return 0


def lines_wanted(lines: int | None, since: bool) -> int | None:
    """How many of each log; None is all. Raises UsageError."""
    if lines is None:
        return None if since else DEFAULT_LINES
    if lines < 0:
        raise UsageError(f"--lines {lines}: less than the minimum 0")
    return lines or None


def running(instance: Instance, paths: Paths) -> Container | None:
    """The instance's container; None, and a warning, where it does not run."""
    from tasks.containers import container_for
    from tasks.containers.base import refuse_foreign

    container = container_for(instance, paths)
    found = container.observe()
    refuse_foreign(instance.id, container.spec.name, found)
    if not found.exists and not paths.log(instance.id).exists():
        raise ResourceError(
            f"no instance {instance.id!r} on this host", hint=f"./doit apply {instance.id}"
        )
    if found.running:
        return container
    console.warning(
        f"{instance.id}: container {container.spec.name} does not run: only what this machine"
        " wrote is shown"
    )
    return None


class Shower:
    """Prints lines, each behind the name of its log unless there is only one."""

    def __init__(self, single: bool) -> None:
        self._single = single
        self._names: list[str] = []

    def __call__(self, line: Line) -> None:
        # What a client sent must not look like a style of ours either.
        text = console.safe(line.text)
        if self._single:
            console.result(text)
            return
        if line.log not in self._names:
            self._names.append(line.log)
        style = STYLES[self._names.index(line.log) % len(STYLES)]
        console.result(f"{console.styled(line.log.ljust(13), style, sys.stdout)} {text}")

"""The tables of options in docs/commands.md: `python -m tasks.commands.reference` writes them.

Each stands below a line `<!-- options of NAME -->` and ends with the next empty line.
"""

from __future__ import annotations

import importlib
import re
import tomllib

from tasks.commands.base import DeployCommand, Option
from tasks.commands.usage import words
from tasks.paths import ROOT

PAGE = ROOT / "docs" / "commands.md"
_TABLE = re.compile(r"(<!-- options of (\S+) -->\n)(?:.+\n)*")


def commands() -> dict[str, type[DeployCommand]]:
    """Our commands by what the user types."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for name, location in project["entry-points"]["doit.COMMAND"].items():
        module, _, kind = location.partition(":")
        command = getattr(importlib.import_module(module), kind)
        if issubclass(command, DeployCommand):
            found[name] = command
    return found


def spelled(option: Option) -> str:
    """`-c`, `--config VALUE`"""
    return ", ".join(f"`{word}`" for word in words(option))


def table(command: type[DeployCommand]) -> str:
    """The command's own options; empty where it has none."""
    if not command.options:
        return ""
    rows = [f"| {spelled(option)} | {option['help']} |" for option in command.options]
    return "\n".join(["| option | what it does |", "|---|---|", *rows]) + "\n"


def with_tables(page: str) -> str:
    """The page with every table as the commands have it now. KeyError for an unknown command."""
    known = commands()
    return _TABLE.sub(lambda found: found[1] + table(known[found[2]]), page)


def main() -> None:
    from tasks.host.files import write_atomically

    write_atomically(PAGE, with_tables(PAGE.read_text()).encode())


if __name__ == "__main__":
    main()

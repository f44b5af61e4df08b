"""What `./doit help` says: of all commands, and of one. Commands in, text out."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.commands.base import Option

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Deploy": ("init", "import", "check", "plan", "apply", "rollback", "rebuild"),
    "Look": ("status", "logs", "history", "instances", "version"),
    "Back up": ("backup", "backups", "verify", "restore", "drill"),
    "Operate": ("user", "app", "start", "stop", "restart", "unlock", "timers", "uninstall"),
    "Try it": ("demo", "test"),
}
"""The commands by when they are wanted; what is in none is doit's own."""

WIDEST = 100


def words(option: Option) -> list[str]:
    """How an option is typed: `-c`, `--config CONFIG`."""
    value = "" if option["type"] is bool else f" {option['name'].rpartition('_')[2].upper()}"
    short = [f"-{option['short']}"] if option["short"] else []
    return [*short, f"--{option['long']}{value}"]


def overview(purposes: Mapping[str, str]) -> str:
    """All commands by group. purposes: by command."""
    lines = ["vikunja-deploy: puts Vikunja into LXC containers, and keeps it there", ""]
    lines += ["    ./doit COMMAND [OPTION...] [ID...]", ""]
    for group, names in GROUPS.items():
        lines.append(group)
        lines += [f"  {name:<10} {purposes[name]}" for name in names if name in purposes]
        lines.append("")
    grouped = {name for names in GROUPS.values() for name in names}
    others = ", ".join(sorted(name for name in purposes if name not in grouped))
    lines += _wrapped(f"doit's own (https://pydoit.org): {others}", "  ", hanging="    ")
    lines += [
        "",
        "./doit help COMMAND shows one command; docs/commands.md has all, and exit codes.",
    ]
    return "\n".join(lines)


def of_command(name: str, usage: str, purpose: str, options: Sequence[Option]) -> str:
    """One command: how it is typed, what it does, its options."""
    lines = [" ".join(filter(None, ("./doit", name, "[OPTION...]", usage))), ""]
    lines += _wrapped(f"{purpose[:1].upper()}{purpose[1:]}.", "")
    lines.append("")
    typed = [", ".join(words(option)) for option in options] + ["-h, --help"]
    texts = [str(option["help"]) for option in options] + ["show this"]
    width = max(map(len, typed)) + 2
    for left, text in zip(typed, texts, strict=True):
        lines += _wrapped(text, f"  {left:<{width}}", hanging=" " * (width + 2))
    lines += ["", "docs/commands.md says more, and what exit codes mean."]
    return "\n".join(lines)


def _wrapped(text: str, first: str, hanging: str | None = None) -> list[str]:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    return textwrap.wrap(
        text,
        max(width, len(first) + 20),
        initial_indent=first,
        subsequent_indent=first if hanging is None else hanging,
        break_on_hyphens=False,
    )

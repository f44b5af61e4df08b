"""docs/modules.md: every module, by room, in its own words. `python -m tasks.commands.modules`
writes it."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from tasks.host.files import write_atomically
from tasks.paths import ROOT

PAGE = ROOT / "docs" / "modules.md"
TASKS = ROOT / "tasks"

HEAD = """# Modules

Every module by room, from the top floor down ([architecture.md](architecture.md)), with the first
words of its docstring, and the scripts that run in a container with theirs.
`python -m tasks.commands.modules` writes this page.
"""


def rooms() -> list[str]:
    """Folders and modules of `tasks/`, in the order of the contract of imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    return [room for layer in contract["layers"] for room in layer.split(" | ")]


def page() -> str:
    parts = [HEAD]
    for room in rooms():
        files = sorted((TASKS / room).rglob("*.py")) or [TASKS / f"{room}.py"]
        files += sorted((TASKS / room).rglob("*.sh"))
        parts += [f"## tasks/{room}\n", *(line for file in files for line in _line(file)), ""]
    return "\n".join(parts)


def _line(file: Path) -> Iterator[str]:
    words = of_script(file) if file.suffix == ".sh" else of_module(file)
    if words:
        yield f"- `{file.relative_to(TASKS)}`: {words}"


def of_module(file: Path) -> str:
    """The first paragraph of its docstring, in one line."""
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


def of_script(file: Path) -> str:
    """The first sentence of the comment that it begins with."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#!")]
    comment = takewhile(lambda line: line.startswith("# "), lines)
    text = " ".join(line.removeprefix("# ") for line in comment)
    return text.partition(". ")[0].rstrip(".") + "."


def main() -> None:
    write_atomically(PAGE, page().encode())


if __name__ == "__main__":
    main()

"""No hint proposes what loses data without saying so: every text of the tool that names such an
option, or a removal by hand, says in the same breath what goes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.paths import ROOT

RISKY = re.compile(
    r"--no-backup|--allow-destroy|uninstall [^ ]* --force|\bremove (?:that|them)\b"
    r"|\bdelete (?:that|them)\b|\buninstall the\b|\brm -r",
    re.IGNORECASE,
)
SAYS_SO = re.compile(
    r"\blos(?:e|es|s|t|ing)\b|\bgoes\b|\bgone\b|\bgives it up\b|\bremoves it\b|\bforgets it\b"
    r"|without its data|\bdoes that\b|all that is in it|is fetched again|in its place|keep a copy",
    re.IGNORECASE,
)
NO_HINTS = (
    "--no-backup says otherwise",
    "needs --",
    "apply refuses without",
    "--yes alone does not do that",
    "./doit apply   --allow-destroy",
)
"""Texts that name an option and propose nothing; of a database that is kept, the verb follows."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Each whole text of a module but its docstrings: neighbours and f-strings as one."""
    tree = ast.parse(path.read_text())
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            inner.update(id(one) for one in ast.walk(node.value) if isinstance(one, ast.Constant))
        if isinstance(node, (ast.JoinedStr, ast.BinOp)):
            for one in ast.walk(node):
                if one is not node:
                    inner.add(id(one))
    for node in ast.walk(tree):
        if id(node) in inner or not isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            continue
        parts = [
            one.value
            for one in ast.walk(node)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]
        if parts:
            yield node.lineno, " ".join(parts)


def test_every_text_that_proposes_a_loss_says_so() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / "tasks").rglob("*.py"))
        for line, text in texts(path)
        if not all(word.startswith("-") for word in text.split())
        and "\n" not in text.strip()
        and RISKY.search(text)
        and not SAYS_SO.search(text)
        and not any(one in text for one in NO_HINTS)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "risky"),
    [
        ("choose another container name, or remove that container yourself", True),
        ("./doit restore --no-backup restores without a backup of it", True),
        ("--no-backup restores without one, and what is there now is lost", False),
        ("Run it again.", False),
    ],
)
def test_the_examples_are_told_apart(text: str, risky: bool) -> None:
    assert bool(RISKY.search(text) and not SAYS_SO.search(text)) == risky

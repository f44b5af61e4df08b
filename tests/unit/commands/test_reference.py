from __future__ import annotations

from pathlib import Path

import pytest

from tasks.commands import modules
from tasks.commands.plan import Plan
from tasks.commands.reference import PAGE, commands, spelled, table, with_tables


def test_the_page_has_every_option_as_it_is() -> None:
    page = PAGE.read_text()
    assert with_tables(page) == page, "run: python -m tasks.commands.reference"


@pytest.mark.parametrize("name", commands())
def test_every_command_has_its_part_of_the_page(name: str) -> None:
    page = PAGE.read_text()
    assert f"\n## {name}\n" in page
    assert f"<!-- options of {name} -->" in page or not commands()[name].options


def test_the_list_of_modules_is_of_those_that_are_there() -> None:
    text = modules.page()
    assert modules.PAGE.read_text() == text, "run: python -m tasks.commands.modules"
    files = [file.relative_to(modules.TASKS) for file in modules.TASKS.rglob("*.py")]
    silent = [file for file in files if f"\n- `{file}`: " not in text]
    assert silent == [Path("__init__.py")]


def test_an_option_is_spelled_as_it_is_typed() -> None:
    by_name = {option["name"]: option for option in Plan.options}
    assert spelled(by_name["detailed_exitcode"]) == "`--detailed-exitcode`"
    assert spelled(by_name["out"]) == "`--out OUT`"


def test_a_table_is_written_anew_and_nothing_else() -> None:
    page = "# A\n\n<!-- options of plan -->\n| old |\n\nText.\n"
    assert with_tables(page) == f"# A\n\n<!-- options of plan -->\n{table(Plan)}\nText.\n"

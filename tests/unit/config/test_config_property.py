"""Whatever is in a file, loading it gives an instance or problems with file and line."""

from __future__ import annotations

import string
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration_samples import BASE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.config import load_instances
from tasks.config.reference import SAMPLE
from tasks.config.schema import keys, subschema
from tasks.containers.drivers import DRIVERS
from tasks.errors import ConfigError
from tasks.paths import ROOT

TEXT = SAMPLE.read_text()
LINES = TEXT.splitlines(keepends=True)

OFTEN = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

ODD = ["no", "22:22", "0644", "2024-01-01", "~", "'", '"', "{", "[", "&a", "*a", "!x", "- ", "\t"]
ODD += ["<<: *a", "? ", "| \n", "---\n", "%", "\0", "\x85", "\u2028", "\U0001f600", "#", ": ", "é"]
ODD += [".nan", ".inf", "1e400", "0x", "9" * 5000, "=", "{{ x }}", "\\", "\r", "\n\n", "@", "`"]

PIECES = st.sampled_from(ODD) | st.text(max_size=6)

# What somebody could write where a value belongs.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(string.ascii_letters + string.digits + "./:-@~{}", max_size=30)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)

KEYS = [key for key, _ in keys()]


def outcome(folder: Path, data: bytes) -> ConfigError | None:
    """The problems of a file, each of which must be one whole line that can be shown."""
    path = folder / "config.yaml"
    path.write_bytes(data)
    try:
        load_instances([path])
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.what
            assert str(problem).isprintable(), problem
            assert problem.hint == "" or problem.hint.isprintable(), problem
            assert 0 <= problem.line <= len(data) + 1
        return error
    return None


@OFTEN
@given(edits=st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(0, 30), PIECES), max_size=4))
def test_edits_of_the_sample_never_raise_anything_else(
    folder: Path, edits: list[tuple[int, int, str]]
) -> None:
    text = TEXT
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    outcome(folder, text.encode("utf-8", "surrogatepass"))


@OFTEN
@given(
    lines=st.lists(st.integers(0, len(LINES) - 1), max_size=6),
    swaps=st.lists(st.tuples(*[st.integers(0, len(LINES) - 1)] * 2), max_size=4),
)
def test_lines_uncommented_and_swapped_never_raise_anything_else(
    folder: Path, lines: list[int], swaps: list[tuple[int, int]]
) -> None:
    changed = list(LINES)
    for number in lines:
        changed[number] = changed[number].replace("#", "", 1)
    for one, two in swaps:
        changed[one], changed[two] = changed[two], changed[one]
    outcome(folder, "".join(changed).encode())


@OFTEN
@given(data=st.binary(max_size=200))
def test_any_bytes_never_raise_anything_else(folder: Path, data: bytes) -> None:
    assert outcome(folder, data) is not None


@OFTEN
@given(changes=st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=5))
def test_any_value_of_any_key_never_raises_anything_else(
    folder: Path, changes: list[tuple[tuple[str, ...], Any]]
) -> None:
    document = yaml.safe_load(BASE)
    for key, value in changes:
        section = document
        for name in key[:-1]:
            if not isinstance(section.get(name), dict):
                section[name] = {}
            section = section[name]
        section[key[-1]] = value
    outcome(folder, yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace"))


SECRET_PLACES = ["password_file: ", "admin_password_file: ", "password: "]
CANARY = "Canary7"


@OFTEN
@given(
    place=st.sampled_from(SECRET_PLACES),
    before=st.sampled_from(["", *ODD]),
    after=st.sampled_from(["", *ODD]),
)
def test_what_stands_where_a_password_belongs_is_never_shown(
    folder: Path, place: str, before: str, after: str
) -> None:
    text = BASE.replace("type: sqlite", f"type: mysql\n  {place}{before}{CANARY}{after}")
    error = outcome(folder, text.encode())
    for problem in error.problems if error else ():
        # As the name of a key it cannot be told from one that was mistyped.
        assert CANARY not in problem.what + problem.hint or "unknown key" in problem.what


@OFTEN
@given(value=VALUES.map(lambda value: yaml.safe_dump([CANARY, value], default_flow_style=True)))
@pytest.mark.parametrize("section", ["vikunja", "build"])
def test_values_of_variables_are_never_shown(folder: Path, section: str, value: str) -> None:
    for text in (value, value[1:], value.strip("[]\n")):
        error = outcome(
            folder, f"{BASE}{section}:\n  environment:\n    A: {text}\n".encode(errors="replace")
        )
        for problem in error.problems if error else ():
            assert CANARY not in problem.what + problem.hint


@OFTEN
@given(changes=st.lists(st.sampled_from(KEYS), max_size=8))
def test_examples_of_the_schema_have_no_problem_of_their_own(
    folder: Path, changes: list[tuple[str, ...]]
) -> None:
    document = yaml.safe_load(BASE)
    for key in changes:
        schema = subschema(key)
        choice = key[0] in DRIVERS.keys() - document.keys() or key[0] == "release"
        # These name files of this machine.
        files = "file" in key[-1] or key[-1].startswith(("ssl_", "trusted_"))
        files = files or key[-1] in ("apt_sources", "openid")
        if "examples" not in schema or choice or files:
            continue
        section = document
        for name in key[:-1]:
            section = section.setdefault(name, {})
        section[key[-1]] = deepcopy(schema["examples"][0])
    error = outcome(folder, yaml.safe_dump(document).encode())
    # Only what keys need of each other can be missing.
    relations = (
        "does not go with",
        "is only for",
        "needs it",
        "needs redis",
        "is missing",
        "is not",
    )
    for problem in error.problems if error else ():
        assert any(words in problem.what for words in relations), problem


@pytest.mark.parametrize(
    "path", [*sorted(ROOT.glob("examples/*.yaml")), SAMPLE], ids=lambda path: path.name
)
def test_every_example_loads(path: Path) -> None:
    assert len(load_instances([path])) == 1

"""The sample and the reference page are what the schema makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tasks.config import load_instances
from tasks.config.reference import REFERENCE, SAMPLE, main, reference
from tasks.config.sample import EXAMPLE, commented, scalar
from tasks.config.schema import config_schema, keys

REMAKE = "run: python -m tasks.config.reference"


def uncommented(text: str) -> str:
    """The text with every key that is commented out live, but for the sections not chosen."""
    lines = []
    for line in text.splitlines():
        if re.match(r"#(\w|  |$)", line):
            continue
        lines.append(re.sub(r"^( *)#(?! \S)", r"\1", line))
    return "\n".join(lines)


def test_the_sample_is_made_from_the_schema() -> None:
    assert SAMPLE.read_text() == commented(EXAMPLE), REMAKE


def test_the_reference_page_is_made_from_the_schema() -> None:
    assert REFERENCE.read_text() == reference(), REMAKE


def test_writing_them_changes_nothing_when_they_are_current() -> None:
    before = SAMPLE.read_bytes(), REFERENCE.read_bytes()
    main()
    assert (SAMPLE.read_bytes(), REFERENCE.read_bytes()) == before


def test_the_sample_starts_with_the_line_for_editors() -> None:
    first = SAMPLE.read_text().splitlines()[0]

    assert first == "# yaml-language-server: $schema=schemas/config.schema.json"
    assert (SAMPLE.parent / first.partition("=")[2]).is_file()


def test_the_sample_gives_exactly_what_it_says_and_loads() -> None:
    assert yaml.safe_load(SAMPLE.read_text()) == _with_empty_sections(EXAMPLE)
    assert load_instances([SAMPLE])[0].id == "vikunja-main"


def _with_empty_sections(given: object) -> object:
    assert isinstance(given, dict)
    empty = dict.fromkeys(("resources", "system", "redis", "build", "update", "rebuild", "backup"))
    services = {"services": {"backend": None, "mcp": None, "frontend": {"acme": {"dns": None}}}}
    # Those that the section given has, given or not.
    proxmox = {**dict.fromkeys(("connection", "ssh", "ha")), **given["proxmox"]}
    nested: dict[str, object] = {
        "backup": {"encrypt": None},
        "notifications": {"smtp": None, "ping": None},
        "database": {"tls": None, **given["database"]},
        "vikunja": {"files": {"s3": None}, "log": None, "mailer": None, "auth": {"ldap": None}},
    }
    return {**empty, **services, **given, "proxmox": proxmox, **nested}


def test_what_the_sample_comments_out_are_the_defaults() -> None:
    live = yaml.safe_load(uncommented(SAMPLE.read_text()))
    defaults = dict(load_instances([SAMPLE])[0].document)
    seen = 0
    for key, schema in keys():
        if (
            "default" not in schema
            or schema["default"] in (None, [], {})
            or key[0]
            in (
                "lxc",
                "git",
            )
            or key[:2] == ("proxmox", "ha")
        ):
            continue
        shown: Any = live
        expected: Any = defaults
        for name in key:
            shown, expected = shown[name], expected[name]
        assert shown == expected, key
        seen += 1
    assert seen > 25


def test_every_key_of_the_schema_is_in_the_sample_and_on_the_page() -> None:
    sample, page = SAMPLE.read_text(), REFERENCE.read_text()
    for key, schema in keys():
        assert re.search(rf"^[# ]*{key[-1]}:", sample, re.MULTILINE), key
        wanted = f"{'.'.join(map(str, key))}\n" if "properties" in schema else f"| `{key[-1]}` |"
        if key != ("files",):
            assert wanted in page, key


def test_every_key_of_the_schema_has_title_description_and_example() -> None:
    for key, schema in keys():
        assert schema["title"], key
        assert schema["description"].endswith("."), key
        if "properties" not in schema:
            assert schema["examples"], key


def test_every_example_and_default_of_the_schema_fits_its_own_key() -> None:
    for key, schema in keys():
        for value in [
            *schema.get("examples", []),
            *([schema["default"]] if "default" in schema else []),
        ]:
            jsonschema.Draft202012Validator(schema).validate(value)
            assert key


def test_the_schema_has_a_plain_sentence_for_every_pattern() -> None:
    text = json.dumps(config_schema())
    assert text.count('"pattern"') == text.count('"patternErrorMessage"')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("0644", '"0644"'),
        ("no", '"no"'),
        ("1.10", '"1.10"'),
        ("22:22", '"22:22"'),
        ("2024-01-01", '"2024-01-01"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("two\nlines", '"two\\nlines"'),
        (True, "true"),
        (None, "null"),
        (7, "7"),
        (["a", "no"], "[a, 'no']"),
    ],
)
def test_a_scalar_is_quoted_where_yaml_would_read_it_otherwise(value: object, text: str) -> None:
    assert scalar(value) == text
    assert yaml.safe_load(text) == value


def test_the_page_names_no_path_of_the_machine_it_was_made_on() -> None:
    assert str(Path.cwd()) not in REFERENCE.read_text() + SAMPLE.read_text()

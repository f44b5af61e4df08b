"""Every pattern of a record, of a schema and of the configuration ends where the text does."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import Meta, Struct

from tasks import model
from tasks.config.evaluation import validator
from tasks.config.schema import DEPLOYMENT_SCHEMA
from tasks.paths import CONFIG_SCHEMA, SCHEMAS


def records() -> Iterator[type[Struct]]:
    """Every record of the data model."""
    for module in pkgutil.iter_modules(model.__path__, f"{model.__name__}."):
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and issubclass(found, Struct) and found is not Struct:
                yield found


def patterns(schema: Any) -> Iterator[str]:
    """Every pattern in a schema, at any depth."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for inner in schema.values():
            yield from patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from patterns(inner)


def of_records() -> set[str]:
    return {pattern for kind in records() for pattern in patterns(schema_of(kind))}


def schema_of(kind: type[Struct]) -> Any:
    """None of what is never read from JSON: plans, and what a configuration is made into."""
    try:
        return msgspec.json.schema(kind)
    except (TypeError, NameError):
        return None


def of_files(*, strict: bool) -> set[str]:
    """strict: those that the loader's own validator reads; else all others."""
    own = {CONFIG_SCHEMA, DEPLOYMENT_SCHEMA}
    files = [file for file in SCHEMAS.glob("*.json") if (file in own) is strict]
    return {pattern for file in files for pattern in patterns(json.loads(file.read_bytes()))}


def each(found: set[str]) -> pytest.MarkDecorator:
    assert found
    return pytest.mark.parametrize("pattern", sorted(found))


SOME = settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)


def drawn(data: st.DataObject, pattern: str) -> str:
    text = data.draw(st.from_regex(pattern))
    assume(not text.endswith("\n"))
    return text


@each(of_records())
@SOME
@given(data=st.data())
def test_a_record_takes_no_line_break_after_what_fits(data: st.DataObject, pattern: str) -> None:
    kind = Annotated[str, Meta(pattern=pattern)]
    text = drawn(data, pattern)
    assert msgspec.convert(text, kind) == text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(f"{text}\n", kind)


@each(of_files(strict=False))
@SOME
@given(data=st.data())
def test_a_schema_takes_no_line_break_after_what_fits(data: st.DataObject, pattern: str) -> None:
    text = drawn(data, pattern)
    reader = Draft202012Validator({"pattern": pattern})
    assert reader.is_valid(text)
    assert not reader.is_valid(f"{text}\n")


@each(of_files(strict=True))
@SOME
@given(data=st.data())
def test_the_configuration_takes_no_line_break_after_what_fits(
    data: st.DataObject, pattern: str
) -> None:
    text = drawn(data, pattern)
    reader = validator({"pattern": pattern})
    assert reader.is_valid(text)
    assert not reader.is_valid(f"{text}\n")

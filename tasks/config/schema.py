"""The configuration's schema: the one source of keys, defaults, descriptions and examples.

Besides JSON Schema's own keywords it uses:
`patternErrorMessage`: how an error goes on after "… is" (editors show it too);
`format: path`: a path of this machine, relative to the configuration file's folder;
`x-default-by`: a default that depends on which section is given, on another key's value, or on
that of a key beside it;
`x-default-of`: the key whose value is the default;
`x-default-plain`: the key beside it whose letters and digits, in lower case, are the default.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tasks.config.finding import Key, value_at
from tasks.paths import CONFIG_SCHEMA, SCHEMAS

DEPLOYMENT_SCHEMA = SCHEMAS / "deployment-config.schema.json"

Schema = Mapping[str, Any]

_NONE: Schema = {}

_PUNCTUATION = re.compile("[^a-z0-9]+")


@cache
def schema_bytes() -> bytes:
    return CONFIG_SCHEMA.read_bytes()


@cache
def config_schema() -> Schema:
    schema: Schema = json.loads(schema_bytes())
    return schema


def subschema(key: Key, schema: Schema | None = None) -> Schema:
    """The schema of a key; empty where the schema does not know it."""
    found = config_schema() if schema is None else schema
    for name in key:
        if isinstance(name, int):
            found = found.get("items", _NONE)
        else:
            others = found.get("additionalProperties") or _NONE
            found = found.get("properties", _NONE).get(name, others)
    return found


def keys(schema: Schema | None = None, above: Key = ()) -> Iterator[tuple[Key, Schema]]:
    """Every key with its schema, sections before what is in them; list items not."""
    found = config_schema() if schema is None else schema
    for name, inner in found.get("properties", _NONE).items():
        yield (*above, name), inner
        yield from keys(inner, (*above, name))


def default_of(schema: Schema, document: Mapping[str, Any], beside: Schema = _NONE) -> Any:
    """The default of a key in a document; None where it has none.

    beside: the section that the key is in.
    """
    if by := schema.get("x-default-by"):
        if neighbour := by.get("beside"):
            return by["values"]["true" if beside.get(neighbour) is True else "false"]
        if section := by.get("section"):
            return next((value for name, value in section.items() if name in document), None)
        chosen = value_at(document, by["key"])
        return by["values"].get(chosen) if isinstance(chosen, str) else None
    if of := schema.get("x-default-of"):
        return value_at(document, of)
    if of := schema.get("x-default-plain"):
        return _PUNCTUATION.sub("", str(beside.get(of, "")).lower())
    default = schema.get("default")
    # Lists and mappings of the schema itself must not reach anybody who could change them.
    return copy.deepcopy(default) if isinstance(default, list | dict) else default


def with_defaults(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The document with every key that has a default, its paths absolute.

    Null counts as not given. Sections without a default stay away unless they are given.
    Values of a wrong type stay as they are.
    """
    return _filled(document, config_schema(), document, folder)


def _filled(
    section: Mapping[str, Any], schema: Schema, document: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, inner, choice, fixed in _keys_of(schema):
        value = section.get(name)
        if value is None:
            if fixed is not None:
                result[name] = fixed
                continue
            if choice and name not in section:
                continue
            value = {} if choice else default_of(inner, document, section)
        # Most of them, and nothing to be looked into.
        plain = value is None or isinstance(value, bool | int)
        result[name] = value if plain else _value(value, inner, document, folder)
    return result


_KEYS: dict[int, tuple[Schema, tuple[tuple[str, Schema, bool, object], ...]]] = {}
"""By the identity of a schema, which is kept with it."""


def _keys_of(schema: Schema) -> tuple[tuple[str, Schema, bool, object], ...]:
    """Of each key of a section its name and schema, whether it is a section that may stay away, and
    its default where that depends on nothing."""
    if id(schema) not in _KEYS:
        rows = []
        for name, inner in schema.get("properties", _NONE).items():
            default = inner.get("default")
            depends = any(word.startswith("x-default") for word in inner)
            depends = depends or isinstance(default, list | dict) or inner.get("format") == "path"
            choice = "properties" in inner and "default" not in inner
            rows.append((name, inner, choice, None if depends else default))
        _KEYS[id(schema)] = schema, tuple(rows)
    return _KEYS[id(schema)][1]


def _value(value: Any, schema: Schema, document: Mapping[str, Any], folder: Path) -> Any:
    if isinstance(value, dict):
        if "properties" in schema:
            return _filled(value, schema, document, folder)
        inner = schema.get("additionalProperties") or _NONE
        return {name: _value(one, inner, document, folder) for name, one in value.items()}
    if isinstance(value, list):
        items = schema.get("items", _NONE)
        return [_value(item, items, document, folder) for item in value]
    if isinstance(value, str) and schema.get("format") == "path":
        return os.path.abspath(folder / value)  # noqa: PTH100 - lexical, links stay links
    return value

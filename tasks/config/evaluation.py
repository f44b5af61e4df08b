"""A document against the schema, in plain sentences instead of JSON Schema's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tasks.config.finding import Finding, Key, may_be_secret, shown
from tasks.config.schema import config_schema, subschema
from tasks.config.suggest import nearest, unknown_key
from tasks.config.yaml_tree import Ambiguous, Broken

if TYPE_CHECKING:
    from jsonschema import ValidationError

_NEEDED = {
    "string": "text is needed",
    "integer": "a whole number is needed",
    "boolean": "true or false is needed",
    "array": "a list is needed",
    "object": "a section of keys is needed",
}


def take_words(document: dict[str, Any], texts: Mapping[Key, str]) -> None:
    """Of what YAML reads as something else (`off` as false), let the words stay words that a key
    may have as its value.

    texts: how scalars that are not text are written in the file.
    """
    for key, text in texts.items():
        if text in subschema(key).get("enum", ()):
            section: Any = document
            for name in key[:-1]:
                section = section[name]
            section[key[-1]] = text


def schema_findings(document: Mapping[str, Any], texts: Mapping[Key, str]) -> list[Finding]:
    """Everything in which a document differs from the schema.

    texts: how scalars that are not text are written in the file.
    """
    errors = sorted(
        validator(config_schema()).iter_errors(document),
        key=lambda error: error.validator != "type",
    )
    findings: dict[tuple[Key, str], Finding] = {}
    wrong_type: set[Key] = set()
    for error in errors:
        key: Key = tuple(error.absolute_path)
        if isinstance(error.instance, Broken) or key in wrong_type:
            continue
        if error.validator == "type":
            wrong_type.add(key)
        for finding in _findings(error, key, texts):
            findings.setdefault((finding.key, finding.what), finding)
    return list(findings.values())


def validator(schema: Mapping[str, Any]) -> Any:
    """Of a schema, read as JSON Schema says where Python's own reader is lenient."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def whole(_: object, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def pattern(_: object, wanted: str, value: object, __: object) -> Iterator[ValidationError]:
        # In Python `$` also matches before a last line break, in JSON Schema it does not.
        if isinstance(value, str) and (value.endswith("\n") or not re.search(wanted, value)):
            yield ValidationError("pattern")

    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", whole)
    strict: Any = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"pattern": pattern}, type_checker=checker
    )
    return strict(schema)


def _findings(error: ValidationError, key: Key, texts: Mapping[Key, str]) -> Iterator[Finding]:
    value: Any = error.instance
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            yield _type_finding(key, value, wanted, texts.get(key))
        case "enum":
            yield _enum_finding(key, value, wanted, texts.get(key))
        case "additionalProperties":
            known = subschema(key)["properties"]
            yield from (unknown_key(key, name) for name in value if name not in known)
        case "required":
            yield from (_missing(key, name) for name in wanted if name not in value)
        case "oneOf":
            yield _choice_finding(key, value, [name for one in wanted for name in one["required"]])
        case "pattern":
            yield _pattern_finding(error, key, value)
        case "minimum":
            yield Finding(key, f"{value} is less than the minimum {wanted}")
        case "maximum":
            yield Finding(key, f"{value} is more than the maximum {wanted}")
        case "minItems":
            yield Finding(key, "is an empty list", "Give at least one word, or remove the item.")
        case "maxItems":
            yield Finding(key, f"holds {len(value)} items, the most is {wanted}")
        case "uniqueItems":
            twice = next(item for index, item in enumerate(value) if item in value[:index])
            yield Finding(key, f"holds {shown(key, twice)} twice")
        case other:
            yield Finding(key, f"does not fit the schema ({other})")


def _type_finding(key: Key, value: Any, wanted: str | list[str], text: str | None) -> Finding:
    needed = wanted if isinstance(wanted, str) else wanted[0]
    if value is None:
        return _empty(key, needed)
    if isinstance(value, Ambiguous):
        return _ambiguous(key, value, needed)
    if needed == "string" and text is not None:
        reading = "true or false" if isinstance(value, bool) else "a number"
        written = "the value" if may_be_secret(key) else text
        return Finding(key, f"{written} is read as {reading} by YAML", _quote(key, text))
    if needed == "array" and isinstance(value, str) and not may_be_secret(key):
        return Finding(key, f"is text, {_NEEDED[needed]}", "Write [word, word], or one `- ` a line")
    if needed == "object" and not isinstance(value, list):
        # What stands in a section's place may be anything, a password too.
        return Finding(key, f"is no section, {_NEEDED[needed]}", _least(key))
    if isinstance(value, str):
        hint = (
            "Remove the quotes." if needed in ("integer", "boolean") and _would_fit(value) else ""
        )
        return Finding(key, f"{shown(key, value)} is text, {_NEEDED[needed]}", hint)
    if isinstance(value, dict | list):
        word = "a list" if isinstance(value, list) else "a section of keys"
        return Finding(key, f"is {word}, {_NEEDED[needed]}")
    words = {bool: "true or false", int: "a whole number", float: "a number with a fraction"}
    written = "the value" if may_be_secret(key) else text or shown(key, value)
    return Finding(key, f"{written} is {words[type(value)]}, {_NEEDED[needed]}")


def _would_fit(text: str) -> bool:
    return text.lstrip("-").isdecimal() or text in ("true", "false")


def _empty(key: Key, needed: str) -> Finding:
    schema = subschema(key)
    if "default" in schema and schema["default"] is not None:
        return Finding(key, "has no value", "Give one, or remove the line for the default.")
    return Finding(key, f"has no value, {_NEEDED[needed]}", _least(key) or _example(key))


def _ambiguous(key: Key, value: Ambiguous, needed: str) -> Finding:
    written = "the value" if may_be_secret(key) else value.text[:60]
    what = f"{written} is read as {value.reading} by YAML"
    if needed == "integer":
        return Finding(key, f"{what}, {_NEEDED[needed]}", "Write it in plain decimal digits.")
    if needed == "string":
        return Finding(key, what, _quote(key, value.text))
    return Finding(key, f"{what}, {_NEEDED[needed]}")


def _quote(key: Key, text: str) -> str:
    if may_be_secret(key) or len(text) > 60:
        return 'Put the value in quotes: "…"'
    return f'Put it in quotes: "{text}"'


def _enum_finding(key: Key, value: Any, wanted: list[str | None], text: str | None) -> Finding:
    named = [one for one in wanted if one is not None]
    known = ", ".join(named)
    if value is None:
        return Finding(key, f"has no value, one of {known} is needed")
    if not isinstance(value, str):
        written = value.text[:60] if isinstance(value, Ambiguous) else text
        return Finding(key, f"{written or 'the value'} is none of {known}")
    alike = _ALIASES.get(value.lower()) or nearest(value, named)
    guess = f", did you mean {alike}?" if alike in named else ""
    return Finding(key, f"{shown(key, value)} is none of {known}{guess}")


_ALIASES = {"postgres": "postgresql", "pg": "postgresql", "mariadb": "mysql", "sqlite3": "sqlite"}


def _missing(section: Key, name: str) -> Finding:
    key = (*section, name)
    return Finding(key, "is missing", _least(key) or _example(key))


def _least(section: Key) -> str:
    required = subschema(section).get("required")
    return f"The section needs at least: {', '.join(required)}" if required else ""


def _example(key: Key) -> str:
    examples = subschema(key).get("examples")
    return f"For example: {key[-1]}: {examples[0]}" if examples and key else ""


def _choice_finding(key: Key, value: Any, names: list[str]) -> Finding:
    given = [name for name in names if name in value]
    either = " and ".join(names)
    if not given:
        return Finding(key, f"one of {either} is needed")
    return Finding((*key, given[-1]), f"is given beside {given[0]}", f"Keep one of {either}.")


def _pattern_finding(error: ValidationError, key: Key, value: str) -> Finding:
    # Of the name of a key, the path ends at the section that holds it.
    if "propertyNames" in error.absolute_schema_path:
        message = subschema(key)["propertyNames"]["patternErrorMessage"]
        return Finding((*key, value), f"the name is {message}")
    message = subschema(key)["patternErrorMessage"]
    hint = "It ends with a line break: write it on one line." if value.endswith("\n") else ""
    return Finding(key, f"{shown(key, value)} is {message}", hint)

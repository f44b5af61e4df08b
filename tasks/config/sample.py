"""A configuration file with every key explained, from the schema; pure.

Keys that are given stand live, the others commented out with their default: `#key: value`
directly after the `#`, prose after `# `.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.config.schema import Schema, config_schema, default_of

_WIDTH = 92

NOTHING: Mapping[str, str] = {}

EXAMPLE: Mapping[str, Any] = {
    "deployment": {"instance_id": "vikunja-main"},
    "proxmox": {"node": "pve"},
    "network": {
        "ip_address": "192.168.1.50/24",
        "gateway": "192.168.1.1",
        "domain": "vikunja.example.com",
    },
    "database": {"type": "sqlite"},
    "release": {"channel": "stable"},
    "admin": {"email": "admin@example.com"},
}
"""What config.example.yaml gives."""


def commented(
    given: Mapping[str, Any],
    schema_path: str = "schemas/config.schema.json",
    origins: Mapping[str, str] = NOTHING,
) -> str:
    """The text of a configuration file that gives exactly these keys and explains all others.

    schema_path: where editors find the schema, seen from the file. origins: where the values of
    keys come from, by dotted key; each is said above its key.
    """
    schema = config_schema()
    lines = [
        f"# yaml-language-server: $schema={schema_path}",
        "#",
        *_prose(schema["description"]),
        "# Keys that are commented out show their default, or an example where they have none.",
    ]
    for name, inner in schema["properties"].items():
        lines += ["", *_section(name, inner, given, origins)]
    return "\n".join(lines) + "\n"


def _section(
    name: str, schema: Schema, given: Mapping[str, Any], origins: Mapping[str, str]
) -> Iterator[str]:
    yield from _prose(schema["description"])
    if "properties" not in schema:
        yield from _key_lines(name, schema, given, given, name, origins)
    elif name in given or "default" in schema:
        yield f"{name}:"
        yield from _indented(_keys(schema, given.get(name) or {}, given, name, origins))
    else:
        # One of several sections of which another one is given.
        yield f"#{name}:"
        yield from (f"#{line}".rstrip() for line in _indented(_required_keys(schema, given)))


def _keys(
    schema: Schema,
    section: Mapping[str, Any],
    document: Mapping[str, Any],
    above: str = "",
    origins: Mapping[str, str] = NOTHING,
) -> Iterator[str]:
    for number, (name, inner) in enumerate(schema["properties"].items()):
        if number:
            yield ""
        yield from _prose(_description(inner))
        if "properties" in inner:
            yield f"{name}:"
            at = f"{above}.{name}"
            yield from _indented(_keys(inner, section.get(name) or {}, document, at, origins))
        else:
            yield from _key_lines(name, inner, section, document, f"{above}.{name}", origins)


def _required_keys(schema: Schema, document: Mapping[str, Any]) -> Iterator[str]:
    """As _keys, what is required with its example, so that uncommenting makes it complete."""
    required = schema.get("required", ())
    example = (
        schema["examples"][0]
        if "examples" in schema
        else {
            name: inner["examples"][0]
            for name, inner in schema["properties"].items()
            if name in required
        }
    )
    return _keys(schema, example, document)


def _key_lines(
    name: str,
    schema: Schema,
    section: Mapping[str, Any],
    document: Mapping[str, Any],
    at: str,
    origins: Mapping[str, str],
) -> Iterator[str]:
    value = section.get(name)
    if value is not None:
        if at in origins:
            yield from _prose(f"From {origins[at]}.")
        inner = [f"{at}.{one}" for one in value] if isinstance(value, Mapping) else []
        if not origins.keys() & set(inner):
            yield from yaml_lines(name, value)
            return
        yield f"{name}:"
        for key, one in zip(inner, value, strict=True):
            said = [f"# From {origins[key]}."] if key in origins else []
            yield from _indented(iter([*said, *yaml_lines(one, value[one])]))
        return
    value = default_of(schema, document)
    if value is None or value in ([], {}):
        value = schema["examples"][0]
    yield from (f"#{line}" for line in yaml_lines(name, value))


def _description(schema: Schema) -> str:
    default = default_words(schema)
    return f"{schema['description']} Default: {default}." if default else schema["description"]


def default_words(schema: Schema) -> str:
    """A short default in words; empty where there is none, or only the value itself says it."""
    if by := schema.get("x-default-by"):
        values = by.get("section") or by["values"]
        names: dict[Any, list[str]] = {}
        beside = f"{by['beside']}: " if "beside" in by else ""
        for name, value in values.items():
            names.setdefault(value, []).append(f"{beside}{name}")
        return ", ".join(
            f"{value} with {' or '.join(names[value])}" for value in names if value is not None
        )
    if of := schema.get("x-default-of"):
        return f"the value of {of}"
    default = schema.get("default")
    if default is None or isinstance(default, list | dict):
        return ""
    return scalar(default)


def yaml_lines(name: str, value: Any) -> list[str]:
    """`name: value` in YAML, in flow style where it is a scalar or a list of scalars."""
    if isinstance(value, Mapping) and value:
        return [
            f"{name}:",
            *_indented(line for key in value for line in yaml_lines(key, value[key])),
        ]
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return [f"{name}:", *_indented(line for item in value for line in _item_lines(item))]
    return [f"{name}: {scalar(value)}"]


def _item_lines(item: Any) -> list[str]:
    if not isinstance(item, Mapping):
        return [f"- {scalar(item)}"]
    lines = [line for key in item for line in yaml_lines(key, item[key])]
    return [f"{'  ' if number else '- '}{line}" for number, line in enumerate(lines)]


def scalar(value: Any) -> str:
    """A scalar or a list of them on one line, quoted where YAML would read it otherwise."""
    import yaml

    def dump(style: str | None) -> str:
        text = yaml.safe_dump(
            value, default_flow_style=True, default_style=style, width=10**6, allow_unicode=True
        )
        return text.removesuffix("...\n").rstrip("\n")

    text = dump(None)
    # Line breaks and single quotes inside single quotes are hard to read.
    return dump('"') if isinstance(value, str) and text.startswith("'") else text


def _prose(text: str) -> list[str]:
    return [
        f"# {line}"
        for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    ]


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)

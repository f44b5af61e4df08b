"""docs/configuration.md, from the schema; pure. `python -m tasks.config.reference` writes it.

The sample configuration comes from the same place and is written with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.config.sample import EXAMPLE, commented, default_words, scalar, yaml_lines
from tasks.config.schema import Schema, config_schema
from tasks.host.files import write_atomically
from tasks.paths import ROOT

REFERENCE = ROOT / "docs/configuration.md"
SAMPLE = ROOT / "config.example.yaml"

_HEAD = """\
# Configuration

{description}

Looked for in this order: what `--config PATH` names (a file, or a folder of `*.yaml`), what
`$VIKUNJA_DEPLOY_CONFIG` names, `./config.yaml`, `/etc/vikunja-deploy/*.yaml`. `./doit init` writes
one, `config.example.yaml` shows every key, `./doit check` says what is wrong with one.

This page is made from `schemas/config.schema.json`: `python -m tasks.config.reference` writes it.
"""

_TAIL = """
## What is checked besides

All problems of all files are reported at once, each with file, line and key.

- Keys that are not listed here are errors, and so are keys given twice, tags, merge keys (`<<`)
  and more than one document. What the tool records itself (`created_at`, `active_color`,
  `deployed_commit`, …) is nothing to be set, and has no place here.
- Text that YAML takes for something else (`no`, `1.10`, `22:22`, `0644`, `2024-01-01`) must be
  quoted where text is needed.
- `network.gateway` is in the subnet of `network.ip_address` and another address; the address is
  neither the subnet's network address nor its broadcast address. With a prefix of 32 or 128, or
  with fe80::1, the gateway may be elsewhere; with `dhcp` there is none.
- `network.ip6_address` stands beside an address of IPv4 or `dhcp`, `gateway6` beside it; with
  `auto` or `dhcp` there is none.
- `network.mac_address` is that of one interface, not of a group.
- Files of `network.trusted_ca` hold certificates in PEM form, and no private key.
- All ports of what runs in the container differ.
- A database server outside the container needs `host` and `password_file`; sqlite has neither
  `host`, `port`, `user` nor `password_file`. By a socket there is no `tls`, and with mysql no
  `port`; it is not where the application's unit sees nothing, such as `/tmp`.
- A password file is there, holds one line, and is readable by its owner only (`chmod 600`).
- `ssl_cert` and `ssl_key` come together, are PEM, belong together, and the certificate has not
  expired.
- `tls: acme` needs a domain that is a name, and of Let's Encrypt one that the public can know; its
  files of secrets are readable by their owner only (`chmod 600`).
- `trusted_proxies` are addresses, or subnets without bits of one host.
- `services.mcp.enabled` needs `redis.enabled`.
- Addresses of repositories and archives hold no user name or password (ssh logins aside).
- `files[].path` is absolute, plain, given once, and not where the tool itself manages files.
- `proxmox.connection` has what its type needs: https `host` and `token_file`, openssh `host`; the
  token's file holds one, and is readable by its owner only (`chmod 600`).
- Instance ids, container ids of a cluster, container names and addresses differ between all files.
"""


def reference() -> str:
    """The page, in Markdown."""
    schema = config_schema()
    parts = [_HEAD.format(description=schema["description"])]
    for name, inner in schema["properties"].items():
        parts += _section(name, inner, name in schema["required"])
    return "\n".join(parts) + _TAIL


def _section(name: str, schema: Schema, required: bool) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{schema['description']}{' Required.' if required else ''}\n"
    item = schema.get("items", schema)
    direct = {key: inner for key, inner in item["properties"].items() if not _is_section(inner)}
    if direct:
        yield from _table(direct, item.get("required", ()))
    yield from _subsections(name, schema)
    if "items" in schema:
        yield from _listing(name, schema["examples"][0])
    for key, inner in direct.items():
        if _is_long(inner.get("default")):
            yield f"Default of `{name}.{key}`:\n"
            yield from _listing(key, inner["default"])


def _subsections(name: str, schema: Schema) -> Iterator[str]:
    for key, inner in schema.get("properties", {}).items():
        item = inner.get("items", inner)
        if "properties" not in item:
            continue
        yield f"### {name}.{key}\n"
        yield f"{inner['description']}{'' if item is inner else ' Each has:'}\n"
        direct = {one: under for one, under in item["properties"].items() if not _is_section(under)}
        yield from _table(direct, item.get("required", ()))
        yield from _subsections(f"{name}.{key}", item)


def _is_section(schema: Schema) -> bool:
    return "properties" in schema


def _table(keys: Mapping[str, Schema], required: Any) -> Iterator[str]:
    yield "| key | value | default | example | meaning |\n|---|---|---|---|---|"
    for name, schema in keys.items():
        cells = (
            f"`{name}`",
            _kind(schema),
            "**required**" if name in required else _default(schema),
            _cell(schema["examples"][0]) if not _is_long(schema["examples"][0]) else "",
            schema["description"],
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _listing(name: str, value: Any) -> Iterator[str]:
    yield "```yaml"
    yield from yaml_lines(name, value)
    yield "```\n"


def _default(schema: Schema) -> str:
    default = schema.get("default")
    if _is_long(default):
        return "below"
    words = default_words(schema)
    if " " in words:
        return words
    return f"`{words}`" if words else "none"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"`{line}`" for key in value for line in yaml_lines(key, value[key]))
    return f"`{scalar(value)}`"


def _is_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > 50
    return isinstance(value, list) and (len(value) > 3 or any(type(i) is list for i in value))


def _kind(schema: Schema) -> str:
    """What kind of value a key takes, in words."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "integer":
        low, high = schema.get("minimum"), schema.get("maximum")
        return f"whole number, {low} to {high}" if high else f"whole number, at least {low}"
    if kind == "array":
        inner = schema["items"].get("type")
        if inner == "object":
            return "list of " + ", ".join(f"`{name}`" for name in schema["items"]["properties"])
        return "list of commands, each a list of words" if inner == "array" else "list of text"
    words = {"string": "text", "boolean": "`true` or `false`", "object": "names with text"}
    return "path" if schema.get("format") == "path" else words[kind]


def main() -> None:
    write_atomically(REFERENCE, reference().encode())
    write_atomically(SAMPLE, commented(EXAMPLE).encode())


if __name__ == "__main__":
    main()

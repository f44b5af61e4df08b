"""The contract of the Proxmox VE API's calls that the tool uses, and whether a call keeps it.

tests/contract/{8,9}.json hold it (made by extract.py beside them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "contract"
VERSIONS = (8, 9)

Rule = Mapping[str, Any]
Contract = Mapping[str, Any]


class ContractBroken(Exception):
    """A call that the API would refuse: all that is wrong with it, a line each."""

    def __init__(self, call: str, problems: Mapping[str, str]) -> None:
        super().__init__("\n".join([call, *(f"{key}: {text}" for key, text in problems.items())]))
        self.problems = dict(problems)


@dataclass(frozen=True)
class Route:
    """Which call of the contract a path is, and what its placeholders stand for."""

    call: str
    values: Mapping[str, str]


@cache
def load(version: int) -> Contract:
    contract: Contract = json.loads((FOLDER / f"{version}.json").read_text())
    return contract


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    # A volume's name holds slashes; no other value in a path does.
    names = {"volume": ".+"}
    return re.compile(
        "".join(
            f"(?P<{part}>{names.get(part, '[^/]+')})" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )


def route(contract: Contract, method: str, path: str) -> Route | None:
    """None where the contract has no such call. Words of a path win over placeholders."""
    found = []
    for call in contract["calls"]:
        its_method, template = call.split(" ")
        match = _pattern(template).fullmatch(path) if its_method == method else None
        if match:
            found.append(Route(call, match.groupdict()))
    return min(found, key=lambda one: len(one.values), default=None)


def is_asynchronous(contract: Contract, method: str, path: str) -> bool:
    """Whether the call's answer is the UPID of a task."""
    found = route(contract, method, path)
    return found is not None and bool(contract["calls"][found.call]["asynchronous"])


def check_call(contract: Contract, method: str, path: str, parameters: Mapping[str, Any]) -> None:
    """ContractBroken where the API of that version would not take the call."""
    found = route(contract, method, path)
    if found is None:
        raise ContractBroken(f"{method} {path}", {"": "no such call"})
    rules = contract["calls"][found.call]["parameters"]
    numbers = {
        name: int(value) if rules[name]["type"] == "integer" and value.isdigit() else value
        for name, value in found.values.items()
    }
    problems = dict(_problems(rules, {**parameters, **numbers}))
    if problems:
        raise ContractBroken(f"{method} {path}", problems)


def _rule_for(rules: Mapping[str, Rule], name: str) -> Rule | None:
    numbered = re.sub(r"(?<=\D)\d+$", "[n]", name)
    return rules.get(name) or rules.get(numbered)


def _problems(rules: Mapping[str, Rule], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        rule = _rule_for(rules, name)
        if rule is None:
            yield name, "property is not defined in schema"
            continue
        problem = _problem(rule, value)
        if problem:
            yield name, problem
        wanted = rule.get("requires")
        if wanted and wanted not in values:
            yield name, f"missing property - '{wanted}'"
    for name, rule in rules.items():
        if not rule["optional"] and "[n]" not in name and name not in values:
            yield name, "property is missing and it is not optional"


def _problem(rule: Rule, value: Any) -> str | None:
    wrong_type = _wrong_type(rule["type"], value)
    if wrong_type:
        return wrong_type
    text = str(value)
    numbered = re.sub(r"(?<=\D)\d+$", "[n]", text)
    if "enum" in rule and not {text, numbered} & set(rule["enum"]):
        return f"value '{text}' does not have a value in the enumeration"
    if "pattern" in rule and not re.fullmatch(rule["pattern"].replace("(?^:", "(?:"), text):
        return f"value does not match {rule['pattern']}"
    return _out_of_range(rule, value) or _wrong_format(rule.get("format"), text)


def _wrong_type(kind: str, value: Any) -> str | None:
    """A Python boolean is refused: over HTTPS it would travel as `True`."""
    if isinstance(value, bool):
        return f"{value} is neither text nor number"
    fits = {
        "boolean": value in (0, 1),
        "integer": isinstance(value, int),
        "number": isinstance(value, int | float),
        "string": isinstance(value, str),
    }[kind]
    return None if fits else f"type check ('{kind}') failed - got '{value}'"


def _out_of_range(rule: Rule, value: Any) -> str | None:
    size = len(value) if isinstance(value, str) else value
    low = rule.get("minimum", rule.get("min_length"))
    high = rule.get("maximum", rule.get("max_length"))
    if low is not None and size < low:
        return f"value must have a minimum value of {low}"
    if high is not None and size > high:
        return f"value must have a maximum value of {high}"
    return None


def _wrong_format(form: str | Rule | None, text: str) -> str | None:
    if form is None:
        return None
    if not isinstance(form, str):
        return _wrong_property_string(form, text)
    one = form.removesuffix("-list")
    values = re.split(r"[;,\s]+", text) if form.endswith("-list") else [text]
    for value in values:
        try:
            fits = FORMATS[one](value)
        except ValueError:
            fits = False
        if not fits:
            return f"invalid format - value does not look like a valid {one}: '{value}'"
    return None


def _wrong_property_string(rules: Mapping[str, Rule], text: str) -> str | None:
    default = next((name for name, rule in rules.items() if rule.get("default_key")), None)
    values: dict[str, Any] = {}
    for part in text.split(","):
        name, separator, value = part.partition("=")
        if not separator:
            if default is None:
                return f"invalid format - value without key, but schema has no default: '{part}'"
            name, value = default, part
        if name in values:
            return f"invalid format - duplicate key: '{name}'"
        rule = rules.get(name)
        number = rule is not None and rule["type"] in ("boolean", "integer", "number")
        values[name] = _number(value) if number else value
    problems = [f"{name}: {problem}" for name, problem in _problems(rules, values)]
    return "; ".join(problems) or None


def _number(text: str) -> int | float | str:
    try:
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except ValueError:
        return text


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
STORAGE = r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]"

FORMATS: Mapping[str, Callable[[str], bool]] = {
    "disk-size": _matches(r"\d+(\.\d+)?[KMGT]?"),
    "dns-name": _matches(rf"({LABEL}\.)*{LABEL}"),
    "ipv4": lambda text: bool(IPv4Address(text)),
    "ipv6": lambda text: bool(IPv6Address(text)),
    "lxc-ip-with-ll-iface": lambda text: bool(ip_address(text)),
    "mac-addr": _matches(r"[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}"),
    "pve-calendar-event": _matches(r"[A-Za-z0-9*/.:, -]+"),
    "pve-configid": _matches(r"[A-Za-z][A-Za-z0-9_-]+"),
    "pve-ct-timezone": _matches(r"host|[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*"),
    "pve-ipv4-config": lambda text: (
        text in ("dhcp", "manual") or ("/" in text and bool(IPv4Interface(text)))
    ),
    "pve-ipv6-config": lambda text: (
        text in ("auto", "dhcp", "manual") or ("/" in text and bool(IPv6Interface(text)))
    ),
    "pve-ha-group-node": _matches(rf"{LABEL}(:\d+)?"),
    "pve-ha-node": _matches(rf"{LABEL}(:\d+)?"),
    "pve-ha-resource-id": _matches(r"(ct|vm):[1-9]\d{2,8}"),
    "pve-ha-resource-or-vm-id": _matches(r"((ct|vm):)?[1-9]\d{2,8}"),
    "pve-lxc-dev-string": _matches(r"/?dev/\S+"),
    "pve-lxc-mp-string": _matches(r"[^,]+"),
    "pve-node": _matches(LABEL),
    "pve-poolid": _matches(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){0,2}"),
    "pve-priv": _matches(r"[A-Za-z.]+"),
    "pve-realm": _matches(r"[A-Za-z][A-Za-z0-9._-]+"),
    "pve-replication-job-id": _matches(r"[1-9]\d{2,8}-\d{1,9}"),
    "pve-startup-order": _matches(
        r"(order=)?\d+(,(up|down)=\d+){0,2}|(up|down)=\d+(,(up|down)=\d+)?"
    ),
    "pve-storage-content": _matches(r"[a-z]+"),
    "pve-storage-id": _matches(STORAGE),
    "pve-tag": _matches(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*"),
    "pve-vmid": _matches(r"[1-9]\d{2,8}"),
    "pve-volume-id": _matches(rf"{STORAGE}:\S+"),
    "storage-pair": _matches(rf"1|{STORAGE}(:{STORAGE})?"),
}

"""Make 8.json and 9.json: of the Proxmox VE API's own description, the calls that the tool uses,
and those by which a password becomes a ticket, which the stand-in has beside tokens.

    python tests/contract/extract.py DESCRIPTION.json...

A description is JSON: `version`, and `paths`, each with its methods, each with `name`,
`parameters`, `returns`. What comes out holds for each call its parameters (type, format, range,
pattern, enumeration, optional) and whether it is asynchronous, that is: answers with the UPID of
a task. Of runs of numbered names only the form is kept: `mp[n]` stands for mp0 to mp255.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

USED = (
    "GET /version",
    "GET /access/permissions",
    "GET /access/ticket",
    "POST /access/ticket",
    "GET /cluster/nextid",
    "POST /cluster/ha/groups",
    "PUT /cluster/ha/groups/{group}",
    "POST /cluster/ha/resources",
    "PUT /cluster/ha/resources/{sid}",
    "DELETE /cluster/ha/resources/{sid}",
    "POST /cluster/ha/rules",
    "PUT /cluster/ha/rules/{rule}",
    "DELETE /cluster/ha/rules/{rule}",
    "POST /cluster/replication",
    "PUT /cluster/replication/{id}",
    "DELETE /cluster/replication/{id}",
    "GET /cluster/resources",
    "GET /cluster/status",
    "GET /nodes/{node}/aplinfo",
    "POST /nodes/{node}/aplinfo",
    "GET /nodes/{node}/lxc",
    "POST /nodes/{node}/lxc",
    "DELETE /nodes/{node}/lxc/{vmid}",
    "GET /nodes/{node}/lxc/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/interfaces",
    "PUT /nodes/{node}/lxc/{vmid}/config",
    "POST /nodes/{node}/lxc/{vmid}/migrate",
    "POST /nodes/{node}/lxc/{vmid}/move_volume",
    "GET /nodes/{node}/lxc/{vmid}/pending",
    "PUT /nodes/{node}/lxc/{vmid}/resize",
    "GET /nodes/{node}/lxc/{vmid}/status/current",
    "POST /nodes/{node}/lxc/{vmid}/status/reboot",
    "POST /nodes/{node}/lxc/{vmid}/status/shutdown",
    "POST /nodes/{node}/lxc/{vmid}/status/start",
    "POST /nodes/{node}/lxc/{vmid}/status/stop",
    "GET /nodes/{node}/network",
    "GET /nodes/{node}/storage",
    "GET /nodes/{node}/storage/{storage}/content",
    "GET /nodes/{node}/tasks/{upid}/log",
    "GET /nodes/{node}/tasks/{upid}/status",
)

NUMBERED = re.compile(r"(mp|unused)\d+")
WORTHLESS = ("default", "type-property", "instance-types")


def numbered_as_form(names: list[str]) -> list[str]:
    return list(dict.fromkeys(NUMBERED.sub(r"\1[n]", name) for name in names))


def rule_of(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter's rules, `optional` always there and a boolean."""
    rule = {key: value for key, value in parameter.items() if key not in WORTHLESS}
    rule["optional"] = bool(rule.get("optional"))
    if "enum" in rule:
        rule["enum"] = numbered_as_form(rule["enum"])
    if isinstance(rule.get("format"), dict):
        rule["format"] = {name: rule_of(part) for name, part in rule["format"].items()}
    return rule


def has(description: dict[str, Any], call: str) -> bool:
    """Rules of HA are of version 9 only."""
    method, path = call.split(" ")
    return method in description["paths"].get(path, {})


def call_of(description: dict[str, Any], call: str) -> dict[str, Any]:
    method, path = call.split(" ")
    found = description["paths"][path][method]
    return {
        "asynchronous": method != "GET" and found["returns"].get("type") == "string",
        "parameters": {name: rule_of(rule) for name, rule in found["parameters"].items()},
    }


def main(files: list[str]) -> None:
    for file in files:
        description = json.loads(Path(file).read_text())
        contract = {
            "version": description["version"],
            "calls": {call: call_of(description, call) for call in USED if has(description, call)},
        }
        target = HERE / f"{description['version'].partition('.')[0]}.json"
        target.write_text(json.dumps(contract, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""A resource of each kind that plans are made of, and facts about it as they are found."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tasks.containers.base import ContainerFacts
from tasks.model.applied import Applied
from tasks.resources.applied import applied_resource
from tasks.resources.base import Facts, FileFact, Origin, Resource, UnitFact
from tasks.resources.files import File
from tasks.resources.system import Unit
from tasks.secret import Secret as SecretValue

PATH = "/etc/thing"
RUNS = ContainerFacts(True, True, "a", {})


def file(content: bytes | SecretValue[bytes] = b"desired\n", **more: Any) -> File:
    return File(path=PATH, content=content, **more)


def origin(template: str | None = None, **inputs: str) -> Origin:
    return Origin({name.replace("_", "."): value for name, value in inputs.items()}, template)


def found(content: bytes = b"desired\n", **more: Any) -> Facts:
    attributes = {"mode": "0644", "owner": "root", "group": "root", **more}
    fact = FileFact("file", sha256=File(path="/", content=content).sha256, **attributes)
    return Facts(files={PATH: fact}, container=RUNS)


def applied(*resources: Resource, pending: bool = False, **configuration: str) -> Applied:
    return Applied(
        created_at="",
        updated_at="",
        configuration={name.replace("_", "."): value for name, value in configuration.items()},
        resources={r.address: replace(applied_resource(r), pending=pending) for r in resources},
    )


NOTHING = Facts(container=RUNS)
NGINX = Unit(unit="nginx.service", revision="r1", triggers=(f"file:{PATH}",))
STAMP = {NGINX.stamp: "r1"}


def unit_facts(active: str = "active", file: str = "enabled", load: str = "loaded") -> Facts:
    fact = UnitFact(load, active, file, False)
    return Facts(units={"nginx.service": fact}, texts=STAMP, container=RUNS)

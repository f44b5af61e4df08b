"""The JSON Schemas of records in `schemas/`, from the records themselves; pure.
`python -m tasks.model.schemas` writes them.

The configuration's, which is where everything about it is said, is written by hand, and so are
those of what is no JSON object of one shape: the lock, the operation log and the configuration that
is kept in the container.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tasks.model.archive import Contents, Metadata
from tasks.model.fields import Sha256
from tasks.model.health_document import HealthDocument
from tasks.model.last_drill import LastDrill
from tasks.model.rebuild import Rebuild, ReplacedContainers
from tasks.model.registry import Registered
from tasks.model.state import State
from tasks.paths import SCHEMAS


class ListedContents(Contents, frozen=True, kw_only=True):
    """metadata.json inside an archive: what it holds, the rows of each table, and the SHA-256 of
    every file."""

    members: Annotated[
        dict[str, Sha256], Meta(description="File below the archive's folder → SHA-256.")
    ]


TITLES: dict[str, tuple[str, Any]] = {
    "archive-contents": ("Backup contents", ListedContents),
    "archive-metadata": ("Backup metadata", Metadata),
    "health": ("Health check results", HealthDocument),
    "last-drill": ("Last drill", LastDrill),
    "rebuild": ("Rebuild under way", Rebuild),
    "registry": (
        "Registry",
        Annotated[
            list[Registered],
            Meta(
                description="/var/lib/vikunja-deploy/instances.json: every instance that this host "
                "looks after, by id."
            ),
        ],
    ),
    "replaced": ("Containers that were replaced", ReplacedContainers),
    "state": ("Deployment state", State),
}
"""Name of the schema → its title, and the record."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of this name: one of TITLES."""
    title, kind = TITLES[name]
    (schema,), components = msgspec.json.schema_components([kind])
    parts = {f"#/$defs/{part}": value for part, value in components.items()}
    found = _inlined(schema, parts)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**head, **found, "title": title}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """With each part in every place that refers to it."""
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(
            parts[schema["$ref"]] | {n: v for n, v in schema.items() if n != "$ref"}, parts
        )
    found = {name: _inlined(value, parts) for name, value in schema.items()}
    if isinstance(found.get("description"), str):
        found["description"] = " ".join(found["description"].split())
    return found


def text_of(name: str) -> str:
    """The file of this name in `schemas/`."""
    return json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for name in TITLES:
        (SCHEMAS / f"{name}.schema.json").write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    main()

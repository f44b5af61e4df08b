"""Step 2: templates and an instance become files, each knowing which desired it was made of.

Rendering has no effect; `write` keeps the files on the host (0700 folder) as doit's targets, and
`recall` gives them back without loading Jinja2 while nothing they depend on has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tasks.config.document import OPEN_MAPPINGS
from tasks.errors import DeployError
from tasks.guest.runner import SCRIPTS
from tasks.host.files import recalled, write_atomically
from tasks.model.digests import digest
from tasks.model.instance import Instance
from tasks.paths import ROOT, TEMPLATES, Paths
from tasks.resources.base import Origin

MANIFEST = "manifest.json"


class Templated(Struct, frozen=True):
    """A file in the container that a template makes.

    template: path below templates/. variables: further values for the template, by name. keys:
    dotted keys of the configuration that these are made of.
    """

    template: str
    path: str
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"
    variables: tuple[tuple[str, str | int], ...] = ()
    keys: tuple[str, ...] = ()


class Rendered(Struct, frozen=True):
    content: bytes
    origin: Origin


class Manifest(Struct, frozen=True):
    """What was rendered, by path in the container. key: of everything that it depends on."""

    key: str
    files: Mapping[str, Rendered]


class Tracked:
    """Part of a document; every leaf that is read is noted by its dotted key."""

    def __init__(self, value: Mapping[str, Any], seen: dict[str, Any], prefix: str = "") -> None:
        self._value = value
        self._seen = seen
        self._prefix = prefix

    def __getitem__(self, name: str) -> Any:
        key = f"{self._prefix}{name}"
        value = self._value[name]
        if isinstance(value, Mapping) and key not in OPEN_MAPPINGS:
            return Tracked(value, self._seen, f"{key}.")
        self._seen[key] = value
        return value


def origin_of(instance: Instance, keys: Iterable[str]) -> Origin:
    """The origin of what was made from these dotted keys of the configuration."""
    found: dict[str, str] = {}
    for key in keys:
        known = instance.digests.get(key)
        if known is None:
            known = instance.digests[key] = _digests(instance, key)
        found |= known
    return Origin(dict(sorted(found.items())))


def _digests(instance: Instance, key: str) -> dict[str, str]:
    """Of the value of a key, and of what it is read through."""
    seen: dict[str, Any] = {}
    value: Any = Tracked(instance.document, seen)
    for name in key.split("."):
        value = value[name]
    seen[key] = value._value if isinstance(value, Tracked) else value
    return {name: digest(one) for name, one in seen.items()}


def render(instance: Instance, wanted: Iterable[Templated]) -> dict[str, Rendered]:
    """The content of each wanted file, by its path in the container."""
    environment = _environment()
    rendered = {}
    for item in wanted:
        seen: dict[str, Any] = {}
        context: dict[str, Any] = {
            name: Tracked(value, seen, f"{name}.")
            for name, value in instance.document.items()
            if isinstance(value, Mapping)
        }
        context.update(item.variables)
        content = environment.get_template(item.template).render(context)
        read = {key: digest(value) for key, value in seen.items()}
        inputs = dict(sorted({**read, **origin_of(instance, item.keys).inputs}.items()))
        rendered[item.path] = Rendered(content.encode(), Origin(inputs, template_digest(item)))
    return rendered


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        # Shell that is shared with what else runs in the container.
        loader=FileSystemLoader([TEMPLATES, SCRIPTS]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def template_files(wanted: Iterable[Templated]) -> list[Path]:
    """The template files that these depend on, what they share included: doit's file_dep."""
    files = {TEMPLATES / item.template for item in wanted}
    return sorted(files | set(_shared_files()))


@cache
def _shared_files() -> tuple[Path, ...]:
    return (*sorted(TEMPLATES.glob("shared/*.j2")), SCRIPTS / "color.sh")


@cache
def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise DeployError(
            "template is missing",
            where=str(path.relative_to(ROOT)),
            hint="Restore it: git checkout -- templates",
        ) from None


def template_digest(item: Templated) -> str:
    """Digest of a template and what it may share with others."""
    return _template_digest(item.template)


@cache
def _template_digest(template: str) -> str:
    return digest([_file_digest(path) for path in (TEMPLATES / template, *_shared_files())])


def rendering_key(instance: Instance, wanted: Iterable[Templated]) -> str:
    """Digest of everything that a rendering depends on."""
    return digest(
        [
            dict(instance.document),
            [[*msgspec.structs.astuple(w), template_digest(w)] for w in wanted],
            _file_digest(Path(__file__)),
        ]
    )


def host_name(path: str) -> str:
    """File name on the host for a path in the container."""
    return path.strip("/").replace("/", "__")


def recall(instance: Instance, wanted: tuple[Templated, ...], paths: Paths) -> dict[str, Rendered]:
    """What `write` kept, if it is still what rendering would give; else rendered anew."""
    manifest = recalled(paths.rendered(instance.id) / MANIFEST, Manifest)
    if manifest is not None and manifest.key == rendering_key(instance, wanted):
        return dict(manifest.files)
    return render(instance, wanted)


def write(
    instance: Instance,
    wanted: tuple[Templated, ...],
    paths: Paths,
    said: Callable[[str], None] = lambda _: None,
) -> None:
    """Render and keep on the host; a file whose content stays is not touched."""
    folder = paths.rendered(instance.id)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    files = render(instance, wanted)
    names = {MANIFEST}
    for path, item in files.items():
        target = folder / host_name(path)
        names.add(target.name)
        if not target.exists() or target.read_bytes() != item.content:
            write_atomically(target, item.content, mode=0o600)
            said(f"rendered {path}")
    manifest = msgspec.json.encode(Manifest(rendering_key(instance, wanted), files))
    write_atomically(folder / MANIFEST, msgspec.json.format(manifest, indent=1), mode=0o600)
    for left in folder.iterdir():
        if left.name not in names:
            left.unlink()

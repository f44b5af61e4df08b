"""Which installations of Vikunja there are at a source, before their settings are read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from tasks.errors import ResourceError
from tasks.imports import compose
from tasks.imports.configuration import yaml_problem
from tasks.imports.layouts import COMPOSE_FOLDERS, IMAGE, LAYOUTS, VOLUMES, Layout
from tasks.imports.source import Source
from tasks.imports.units import FOLDERS, Unit, read_unit, read_variables

MARKER = "/etc/vikunja-deploy"
_VOLUMES = "/var/lib/docker/volumes"
_NOWHERE = "/dev/null"
"""Below it nothing can be."""
_BACKEND = re.compile(
    r"^(vikunja|api)([-_.]?v?\d[\w.]*)?([-_](linux|api|amd64|arm64|full)[\w.-]*)?$"
)


class Installation(Struct, frozen=True):
    """One that was found. mounts: folders of it → where the source has them. environment, origins:
    its variables so far, and where each is from; environment_files: of more, `-` before one that
    may be missing. roots: folders that relative paths may start at."""

    name: str
    layout: Layout
    program: str
    version: str
    unit: str
    home: str
    roots: tuple[str, ...]
    environment: Mapping[str, str]
    origins: Mapping[str, str]
    environment_files: tuple[str, ...] = ()
    mounts: Mapping[str, str] = {}
    credentials: Mapping[str, str] = {}

    def at(self, path: str) -> str:
        """Where the source has one of its paths."""
        for target in sorted(self.mounts, key=len, reverse=True):
            if path == target or path.startswith(f"{target.rstrip('/')}/"):
                return self.mounts[target] + path[len(target.rstrip("/")) :]
        return path


def find_installation(source: Source, base: str, named: str) -> Installation:
    """The one that is there. base: a folder that alone is looked at, empty for all. named: its
    unit, or a compose file's service, where there are several. Raises ResourceError."""
    found = list(_in_folder(source, base) if base else _in_system(source))
    if named:
        wanted = [
            one for one in found if named in (one.name, one.unit, one.unit.removesuffix(".service"))
        ]
        if not wanted:
            names = ", ".join(one.name for one in found)
            raise ResourceError(
                f"{named} is no installation of Vikunja",
                where=source.said,
                hint=f"There are: {names}." if names else "",
            )
        found = wanted
    if not found:
        raise ResourceError(
            "no Vikunja found",
            where=source.said,
            hint="docs/moving-in.md says where it is looked for; folder:/PATH names its folder.",
        )
    if len(found) > 1:
        names = ", ".join(f"{one.name} ({one.program or one.roots[0]})" for one in found)
        raise ResourceError(
            f"{len(found)} installations found: {names}",
            where=source.said,
            hint=f"Say which: --unit {found[0].name}",
        )
    return found[0]


def _in_system(source: Source) -> Iterator[Installation]:
    units = [f"{folder}/*.service" for folder in FOLDERS]
    more = [f"{folder}/*.service.d/*.conf" for folder in FOLDERS]
    composed = [f"{folder}/{name}" for folder in COMPOSE_FOLDERS for name in compose.NAMES]
    files = source.fetch([*units, *more, *composed, MARKER, "/etc/passwd"])
    if MARKER in files:
        raise ResourceError(
            f"is instance {files[MARKER].decode().strip()} of vikunja-deploy already",
            where=source.said,
            hint="./doit backup and ./doit restore bring it elsewhere.",
        )
    served = list(_units(files))
    layout = _layout(source)
    for unit in served:
        yield _of_unit(unit, layout, files)
    folders = {path.rpartition("/")[0] for path in files if path.endswith(compose.NAMES)}
    for folder in sorted(folders):
        yield from _composed(source, folder, files)
    if not served and not folders:
        yield from _without_unit(source, layout)


def _layout(source: Source) -> Layout:
    signs = [sign for layout in LAYOUTS for sign in layout.signs]
    there = source.sizes(signs)
    for layout in LAYOUTS[:-1]:
        wanted = layout.signs if layout.name == "bash-project" else ()
        if (wanted and there.keys() >= set(wanted)) or (
            not wanted and there.keys() & set(layout.signs)
        ):
            return layout
    return LAYOUTS[-1]


def _units(files: Mapping[str, bytes]) -> list[Unit]:
    """Services that run it; of one that has blue and green, blue."""
    texts: dict[str, list[tuple[str, str]]] = {}
    for folder in FOLDERS:
        for path in sorted(files):
            if posixpath.dirname(path) == folder and path.endswith(".service"):
                name = posixpath.basename(path)
                texts.setdefault(name, [(path, files[path].decode(errors="replace"))])
    for path in sorted(files, key=lambda path: (posixpath.basename(path), path)):
        above = posixpath.basename(posixpath.dirname(path))
        name = above.removesuffix(".d")
        if path.endswith(".conf") and name in texts:
            texts[name].append((path, files[path].decode(errors="replace")))
    found: dict[str, Unit] = {}
    for name, parts in texts.items():
        instance = name.replace("@.service", "@blue.service")
        unit = read_unit(instance, parts)
        if _BACKEND.match(posixpath.basename(unit.program)):
            found[instance] = unit
    blue = {name for name in found if "blue" in name}
    twins = {name.replace("blue", "green") for name in blue}
    return [unit for name, unit in sorted(found.items()) if name not in twins]


def _of_unit(unit: Unit, layout: Layout, files: Mapping[str, bytes]) -> Installation:
    home = _home(files.get("/etc/passwd", b""), unit.user) if unit.user else ""
    program_folder = posixpath.dirname(unit.program)
    if program_folder in ("/usr/local/bin", "/usr/bin"):
        # The package's is a link.
        program_folder = "/opt/vikunja"
    roots = [unit.folder, program_folder, *layout.folders]
    return Installation(
        name=unit.name,
        layout=layout,
        program=unit.program,
        version="",
        unit=unit.name,
        home=home,
        roots=tuple(dict.fromkeys(root.rstrip("/") or "/" for root in roots if root)),
        environment=unit.environment,
        origins=unit.origins,
        environment_files=unit.environment_files,
        credentials=unit.credentials,
    )


def _home(passwd: bytes, user: str) -> str:
    for line in passwd.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 5 and user in (fields[0], fields[2]):
            return fields[5]
    return ""


def _without_unit(source: Source, layout: Layout) -> Iterator[Installation]:
    there = source.sizes([*layout.programs, "/app/vikunja/vikunja", "/db/vikunja.db"])
    data = source.sizes([f"{folder}/vikunja.db" for folder in layout.folders])
    if "/app/vikunja/vikunja" in there or "/db/vikunja.db" in there:
        yield _bare("image", "Vikunja's image", "/app/vikunja/vikunja", ("/app/vikunja",), IMAGE)
    elif there or data:
        program = next(iter(there), "")
        yield Installation(
            name=program or next(iter(data)),
            layout=layout,
            program=program,
            version="",
            unit="",
            home="",
            roots=layout.folders,
            environment={},
            origins={},
        )


def _bare(
    name: str,
    title: str,
    program: str,
    roots: Sequence[str],
    image: Mapping[str, str],
    mounts: Mapping[str, str] = {},
) -> Installation:
    variables = {f"VIKUNJA_{key.upper()}": value for key, value in image.items()}
    return Installation(
        name=name,
        layout=Layout(name, title, ()),
        program=program,
        version="",
        unit="",
        home="",
        roots=tuple(roots),
        environment=variables,
        origins=dict.fromkeys(variables, "Vikunja's image"),
        mounts=mounts,
    )


def _in_folder(source: Source, base: str) -> Iterator[Installation]:
    files = source.fetch([f"{base}/{name}" for name in compose.NAMES])
    if files:
        yield from _composed(source, base, files)
        return
    places = [f"{base}/{name}" for name in (*VOLUMES, "config.yml", "config.yaml", "vikunja")]
    if there := source.sizes(places):
        volumes = any(path.endswith("/db/vikunja.db") for path in there)
        name, title = ("volumes", "a container's volumes") if volumes else ("folder", "its folder")
        program = f"{base}/vikunja"
        mounts = {"/": base, base: base}
        yield _bare(name, title, program if program in there else "", (base,), {}, mounts)


def _composed(source: Source, folder: str, files: Mapping[str, bytes]) -> Iterator[Installation]:
    """The services of a folder's compose file."""
    import yaml

    path = next(f"{folder}/{name}" for name in compose.NAMES if f"{folder}/{name}" in files)
    beside = source.fetch([f"{folder}/.env"])
    variables = read_variables(beside.get(f"{folder}/.env", b"").decode(errors="replace"))
    try:
        document = yaml.safe_load(files[path])
    except yaml.YAMLError as error:
        reason = yaml_problem(error)
        raise ResourceError(f"{path} cannot be read: {reason}", where=source.said) from error
    for service in compose.services(document, variables).values():
        yield _of_service(service, document, folder, path, variables)


def _of_service(
    service: compose.ComposeService,
    document: Mapping[str, Any],
    folder: str,
    path: str,
    variables: Mapping[str, str],
) -> Installation:
    project = str(document.get("name") or variables.get("COMPOSE_PROJECT_NAME") or "")
    project = project or re.sub(r"[^a-z0-9_-]", "", posixpath.basename(folder).lower())
    named = document.get("volumes") or {}

    def place(mounted: str) -> str:
        if mounted.startswith(("/", ".", "~")):
            return posixpath.normpath(posixpath.join(folder, mounted))
        about = named.get(mounted) or {}
        volume = about.get("name") or (mounted if about.get("external") else f"{project}_{mounted}")
        return f"{_VOLUMES}/{volume}/_data"

    env_files = tuple(posixpath.normpath(posixpath.join(folder, one)) for one in service.env_files)
    base = _bare("compose", f"a compose file, {path}", "", ("/app/vikunja",), IMAGE)
    version = service.tag if re.match(r"v?\d+\.\d+", service.tag) else ""
    return Installation(
        name=service.name,
        layout=base.layout,
        program="/app/vikunja/vikunja",
        version=f"v{version.removeprefix('v')}" if version else "",
        unit="",
        home="",
        roots=base.roots,
        environment={**base.environment, **service.environment},
        origins={**base.origins, **dict.fromkeys(service.environment, path)},
        environment_files=env_files,
        mounts={
            "/": _NOWHERE,
            **{path: path for path in env_files},
            **{target: place(mounted) for target, mounted in service.mounts.items()},
        },
    )

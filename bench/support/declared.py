"""What is desired of an instance, said in the words of other tools.

What every tool can declare is taken: packages, the user, files, folders, links, units, and what
must not be there. Secrets, databases, releases and records are ours alone and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.resources.base import Resource
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.system import Package, StoppedUnit, Unit, User

COMMON = (Package, User, Directory, File, Link, Absent, Unit, StoppedUnit)


def common(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Those that every tool can declare, in their order."""
    return tuple(resource for resource in resources if isinstance(resource, COMMON))


def source_name(resource: File) -> str:
    """Name of the local file that holds a declared file's content."""
    return resource.path.strip("/").replace("/", "__")


def write_sources(resources: Iterable[Resource], folder: Path) -> None:
    """The contents of the declared files, where playbook and deploy take them from."""
    folder.mkdir(mode=0o700)
    for resource in resources:
        if isinstance(resource, File):
            (folder / source_name(resource)).write_bytes(resource.data)


def playbook(resources: Sequence[Resource], sources: Path) -> list[dict[str, Any]]:
    """An Ansible playbook. All packages are one task, as Ansible is fastest with."""
    tasks: list[dict[str, Any]] = []
    packages = _packages(resources)
    if packages:
        tasks.append({"ansible.builtin.apt": {"name": packages}})
    tasks += [task for resource in resources for task in _tasks(resource, sources)]
    return [{"hosts": "all", "gather_facts": False, "tasks": tasks}]


def _packages(resources: Iterable[Resource]) -> list[str]:
    return [resource.package for resource in resources if isinstance(resource, Package)]


def _tasks(resource: Resource, sources: Path) -> Iterator[dict[str, Any]]:
    match resource:
        case User():
            yield {
                "ansible.builtin.user": {
                    "name": resource.user,
                    "home": resource.home,
                    "shell": resource.shell,
                    "system": True,
                    "create_home": False,
                }
            }
        case Directory():
            yield {
                "ansible.builtin.file": {
                    "path": resource.path,
                    "state": "directory",
                    "mode": resource.mode,
                    "owner": resource.owner,
                    "group": resource.group,
                }
            }
        case File():
            yield {
                "ansible.builtin.copy": {
                    "src": str(sources / source_name(resource)),
                    "dest": resource.path,
                    "mode": resource.mode,
                    "owner": resource.owner,
                    "group": resource.group,
                }
            }
        case Link():
            yield {
                "ansible.builtin.file": {
                    "path": resource.path,
                    "src": resource.target,
                    "state": "link",
                }
            }
        case Absent():
            yield {"ansible.builtin.file": {"path": resource.path, "state": "absent"}}
        case Unit() | StoppedUnit():
            wanted = isinstance(resource, Unit)
            yield {
                "ansible.builtin.systemd_service": {
                    "name": resource.unit,
                    "state": "started" if wanted else "stopped",
                    "enabled": wanted,
                }
            }


def deploy(resources: Sequence[Resource], sources: Path) -> str:
    """A pyinfra deploy. It ends by printing `declared N, changes M`."""
    lines = [
        "from pyinfra.operations import apt, files, server, systemd",
        "",
        "operations = [",
        f"    apt.packages(packages={_packages(resources)!r}),",
        *(f"    {call}," for resource in resources for call in _calls(resource, sources)),
        "]",
        "changes = sum(operation.will_change for operation in operations)",
        'print(f"declared {len(operations)}, changes {changes}")',
    ]
    return "\n".join(lines) + "\n"


def _calls(resource: Resource, sources: Path) -> Iterator[str]:
    match resource:
        case User():
            yield (
                f"server.user(user={resource.user!r}, home={resource.home!r}, "
                f"shell={resource.shell!r}, system=True, create_home=False)"
            )
        case Directory():
            yield f"files.directory(path={resource.path!r}, {_ownership(resource)})"
        case File():
            source = str(sources / source_name(resource))
            yield f"files.put(src={source!r}, dest={resource.path!r}, {_ownership(resource)})"
        case Link():
            yield f"files.link(path={resource.path!r}, target={resource.target!r})"
        case Absent():
            yield f"files.file(path={resource.path!r}, present=False)"
        case Unit() | StoppedUnit():
            wanted = isinstance(resource, Unit)
            yield (
                f"systemd.service(service={resource.unit!r}, running={wanted}, enabled={wanted})"
            )


def _ownership(resource: File | Directory) -> str:
    mode = int(resource.mode)
    return f"user={resource.owner!r}, group={resource.group!r}, mode={mode}"


def count(resources: Sequence[Resource]) -> int:
    """How many operations they are to the other tools: all packages are one."""
    packages = _packages(resources)
    return len(resources) - len(packages) + bool(packages)

"""Files, folders, links, secrets and users of one batch as one tar stream for land.sh."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

from tasks.containers.base import Container
from tasks.errors import DeployError
from tasks.guest.runner import LAND, last_line_says
from tasks.model.layout import SERVICE_SECRET
from tasks.resources.base import Resource
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.overrides import Override
from tasks.resources.system import Secret, User


def operation(resource: Resource, number: int) -> tuple[str, ...]:
    """land.sh's operation for a resource; number: of the member that holds its content."""
    match resource:
        case File(path=path, mode=mode, owner=owner, group=group):
            return ("file", str(number), mode, owner, group, path)
        case Directory(path=path, mode=mode, owner=owner, group=group):
            return ("directory", mode, owner, group, path)
        case Link(path=path, target=target):
            return ("link", target, path)
        case Absent(path=path):
            return ("absent", path)
        case Override(path=path):
            return ("aside", path)
        case Secret(path=path, mode=mode, owner=owner, group=group):
            return ("secret", mode, owner, group, path)
        case User(user=user, home=home, shell=shell):
            return ("user", user, home, shell)
    raise DeployError(f"{resource.address} cannot be landed")


def stream(operations: Sequence[tuple[str, ...]], contents: Sequence[bytes]) -> bytes:
    """The tar stream: the list of operations, then the contents by number."""
    for fields in operations:
        for field in fields:
            if not field or "\t" in field or "\n" in field:
                raise DeployError(f"cannot land {field!r}", where=fields[0])
    listing = "".join("\t".join(fields) + "\n" for fields in operations).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in (("operations", listing), *((str(n), c) for n, c in enumerate(contents))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def landing(
    resources: Sequence[Resource], unstamped: Sequence[str] = (), *, final: bool = False
) -> bytes:
    """The stream that lands these resources in order, after taking these units' stamps away.

    final: what is there is for good; of secrets it is noted which they are.
    """
    operations: list[tuple[str, ...]] = [("unstamp", unit) for unit in unstamped]
    if final:
        operations.append(("note", SERVICE_SECRET))
    contents: list[bytes] = []
    for resource in resources:
        operations.append(operation(resource, len(contents)))
        if isinstance(resource, File):
            contents.append(resource.data)
    return stream(operations, contents)


def put_files(
    container: Container, *files: Resource, final: bool = False, frozen: bool = False
) -> None:
    """Land these in a container, in order. frozen: within a write freeze. Raises DeployError."""
    failure = last_line_says(
        DeployError,
        "files could not be written",
        where=container.spec.instance_id,
        hint="Is the container's disk full or read-only? Then run it again.",
    )
    LAND.run(container, stdin=landing(files, final=final), frozen=frozen, failure=failure)

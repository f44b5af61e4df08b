"""Whether what is staged is what the archive lists: every row, and every attachment's digest."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tasks.backup.cutover import RESTORED
from tasks.backup.manifest import FILES, NAME
from tasks.backup.staging import UNPACKED
from tasks.containers.base import Container
from tasks.databases import database_for
from tasks.errors import DatabaseError, DeployError
from tasks.guest.runner import GuestScript, last_line_says
from tasks.model.archive import Contents
from tasks.model.instance import Instance

DIGESTS = GuestScript("digests", ("digests",), guard=False)
DIGESTS_TIMEOUT = 3600


def prove_staged(instance: Instance, container: Container, contents: Contents) -> None:
    """Raise DatabaseError or DeployError where what was unpacked is not what the archive lists."""
    rows = database_for(instance, container).counts(RESTORED)
    prove_rows(contents.tables, rows, instance.id)
    prove_attachments(container, UNPACKED, instance.id)


def prove_rows(listed: Mapping[str, int], found: Mapping[str, int], where: str) -> None:
    """Rows by table."""
    differ = [
        name for name in sorted(found.keys() | listed.keys()) if found.get(name) != listed.get(name)
    ]
    if differ:
        raise DatabaseError(
            "the database has other rows than the archive lists",
            where=where,
            evidence=[
                f"{name}: {listed.get(name)} listed, {found.get(name)} found" for name in differ
            ],
        )


def prove_attachments(container: Container, unpacked: str, where: str) -> None:
    """unpacked: the archive's folder in the container."""
    members = json.loads(container.run(["cat", f"{unpacked}/{NAME}"]).stdout)["members"]
    listed = {name: digest for name, digest in members.items() if name.startswith(FILES)}
    said = DIGESTS.run(
        container,
        f"{unpacked}/files",
        failure=last_line_says(DeployError, "attachments cannot be read", where=where),
        timeout=DIGESTS_TIMEOUT,
    )
    differ = sorted({name for name, _ in digests(said.stdout).items() ^ listed.items()})
    if differ:
        raise DeployError(
            f"{len(differ)} attachments are not as the archive lists them",
            where=where,
            evidence=differ[:5],
        )


def digests(said: bytes) -> Mapping[str, str]:
    """Of digests.sh: digests by the names that they have in an archive."""
    found = {}
    for line in said.split(b"\0"):
        if line:
            digest, _, name = line.partition(b"  ./")
            found[FILES + name.decode(errors="surrogateescape")] = digest.decode()
    return found

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
    _prove_rows(instance, container, contents)
    _prove_attachments(instance, container)


def _prove_rows(instance: Instance, container: Container, contents: Contents) -> None:
    listed, found = contents.tables, database_for(instance, container).counts(RESTORED)
    differ = [
        name for name in sorted(found.keys() | listed.keys()) if found.get(name) != listed.get(name)
    ]
    if differ:
        raise DatabaseError(
            "the database has other rows than the archive lists",
            where=instance.id,
            evidence=[
                f"{name}: {listed.get(name)} listed, {found.get(name)} found" for name in differ
            ],
        )


def _prove_attachments(instance: Instance, container: Container) -> None:
    members = json.loads(container.run(["cat", f"{UNPACKED}/{NAME}"]).stdout)["members"]
    listed = {name: digest for name, digest in members.items() if name.startswith(FILES)}
    said = DIGESTS.run(
        container,
        f"{UNPACKED}/files",
        failure=last_line_says(DeployError, "attachments cannot be read", where=instance.id),
        timeout=DIGESTS_TIMEOUT,
    )
    differ = sorted({name for name, _ in digests(said.stdout).items() ^ listed.items()})
    if differ:
        raise DeployError(
            f"{len(differ)} attachments are not as the archive lists them",
            where=instance.id,
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

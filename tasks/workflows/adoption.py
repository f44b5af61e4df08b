"""A container that is the instance's, and of whose proof a part was lost, is taken as its own anew.

Notes replaced by hand, a tag or a marker removed, a host brought back from a backup: what is left
says whose it is. What puts it back is an operation of its own; a plan of what else differs follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tasks.containers import container_for
from tasks.errors import DeployError
from tasks.model.instance import Instance
from tasks.model.lock import Lock
from tasks.model.operation_log import operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress


def find_adoptable(
    instances: Iterable[Instance], paths: Paths
) -> tuple[dict[str, str], dict[str, DeployError]]:
    """By instance: what adopting its container would put right, or why it cannot be. Those whose
    containers are proven theirs, or not there, are in neither."""
    adoptable, failures = {}, {}
    for instance in instances:
        try:
            missing = container_for(instance, paths).missing()
        except DeployError as failure:
            failures[instance.id] = failure
        else:
            if missing is not None:
                adoptable[instance.id] = missing
    return adoptable, failures


def adopt(
    instance: Instance,
    paths: Paths,
    progress: Progress = SILENT,
    warn: Callable[[str], None] = lambda _: None,
) -> None:
    """Put right what is there to be put right, asked anew under the lock. Raises DeployError."""
    with (
        Lock.acquire(paths, instance.id, "reconfigure", warn=warn),
        operation(paths, instance.id, "reconfigure") as log,
    ):
        container = container_for(instance, paths)
        missing = container.missing()
        if missing is not None:
            container.adopt(progress)
            log.info(f"Adopted: {missing}")

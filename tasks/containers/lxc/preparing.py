"""What plain LXC needs of this machine, brought about before anything is made on it."""

from __future__ import annotations

from tasks.containers.lxc import PACKAGES
from tasks.containers.lxc.preflight import missing_packages, preflight
from tasks.errors import ResourceError
from tasks.paths import Paths
from tasks.progress import SILENT, Progress


def prepare_machine(paths: Paths, progress: Progress = SILENT) -> None:
    """Install the Debian packages that are missing, and give root user ids for containers.

    Raises ResourceError for what cannot be brought about, and what host_packages.ensure raises.
    """
    from tasks.host.packages import ensure, ensure_user_ids

    _refuse_lacking(paths)
    packages = missing_packages()
    if packages:
        # With LXC itself what it is better with.
        ensure(PACKAGES if "lxc" in packages else packages, progress)
        # What only the new programs can tell.
        _refuse_lacking(paths)
    ensure_user_ids()


def _refuse_lacking(paths: Paths) -> None:
    lacking = [one for one in preflight(paths) if one.needed and not one.mended]
    if lacking:
        raise ResourceError(
            f"this machine cannot hold a container of plain LXC: {lacking[0].what}",
            hint=f"{lacking[0].hint}; nothing of the instance was made",
            evidence=[str(finding) for finding in lacking[1:]],
        )

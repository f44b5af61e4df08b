"""One instance being applied: what everything that is done to it is given."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from tasks import builds
from tasks.containers.base import Container
from tasks.host.cancelling import Stop
from tasks.model.operations import Operation
from tasks.model.plan import PlanEntry
from tasks.paths import Paths
from tasks.planning.inspection import Inspection
from tasks.progress import Progress


class ApplyContext(Struct, frozen=True):
    """One instance being applied.

    write_record: brings a record up to date, by its name. done: told of every entry that is.
    stop: set where the user has cancelled while another thread works on this.
    """

    inspection: Inspection
    paths: Paths
    operation: Operation
    progress: Progress
    write_record: Callable[[str], None]
    done: Callable[[PlanEntry], None]
    stop: Stop = field(default_factory=Stop)

    @property
    def container(self) -> Container:
        return self.inspection.container

    @property
    def where(self) -> str:
        return self.inspection.instance.id

    @property
    def version(self) -> str:
        """Of the release that is to serve; `-` before it is built."""
        target = self.inspection.target
        if target.version:
            return target.version
        built = builds.find(self.paths, target.key)
        return built.version if built else "-"

    def log(self, text: str) -> None:
        self.operation.info(text)

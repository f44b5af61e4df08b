"""One instance being applied: what every effect is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.containers.base import Container
from tasks.desired.release import ReleaseTarget
from tasks.guest.runner import while_stopped
from tasks.host.cancelling import Stop
from tasks.model.instance import Color
from tasks.model.plan import PlanEntry
from tasks.paths import Paths
from tasks.planning.inspection import Inspection
from tasks.progress import Progress

if TYPE_CHECKING:
    from tasks.databases.write_freeze import WriteFreeze
    from tasks.execution.rehearsal import Rehearsed
    from tasks.execution.staged_restore import StagedUpdate
    from tasks.model.operations import Operation


@dataclass
class ApplyContext:
    """One instance being applied. target moves on when a build tells the version."""

    inspection: Inspection
    paths: Paths
    progress: Progress
    log: Callable[[str], None]
    target: ReleaseTarget
    write_record: Callable[[str], None]
    done: Callable[[PlanEntry], None] = lambda _: None
    switched: bool = False
    """Whether another color than before serves, for good."""
    keeps: Color | None = None
    """The color that serves while an update changes the configuration, whose files are kept."""
    put_back: bool = False
    """Whether those are back."""
    late: bool = False
    """Whether it was cancelled after that, and is being finished."""
    stop: Stop = field(default_factory=Stop)
    """Set where the user has cancelled while another thread works on this."""
    drained: set[Color] = field(default_factory=set)
    """Colors whose requests have been waited for."""
    rehearsed: Rehearsed | None = None
    """What a rehearsal of the update's migrations showed."""
    backup_seconds: float = 0.0
    """What the backup before a write freeze took."""
    going_back: StagedUpdate | None = None
    """What lies beside what is live, in a rollback over a migration."""
    operation: Operation | None = None
    frozen: WriteFreeze | None = None
    """The write freeze that is under way."""

    def finish_late(self) -> None:
        """It was cancelled when the new version served for good: what is left is done."""
        self.late = True
        self.progress.step("cancelled too late: the new version serves, what is left is being done")

    @property
    def container(self) -> Container:
        return self.inspection.container

    def closed(self, argv: Sequence[str]) -> Sequence[str]:
        """The same, within the write freeze where one is under way."""
        return argv if self.frozen is None else while_stopped(argv)

    @property
    def where(self) -> str:
        return self.inspection.instance.id


Effect = Callable[[Sequence[PlanEntry], ApplyContext], None]

"""Who is told how operations end: by mail, and by any service that apprise knows.

`watch` is all that a command needs: from then on the end of every operation of these instances
is told as configured. What cannot be told is a warning in the log, and nothing
else: an operation never fails for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tasks.model import operations
from tasks.model.instance import Instance
from tasks.model.operations import Ended


def watch(instances: Iterable[Instance], warn: Callable[[str], None]) -> None:
    """Tell how the operations of these instances end. warn: where what could not be told goes
    besides the log. Instances that want no notification cost nothing."""
    wanting = {one.id: one for one in instances if one.notifications.wanted}
    if not wanting:
        return

    def ended(end: Ended) -> None:
        instance = wanting.get(end.instance_id)
        if instance is not None:
            from tasks.notify.notifications import notify

            notify(instance, end, warn)

    operations.when_ended(ended)

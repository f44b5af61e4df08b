"""`stop`: stop what serves, until start or apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.commands.base import DeployCommand
from tasks.commands.services import serve


class Stop(DeployCommand):
    name = "stop"
    doc_purpose = "stop what serves, until start or apply"
    doc_usage = "[ID]"
    needs_root = True
    changes = True

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.workflows.lifecycle import stop

        return serve(stop, options, arguments, "stop")

"""`start`: start what serves, and wait until it is healthy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.commands.base import DeployCommand
from tasks.commands.services import serve


class Start(DeployCommand):
    name = "start"
    doc_purpose = "start what serves, and wait until it is healthy"
    doc_usage = "[ID]"
    needs_root = True
    changes = True

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.workflows.lifecycle import start

        return serve(start, options, arguments, "start")

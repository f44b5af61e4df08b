"""`restart`: start backend and MCP server anew without a request lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.commands.base import DeployCommand
from tasks.commands.services import serve


class Restart(DeployCommand):
    name = "restart"
    doc_purpose = "start backend and MCP server anew without a request lost"
    doc_usage = "[ID]"
    needs_root = True
    changes = True

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.workflows.lifecycle import restart

        return serve(restart, options, arguments, "restart")

"""`backups`: the archives there are of an instance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tasks.commands.base import JSON_OPTION, DeployCommand, load, only
from tasks.output import console


class Backups(DeployCommand):
    name = "backups"
    doc_purpose = "list an instance's backups"
    doc_usage = "[ID]"
    options = (JSON_OPTION,)

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.backup.listing import document, listing, table
        from tasks.backup.take import folder_of
        from tasks.model.operation_log import utc_now

        instance = only(load(options, arguments), arguments, "backups")
        listed = listing(folder_of(instance))
        if options["json"]:
            console.result(json.dumps([document(one) for one in listed], indent=2))
        elif listed:
            console.result(table(listed, utc_now(), console.width()))
        else:
            console.note(f"No backups of {instance.id} yet: ./doit backup {instance.id}")
        code = 0
        for one in listed:
            if one.problem:
                console.error(one.problem)
                code = code or one.problem.exit_code
        return code

"""The configuration that an update brings along is taken back where the update fails.

Its files are for the version that is new: before the first of them lands, those of the version that
serves are kept in the container, and they come back with the word that it serves on.
"""

from __future__ import annotations

from tasks.errors import DeployError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import GuestScript, last_lines
from tasks.model.instance import Color
from tasks.model.layout import MAINTENANCE, TLS
from tasks.resources.files import Absent, File, Link
from tasks.resources.system import Script, Secret, Unit

KEEP = GuestScript("keep", ("keep",))
PUT_BACK = GuestScript("put-back", ("put-back",))


def keep(serving: Color, context: ApplyContext) -> None:
    """Keep what the plan changes of the configuration, before any of it is changed."""
    entries = [entry for entry in context.inspection.plan.entries if entry.step == "system"]
    resources = [entry.resource for entry in entries]
    units = [one.unit for one in resources if isinstance(one, Unit)]
    files = [one.path for one in resources if isinstance(one, (File, Link, Absent))]
    # A failed update closes nothing that it had let in.
    paths = [path for path in files if path != MAINTENANCE]
    paths += [one.path for one in resources if isinstance(one, Secret) and one.of]
    if any(isinstance(one, Script) and one.script.startswith("self-signed") for one in resources):
        paths.append(f"{TLS}/self-signed")

    def failure(_: int, lines: list[str]) -> DeployError:
        return DeployError(
            f"the configuration of {serving}, which serves, could not be kept",
            where=context.where,
            evidence=lines,
            hint="Is the container's disk full or read-only? Then run ./doit apply again.",
        )

    KEEP.run(context.container, serving, *units, "--", *paths, failure=failure)


def put_back(serving: Color, context: ApplyContext) -> str:
    """Put back what was kept; why that did not succeed, empty where it did."""
    try:
        done = PUT_BACK.attempt(context.container, serving)
    except DeployError as failure:
        return failure.what
    if done.returncode != 0:
        return " ".join(last_lines(done.stderr)[-1:]) or "no word of why"
    if done.stdout.strip() == b"put back":
        context.settings_are_back()
        context.log("The configuration's files are as they were before")
    return ""

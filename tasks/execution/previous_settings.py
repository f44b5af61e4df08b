"""The configuration that an update brings along is taken back where the update fails.

Its files are for the version that is new: before the first of them lands, those of the version that
serves are kept in the container, and they come back with the word that it serves on.
"""

from __future__ import annotations

from tasks.errors import DeployError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import SCRIPT, UNIT_TIMEOUT, guarded, last_lines
from tasks.model.instance import Color
from tasks.model.layout import TLS
from tasks.resources.files import Absent, File, Link
from tasks.resources.system import Script, Secret, Unit


def keep_script() -> str:
    return guarded("keep")


def put_back_script() -> str:
    return guarded("put-back")


def keep(serving: Color, work: ApplyContext) -> None:
    """Keep what the plan changes of the configuration, once, before any of it is changed."""
    if work.keeps is not None:
        return
    entries = [entry for entry in work.inspection.plan.entries if entry.step == "system"]
    resources = [entry.resource for entry in entries]
    units = [one.unit for one in resources if isinstance(one, Unit)]
    paths = [one.path for one in resources if isinstance(one, (File, Link, Absent))]
    paths += [one.path for one in resources if isinstance(one, Secret) and one.of]
    if any(isinstance(one, Script) and one.script.startswith("self-signed") for one in resources):
        paths.append(f"{TLS}/self-signed")
    completed = work.container.run(
        [SCRIPT, "-c", keep_script(), "keep", serving, *units, "--", *paths],
        timeout=UNIT_TIMEOUT,
        check=False,
    )
    if completed.returncode != 0:
        raise DeployError(
            f"the configuration of {serving}, which serves, could not be kept",
            where=work.where,
            evidence=last_lines(completed.stderr),
            hint="Is the container's disk full or read-only? Then run ./doit apply again.",
        )
    work.keeps = serving


def put_back(work: ApplyContext) -> str:
    """Put back what was kept; why that did not succeed, empty where it did."""
    if work.keeps is None:
        return ""
    try:
        completed = work.container.run(
            [SCRIPT, "-c", put_back_script(), "put-back", work.keeps],
            timeout=UNIT_TIMEOUT,
            check=False,
        )
    except DeployError as failure:
        return failure.what
    if completed.returncode != 0:
        return " ".join(last_lines(completed.stderr)[-1:]) or "no word of why"
    work.put_back = completed.stdout.strip() == b"put back"
    if work.put_back:
        work.log("The configuration's files are as they were before")
    return ""

"""Effects on what serves: the build, its release, the active colour, the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tasks import build, record
from tasks.effects.inside import guarded
from tasks.effects.work import SCRIPT, UNIT_TIMEOUT, Work, last_lines
from tasks.errors import BuildError, UnhealthyError
from tasks.model.applied import Applied
from tasks.model.instance import COLORS
from tasks.model.plan import Entry
from tasks.resources.base import Facts
from tasks.resources.files import File
from tasks.resources.landing import landing
from tasks.resources.observe import observe, script_text
from tasks.resources.release import (
    ActiveColor,
    HealthCheck,
    Record,
    ReleaseWish,
    active_color,
    released,
)


def make_artifact(batch: Sequence[Entry], work: Work) -> None:
    artifact = build.build(work.look.instance, work.target.commit or "", work.paths, work.progress)
    work.target = replace(work.target, version=artifact.version)


def put_release(batch: Sequence[Entry], work: Work) -> None:
    for entry in batch:
        assert isinstance(entry.resource, ReleaseWish)
        wish = entry.resource
        artifact = build.find(work.paths, wish.key)
        if artifact is None:
            raise BuildError(
                f"the build {wish.key[:12]} is gone from the cache",
                where=work.where,
                hint="Run ./doit apply again: it is built anew.",
            )
        build.verify(artifact)
        work.target = replace(work.target, version=artifact.version)
        line = f"{wish.key} {artifact.version} {artifact.commit or '-'}"
        with Path(artifact.path).open("rb") as archive:
            work.container.run(
                [SCRIPT, "-c", guarded("release.sh"), "release", wish.color, line],
                stdin=archive,
                timeout=UNIT_TIMEOUT,
            )


def check_site(batch: Sequence[Entry], work: Work) -> None:
    for entry in batch:
        assert isinstance(entry.resource, HealthCheck)
        wish = entry.resource
        text = "\n".join((script_text("health"), 'health_site "$@"'))
        completed = work.container.run(
            [SCRIPT, "-c", text, "health", wish.domain, str(wish.port), str(wish.timeout)],
            timeout=UNIT_TIMEOUT,
            check=False,
        )
        if completed.returncode != 0:
            raise UnhealthyError(
                f"https://{wish.domain} does not answer as it should",
                where=work.where,
                evidence=last_lines(completed.stderr),
                hint=f"./doit logs {work.where} --component nginx shows more.",
            )


def write_records(batch: Sequence[Entry], work: Work) -> None:
    for entry in batch:
        assert isinstance(entry.resource, Record)
        work.write_record(entry.resource.record)


def write_document(work: Work, applied: Applied) -> None:
    """Write the document in the container as things are now."""
    instance = work.look.instance
    facts = replace(releases(work), host=record.observe_backup(work.paths, instance.id))
    content = record.document(instance, facts, applied)
    document = File(path=record.DOCUMENT, content=content, mode="0640", group="vikunja")
    work.container.run(
        [SCRIPT, "-c", guarded("land.sh"), "land"], stdin=landing([document]), timeout=60
    )


def releases(work: Work) -> Facts:
    """What is released in both colours, and which of them is active."""
    questions = [
        question
        for color in COLORS
        for question in ReleaseWish(color=color, key="", label="").questions()
    ]
    return observe(work.container, [*questions, *ActiveColor(color="blue").questions()])


def serving(work: Work) -> tuple[str, str, str]:
    """Colour, version and commit that serve; `-` for a commit that a finished archive has not."""
    facts = releases(work)
    color = active_color(facts)
    line = released(facts, color)
    return color, line.version if line else "", line.commit if line else ""

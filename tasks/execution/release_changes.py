"""Effects on what serves: the build, its release, the active color, the records."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tasks import builds
from tasks.builds import artifact
from tasks.desired import record
from tasks.errors import BuildError, DeployError, UnhealthyError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import SCRIPT, UNIT_TIMEOUT, guarded, last_lines, script_text
from tasks.model import releases as records
from tasks.model.applied import Applied
from tasks.model.instance import COLORS, Color
from tasks.model.plan import PlanEntry
from tasks.model.releases import Served
from tasks.resources.base import Facts
from tasks.resources.files import File
from tasks.resources.landing import landing
from tasks.resources.migration import migrations_question, recorded
from tasks.resources.observe import observe
from tasks.resources.release import (
    ActiveColor,
    DesiredRelease,
    HealthCheck,
    Record,
    ReleaseLine,
    active_color,
    released,
)


def make_artifact(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    made = builds.build(
        work.inspection.instance, work.target.commit or "", work.paths, work.progress
    )
    work.target = replace(work.target, version=made.version)


def put_release(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    for entry in batch:
        assert isinstance(entry.resource, DesiredRelease)
        desired = entry.resource
        found = builds.find(work.paths, desired.key)
        if found is None:
            raise BuildError(
                f"the build {desired.key[:12]} is gone from the cache",
                where=work.where,
                hint="Run ./doit apply again: it is built anew.",
            )
        builds.verify(found)
        work.target = replace(work.target, version=found.version)
        line = f"{desired.key} {found.version} {found.commit or '-'}"
        before = records.read(work.paths, work.where)
        records.write(work.paths, work.where, records.trying(before, desired.key))
        with found.path.open("rb") as archive:
            completed = work.container.run(
                [SCRIPT, "-c", guarded("release"), "release", desired.color, line],
                stdin=archive,
                timeout=UNIT_TIMEOUT,
                check=False,
            )
        if completed.returncode != 0:
            raise DeployError(
                f"{found.version} could not be put into {desired.color}'s folders",
                where=work.where,
                evidence=last_lines(completed.stderr),
                hint="Is the container's disk full? resources.disk_size_gb makes it larger. Then"
                " ./doit apply again.",
            )


def check_site(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    for entry in batch:
        assert isinstance(entry.resource, HealthCheck)
        desired = entry.resource
        text = "\n".join((script_text("health"), 'health_site "$@"'))
        completed = work.container.run(
            [SCRIPT, "-c", text, "health", desired.domain, str(desired.port), str(desired.timeout)],
            timeout=UNIT_TIMEOUT,
            check=False,
        )
        if completed.returncode != 0:
            raise UnhealthyError(
                f"https://{desired.domain} does not answer as it should",
                where=work.where,
                evidence=last_lines(completed.stderr),
                hint=f"./doit logs {work.where} --component nginx shows more.",
            )


def write_records(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    for entry in batch:
        assert isinstance(entry.resource, Record)
        work.write_record(entry.resource.record)


def write_document(work: ApplyContext, applied: Applied) -> None:
    """Write the document in the container as things are now."""
    instance = work.inspection.instance
    host = record.observe_backup(work.paths, instance.id)
    facts = replace(releases(work), host=host, container=work.container.observe())
    content = record.document(instance, facts, applied)
    document = File(path=record.DOCUMENT, content=content, mode="0640", group="vikunja")
    work.container.run(
        [SCRIPT, "-c", guarded("land"), "land"],
        stdin=landing([document], final=True),
        timeout=60,
    )


def releases(work: ApplyContext) -> Facts:
    """What is released in both colors, which of them is active, and the database's migrations."""
    questions = [
        question
        for color in COLORS
        for question in DesiredRelease(color=color, key="", label="").questions()
    ]
    questions.append(migrations_question(work.inspection.instance))
    return observe(work.container, [*questions, *ActiveColor(color="blue").questions()])


def serving(work: ApplyContext) -> tuple[Color, ReleaseLine | None, tuple[str, ...] | None]:
    """The color that serves, its release, and the migrations that the database has been through;
    None where it could not be asked."""
    facts = releases(work)
    color = active_color(facts)
    migrations = recorded(facts, work.inspection.instance)
    return color, released(facts, color), None if migrations is None else tuple(sorted(migrations))


def remember(line: ReleaseLine, migrations: tuple[str, ...] | None, work: ApplyContext) -> None:
    """Record what serves now, and take builds out of the cache that no instance keeps any more."""
    instance = work.inspection.instance
    before = records.read(work.paths, instance.id)
    commit = None if line.commit == "-" else line.commit
    served = Served(line.key, commit, line.version, migrations)
    after = records.serving(before, served, instance.update.keep_releases)
    if after == before:
        return
    records.write(work.paths, instance.id, after)
    for key in before.keys - records.kept_by_all(work.paths):
        artifact.remove(work.paths, key)
        work.log(f"the build {key[:12]} is not kept any more")

"""Effects on what serves: the build, its release, the active color, the records."""

from __future__ import annotations

from msgspec.structs import replace

from tasks import builds
from tasks.builds import artifact
from tasks.desired import record
from tasks.errors import BuildError, DeployError, UnhealthyError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import GuestScript, last_line_says
from tasks.model import pins
from tasks.model import releases as records
from tasks.model.applied import Applied
from tasks.model.instance import COLORS, Color
from tasks.model.plan import PlanEntry
from tasks.model.releases import Served
from tasks.resources.base import Facts
from tasks.resources.files import File
from tasks.resources.landing import put_files
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

RELEASE = GuestScript("release", ("release-folders", "release"))
COPY_RELEASE = GuestScript("copy-release", ("release-folders", "copy-release"))
SITE = GuestScript("site", ("health",), 'health_site "$@"', guard=False)


def make_artifact(context: ApplyContext, *_: object) -> None:
    target = context.inspection.target
    instance = context.inspection.instance
    if instance.release is None:
        builds.build(instance, target.commit, context.paths, context.progress)
        return
    from tasks.builds.published import settled

    builds.build(settled(instance, target.version), None, context.paths, context.progress)
    if instance.release.url is None:
        _log_pin(context, target.version)


def _log_pin(context: ApplyContext, version: str) -> None:
    """Say in the log which archive was taken, and what it was not compared with."""
    from tasks.builds.published import kind_of

    pin = pins.find(context.paths, version, kind_of())
    if pin is not None:
        context.log(f"{version} is {pin.url}, SHA-256 {pin.sha256}")
    if pin is not None and pin.unchecked:
        context.log(f"{version} is not cross-checked: {pin.unchecked}")
        context.progress.step(f"{version} is not cross-checked: {pin.unchecked}")


def put_release(context: ApplyContext, release: DesiredRelease, _: PlanEntry) -> None:
    if release.copy_of is not None:
        _copy_release(context, release.color, release.copy_of)
        return
    found = builds.find(context.paths, release.key)
    if found is None:
        raise BuildError(
            f"the build {release.key[:12]} is gone from the cache",
            where=context.where,
            hint="Run ./doit apply again: it is built anew.",
        )
    builds.verify(found)
    before = records.read(context.paths, context.where)
    records.write(context.paths, context.where, records.trying(before, release.key))

    def failure(_: int, lines: list[str]) -> DeployError:
        return DeployError(
            f"{found.version} could not be put into {release.color}'s folders",
            where=context.where,
            evidence=lines,
            hint="Is the container's disk full? resources.disk_size_gb makes it larger. Then"
            " ./doit apply again.",
        )

    line = f"{release.key} {found.version} {found.commit or '-'}"
    with found.path.open("rb") as archive:
        RELEASE.run(context.container, release.color, line, stdin=archive, failure=failure)


def _copy_release(context: ApplyContext, color: Color, copy_of: Color) -> None:
    failure = last_line_says(
        DeployError,
        f"the release of {copy_of} could not be copied",
        where=context.where,
        hint="Is the container's disk full? resources.disk_size_gb makes it larger. Then"
        " ./doit apply again.",
    )
    COPY_RELEASE.run(context.container, color, copy_of, failure=failure)


def check_site(context: ApplyContext, check: HealthCheck, _: PlanEntry) -> None:
    def failure(_: int, lines: list[str]) -> DeployError:
        return UnhealthyError(
            f"{check.site} does not answer as it should",
            where=context.where,
            evidence=lines,
            hint=f"./doit logs {context.where} --component nginx shows more.",
        )

    SITE.run(context.container, check.site, str(check.timeout), failure=failure)


def write_record(context: ApplyContext, record: Record, _: PlanEntry) -> None:
    context.write_record(record.record)


def write_document(context: ApplyContext, applied: Applied) -> None:
    """Write the document in the container as things are now."""
    instance = context.inspection.instance
    host = record.observe_backup(context.paths, instance.id)
    facts = replace(releases(context), host=host, container=context.container.observe())
    content = record.document(instance, facts, applied)
    document = File(path=record.DOCUMENT, content=content, mode="0640", group="vikunja")
    put_files(context.container, document, final=True)


def releases(context: ApplyContext) -> Facts:
    """What is released in both colors, which of them is active, and the database's migrations."""
    questions = [
        question
        for color in COLORS
        for question in DesiredRelease(color=color, key="", label="").questions()
    ]
    questions.append(migrations_question(context.inspection.instance))
    return observe(context.container, [*questions, *ActiveColor(color="blue").questions()])


def serving(context: ApplyContext) -> tuple[Color, ReleaseLine | None, tuple[str, ...] | None]:
    """The color that serves, its release, and the migrations that the database has been through;
    None where it could not be asked."""
    facts = releases(context)
    color = active_color(facts)
    migrations = recorded(facts, context.inspection.instance)
    return color, released(facts, color), None if migrations is None else tuple(sorted(migrations))


def remember(line: ReleaseLine, migrations: tuple[str, ...] | None, context: ApplyContext) -> None:
    """Record what serves now, and take builds out of the cache that no instance keeps any more."""
    instance = context.inspection.instance
    before = records.read(context.paths, instance.id)
    commit = None if line.commit == "-" else line.commit
    served = Served(line.key, commit, line.version, migrations)
    after = records.serving(before, served, instance.update.keep_releases)
    if after == before:
        return
    records.write(context.paths, instance.id, after)
    for key in before.keys - records.kept_by_all(context.paths):
        artifact.remove(context.paths, key)
        context.log(f"the build {key[:12]} is not kept any more")

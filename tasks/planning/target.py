"""What is to serve: the commit that a branch has, a published version, an archive of one's own."""

from __future__ import annotations

from tasks import builds
from tasks.builds import Answer
from tasks.desired.release import ReleaseTarget, serving_release
from tasks.model import releases
from tasks.model.instance import Instance
from tasks.paths import Paths
from tasks.resources.base import Facts
from tasks.resources.release import ReleaseLine


def find_target(instance: Instance, answer: Answer, facts: Facts, paths: Paths) -> ReleaseTarget:
    """What is to serve, with its version where it has been built before.

    answer: what was asked about the application. facts: of the instance, for a channel goes by
    what serves. Raises BuildError where a channel has no release.
    """
    if instance.release is not None:
        return _released(instance, answer, facts, paths)
    commit = answer.commit
    key = builds.artifact_key(instance, commit)
    artifact = builds.find(paths, key)
    version = artifact.version if artifact else ""
    because = f"{instance.git.branch} is at {commit[:10]} now" if instance.git and commit else ""
    return ReleaseTarget(commit, key, version, because)


def _released(instance: Instance, answer: Answer, facts: Facts, paths: Paths) -> ReleaseTarget:
    assert instance.release is not None
    because, newer = "", None
    if instance.release.channel is not None:
        from tasks.builds.published import choose, settled

        serving = serving_release(facts)
        before = serving.version if serving else _served_last(instance, paths)
        stays = serving is not None and _published(instance, serving)
        choice = choose(instance.release, answer.published, before, stays)
        because, newer = f"{instance.release.channel} is at {choice.version} now", choice.newer
        instance = settled(instance, choice.version)
    assert instance.release is not None and instance.release.version is not None
    key = builds.artifact_key(instance, None)
    return ReleaseTarget(None, key, instance.release.version, because, newer)


def _published(instance: Instance, serving: ReleaseLine) -> bool:
    """Whether what serves was taken from a channel, or as a published version."""
    from tasks.builds.published import settled

    return builds.artifact_key(settled(instance, serving.version), None) == serving.key


def _served_last(instance: Instance, paths: Paths) -> str | None:
    """The version that served before the container was stopped or lost."""
    served = releases.read(paths, instance.id).since_current
    return served[0].version if served else None


def notices(target: ReleaseTarget) -> tuple[str, ...]:
    """What is to be known beside what would be done."""
    if target.newer is None:
        return ()
    return (
        f"{target.newer} is published, a new major version: release.version: {target.newer}, or "
        "release.major: follow, takes it.",
    )

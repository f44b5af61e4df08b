"""Steps 5 and 6: a commit becomes a build in the host's cache, the build a color's release."""

from __future__ import annotations

from msgspec import Struct

from tasks.desired.rendering import origin_of
from tasks.model.instance import COLORS, Color, Instance
from tasks.resources.base import Facts, Resource
from tasks.resources.release import (
    DesiredArtifact,
    DesiredRelease,
    active_color,
    released,
    whole_release,
)


class ReleaseTarget(Struct, frozen=True):
    """What is to serve. commit: None for a finished archive. key: of the artifact.

    because: why it is another commit than the one that serves, where no key has changed.
    """

    commit: str | None
    key: str
    version: str = ""
    """Empty until it is built."""
    because: str = ""

    @property
    def label(self) -> str:
        """For people: `1a2b3c4d5e (v1.2.0)`, the version only once it is known."""
        if self.commit is None:
            return self.version
        return f"{self.commit[:10]} ({self.version})" if self.version else self.commit[:10]


def wanted_color(facts: Facts, key: str) -> Color:
    """The color to bring the wanted build to: the active one where nothing else serves from it."""
    active = active_color(facts)
    if released(facts, active) is None and released(facts, other(active)) is None:
        return active
    serving = whole_release(facts, active)
    if serving is not None and serving.key == key:
        return active
    return other(active)


def other(color: Color) -> Color:
    return COLORS[1 - COLORS.index(color)]


def origin_keys(instance: Instance) -> tuple[str, ...]:
    """The keys that decide which build is to serve."""
    if instance.release:
        return ("release.url", "release.sha256", "release.version")
    mcp = ("build.mcp",) if instance.services.mcp.enabled else ()
    return (
        "git.repository",
        "git.branch",
        "build.backend",
        "build.frontend",
        "build.environment",
        "build.packages",
        "build.toolchains",
        "build.where",
        "services.mcp.enabled",
        *mcp,
    )


def declare_build(instance: Instance, target: ReleaseTarget) -> tuple[Resource, ...]:
    origin = origin_of(instance, origin_keys(instance))
    label = target.commit[:10] if target.commit else target.version
    return (DesiredArtifact(key=target.key, label=label, origin=origin),)


def declare(
    instance: Instance, target: ReleaseTarget, color: Color, because: str = ""
) -> tuple[Resource, ...]:
    """because: see DesiredRelease."""
    origin = origin_of(instance, origin_keys(instance))
    built = f"artifact:{target.commit[:10] if target.commit else target.version}"
    desired = DesiredRelease(
        color=color,
        key=target.key,
        label=target.label,
        origin=origin,
        follows=(built,),
        otherwise=target.because,
        because=because,
    )
    return (desired,)

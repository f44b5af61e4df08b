"""Steps 5 and 6: a commit becomes a build in the host's cache, the build a color's release."""

from __future__ import annotations

from msgspec import Struct

from tasks.desired.rendering import origin_of
from tasks.model.instance import COLORS, Color, Instance
from tasks.resources.base import Facts, Resource
from tasks.resources.release import (
    DesiredArtifact,
    DesiredRelease,
    ReleaseLine,
    active_color,
    released,
    whole_release,
)


class ReleaseTarget(Struct, frozen=True):
    """What is to serve. commit: None for a release that was not built here. key: of the artifact.

    because: why it is another than the one that serves, where no key has changed. newer: a
    published version of another major, that is there and is not taken.
    """

    commit: str | None
    key: str
    version: str = ""
    """Empty until it is built."""
    because: str = ""
    newer: str | None = None

    @property
    def label(self) -> str:
        """For people: `1a2b3c4d5e (v1.2.0)`, the version only once it is known."""
        if self.commit is None:
            return self.version
        return f"{self.commit[:10]} ({self.version})" if self.version else self.commit[:10]


def serving_release(facts: Facts) -> ReleaseLine | None:
    """The release of the color that nginx passes requests to; None also where it is damaged."""
    return whole_release(facts, active_color(facts))


def nothing_released(facts: Facts) -> bool:
    return all(released(facts, color) is None for color in COLORS)


def other(color: Color) -> Color:
    return COLORS[1 - COLORS.index(color)]


def origin_keys(instance: Instance) -> tuple[str, ...]:
    """The keys that decide which build is to serve."""
    if instance.release:
        keys = ("channel", "version", "major", "url", "sha256")
        return tuple(f"release.{key}" for key in keys)
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
    instance: Instance,
    target: ReleaseTarget,
    color: Color,
    copy_of: Color | None = None,
    because: str = "",
) -> tuple[Resource, ...]:
    """copy_of, because: see DesiredRelease."""
    origin = origin_of(instance, origin_keys(instance))
    built = f"artifact:{target.commit[:10] if target.commit else target.version}"
    desired = DesiredRelease(
        color=color,
        key=target.key,
        label=target.label,
        origin=origin,
        follows=(built,),
        otherwise=target.because,
        copy_of=copy_of,
        because=because,
    )
    return (desired,)

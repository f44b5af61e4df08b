"""Whose the container of a name is, by what its folder, the others' and the registry say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from tasks.containers.base import ContainerSpec, Refusal
from tasks.containers.lxc import config, network, ownership
from tasks.errors import DeployError, ResourceError
from tasks.model import registry
from tasks.paths import Paths


class OwnershipCheck:
    """The proof that the container of a spec's name is its instance's: what `ownership` judges,
    gathered from this machine. No change but to the registry, by `note`."""

    def __init__(self, spec: ContainerSpec, paths: Paths) -> None:
        self._spec = spec
        self._paths = paths

    @property
    def _folder(self) -> Path:
        return self._paths.lxc / self._spec.name

    @property
    def recorded(self) -> registry.Registered | None:
        """The instance's entry, where that is of a container of plain LXC. A registry that cannot
        be read records nothing: whatever it takes to write it fails."""
        entry = None
        with suppress(DeployError):
            entry = registry.find(self._paths, self._spec.instance_id)
        return entry if entry is not None and entry.driver == "lxc" else None

    def doubt(self, found: ownership.Claim, recorded: registry.Registered | None) -> Refusal | None:
        others = self.others() if ownership.needs_others(found, recorded) else None
        return ownership.doubt(found, self._spec.instance_id, recorded, others)

    def others(self) -> list[ownership.Claim]:
        """What says of other containers here that they are the instance's."""
        names = [
            name
            for name, text in network.configurations(self._paths).items()
            if name != self._spec.name and config.owner_of(text) == self._spec.instance_id
        ]
        claims = (ownership.read(self._paths.lxc / name) for name in names)
        return [claim for claim in claims if claim is not None]

    def copies(self) -> tuple[str, ...]:
        """Names of other containers that say that they are the instance's."""
        return tuple(claim.name for claim in self.others() if claim.owner is not None)

    def refuse_second(self) -> None:
        """An instance whose container has another name does not get a second, empty one."""
        names = [claim.name for claim in self.others() if claim.owner is not None]
        if not names:
            return
        where, recorded = self._spec.instance_id, self.recorded
        name = names[0] if recorded is None else recorded.container_name
        if name in names:
            raise ResourceError(
                f"its container is {name}, and containers keep their name",
                where=where,
                hint=f"Put lxc.name: {name} back.",
                evidence=[f"{other} says that it is this instance's, too" for other in names[1:]],
            )
        raise ResourceError(
            f"its recorded container {name} is gone, and {' and '.join(names)} says that it is "
            "this instance's: a copy of it, or it under another name",
            where=where,
            hint=f"Where it is the container: set lxc.name: {names[0]}, then ./doit apply --adopt "
            f"{where}. Where it is a copy: move its folder out of {self._paths.lxc}, by which "
            "nothing in it is lost",
        )

    def require_ours(self, action: str) -> config.Settings:
        """The settings of an existing container that is proven ours, else ResourceError."""
        found = ownership.read(self._folder)
        if found is None:
            raise ResourceError(
                f"there is no container to {action}",
                where=self._spec.name,
                hint="`./doit apply` creates it",
            )
        settings = config.parse(found.text)
        unproven = self.doubt(found, self.recorded)
        if unproven is not None:
            raise ResourceError(unproven.what, where=self._spec.name, hint=unproven.hint)
        assert settings is not None, "what has no settings is nowhere at home"
        return settings

    def missing(self) -> str | None:
        """See Container.missing."""
        found = ownership.read(self._folder)
        if found is None:
            self.refuse_second()
            return None
        return self.lost(found)

    def lost(self, found: ownership.Claim) -> str | None:
        """What adopting a container that is there puts right; ResourceError where too little speaks
        for it."""
        lost = ownership.missing(found, self._spec.instance_id, self.recorded, self.others())
        if isinstance(lost, Refusal):
            raise ResourceError(lost.what, where=self._spec.instance_id, hint=lost.hint)
        return lost

    def note(self, settings: config.Settings) -> config.Settings:
        """Let the registry know the container that is there by an identity of its own, which comes
        into its configuration after that."""
        recorded = self.recorded
        known = settings.identity or (recorded.identity if recorded else None)
        identity = known or registry.new_identity()
        registry.note_container(
            self._paths,
            self._spec.instance_id,
            "lxc",
            identity=identity,
            folder=self._folder.stat().st_ino,
            container_name=self._spec.name,
        )
        return replace(settings, identity=identity)

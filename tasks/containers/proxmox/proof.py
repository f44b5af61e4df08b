"""The proof that a container of Proxmox VE is an instance's: tag, notes and marker name it, and it
is the one that the registry has. A clone says the same of itself, and is told by its id. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from tasks.containers.base import NOT_RECORDED, RECORDED, Refusal
from tasks.containers.proxmox.properties import (
    identity_in_notes,
    instances_in,
    is_own_tag,
    is_unmarked,
    parse_tags,
    proven_instance,
    tag_of,
)
from tasks.model.registry import Registered

Says = Literal["there", "missing", "another's", "not known"]


class Proof(Struct, frozen=True):
    """What speaks for a container being an instance's. config: as it holds now. marker: the
    instance that the marker names, empty where it names none, None where it was not asked: only a
    running container can be. recorded: the instance's entry, where that is of Proxmox VE.
    """

    vmid: int
    instance_id: str
    config: Mapping[str, str]
    recorded: Registered | None
    marker: str | None = None

    @property
    def notes(self) -> str:
        return self.config.get("description", "")

    @property
    def identity(self) -> str | None:
        return identity_in_notes(self.notes)

    @property
    def owner(self) -> str | None:
        """The instance that tag and notes agree on; None where it is not the recorded container."""
        named = proven_instance(self.notes, parse_tags(self.config.get("tags", "")))
        return None if named == self.instance_id and self._another() else named

    def _another(self) -> bool:
        """Whether the registry has another container for it, or another was here."""
        known = self.recorded
        if known is None:
            return False
        other_id = known.container_id not in (None, self.vmid)
        return other_id or self.is_made_anew

    @property
    def is_made_anew(self) -> bool:
        known = self.recorded.identity if self.recorded else None
        return None not in (known, self.identity) and known != self.identity

    @property
    def noted(self) -> str:
        """The attribute `identity`. What has no entry yet gets one with the instance's."""
        known = self.identity
        same = known is not None and (self.recorded is None or self.recorded.identity == known)
        return RECORDED if same else NOT_RECORDED

    # What each of the three says

    @property
    def _tag_says(self) -> Says:
        own = {tag.lower() for tag in parse_tags(self.config.get("tags", "")) if is_own_tag(tag)}
        return _said({tag_of(self.instance_id)}, own)

    @property
    def _notes_say(self) -> Says:
        return _said({self.instance_id}, set(instances_in(self.notes)))

    @property
    def _marker_says(self) -> Says:
        if self.marker is None:
            return "not known"
        return _said({self.instance_id}, {self.marker} - {""})

    def says(self) -> dict[str, Says]:
        return {"tag": self._tag_says, "notes": self._notes_say, "marker": self._marker_says}

    # Judged

    def doubt(self) -> Refusal | None:
        """Why it is not proven to be the instance's; None where tag, notes and registry say so, and
        the marker does not say otherwise."""
        if self.owner == self.instance_id:
            return None if self.marker in (None, self.instance_id) else self._incomplete()
        named = proven_instance(self.notes, parse_tags(self.config.get("tags", "")))
        return self._not_recorded() if named == self.instance_id else self._incomplete()

    def _incomplete(self) -> Refusal:
        said = self.says()
        return Refusal(
            f"container {self.vmid} exists and is not proven ours: its "
            + ", its ".join(f"{name} {_is(name)} {what}" for name, what in said.items()),
            self._what_to_do(tuple(said.values())),
        )

    def _what_to_do(self, said: tuple[Says, ...]) -> str:
        other = "choose another proxmox.container_id; that container is left as it is."
        adopt = f"./doit apply --adopt {self.instance_id}"
        if "another's" in said or not self.may_be_ours:
            return f"C{other[1:]}"
        if said.count("there") + said.count("not known") > 1:
            return f"Where it is this instance's: {adopt} puts that back. Where not, {other}"
        return (
            f"Where it is this instance's, as the registry has it: put its tag "
            f"{tag_of(self.instance_id)}, or the line `vikunja-deploy: {self.instance_id}` of its "
            f"notes, back by hand, then: {adopt}. Where not, {other}"
        )

    @property
    def may_be_ours(self) -> bool:
        """Whether anything on the host's side names the instance: then its marker is worth asking
        for."""
        known = self.recorded is not None and self.recorded.container_id == self.vmid
        return known or "there" in (self._tag_says, self._notes_say)

    def _not_recorded(self) -> Refusal:
        known, name = self.recorded, self.instance_id
        assert known is not None
        adopt = f"./doit apply --adopt {name}"
        if self.is_made_anew and known.container_id in (None, self.vmid):
            return Refusal(
                f"container {self.vmid} is not proven ours: it was made as {self.identity}, and "
                f"the recorded one of {name} as {known.identity}: another under its id",
                f"Where it rightly is (made by another host, or of an older backup): {adopt}",
            )
        return Refusal(
            f"container {self.vmid} is not proven ours: the recorded one of {name} is "
            f"{known.container_id}, so this is a clone of it, or it restored under another id",
            f"Where it takes the other's place: {adopt}. Where it is a clone, bring back "
            f"{known.container_id}, or take tag and notes from the clone; nothing else of it goes.",
        )

    def missing(self, node: str) -> str | Refusal | None:
        """What adopting it puts right; a Refusal where too little speaks for it."""
        why = self.doubt()
        if why is None:
            return None
        said, known = self.says(), self.recorded
        lost = [name for name, what in said.items() if what == "missing"]
        if "another's" in said.values():
            return Refusal(why.what, "What names another instance is nobody else's to take.")
        if said["marker"] == "not known" and not is_unmarked(self.notes):
            return Refusal(
                f"{why.what}; its marker, {MARKER_ASKED}",
                f"Start it: `pct start {self.vmid}` on node {node}, then the same again.",
            )
        if known is None:
            return Refusal(
                f"{why.what}; and the registry has no container of {self.instance_id}",
                "Two of tag, notes and marker, and the registry have to agree. Put tag "
                f"{tag_of(self.instance_id)} or the notes' line `vikunja-deploy: "
                f"{self.instance_id}` back by hand.",
            )
        if not lost:
            return f"container {self.vmid} becomes the recorded one, for {known.container_id}"
        if len(lost) > 1 or self._another():
            return Refusal(
                f"{why.what}; the registry has container {known.container_id}",
                "Two of tag, notes and marker, and the registry have to agree. Look at what it is; "
                "nothing was changed.",
            )
        return f"container {self.vmid} gets its {lost[0]} back"


MARKER_ASKED = "which only a running container tells, is needed as well"


def _said(wanted: set[str], found: set[str]) -> Says:
    if not found:
        return "missing"
    return "there" if found == wanted else "another's"


def _is(name: str) -> str:
    return "are" if name == "notes" else "is"

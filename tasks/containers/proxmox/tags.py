"""What datacenter.cfg says of tags: which of them are the same, and who may set which. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from tasks.containers.proxmox.properties import parse_properties, parse_settings, parse_tags


class TagRules(Struct, frozen=True):
    """exact: tags that differ in nothing but case are two. allow: what may be set without
    Sys.Modify on `/`: `free`, what guests have (`existing`) beside what is listed, the `list`
    alone, or `none`; never what is registered."""

    exact: bool = False
    allow: str = "free"
    listed: tuple[str, ...] = ()
    registered: tuple[str, ...] = ()

    def key(self, tag: str) -> str:
        """The same of tags that are the same."""
        return tag if self.exact else tag.lower()

    def keys(self, tags: Iterable[str]) -> set[str]:
        return {self.key(tag) for tag in tags}

    def forbidden(self, tags: Iterable[str], existing: Iterable[str]) -> list[str]:
        """Those of the tags that only somebody with Sys.Modify on `/` may set.

        existing: all tags of guests.
        """
        allowed = set(self.listed) if self.allow != "none" else set()
        if self.allow == "existing":
            allowed |= set(existing)
        return [
            tag
            for tag in tags
            if (self.allow != "free" and self.key(tag) not in self.keys(allowed))
            or self.key(tag) in self.keys(self.registered)
        ]


NO_RULES = TagRules()
"""What holds where nobody has set any."""


def parse_rules(text: str) -> TagRules:
    """Of the text of datacenter.cfg; empty where there is no such file."""
    settings = parse_settings(text.splitlines())
    access = parse_properties(settings.get("user-tag-access", ""))
    return TagRules(
        parse_properties(settings.get("tag-style", "")).get("case-sensitive") == "1",
        access.get("user-allow", "free"),
        parse_tags(access.get("user-allow-list", "")),
        parse_tags(settings.get("registered-tags", "")),
    )

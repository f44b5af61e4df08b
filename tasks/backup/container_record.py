"""The time of the last backup, in the record in the container."""

from __future__ import annotations

import re

from tasks.backup.configuration import DOCUMENT, FOLDER
from tasks.containers.base import Container

_LINE = re.compile(rb"^  last_backup: (?:null|'[0-9TZ:-]+')$", re.MULTILINE)


def noted(document: bytes, created_at: str) -> bytes:
    """The record with this time; as it is where it has no such line, because somebody edited it.

    All else in it stays: an edit of the configuration may not have been applied yet.
    """
    return _LINE.sub(f"  last_backup: '{created_at}'".encode(), document)


def note_inside(container: Container, document: bytes, created_at: str) -> None:
    """document: what the record holds now. Raises DeployError."""
    content = noted(document, created_at)
    if content == document:
        return
    from tasks.resources.files import File
    from tasks.resources.landing import put_files

    record = File(path=f"{FOLDER}/{DOCUMENT}", content=content, mode="0640", group="vikunja")
    put_files(container, record)

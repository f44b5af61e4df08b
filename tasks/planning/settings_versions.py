"""Which version of Vikunja knows which of its settings first; pure.

An older one ignores what it does not know, and does something else than what is configured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tasks.model.application import Vikunja
from tasks.model.instance import Database, DatabaseType

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-rc\d+)?(-\d+-g[0-9a-f]+)?")
"""As `git describe` says it. What is some commits further may know more than its version."""


_SOCKETS: dict[DatabaseType, str] = {"postgresql": "0.20.1", "mysql": "0.21.0"}


def known_from(settings: Vikunja, database: Database) -> Mapping[str, str]:
    """Keys that are given → the first version that knows them, where not every one does."""
    found = {}
    if database.by_socket:
        found["database.host"] = _SOCKETS[database.type]
    if settings.auth.openid:
        # Before, its environment could hold no providers.
        found["vikunja.auth.openid"] = "1.0.0"
    for number, one in enumerate(settings.auth.openid):
        # Until then it took them from files of settings only.
        for name in ("username_fallback", "email_fallback", "force_user_info"):
            if getattr(one, name):
                found[f"vikunja.auth.openid[{number}].{name}"] = "2.4.0"
    if settings.auth.ldap.host is not None:
        found["vikunja.auth.ldap"] = "1.0.0"
    if settings.files.in_bucket:
        # It could before, since 1.0.0-rc3, but under other names: an update would lose sight of
        # what is there.
        found["vikunja.files.type"] = "2.2.0"
    return found


def older(version: str, oldest: str) -> bool:
    """Whether a version is known to be an older one; what is no version is not."""
    found = _VERSION.fullmatch(version)
    if found is None or found[5]:
        return False
    return tuple(int(found[part]) for part in (1, 2, 3)) < tuple(map(int, oldest.split(".")))

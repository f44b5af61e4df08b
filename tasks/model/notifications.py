"""Who is told how operations end, and the mail server that this takes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct


class Smtp(Struct, frozen=True):
    """host is None where mail goes another way. password_file: an absolute path of the host."""

    host: str | None
    port: int
    encryption: Literal["starttls", "tls", "none"]
    user: str | None
    password_file: Path | None


class Ping(Struct, frozen=True):
    """url_file: an absolute path of the host, the address in it."""

    url_file: Path | None


class Notifications(Struct, frozen=True):
    """Who is told how operations end. sender: None for this machine's own. apprise_file: an
    absolute path of the host, addresses of services in it. success: that of success, too."""

    mail: Literal["none", "sendmail", "smtp"]
    sender: str | None
    smtp: Smtp
    apprise_file: Path | None
    ping: Ping
    success: bool

    @property
    def wanted(self) -> bool:
        return self.mail != "none" or self.apprise_file is not None

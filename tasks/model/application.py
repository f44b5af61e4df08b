"""The application's own section of a configuration: attachments, mail, logins, its variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from tasks.model.notifications import Smtp


class S3(Struct, frozen=True):
    """A bucket. endpoint, bucket, access_key and secret_file, an absolute host path, are all there
    where attachments are in it."""

    endpoint: str | None = None
    bucket: str | None = None
    region: str = "us-east-1"
    prefix: str = "files"
    path_style: bool = False
    access_key: str | None = None
    secret_file: Path | None = None

    @property
    def place(self) -> str:
        """In words."""
        return f"bucket {self.bucket}, {self.prefix}/, at {self.endpoint}"


class Files(Struct, frozen=True):
    """Where attachments are: in path/files of the container, or in a bucket."""

    path: str
    type: Literal["local", "s3"] = "local"
    s3: S3 = S3()

    @property
    def in_bucket(self) -> bool:
        return self.type == "s3"


class OpenId(Struct, frozen=True):
    """A provider. key: its part of variables and of the address that it sends people back to.
    url: its issuer. client_secret_file: an absolute host path."""

    name: str
    key: str
    url: str
    client_secret_file: Path
    username_fallback: bool
    email_fallback: bool
    force_user_info: bool


class Ldap(Struct, frozen=True):
    """A directory; none where host is None. bind_password_file: an absolute host path."""

    host: str | None
    port: int
    tls: bool
    verify_certificate: bool
    base_dn: str | None
    bind_dn: str | None
    bind_password_file: Path | None


class Auth(Struct, frozen=True):
    """local: whether accounts with a password of their own may log in; None for Vikunja's own."""

    openid: tuple[OpenId, ...]
    ldap: Ldap
    local: bool | None = None


def _is_true(value: str) -> bool:
    """As Vikunja reads it."""
    return value.lower() in ("1", "t", "true")


class Vikunja(Struct, frozen=True):
    """The application's own settings, but for those that only become a variable: these the
    template reads from Instance.document.

    registration: whether strangers may register. secrets: how secrets reach the application,
    `files` (`*_FILE` variables, Vikunja 1.0 and later), `environment`, or `auto`: as its version
    can. secret_file: an absolute host path; None where a secret is made. environment: further
    variables, as they are. secret_files: further variables → absolute host paths of their values.
    mailer: the mail server that the application uses; none where its host is None.
    """

    registration: bool
    secrets: Literal["auto", "files", "environment"]
    secret_file: Path | None
    secret_files: Mapping[str, Path]
    environment: Mapping[str, str]
    start_timeout_seconds: int
    files: Files
    mailer: Smtp
    auth: Auth

    def variable(self, name: str) -> str:
        """One of the application's that the user sets, whatever its case, by its name without
        VIKUNJA_; else empty."""
        given = {key.upper(): value for key, value in self.environment.items()}
        return given.get(f"VIKUNJA_{name}", "")

    @property
    def sends_mail(self) -> bool:
        return self.mailer.host is not None or _is_true(self.variable("MAILER_ENABLED"))

    @property
    def asks_others(self) -> bool:
        """Whether people log in who have no password here."""
        providers = self.auth.openid or _is_true(self.variable("AUTH_OPENID_ENABLED"))
        return bool(providers) or self._asks_directory

    @property
    def takes_passwords(self) -> bool:
        """Whether who has a password here may log in by it: with a directory Vikunja asks itself,
        too, whatever vikunja.auth.local says."""
        given = self.variable("AUTH_LOCAL_ENABLED")
        refused = self.auth.local is False or (given != "" and not _is_true(given))
        return not refused or self._asks_directory

    @property
    def _asks_directory(self) -> bool:
        return self.auth.ldap.host is not None or _is_true(self.variable("AUTH_LDAP_ENABLED"))

    @property
    def secret_settings(self) -> Mapping[str, tuple[str, Path]]:
        """Variables whose values are secrets → the key that names the file, and the file."""
        found = {
            name: (f"vikunja.secret_files.{name}", path) for name, path in self.secret_files.items()
        }
        if self.mailer.password_file is not None:
            key = "vikunja.mailer.password_file"
            found["VIKUNJA_MAILER_PASSWORD"] = (key, self.mailer.password_file)
        for number, one in enumerate(self.auth.openid):
            variable = f"VIKUNJA_AUTH_OPENID_PROVIDERS_{one.key.upper()}_CLIENTSECRET"
            key = f"vikunja.auth.openid[{number}].client_secret_file"
            found[variable] = (key, one.client_secret_file)
        if self.auth.ldap.bind_password_file is not None:
            key = "vikunja.auth.ldap.bind_password_file"
            found["VIKUNJA_AUTH_LDAP_BINDPASSWORD"] = (key, self.auth.ldap.bind_password_file)
        if self.files.in_bucket and self.files.s3.secret_file is not None:
            key = "vikunja.files.s3.secret_file"
            found["VIKUNJA_FILES_S3_SECRETKEY"] = (key, self.files.s3.secret_file)
        return found

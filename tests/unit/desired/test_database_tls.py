"""A server outside over TLS: what the application is told, what scripts are, and what is read back
of it; and that nothing of it is there where nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.backup.running_instance import as_deployed, as_it_serves
from tasks.config.document import DeploymentFacts, deployment_document
from tasks.desired import color, rendering
from tasks.desired.system import declare, templated
from tasks.model.database_address import DatabaseAddress, address_in, read_address
from tasks.model.host_files import read_host_files
from tasks.model.instance import Instance, read_tls
from tasks.model.layout import SECRETS, environment
from tasks.resources.data_move import database_address
from tasks.resources.files import File
from tasks.resources.migration import migrations_question
from tasks.resources.system import Script
from tasks.secret import Secret

CA = "-----BEGIN CERTIFICATE-----\nCA\n-----END CERTIFICATE-----\n"
CLIENT = "-----BEGIN CERTIFICATE-----\nclient\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # A combined file: what stands beside the certificate stays out of it.
    for name, content in {"ca": CA, "cert": CLIENT + KEY, "key": KEY, "password": "p\n"}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def outside(
    folder: Path, kind: str = "postgresql", mode: str | None = None, *names: str
) -> Instance:
    tls: dict[str, Any] = {f"{name}_file": str(folder / name) for name in names}
    return sample_instance(
        database={
            "type": kind,
            "host": "db.example.com",
            "password_file": str(folder / "password"),
            "tls": {"mode": mode, **tls},
        }
    )


def settings(instance: Instance) -> bytes:
    rendered = rendering.render(instance, templated(instance))
    return rendered[environment("blue")].content


def tls_lines(instance: Instance) -> list[str]:
    lines = settings(instance).decode().splitlines()
    return [line for line in lines if "SSL" in line or "TLS" in line]


BLUE = f"{SECRETS}/blue"
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"

SAID = [
    ("postgresql", "disable", (), ['VIKUNJA_DATABASE_SSLMODE="disable"']),
    ("postgresql", "require", (), ['VIKUNJA_DATABASE_SSLMODE="require"']),
    (
        "postgresql", "verify-ca", ("ca",),
        ['VIKUNJA_DATABASE_SSLMODE="verify-ca"', f'VIKUNJA_DATABASE_SSLROOTCERT="{BLUE}/db-ca"'],
    ),
    (
        "postgresql", "verify-full", (),
        ['VIKUNJA_DATABASE_SSLMODE="verify-full"', f'VIKUNJA_DATABASE_SSLROOTCERT="{SYSTEM}"'],
    ),
    (
        "postgresql", "verify-full", ("ca", "cert", "key"),
        [
            'VIKUNJA_DATABASE_SSLMODE="verify-full"',
            f'VIKUNJA_DATABASE_SSLROOTCERT="{BLUE}/db-ca"',
            f'VIKUNJA_DATABASE_SSLCERT="{BLUE}/db-cert"',
            f'VIKUNJA_DATABASE_SSLKEY="{BLUE}/db-key"',
        ],
    ),
    (
        "postgresql", "require", ("cert", "key"),
        [
            'VIKUNJA_DATABASE_SSLMODE="require"',
            f'VIKUNJA_DATABASE_SSLCERT="{BLUE}/db-cert"',
            f'VIKUNJA_DATABASE_SSLKEY="{BLUE}/db-key"',
        ],
    ),
    ("mysql", "disable", (), ['VIKUNJA_DATABASE_TLS="false"']),
    ("mysql", "require", (), ['VIKUNJA_DATABASE_TLS="skip-verify"']),
    ("mysql", "verify-full", (), ['VIKUNJA_DATABASE_TLS="true"']),
    (
        "mysql", "verify-full", ("ca",),
        ['VIKUNJA_DATABASE_TLS="true"', f'SSL_CERT_FILE="{BLUE}/db-ca"'],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "mode", "names", "lines"), SAID)
def test_the_application_is_told_in_its_own_words_and_they_are_read_back(
    folder: Path, kind: str, mode: str, names: tuple[str, ...], lines: list[str]
) -> None:
    instance = outside(folder, kind, mode, *names)
    assert tls_lines(instance) == lines
    said = ",".join([mode, *(name for name in ("ca", "cert") if name in names)])
    assert str(instance.database.tls) == said == str(read_tls(said))
    address = database_address(instance)
    assert address.tls == said
    assert address_in(settings(instance)) == address
    assert read_address(address.as_data()) == address


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_where_nothing_is_said_nothing_is_there(folder: Path, kind: str) -> None:
    instance = outside(folder, kind)
    assert tls_lines(instance) == []
    assert database_address(instance).tls == ""
    assert "tls" not in database_address(instance).as_data()
    assert "tls" not in deployment_document(instance, FACTS)["database"]
    assert migrations_question(instance)[3:] == (
        "db.example.com",
        *PORT[kind],
        "vikunja",
        "vikunja",
    )
    assert not {one.path for one in files(instance)} & set(PLACES)
    (script,) = (one for one in inside(instance) if one.address.startswith("external-"))
    assert isinstance(script, Script)
    assert len(script.arguments) == 4
    # A record of before there was such a section.
    assert as_deployed(instance, RECORD.replace(b"postgresql", kind.encode())).database.tls == (
        instance.database.tls
    )


PORT = {"postgresql": ("5432",), "mysql": ("3306",)}
PLACES = tuple(f"{SECRETS}/db-{name}" for name in ("ca", "cert", "key"))
FACTS = DeploymentFacts(
    None, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "blue",
    None, None, None, None, None, None,
)  # fmt: skip
RECORD = b"""database:
  type: postgresql
  host: old.example.com
  port: 5433
  name: vikunja
  user: vikunja
  password_file: /etc/old
  admin_user: null
  admin_password_file: null
"""


def inside(instance: Instance) -> tuple[Any, ...]:
    rendered = rendering.render(instance, templated(instance))
    return declare(instance, rendered, read_host_files(instance))


def files(instance: Instance) -> list[File]:
    return [one for one in inside(instance) if isinstance(one, File)]


def test_its_files_are_secrets_that_each_color_has_a_copy_of(folder: Path) -> None:
    instance = outside(folder, "postgresql", "verify-full", "ca", "cert", "key")
    found = {one.path: one for one in files(instance) if one.path in PLACES}
    contents = dict(zip(PLACES, (CA, CLIENT, KEY), strict=True))
    assert {path: one.content for path, one in found.items()} == {
        path: Secret(content.encode()) for path, content in contents.items()
    }
    assert {(one.mode, one.owner, one.sensitive) for one in found.values()} == {
        ("0600", "vikunja", True)
    }
    copied = color.secrets(instance, "green")
    assert copied.arguments[-3:] == ("db-ca", "db-cert", "db-key")
    assert {f"file:{path}" for path in PLACES} <= set(copied.triggers)
    (script,) = (one for one in inside(instance) if one.address.startswith("external-"))
    assert script.arguments == (
        "db.example.com", "5432", "vikunja", "vikunja", "-", "verify-full,ca,cert",
    )  # fmt: skip
    assert script.fired().interrupts == ""
    assert {f"file:{path}" for path in PLACES} <= set(script.triggers)
    assert migrations_question(instance)[-2:] == ("-", "verify-full,ca,cert")


def test_the_record_says_how_what_serves_is_connected(folder: Path) -> None:
    instance = outside(folder, "postgresql", "verify-full", "ca")
    import yaml

    record = yaml.safe_dump(deployment_document(instance, FACTS)).encode()
    edited = outside(folder, "postgresql", "require")
    assert as_deployed(edited, record).database.tls == instance.database.tls
    # Where the data has moved since, and the apply was killed then.
    used = DatabaseAddress("mysql", "new.example.com", 3306, "v", "u", "verify-full,ca")
    served = as_it_serves(edited, record, used).database
    assert str(served.tls) == "verify-full,ca"
    assert as_deployed(edited, record.replace(b"verify-full", b"nonsense")) == edited


def test_what_is_not_ours_in_the_settings_is_no_file_of_ours() -> None:
    text = (
        'VIKUNJA_DATABASE_TYPE="postgres"\nVIKUNJA_DATABASE_HOST="db:5432"\n'
        'VIKUNJA_DATABASE_DATABASE="v"\nVIKUNJA_DATABASE_SSLMODE="verify-full"\n'
        'VIKUNJA_DATABASE_SSLROOTCERT="/srv/ca.pem"\nTYPE="mysql"\n'
    )
    found = address_in(text.encode())
    assert found == DatabaseAddress("postgresql", "db", 5432, "v", "", "verify-full")
    assert found.same(replace(found, tls=""))
    unencrypted = address_in(text.replace("VIKUNJA_DATABASE_SSL", "X").encode())
    assert unencrypted is not None
    assert unencrypted.tls == ""

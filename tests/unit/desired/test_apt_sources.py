"""Further sources of packages: what apt reads of them, what comes from there, and what a key is."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.databases import greeting
from tasks.databases.greeting import refuse_newer_server
from tasks.desired import apt_sources, rendering
from tasks.desired.system import declare, templated
from tasks.errors import DatabaseError, UsageError
from tasks.model.host_files import NO_HOST_FILES, HostFiles, read_host_files
from tasks.model.instance import Instance
from tasks.model.openpgp import public_keys
from tasks.resources.files import File
from tasks.resources.system import Package

KEY = b"\x99\x01\x0dkey"
PRIVATE = b"\x95\x03\x98key"


def armored(key: bytes, kind: bytes = b"PUBLIC KEY") -> bytes:
    return (
        b"-----BEGIN PGP %s BLOCK-----\nVersion: X\n\n%s\n=abcd\n-----END PGP %s BLOCK-----\n"
        % (kind, base64.b64encode(key), kind)
    )


def source(**changes: Any) -> dict[str, Any]:
    return {
        "uris": ["https://apt.example.com:8443/pg", "http://10.0.0.2/pg"],
        "suites": ["bookworm-pgdg"],
        "key_file": "/nowhere",
        "packages": ["postgresql-client-17", "libpq5"],
        **changes,
    }


def instance(*sources: dict[str, Any], **database: Any) -> Instance:
    return sample_instance(
        system={"apt_sources": list(sources)}, database={"type": "sqlite", **database}
    )


OUTSIDE = {"type": "postgresql", "host": "db.example.com", "password_file": "/nowhere"}


def test_what_apt_reads_lets_in_what_is_named_and_nothing_else() -> None:
    other = source(uris=["http://10.0.0.2/x"], suites=["./"], packages=["tool"])
    found = list(
        apt_sources.declare(instance(source(), other), HostFiles(apt_keys=(KEY, b"other")))
    )
    assert [one.path for one in found] == [
        "/etc/apt/keyrings/vikunja-deploy-1.gpg",
        "/etc/apt/keyrings/vikunja-deploy-2.gpg",
        apt_sources.PINS,
        apt_sources.SOURCES,
    ]
    assert [one.content for one in found[:2]] == [KEY, b"other"]
    head = "# Written by vikunja-deploy: an edit is undone by the next apply.\n"
    assert (
        found[3].content
        == (
            head + "\nTypes: deb\nURIs: https://apt.example.com:8443/pg http://10.0.0.2/pg\n"
            "Suites: bookworm-pgdg\nComponents: main\n"
            "Signed-By: /etc/apt/keyrings/vikunja-deploy-1.gpg\n"
            "\nTypes: deb\nURIs: http://10.0.0.2/x\nSuites: ./\n"
            "Signed-By: /etc/apt/keyrings/vikunja-deploy-2.gpg\n"
        ).encode()
    )
    pins = [
        ("*", "apt.example.com", -10),
        ("*", "10.0.0.2", -10),
        ("postgresql-client-17 libpq5", "apt.example.com", 900),
        ("postgresql-client-17 libpq5", "10.0.0.2", 900),
        ("tool", "10.0.0.2", 900),
    ]
    assert (
        found[2].content
        == (
            head
            + "".join(f'\nPackage: {p}\nPin: origin "{h}"\nPin-Priority: {n}\n' for p, h, n in pins)
        ).encode()
    )
    assert {one.mode for one in found} == {"0644"}


@pytest.mark.parametrize(
    ("desired", "clients"),
    [
        (instance(**OUTSIDE), ["postgresql-client"]),
        (instance(source(), **OUTSIDE), ["postgresql-client-17"]),
        (
            instance(source(packages=["postgresql-client-9", "postgresql-common"]), **OUTSIDE),
            ["postgresql-client-9", "postgresql-common"],
        ),
        (
            instance(source(packages=["postgresql-client-common"]), **OUTSIDE),
            ["postgresql-client-common", "postgresql-client"],
        ),
        (instance(source(), type="postgresql"), ["postgresql-client-17", "postgresql"]),
        (instance(source()), ["postgresql-client-17"]),
    ],
)  # fmt: skip
def test_what_a_server_outside_is_copied_with_is_what_is_named(
    desired: Instance, clients: list[str]
) -> None:
    rendered = rendering.render(desired, templated(desired))
    known = HostFiles(apt_keys=tuple(KEY for _ in desired.system.apt_sources))
    resources = declare(desired, rendered, known)
    packages = [one.package for one in resources if isinstance(one, Package)]
    assert [name for name in packages if name.startswith("postgresql")] == clients
    files = [one.path for one in resources if isinstance(one, File)]
    assert any("sources.list" in path for path in files) is bool(desired.system.apt_sources)
    # apt has read them before anything is installed.
    if desired.system.apt_sources:
        kinds = [type(one) for one in resources]
        assert kinds.index(Package) == len(desired.system.apt_sources) + 2


def test_the_newest_client_that_is_named_counts() -> None:
    names = ["postgresql-client-9", "postgresql-client-17", "postgresql-client-16"]
    assert instance(source(packages=names)).system.postgresql_client == 17
    assert instance(source(packages=["libpq5"])).system.postgresql_client is None
    assert instance().system.packages == ()


HINTS = {
    17: "Make the container of a newer Debian: trixie (17); or name a source of "
    "postgresql-client-17 in system.apt_sources",
    18: "Name a source of postgresql-client-18 in system.apt_sources, or use an older server",
}


@pytest.mark.parametrize("version", HINTS)
def test_a_server_that_is_too_new_names_what_would_do(
    monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(greeting, "server_version", lambda *_: version)
    with pytest.raises(DatabaseError, match="that Debian bookworm has: no backup") as failure:
        refuse_newer_server(instance(**OUTSIDE), NO_HOST_FILES)
    assert failure.value.hint == HINTS[version]
    named = source(packages=[f"postgresql-client-{version}"])
    refuse_newer_server(instance(named, **OUTSIDE), NO_HOST_FILES)
    older = source(packages=[f"postgresql-client-{version - 1}"])
    with pytest.raises(DatabaseError, match=r"that system\.apt_sources names: no backup"):
        refuse_newer_server(instance(older, **OUTSIDE), NO_HOST_FILES)


def test_a_key_is_handed_on_in_binary_form(tmp_path: Path) -> None:
    assert public_keys(KEY) == KEY
    assert public_keys(armored(KEY)) == KEY
    assert public_keys(armored(KEY).replace(b"\n", b"\r\n")) == KEY
    assert public_keys(armored(KEY) + armored(b"\xc6\x01more")) == KEY + b"\xc6\x01more"
    path = tmp_path / "key.asc"
    path.write_bytes(armored(KEY))
    assert read_host_files(instance(source(key_file=str(path)))).apt_keys == (KEY,)
    path.write_bytes(b"")
    with pytest.raises(UsageError, match=r"system\.apt_sources\[0\]\.key_file: .* holds no public"):
        read_host_files(instance(source(key_file=str(path))))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "holds no public key of OpenPGP"),
        (b"<html>", "holds no public key of OpenPGP"),
        (armored(b"\x88\x01signature", b"SIGNATURE"), "holds no public key of OpenPGP"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "holds no public key of OpenPGP"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n", "holds a damaged key"),
        (PRIVATE, "holds a private key"),
        (armored(PRIVATE, b"PRIVATE KEY"), "holds a private key"),
    ],
)
def test_what_is_no_public_key_is_said_to_be_none(content: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        public_keys(content)

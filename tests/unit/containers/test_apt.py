"""Reading the machine's apt sources."""

from __future__ import annotations

import pytest

from tasks.containers.lxc.apt import select_settings
from tasks.containers.lxc.sources import (
    Source,
    base_of,
    for_suite,
    parse_deb822,
    parse_one_line,
)

MAIN = Source(
    "http://deb.example.org/debian", ("bookworm", "bookworm-updates"), ("main",), "/k.gpg"
)
SECURITY = Source("http://deb.example.org/security", ("bookworm-security",), ("main",), "/k.gpg")
OTHER = Source("https://apt.example.org", ("nodistro",), ("main",))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "deb http://deb.example.org/debian bookworm main contrib",
            [Source("http://deb.example.org/debian", ("bookworm",), ("main", "contrib"))],
        ),
        (
            "deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] https://a.example.org b main # x",
            [Source("https://a.example.org", ("b",), ("main",), "/usr/share/keyrings/a.gpg")],
        ),
        (
            "deb [ trusted=yes ] http://a.example.org ./",
            [Source("http://a.example.org", ("./",), (), "", True)],
        ),
        ("deb-src http://deb.example.org/debian bookworm main", []),
        ("# deb http://deb.example.org/debian bookworm main", []),
        ("", []),
    ],
)
def test_a_one_line_source_is_read(line: str, expected: list[Source]) -> None:
    assert parse_one_line(line + "\n") == expected


def test_deb822_paragraphs_are_read_with_comments_and_several_uris() -> None:
    text = """\
Types: deb deb-src
# a comment
URIs: http://one.example.org http://two.example.org
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg

Types: deb-src
URIs: http://three.example.org
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://four.example.org
Suites: bookworm
Components: main
"""
    assert parse_deb822(text) == [
        Source(uri, ("bookworm", "bookworm-updates"), ("main",), "/k.gpg")
        for uri in ("http://one.example.org", "http://two.example.org")
    ]


def test_a_source_survives_being_written_and_read_again() -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n=aaaa\n-----END PGP PUBLIC KEY BLOCK-----"
    for source in (MAIN, SECURITY, Source("http://x.example.org", ("b",), ("main",), "\n" + key)):
        (again,) = parse_deb822(source.render())
        assert (again.uri, again.suites, again.components) == (
            source.uri,
            source.suites,
            source.components,
        )
        assert again.signed_by.strip() == source.signed_by.strip()


def test_third_parties_sources_are_left_out() -> None:
    assert for_suite([MAIN, OTHER, SECURITY], "bookworm", "bookworm") == [MAIN, SECURITY]


def test_another_release_comes_from_the_same_archives() -> None:
    found = for_suite([MAIN, OTHER, SECURITY], "trixie", "bookworm")
    assert [source.suites for source in found] == [
        ("trixie", "trixie-updates"),
        ("trixie-security",),
    ]
    assert [source.uri for source in found] == [MAIN.uri, SECURITY.uri]


def test_a_floating_name_is_the_release_that_the_host_runs() -> None:
    stable = Source("http://deb.example.org/debian", ("stable",), ("main",))
    assert for_suite([stable], "bookworm", "bookworm") == [stable]
    base = base_of([stable], "bookworm")
    assert base is not None and base.suites == ("stable",)


def test_without_a_source_of_the_release_there_is_no_base() -> None:
    assert base_of(for_suite([OTHER], "bookworm", "bookworm"), "bookworm") is None
    assert base_of([SECURITY], "bookworm") is None


def test_only_settings_that_say_how_to_reach_archives_are_taken() -> None:
    dump = """\
Acquire::http::Proxy "http://proxy.example.org:3142";
Acquire::https::Proxy "http://127.0.0.1:3142";
Acquire::http::Proxy::deb.example.org "DIRECT";
Acquire::Check-Date "false";
Acquire::ForceIPv4 "true";
Acquire::https "";
APT::Get::Assume-Yes "true";
DPkg::Post-Invoke:: "rm -rf /";
"""
    assert select_settings(dump) == [
        'Acquire::http::Proxy "http://proxy.example.org:3142";',
        'Acquire::http::Proxy::deb.example.org "DIRECT";',
        'Acquire::Check-Date "false";',
        'Acquire::ForceIPv4 "true";',
    ]

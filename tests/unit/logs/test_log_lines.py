from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from instance_samples import sample_instance

from tasks.commands.logs import lines_wanted
from tasks.errors import UsageError
from tasks.logs.lines import FIRST, Line, merged, moment_of, parse_since, timed
from tasks.logs.sources import COMPONENTS, Source, chosen, sources

NOW = datetime(2025, 10, 19, 12, 0, 0, tzinfo=UTC)


def at(hour: int, minute: int = 0, second: int = 0, micro: int = 0) -> datetime:
    return datetime(2025, 10, 19, hour, minute, second, micro, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-19T10:30:00.123456789Z: INFO ▶ GET /", at(10, 30, 0, 123456)),
        ('{"timestamp":"2025-10-19T10:30:00.5Z","level":"info"}', at(10, 30, 0, 500000)),
        ('127.0.0.1 - - [2025-10-19T12:30:00+02:00] "GET /"', at(10, 30)),
        ("2025-10-19T08:30:00-0200 host systemd[1]: Started", at(10, 30)),
        ("2025/10/19 10:30:00 [error] 1#1: connect() failed", at(10, 30)),
        ("[2025-10-19T10:30:00Z] [INFO] [deploy] Starting", at(10, 30)),
        ("2025-13-19T10:30:00Z no such month", None),
        ("    at Server.listen (node:net:1)", None),
    ],
)
def test_every_log_s_way_to_write_a_time_is_read(text: str, expected: datetime | None) -> None:
    assert moment_of(text) == expected


def test_a_line_without_a_time_stays_with_the_one_before_it() -> None:
    texts = ["before any", "2025-10-19T10:00:00Z failed", "  at a", "  at b"]
    assert [line.time for line in timed("x", texts)] == [FIRST, at(10), at(10), at(10)]


def test_logs_are_put_together_by_time_and_each_keeps_its_newest() -> None:
    one = [Line("a", at(9), "1"), Line("a", at(10), "2"), Line("a", at(10), "3")]
    two = [Line("b", at(8), "4"), Line("b", at(10), "5"), Line("b", at(11), "6")]
    assert [line.text for line in merged([one, two], FIRST, None)] == list("412356")
    assert [line.text for line in merged([one, two], FIRST, 2)] == list("2356")
    assert [line.text for line in merged([one, two], at(10), None)] == list("2356")
    assert [line.text for line in merged([one, two], at(10), 1)] == list("36")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        (" 2 h ", NOW - timedelta(hours=2)),
        ("1d", NOW - timedelta(days=1)),
        ("99999999999999w", FIRST),
        ("2025-10-19T10:30:00Z", at(10, 30)),
        ("2025-10-19T10:30+02:00", at(8, 30)),
    ],
)
def test_since_is_how_long_ago_or_when(text: str, expected: datetime) -> None:
    assert parse_since(text, NOW) == expected


def test_a_time_without_a_zone_is_this_machine_s() -> None:
    local = datetime(2025, 10, 19, 10, 30).astimezone()
    assert parse_since("2025-10-19 10:30", NOW) == local
    today = NOW.astimezone()
    assert parse_since("10:30", NOW) == today.replace(hour=10, minute=30)


@pytest.mark.parametrize("text", ["", "soon", "5", "-1h", "25:00", "2025-02-30", "1y"])
def test_what_is_no_time_is_told_with_what_is_one(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_since(text, NOW)
    assert "2025-10-19T10:30" in caught.value.hint


def test_every_component_has_its_logs_in_both_colors() -> None:
    instance = sample_instance(services={"mcp": {"enabled": True}}, redis={"enabled": True})
    names = [source.name for source in sources(instance, COMPONENTS)]
    assert names == [
        *(["backend-blue"] * 2 + ["backend-green"] * 2),
        *(["mcp-blue"] * 2 + ["mcp-green"] * 2),
        *("nginx-access", "nginx-error", "nginx"),
    ]
    assert sources(instance, ("mcp",))[1] == Source("mcp-blue", "journal:vikunja-mcp@blue.service")
    assert sources(sample_instance(), ("mcp", "deploy")) == ()


def test_components_are_named_or_all() -> None:
    assert chosen([]) == COMPONENTS
    assert chosen(["deploy", "backend"]) == ("backend", "deploy")
    with pytest.raises(UsageError, match="--component 'ngnix' is none of backend, mcp"):
        chosen(["ngnix"])


@pytest.mark.parametrize(
    ("given", "since", "expected"),
    [(None, False, 50), (None, True, None), (0, False, None), (7, True, 7)],
)
def test_without_a_number_the_newest_fifty_or_everything_since(
    given: int | None, since: bool, expected: int | None
) -> None:
    assert lines_wanted(given, since) == expected
    with pytest.raises(UsageError, match="less than the minimum"):
        lines_wanted(-1, since)

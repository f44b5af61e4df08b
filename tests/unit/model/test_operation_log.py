from __future__ import annotations

import gzip
import os
import re
import stat
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import BuildError, CancelledError, DeployError
from tasks.model import redaction
from tasks.model.history import Performed, operations
from tasks.model.operation_log import (
    OPERATIONS,
    Level,
    Log,
    LogEntry,
    append,
    escape,
    format_duration,
    format_entry,
    operation,
    parse_line,
    read_entries,
    unescape,
    utc_now,
)
from tasks.paths import Paths
from tasks.secret import Secret

NAME = "vikunja-main"

EXAMPLE = """\
[2025-10-19T10:30:00Z] [INFO] [deploy] Starting deployment of vikunja-main
[2025-10-19T10:30:15Z] [INFO] [deploy] Created LXC container ID 100
[2025-10-19T10:31:00Z] [INFO] [deploy] Installed Go runtime v1.21.5
[2025-10-19T10:32:00Z] [INFO] [deploy] Cloned repository commit abc123def
[2025-10-19T10:33:00Z] [INFO] [deploy] Built backend successfully
[2025-10-19T10:34:00Z] [INFO] [deploy] Started backend service on port 3456 (blue)
[2025-10-19T10:34:30Z] [INFO] [deploy] Health check passed: backend
[2025-10-19T10:35:00Z] [SUCCESS] [deploy] Deployment completed in 5m 0s
"""

entries = st.builds(
    LogEntry,
    time=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    level=st.sampled_from(get_args(Level)),
    operation=st.sampled_from(OPERATIONS),
    message=st.text(st.characters(exclude_categories=[])),
)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_protected", set())


@given(entries)
def test_every_entry_comes_back_from_its_line(entry: LogEntry) -> None:
    line = format_entry(entry)
    assert parse_line(line) == entry
    assert line.splitlines() == [line]
    line.encode()


@given(st.text(st.characters(exclude_categories=[])))
def test_an_escaped_message_has_no_control_character_and_comes_back(message: str) -> None:
    escaped = escape(message)
    assert escaped.isprintable() or not any(ord(c) < 32 or ord(c) == 127 for c in escaped)
    assert unescape(escaped) == message


def test_ordinary_text_is_not_changed_by_escaping() -> None:
    assert escape("Größe: 5 €, 'a' \"b\" 🙂") == "Größe: 5 €, 'a' \"b\" 🙂"
    assert escape("a\nb\tc\\d\x1b[0m\u2028\x85\udc80") == (r"a\nb\tc\\d\x1b[0m\u2028\x85\udc80")


def test_the_data_models_example_is_read_and_written_as_it_stands(paths: Paths) -> None:
    parsed = [parse_line(line) for line in EXAMPLE.splitlines()]
    for entry in parsed:
        assert entry is not None
        append(paths, NAME, entry)
    file = paths.prefix / "var/log/vikunja-deploy/vikunja-main.log"
    assert file.read_text() == EXAMPLE
    assert list(read_entries(paths, NAME)) == parsed


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+05:30", "-11:00"])
def test_a_time_of_any_zone_is_understood(zone: str) -> None:
    entry = parse_line(f"[2025-10-19T10:30:00{zone}] [INFO] [deploy] x")
    assert entry is not None
    assert entry.time == datetime.fromisoformat(f"2025-10-19T10:30:00{zone}")
    assert entry.time.tzinfo is UTC


def test_a_time_of_another_zone_is_written_as_utc() -> None:
    moment = datetime(2025, 10, 19, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    assert format_entry(LogEntry(moment, "INFO", "deploy", "x")).startswith(
        "[2025-10-19T10:30:00Z]"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.42, "0.4s"),
        (9.96, "10s"),
        (59.6, "1m 0s"),
        (42, "42s"),
        (300, "5m 0s"),
        (7205, "2h 0m 5s"),
        (90061, "25h 1m 1s"),
    ],
)
def test_a_duration_reads_as_in_the_data_model(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_the_log_is_for_root_and_its_group_only(paths: Paths) -> None:
    before = os.umask(0o022)
    try:
        Log(paths, NAME, "deploy").info("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(paths.log(NAME).stat().st_mode) == 0o640


@pytest.mark.parametrize("torn", [b"[2025-10-19T10:3", b"\0\0\0\0", b"\xff\xfe garbage\n", b"\n\n"])
def test_a_damaged_line_costs_no_other_line(paths: Paths, torn: bytes) -> None:
    log = Log(paths, NAME, "deploy")
    log.info("one")
    with paths.log(NAME).open("ab") as file:
        file.write(torn)
    log.info("two")
    assert [entry.message for entry in read_entries(paths, NAME)] == ["one", "two"]


def test_a_line_after_what_a_power_cut_zeroed_is_read(paths: Paths) -> None:
    Log(paths, NAME, "deploy").info("one")
    content = paths.log(NAME).read_bytes()
    paths.log(NAME).write_bytes(b"\0" * 512 + content)
    assert [entry.message for entry in read_entries(paths, NAME)] == ["one"]


def test_rotated_files_are_read_oldest_first(paths: Paths) -> None:
    log = Log(paths, NAME, "deploy")
    file = paths.log(NAME)
    for number in range(1, 13):
        log.info(str(number))
        content = file.read_bytes()
        rotation = 13 - number
        if rotation > 1:
            file.with_name(f"{file.name}.{rotation}.gz").write_bytes(gzip.compress(content))
        else:
            file.rename(file.with_name(f"{file.name}.1"))
        file.unlink(missing_ok=True)
    log.info("13")
    file.with_name("vikunja-main2.log").write_text(EXAMPLE)
    file.with_name("vikunja-main.log.bak").write_text(EXAMPLE)
    assert [entry.message for entry in read_entries(paths, NAME)] == [
        str(number) for number in range(1, 14)
    ]


def test_a_log_that_is_being_compressed_is_read_once(paths: Paths) -> None:
    Log(paths, NAME, "deploy").info("one")
    file = paths.log(NAME)
    file.with_name(f"{file.name}.1").write_bytes(file.read_bytes())
    file.with_name(f"{file.name}.1.gz").write_bytes(gzip.compress(file.read_bytes())[:20])
    file.unlink()
    assert [entry.message for entry in read_entries(paths, NAME)] == ["one"]


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"x" * 99)[:-9], b"\x1f\x8b" * 30],
    ids=["no gzip", "cut off", "nothing but its sign"],
)
def test_a_damaged_rotated_log_is_an_error_that_names_it(paths: Paths, content: bytes) -> None:
    Log(paths, NAME, "deploy").info("one")
    broken = paths.log(NAME).with_name("vikunja-main.log.2.gz")
    broken.write_bytes(content)
    with pytest.raises(DeployError) as caught:
        list(read_entries(paths, NAME))
    assert str(caught.value).startswith(f"{broken}: is damaged: ")
    assert caught.value.hint.startswith(f"Move {broken} aside")


def test_an_instance_without_a_log_has_no_entries(paths: Paths) -> None:
    assert list(read_entries(paths, NAME)) == []


def test_after_a_rotation_the_next_line_starts_a_new_file(paths: Paths) -> None:
    log = Log(paths, NAME, "deploy")
    log.info("one")
    paths.log(NAME).rename(paths.log(NAME).with_name("vikunja-main.log.1"))
    log.info("two")
    assert paths.log(NAME).read_text().endswith("] [INFO] [deploy] two\n")
    assert [entry.message for entry in read_entries(paths, NAME)] == ["one", "two"]


def _write_lines(paths: Paths, writer: int) -> None:
    for number in range(100):
        Log(paths, NAME, "backup").info(f"{writer} {number} " + "x" * 3000)


def test_lines_of_parallel_processes_do_not_mix(paths: Paths) -> None:
    context = get_context("fork")
    children = [context.Process(target=_write_lines, args=(paths, n)) for n in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    found = [entry.message.split()[:2] for entry in read_entries(paths, NAME)]
    assert sorted(found) == sorted([str(w), str(n)] for w in range(4) for n in range(100))
    for writer in range(4):
        assert [n for w, n in found if w == str(writer)] == [str(n) for n in range(100)]


def test_a_line_is_one_write(paths: Paths, kill_at: Any) -> None:
    Log(paths, NAME, "deploy").info("first")
    for line in range(1, 500):
        if not kill_at(line, lambda: Log(paths, NAME, "deploy").info("x" * 5000)):
            break
    content = paths.log(NAME).read_text()
    assert content.endswith("\n") and line > 10
    assert {len(text) for text in content.splitlines()[1:]} == {
        len("[2025-10-19T10:30:00Z] [INFO] [deploy] ") + 5000
    }


def without_duration(entry: LogEntry) -> str:
    return re.sub(r"\b[0-9.]+s\b", "SOME TIME", entry.message)


def test_a_successful_operation_is_bracketed(paths: Paths) -> None:
    with operation(paths, NAME, "deploy") as log:
        log.info("Created LXC container ID 100")
    assert [(entry.level, without_duration(entry)) for entry in read_entries(paths, NAME)] == [
        ("INFO", "Starting deployment of vikunja-main"),
        ("INFO", "Created LXC container ID 100"),
        ("SUCCESS", "Deployment completed in SOME TIME"),
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            BuildError("go build failed", where="vikunja-main", evidence=["main.go:1: oops"]),
            "Update failed after SOME TIME with exit code 9: vikunja-main: go build failed",
        ),
        (
            CancelledError("cancelled"),
            "Update cancelled after SOME TIME with exit code 20: cancelled",
        ),
        (
            KeyboardInterrupt(),
            "Update cancelled after SOME TIME with exit code 20: KeyboardInterrupt()",
        ),
        (KeyError("x"), "Update failed after SOME TIME with exit code 1: KeyError('x')"),
    ],
)
def test_a_failed_operation_ends_with_its_exit_code_and_reason(
    paths: Paths, error: BaseException, message: str
) -> None:
    with pytest.raises(type(error)), operation(paths, NAME, "update"):
        raise error
    found = [(entry.level, without_duration(entry)) for entry in read_entries(paths, NAME)]
    assert found[0] == ("INFO", "Starting update of vikunja-main")
    assert found[-1] == ("ERROR", message)
    evidence = [("DEBUG", f"| {line}") for line in getattr(error, "evidence", ())]
    assert found[1:-1] == evidence


@pytest.mark.usefixtures("secrets")
def test_secrets_reach_the_log_in_no_spelling(paths: Paths) -> None:
    secret = 'pa$$ "w/o" rd&\\'
    key = "-----BEGIN KEY-----\nMIIEvgIBADANBgkq\n-----END KEY-----\n"
    redaction.protect(*map(Secret, (secret, key, "")))
    with pytest.raises(DeployError), operation(paths, NAME, "deploy") as log:
        log.info(f"password {secret}, again {secret}")
        log.info("postgres://u:pa%24%24%20%22w%2Fo%22%20rd%26%5C@h/db")
        log.info(r'{"password": "pa$$ \"w/o\" rd&\\"}')
        log.info("key MIIEvgIBADANBgkq")
        raise DeployError(f"login with {secret} refused", evidence=[f"psql: {secret}"])
    text = paths.log(NAME).read_text()
    assert "pa$$" not in text and "pa%24" not in text and "MIIE" not in text
    assert text.count(redaction.MASK) == 7


def test_of_overlapping_secrets_the_longer_goes_first() -> None:
    assert (
        redaction.redact("a secretword b", [Secret("secret"), Secret("secretword")])
        == "a (sensitive) b"
    )
    assert redaction.redact("nothing here", [Secret(""), Secret(" ")]) == "nothing here"


@given(st.text(min_size=0, max_size=30), st.lists(st.text(min_size=1, max_size=8), max_size=4))
def test_no_secret_is_left_in_redacted_text(text: str, secrets: list[str]) -> None:
    wanted = [secret for secret in secrets if secret.strip()]
    left = redaction.redact(text, map(Secret, wanted)).replace(redaction.MASK, "\0")
    assert not any(secret in left for secret in wanted if "\0" not in secret)


def entry(second: int, level: Level, name: Any, message: str) -> LogEntry:
    return LogEntry(datetime(2025, 10, 19, 10, 0, second, tzinfo=UTC), level, name, message)


def test_the_history_tells_what_was_done_and_how_it_ended() -> None:
    parsed = [found for line in EXAMPLE.splitlines() if (found := parse_line(line))]
    done = operations(
        [
            *parsed,
            entry(1, "INFO", "update", "Starting update of vikunja-main"),
            entry(2, "WARN", "update", "slow"),
            entry(9, "ERROR", "update", "Update failed after 8s with exit code 9: a\nb"),
            entry(10, "INFO", "backup", "Starting backup of vikunja-main"),
            entry(11, "INFO", "drill", "Starting restore drill of vikunja-main"),
            entry(12, "ERROR", "drill", "not the end"),
            entry(13, "SUCCESS", "drill", "Restore drill completed in 1h 0m 2s"),
            entry(14, "WARN", "drill", "between operations"),
            entry(15, "INFO", "stop", "Starting shutdown of vikunja-main"),
            entry(16, "ERROR", "stop", "Shutdown cancelled after 1s with exit code 20: x"),
            entry(17, "INFO", "start", "Starting startup of vikunja-main"),
        ]
    )
    assert done == (
        Performed("deploy", parsed[0].time, "success", 300, 0),
        Performed("update", entry(1, "INFO", "", "").time, "failure", 8, 9, "a\nb", ("slow",)),
        Performed("backup", entry(10, "INFO", "", "").time, "unfinished"),
        Performed("drill", entry(11, "INFO", "", "").time, "success", 2, 0),
        Performed("stop", entry(15, "INFO", "", "").time, "cancelled", 1, 20, "x"),
        Performed("start", entry(17, "INFO", "", "").time, "unfinished"),
    )


def test_the_history_knows_an_operation_whose_start_was_rotated_away() -> None:
    done = operations(
        [
            entry(1, "INFO", "deploy", "Built backend"),
            entry(5, "SUCCESS", "deploy", "Deployment completed in 5m 0s"),
        ]
    )
    assert done == (Performed("deploy", entry(1, "INFO", "", "").time, "success", 4, 0),)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("error", [None, BuildError("no"), KeyboardInterrupt()])
def test_the_history_understands_what_every_operation_writes(
    paths: Paths, name: Any, error: BaseException | None
) -> None:
    begun = utc_now()
    try:
        with operation(paths, NAME, name):
            if error:
                raise error
    except (DeployError, KeyboardInterrupt):
        pass
    (done,) = operations(read_entries(paths, NAME))
    codes = {type(None): 0, BuildError: 9, KeyboardInterrupt: 20}
    code = codes[type(error)]
    outcome = {0: "success", 9: "failure", 20: "cancelled"}[code]
    assert (done.operation, done.outcome, done.exit_code) == (name, outcome, code)
    assert begun <= done.started <= utc_now()


def test_the_history_leaves_out_what_no_operation_wrote(paths: Paths) -> None:
    Log(paths, NAME, "user").info("root@pve: adds user anna (anna@example.com)")
    with operation(paths, NAME, "start"):
        Log(paths, NAME, "app").error("doctor: no")
    (done,) = operations(read_entries(paths, NAME))
    assert (done.operation, done.outcome) == ("start", "success")
    assert len(list(read_entries(paths, NAME))) == 4


def test_an_unwritable_log_is_an_error_that_names_it(paths: Paths) -> None:
    paths.log(NAME).mkdir(parents=True)
    with pytest.raises(DeployError) as caught, operation(paths, NAME, "deploy"):
        raise AssertionError
    assert str(caught.value) == f"{paths.log(NAME)}: cannot be written: Is a directory"


def test_the_rotation_of_the_logs_is_that_of_the_data_model() -> None:
    from tasks.desired.record import log_rotation

    rendered = log_rotation(Paths(Path("/"))).decode()
    head, _, body = rendered.partition("{")
    assert head.splitlines()[-1].strip() == str(Paths(Path("/")).log("*"))
    options = {line.strip() for line in body.splitlines()}
    assert {"size 10M", "rotate 5", "compress", "nodelaycompress", "create 0640"} <= options

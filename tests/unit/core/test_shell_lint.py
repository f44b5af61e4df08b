"""What the check of all shell scripts takes for a finding."""

from __future__ import annotations

from shell_lint import WITHOUT_REASON, Text, evaluated, files, uncovered

from tasks.guest.runner import SCRIPTS, script_text

DRAIN = "tasks/guest/scripts/drain.sh"


def test_a_script_that_is_checked_nowhere_is_one() -> None:
    every = set(SCRIPTS.glob("*.sh"))
    assert every <= set(files())
    said = list(uncovered([Text("drain", "sh", script_text("drain"))]))
    assert not any(line.startswith(f"{DRAIN}:") for line in said)
    assert len([line for line in said if "guest/scripts" in line]) == len(every) - 1


def test_what_nobody_uses_is_one_only_where_nobody_does() -> None:
    first, second = (Text(name, "sh", script_text("drain")) for name in ("first", "second"))
    unused, wrong = (1, 2034, "appears unused"), (1, 2154, "not assigned")
    assert list(evaluated([first, second], [[unused, wrong], []])) == [
        f"{DRAIN}:1: SC2154 not assigned"
    ]
    assert list(evaluated([first, second], [[unused], [unused]])) == [
        f"{DRAIN}:1: SC2034 appears unused"
    ]


def test_a_finding_is_disabled_with_a_reason_or_not_at_all() -> None:
    assert WITHOUT_REASON.search("# shellcheck disable=SC2086,SC2046\necho $x\n")
    assert WITHOUT_REASON.search("# shellcheck disable=SC2086 -- two numbers\n")
    assert not WITHOUT_REASON.search("# shellcheck disable=SC2086 # two numbers\n")

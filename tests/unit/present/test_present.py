"""How a plan reads: values in, lines out."""

from __future__ import annotations

import json

import pytest

from tasks.model.plan import Action, AttributeChange, InstancePlan, Plan, PlanEntry, Reason, moved
from tasks.output.plan_text import change_text, counts, duration, plan_lines


def entry(
    action: Action, address: str, reason: str = "network.domain changed", **more: object
) -> PlanEntry:
    return PlanEntry("a", "system", address, action, (Reason("configuration", reason),), **more)  # type: ignore[arg-type]


def plan(*entries: PlanEntry, name: str = "a", unseen: bool = False) -> InstancePlan:
    return InstancePlan(name, entries, {}, {}, unseen)


def test_an_empty_plan_names_what_is_as_desired() -> None:
    assert plan_lines(Plan(())) == [
        "Nothing to do: no instance is configured, everything is up to date."
    ]
    assert plan_lines(Plan((plan(),))) == ["Nothing to do: a is up to date."]
    assert plan_lines(Plan((plan(), plan(name="b")))) == ["Nothing to do: a, b are up to date."]


def test_every_action_has_its_sign_and_every_kind_of_line_its_place() -> None:
    entries = (
        entry("create", "file:/a", changes=(AttributeChange("size", None, "1"),)),
        entry("update", "unit:b", changes=(AttributeChange("state", "failed", "active"),)),
        entry("replace", "container:c", destructive=True, interrupts="everything"),
        entry("delete", "file:/d", diff="-gone"),
        entry("run", "health:site"),
    )
    assert plan_lines(Plan((plan(*entries), plan(name="b"))), diffs=True) == [
        "a",
        "  + file:/a      network.domain changed",
        "      size: 1",
        "  ~ unit:b       network.domain changed",
        "      state: failed → active",
        "  ± container:c  network.domain changed",
        "      interrupts: everything",
        "      destructive: data is lost",
        "  - file:/d      network.domain changed",
        "      -gone",
        "  ▸ health:site  network.domain changed",
        "",
        "Nothing to do for b.",
        "Plan: 1 to create, 1 to update, 1 to replace, 1 to remove, 1 to run.",
        "Data is lost by a/container:c: apply refuses without --allow-destroy.",
    ]


def test_colors_are_put_around_whole_parts_only() -> None:
    lines = plan_lines(
        Plan((plan(entry("create", "file:/a", diff="@@ -1 +1 @@\n-old\n+new\n same")),)),
        style=lambda text, style: f"<{style}>{text}</>",
        diffs=True,
    )
    assert lines == [
        "<bold>a</>",
        "  <green>+</> file:/a  <dim>network.domain changed</>",
        "      <cyan>@@ -1 +1 @@</>",
        "      <red>-old</>",
        "      <green>+new</>",
        "       same",
        "",
        "Plan: 1 to create.",
    ]


def test_diffs_are_left_out_unless_asked_for() -> None:
    lines = plan_lines(Plan((plan(entry("update", "file:/a", diff="-old\n+new")),)))
    assert lines[1:] == ["  ~ file:/a  network.domain changed", "", "Plan: 1 to update."]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.84, "0.8 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (61, "1 min 1 s"),
        (185.9, "3 min 5 s"),
    ],
)
def test_a_duration_is_as_exact_as_it_needs_to_be(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_keep_the_order_of_the_actions() -> None:
    entries = [entry("run", "a"), entry("create", "b"), entry("run", "c")]
    assert counts(entries) == "1 to create, 2 to run"


def test_a_change_without_a_before_shows_the_value_alone() -> None:
    assert change_text(AttributeChange("version", None, "(known after apply)")) == (
        "version: (known after apply)"
    )


def test_a_plan_as_text_is_json_that_says_the_same_twice() -> None:
    value = Plan((plan(entry("create", "file:/ä")),), ("file:*",))
    assert value.text() == value.text()
    data = json.loads(value.text())
    assert (data["format"], data["targets"]) == (1, ["file:*"])
    assert data["instances"][0]["entries"][0]["address"] == "a/file:/ä"


def test_an_address_is_chosen_with_and_without_its_instance_and_by_its_beginning() -> None:
    whole = plan(entry("create", "file:/a"), entry("create", "file:/ab"), entry("run", "unit:x"))
    for targets, chosen in (
        (["file:/a"], ["file:/a"]),
        (["a/file:/a"], ["file:/a"]),
        (["file:*"], ["file:/a", "file:/ab"]),
        (["a/*"], ["file:/a", "file:/ab", "unit:x"]),
        (["b/file:/a"], []),
        (["unit:x", "file:/a"], ["file:/a", "unit:x"]),
    ):
        assert [e.address for e in whole.only(targets).entries] == chosen


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"file:/a": "1"}, {"file:/a": "1"}, []),
        ({"file:/a": "1"}, {"file:/a": "2"}, ["a: found: file:/a changed"]),
        ({"file:/a": "1"}, {}, ["a: found: file:/a gone"]),
        ({}, {"file:/a": "1"}, ["a: found: file:/a appeared"]),
        ({"record:state": "1"}, {"record:state": "2"}, []),
    ],
)
def test_what_moved_is_named(
    before: dict[str, str], after: dict[str, str], lines: list[str]
) -> None:
    data = {"instance": "a", "configuration": {}, "entries": []}
    assert moved({**data, "observed": before}, {**data, "observed": after}) == lines

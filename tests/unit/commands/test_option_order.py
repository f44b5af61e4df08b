from __future__ import annotations

import pytest
from doit.cmdparse import CmdParse

from tasks.commands.base import options_first
from tasks.commands.plan import Plan
from tasks.errors import UsageError


@pytest.mark.parametrize(
    ("given", "options", "others"),
    [
        (["a", "--json", "b"], {"json": True}, ["a", "b"]),
        (["a", "-c", "x.yaml"], {"config": "x.yaml"}, ["a"]),
        (["a", "--config=x.yaml", "--diff"], {"config": "x.yaml", "diff": True}, ["a"]),
        (["a", "--out", ""], {"out": ""}, ["a"]),
        (["--json", "--", "--diff"], {"json": True}, ["--diff"]),
        (["a", "--target", "x", "b", "--target", "y"], {"target": ["x", "y"]}, ["a", "b"]),
        (["a", "b"], {}, ["a", "b"]),
    ],
)
def test_options_may_stand_behind_the_ids(
    given: list[str], options: dict[str, object], others: list[str]
) -> None:
    parser: CmdParse = Plan().cmdparser
    ordered = options_first(given, parser, "plan")
    found, arguments = parser.parse(ordered)
    assert {name: found[name] for name in options} == options
    assert arguments == others
    found["target"].clear()


def test_an_unknown_option_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError) as caught:
        options_first(["a", "--targt"], Plan().cmdparser, "plan")
    assert str(caught.value) == "plan: option --targt not recognized"
    assert caught.value.hint == "Did you mean --target? ./doit help plan shows what it takes."


def test_an_option_without_its_value_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert Plan().parse_execute(["--target"]) == 3
    assert capsys.readouterr().err.startswith("error: plan: option --target requires argument\n")

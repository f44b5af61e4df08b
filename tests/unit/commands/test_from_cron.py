from __future__ import annotations

import pytest

from tasks.commands.instances import Instances
from tasks.host.caller import SYSTEM_FOLDERS, with_system_folders


@pytest.mark.parametrize(
    ("given", "first"),
    [
        ("/usr/bin:/bin", "/usr/bin:/bin:/usr/local/sbin:"),
        ("/opt/mine:/usr/bin", "/opt/mine:/usr/bin:/usr/local/sbin:"),
        ("", "/usr/local/sbin:/usr/local/bin:"),
        (":".join(SYSTEM_FOLDERS), ":".join(SYSTEM_FOLDERS)),
    ],
)
def test_what_was_given_comes_first_and_nothing_twice(given: str, first: str) -> None:
    whole = with_system_folders(given)
    assert whole.startswith(first)
    assert sorted(set(whole.split(":"))) == sorted(whole.split(":"))
    assert set(SYSTEM_FOLDERS) <= set(whole.split(":"))


def test_a_command_finds_the_programs_of_an_administrator_with_the_path_of_cron(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import os

    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    seen: list[str] = []

    def perform(*_: object) -> int:
        seen.append(os.environ["PATH"])
        return 0

    monkeypatch.setattr(Instances, "perform", perform)
    assert Instances().parse_execute([]) == 0
    assert "/usr/sbin" in seen[0].split(":")

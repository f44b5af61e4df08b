"""The pure parts of the benches: figures that cannot lie, and the same asks for every tool."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bench.support import clients, colors, declared, peers, report
from bench.support.measure import Command, Sample, Series, Target, Void, run
from tasks.resources.base import Resource
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.system import Package, Secret, StoppedUnit, Unit, User

RESOURCES: tuple[Resource, ...] = (
    Package(package="nginx"),
    Package(package="curl"),
    User(user="vikunja", home="/var/lib/vikunja"),
    Directory(path="/etc/vikunja", mode="0750", group="vikunja"),
    File(path="/etc/vikunja/environment", content=b"A=1\n", mode="0640", group="vikunja"),
    Link(path="/opt/current", target="blue"),
    Absent(path="/etc/nginx/sites-enabled/default"),
    Unit(unit="nginx.service"),
    StoppedUnit(unit="vikunja-backend@green.service"),
    Secret(path="/etc/vikunja/secrets/key", owner="vikunja", group="vikunja"),
)
SOURCES = Path("/bench/sources")


def series(*rounds: dict[str, tuple[float, float]]) -> Series:
    return Series([{name: Sample(*times, "") for name, times in one.items()} for one in rounds])


def test_a_ratio_is_the_median_of_the_ratios_within_rounds() -> None:
    found = series(
        {"plan": (2.0, 1.0), "list": (1.0, 1.0)},
        {"plan": (30.0, 3.0), "list": (10.0, 1.0)},
        {"plan": (8.0, 4.0), "list": (2.0, 1.0)},
    )
    assert found.ratio("plan", "list") == 3
    assert found.ratio("plan", "list", "cpu") == 3
    assert found.wall("plan") == 8


def test_a_ratio_takes_only_rounds_that_have_both() -> None:
    found = series(
        {"plan": (1.0, 1.0), "ansible": (50.0, 9.0)},
        {"plan": (25.0, 1.0)},
    )
    assert found.ratio("ansible", "plan") == 50


def test_what_was_not_measured_has_no_ratio() -> None:
    assert series({"1": (1.0, 1.0)}).ratio("20", "1") is None


@pytest.mark.parametrize(
    ("bound", "value", "met", "not_met"),
    [("≤", 3, 3, 3.01), ("≥", 60, 60, 59.9), ("=", 1, 1, 2)],
)
def test_a_target_is_met_up_to_its_bound(
    bound: Any, value: float, met: float, not_met: float
) -> None:
    target = Target("key", "what", bound, value)
    assert target.met(met)
    assert not target.met(not_met)


def test_the_table_says_what_is_met_what_is_not_and_what_was_not_measured() -> None:
    targets = [
        Target("a", "first", "≤", 3),
        Target("b", "second", "≥", 6),
        Target("c", "x", "≤", 6),
    ]
    lines = report.verdicts(targets, {"a": 2.5, "b": 5.0, "c": None}).splitlines()
    assert lines[2].endswith("≤ 3       met")
    assert lines[3].endswith("≥ 6       not met")
    assert "not measured" in lines[4]


def test_what_was_compared_has_a_line_each_and_a_column_for_each_figure() -> None:
    lines = report.compared(
        (("failed", "failed"), ("first_ms", "first, ms")),
        {
            "marker": {"failed": 0, "first_ms": 4.56789},
            "reload": {"failed": 12079, "first_ms": 121.5},
        },
    ).splitlines()
    assert lines[0].split() == ["failed", "first,", "ms"]
    assert lines[2].split() == ["marker", "0", "4.57"]
    assert lines[3].split() == ["reload", "12079", "122"]


def test_what_is_compared_runs_turn_about() -> None:
    assert list(colors.in_turn(("site", "plain"), 3)) == [
        ("plain", "site"),
        ("site", "plain"),
        ("plain", "site"),
    ]


def test_throughput_is_compared_within_rounds() -> None:
    assert colors.median_ratio((9.0, 50.0, 20.0), (10.0, 100.0, 10.0)) == 0.9


def test_a_percentile_is_of_the_fast_requests_of_its_time() -> None:
    fast = [clients.Answered("probe", number, number / 1000, "") for number in range(200)]
    slow = [clients.Answered("slow", number, 5, "") for number in range(200)]
    assert colors.p99(fast + slow, 100, 199) == 0.199
    with pytest.raises(Void):
        colors.p99(fast + slow, 150, 199)


def test_the_first_answer_is_the_new_colors_earliest_after_the_flip() -> None:
    load = clients.Clients("192.0.2.1", "example.org")
    for at, version in ((1, "green"), (2, "v1.0.0"), (3, "green"), (4, "green"), (5, "v1.0.0")):
        load.tally.answered.append(clients.Answered("probe", at, 0.01, version))
    site = colors.Colors(cast("Any", None), "site")
    assert site.first_answer(load, "green", 1) == 3
    assert site.first_answer(load, "blue", 2) == 5


def test_the_last_line_is_one_json_object_with_rounded_figures() -> None:
    line = report.last_line({"a": 1.23456, "cpu": {"a": 2.0004}, "none": None, "quick": True})
    assert "\n" not in line
    assert json.loads(line) == {"a": 1.235, "cpu": {"a": 2.0}, "none": None, "quick": True}


def command(code: str, check: Callable[[str], None] = lambda _: None) -> Command:
    return Command("it", (sys.executable, "-c", code), {}, Path("/"), check)


def test_processor_time_is_counted_of_a_command_and_its_children() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    assert run(command(child)).cpu >= 0.2


def test_a_command_that_fails_gives_no_sample() -> None:
    with pytest.raises(Void, match="exit code 3"):
        run(command("raise SystemExit(3)"))


def test_a_command_that_says_something_else_gives_no_sample() -> None:
    def check(output: str) -> None:
        raise Void(output)

    with pytest.raises(Void, match="changes"):
        run(command("print('changes')", check))


def test_every_tool_declares_what_all_can_declare_and_nothing_else() -> None:
    common = declared.common(RESOURCES)
    assert common == RESOURCES[:-1]
    (play,) = declared.playbook(common, SOURCES)
    calls = declared.deploy(common, SOURCES).split("operations = [\n")[1].split("\n]")[0]
    # Two packages are one operation.
    assert declared.count(common) == len(play["tasks"]) == len(calls.splitlines()) == 8


def test_the_playbook_declares_each_kind_in_ansibles_words() -> None:
    (play,) = declared.playbook(declared.common(RESOURCES), SOURCES)
    assert play["gather_facts"] is False
    assert play["tasks"] == [
        {"ansible.builtin.apt": {"name": ["nginx", "curl"]}},
        {
            "ansible.builtin.user": {
                "name": "vikunja",
                "home": "/var/lib/vikunja",
                "shell": "/usr/sbin/nologin",
                "system": True,
                "create_home": False,
            }
        },
        {
            "ansible.builtin.file": {
                "path": "/etc/vikunja",
                "state": "directory",
                "mode": "0750",
                "owner": "root",
                "group": "vikunja",
            }
        },
        {
            "ansible.builtin.copy": {
                "src": "/bench/sources/etc__vikunja__environment",
                "dest": "/etc/vikunja/environment",
                "mode": "0640",
                "owner": "root",
                "group": "vikunja",
            }
        },
        {"ansible.builtin.file": {"path": "/opt/current", "src": "blue", "state": "link"}},
        {"ansible.builtin.file": {"path": "/etc/nginx/sites-enabled/default", "state": "absent"}},
        {
            "ansible.builtin.systemd_service": {
                "name": "nginx.service",
                "state": "started",
                "enabled": True,
            }
        },
        {
            "ansible.builtin.systemd_service": {
                "name": "vikunja-backend@green.service",
                "state": "stopped",
                "enabled": False,
            }
        },
    ]


def test_the_deploy_declares_each_kind_in_pyinfras_words() -> None:
    text = declared.deploy(declared.common(RESOURCES), SOURCES)
    compile(text, "deploy.py", "exec")
    for call in (
        "apt.packages(packages=['nginx', 'curl'])",
        "server.user(user='vikunja', home='/var/lib/vikunja', shell='/usr/sbin/nologin', "
        "system=True, create_home=False)",
        "files.directory(path='/etc/vikunja', user='root', group='vikunja', mode=750)",
        "files.put(src='/bench/sources/etc__vikunja__environment', "
        "dest='/etc/vikunja/environment', user='root', group='vikunja', mode=640)",
        "files.link(path='/opt/current', target='blue')",
        "files.file(path='/etc/nginx/sites-enabled/default', present=False)",
        "systemd.service(service='nginx.service', running=True, enabled=True)",
        "systemd.service(service='vikunja-backend@green.service', running=False, enabled=False)",
    ):
        assert f"    {call},\n" in text


def test_contents_are_where_playbook_and_deploy_look_for_them(tmp_path: Path) -> None:
    declared.write_sources(RESOURCES, tmp_path / "sources")
    (play,) = declared.playbook(declared.common(RESOURCES), tmp_path / "sources")
    source = play["tasks"][3]["ansible.builtin.copy"]["src"]
    assert Path(source).read_bytes() == b"A=1\n"


RECAP = "container : ok={} changed={} unreachable=0 failed={} skipped=0 rescued=0 ignored=0\n"


def test_a_comparison_is_void_where_ansible_found_a_change_or_another_number() -> None:
    peers.check_ansible(RECAP.format(8, 0, 0), 8)
    for found in (RECAP.format(8, 1, 0), RECAP.format(7, 0, 0), RECAP.format(8, 0, 1), ""):
        with pytest.raises(Void):
            peers.check_ansible(found, 8)


def test_a_comparison_is_void_where_pyinfra_found_a_change_or_another_number() -> None:
    peers.check_pyinfra("declared 8, changes 0\n", 8)
    for found in ("declared 8, changes 1\n", "declared 9, changes 0\n", ""):
        with pytest.raises(Void):
            peers.check_pyinfra(found, 8)


def test_types_are_checked_in_every_bench() -> None:
    root = Path(__file__).parents[2]
    checked = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    scripts = {f"bench/{file.name}" for file in (root / "bench").iterdir() if not file.suffix}
    assert scripts - {"bench/support", "bench/__pycache__"} <= set(checked)

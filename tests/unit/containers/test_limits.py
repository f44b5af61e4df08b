"""The kernel's limits that many containers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.containers.lxc import limits


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root folder with Linux' defaults."""
    defaults = {"fs.inotify.max_user_instances": 128, "kernel.keys.maxkeys": 200,
                "kernel.keys.maxbytes": 20000}  # fmt: skip
    for name, value in defaults.items():
        path = limits.setting(name, tmp_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return tmp_path


def test_limits_that_are_too_low_are_raised_now_and_for_the_next_boot(machine: Path) -> None:
    assert limits.raise_limits(machine) == list(limits.LIMITS)
    assert limits.too_low(machine) == {}
    kept = (machine / limits.KEPT).read_text()
    assert "fs.inotify.max_user_instances = 4096\n" in kept


def test_higher_limits_are_left_alone(machine: Path) -> None:
    limits.setting("kernel.keys.maxkeys", machine).write_text("1000000\n")
    limits.raise_limits(machine)
    assert limits.setting("kernel.keys.maxkeys", machine).read_text() == "1000000\n"


def test_limits_that_are_high_enough_change_nothing(machine: Path) -> None:
    limits.raise_limits(machine)
    (machine / limits.KEPT).unlink()
    assert limits.raise_limits(machine) == []
    assert not (machine / limits.KEPT).exists()


def test_a_limit_that_the_kernel_does_not_have_is_no_problem(machine: Path) -> None:
    limits.setting("kernel.keys.maxkeys", machine).unlink()
    assert "kernel.keys.maxkeys" not in limits.raise_limits(machine)

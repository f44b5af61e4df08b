"""Records of plain values, by many threads at once."""

from __future__ import annotations

import re
import subprocess
import sys

import msgspec
import pytest

from tasks.conversion import convert
from tasks.paths import ROOT

AT_ONCE = """
import sys, threading, types
from tasks.conversion import convert

KINDS = '''
from __future__ import annotations
from collections.abc import Mapping
from msgspec import Struct
class Inner(Struct):
    one: int
    named: Mapping[str, int]
class Outer(Struct):
    one: int
    several: tuple[str, ...]
    inner: Inner | None
    named: Mapping[str, Inner]
'''
INNER = {"one": 1, "named": {"a": 1}}
VALUE = {"one": 1, "several": ["a"], "inner": INNER, "named": {"b": INNER}}
# Threads take turns as often as they can.
sys.setswitchinterval(1e-6)
for number in range(300):
    module = sys.modules[f"kinds{number}"] = types.ModuleType(f"kinds{number}")
    exec(KINDS, module.__dict__)
    together = threading.Barrier(4)

    def work():
        together.wait()
        assert convert(VALUE, module.Outer).inner.named == {"a": 1}

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("all of them")
"""


def test_threads_that_convert_to_a_type_that_nobody_has_converted_to_do_not_crash() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "all of them\n"), done.stderr


def test_nobody_converts_past_it() -> None:
    past = re.compile(r"msgspec\.(convert|json\.(decode|Decoder)|yaml|toml|msgpack)\b")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tasks").rglob("*.py"))
        if past.search(path.read_text())
    ]
    assert found == ["tasks/conversion.py"]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected `int`, got `str`"):
        convert("1", int)
    assert convert("1", int, strict=False) == 1

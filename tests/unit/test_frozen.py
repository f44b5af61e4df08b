"""Frozen classes made without generated code behave as those of `dataclasses`."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError, field
from functools import cached_property
from typing import Any, ClassVar

import pytest

from tasks.frozen import dataclass as light


def make(dataclass: Any) -> tuple[Any, Any]:
    """The same two classes, made by either decorator."""

    @dataclass(frozen=True)
    class Point:
        kind: ClassVar[str] = "point"
        x: int
        y: int = 2
        tags: dict[str, str] = field(default_factory=dict, compare=False)
        note: str = field(default="", repr=False)

        @cached_property
        def sum(self) -> int:
            return self.x + self.y

    @dataclass(frozen=True, kw_only=True)
    class Named(Point):
        """With a name."""

        name: str  # type: ignore[misc]  # a checker cannot tell which decorator it is

    return Point, Named


@pytest.fixture(params=[dataclasses.dataclass, light], ids=["dataclasses", "frozen"])
def classes(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return make(request.param)


def test_values_defaults_and_representation(classes: tuple[Any, Any]) -> None:
    Point, Named = classes
    point = Point(1, note="hidden")
    assert (point.x, point.y, point.tags, point.sum, point.kind) == (1, 2, {}, 3, "point")
    assert point.tags is not Point(1).tags
    assert repr(point).endswith("Point(x=1, y=2, tags={})")
    assert repr(Named(1, name="a")).endswith("Named(x=1, y=2, tags={}, name='a')")


def test_comparing_and_hashing(classes: tuple[Any, Any]) -> None:
    Point, Named = classes
    assert Point(1, tags={"a": "b"}) == Point(1) != Point(2)
    assert hash(Point(1, tags={"a": "b"})) == hash(Point(1)) == hash(Point(x=1))
    assert Named(1, name="a") != Named(1, name="b")
    assert Point(1) != Named(1, name="a") and Point(1) != (1, 2, {}, "")


def test_frozen(classes: tuple[Any, Any]) -> None:
    point = classes[0](1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((), {}), ((1, 2, {}, "", 5), {}), ((1,), {"x": 1}), ((1,), {"z": 1})],
    ids=["too few", "too many", "twice", "unknown"],
)
def test_wrong_arguments(
    classes: tuple[Any, Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        classes[0](*arguments, **named)


def test_the_functions_of_dataclasses(classes: tuple[Any, Any]) -> None:
    Point, Named = classes
    named = dataclasses.replace(Named(1, name="a"), y=5)
    assert (named.x, named.y, named.name) == (1, 5, "a")
    assert dataclasses.asdict(named) == {"x": 1, "y": 5, "tags": {}, "note": "", "name": "a"}
    assert [one.name for one in dataclasses.fields(Point)] == ["x", "y", "tags", "note"]
    match Point(1, 7):
        case Point(x, y):
            assert (x, y) == (1, 7)
        case _:
            pytest.fail("no match")


def test_documentation_is_what_was_written() -> None:
    Point, Named = make(light)
    assert (Point.__doc__, Named.__doc__) == (None, "With a name.")


def test_what_is_not_for_it_is_refused() -> None:
    with pytest.raises(TypeError, match="not frozen"):
        light(frozen=False)(type("Loose", (), {}))
    with pytest.raises(TypeError, match="__post_init__"):
        light(frozen=True)(type("Late", (), {"__post_init__": lambda self: None}))

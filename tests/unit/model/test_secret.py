"""A secret shows nowhere unless somebody asks for it."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tasks.secret import Secret

VALUE = "hunter-22"
MAKING: dict[str, Callable[[Any], object]] = {
    "str": str,
    "an f-string": lambda secret: f"{secret}",
    "a width": lambda secret: f"{secret:>20}",
    "format": "{}".format,
    "a percent sign": lambda secret: "%s" % secret,  # noqa: UP031
    "joined": lambda secret: ", ".join([secret]),
    "added": lambda secret: "password=" + secret,
    "JSON": json.dumps,
    "JSON of whatever there is": lambda secret: json.dumps(secret, default=str),
    "msgspec": msgspec.json.encode,
    "pickle": pickle.dumps,
    "YAML of any object": yaml.dump,
    "bytes": bytes,
    "an assignment": lambda secret: setattr(secret, "_value", "x"),
}


@pytest.mark.parametrize("how", MAKING)
@pytest.mark.parametrize("value", [VALUE, VALUE.encode()])
def test_no_text_is_made_of_one_by_accident(how: str, value: str | bytes) -> None:
    secret: object = Secret(VALUE) if isinstance(value, str) else Secret(VALUE.encode())
    with pytest.raises((TypeError, AttributeError)) as caught:
        MAKING[how](secret)
    assert VALUE not in str(caught.value)


def test_safe_yaml_refuses_one() -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_dump({"password": Secret(VALUE)})
    assert VALUE not in str(caught.value)


def test_what_holds_one_shows_that_it_does() -> None:
    @dataclass(frozen=True)
    class Login:
        user: str
        password: Secret[str]

    login = Login("me", Secret(VALUE))
    assert repr(login).endswith("Login(user='me', password=Secret(…))")
    assert asdict(login) == {"user": "me", "password": Secret(VALUE)}
    assert copy.deepcopy(login) == copy.copy(login) == login


def test_it_is_given_to_who_asks() -> None:
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(b"\xff\x00").reveal() == b"\xff\x00"


@given(st.text(st.characters()), st.text(st.characters()))
def test_two_are_equal_where_their_values_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert hash(Secret(one)) == hash(Secret(str(one)))


def test_one_equals_nothing_but_its_own_kind() -> None:
    class Passphrase(Secret[str]):
        __slots__ = ()

    for other in (VALUE, Secret(VALUE.encode()), Passphrase(VALUE), None):
        assert Secret(VALUE) != other
    assert repr(Passphrase(VALUE)) == "Passphrase(…)"

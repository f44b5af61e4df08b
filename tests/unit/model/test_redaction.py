"""What is taken out of a text by its form, whatever name it has."""

from __future__ import annotations

import json

import pytest

from tasks.model.redaction import is_secret, masked, masked_settings

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary+/==\n-----END RSA PRIVATE KEY-----"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("smtp://user:canary@mail.example.com:25/x", "smtp://(sensitive)@mail.example.com:25/x"),
        ("https://canary@o1.ingest.example.com/7", "https://(sensitive)@o1.ingest.example.com/7"),
        ("postgres://u:ca/na?ry@db/x", "postgres://(sensitive)@db/x"),
        ("ssh://git:canary@host/x", "ssh://(sensitive)@host/x"),
        ("u:canary@tcp(db:3306)/vikunja", "(sensitive)@tcp(db:3306)/vikunja"),
        ("https://host/x.zip?a=b&token=canary&c=d", "https://host/x.zip?a=b&token=(sensitive)&c=d"),
        ("https://host/x?X-Amz-Signature=canary", "https://host/x?X-Amz-Signature=(sensitive)"),
        ("host=db password='can ary' user=x", "host=db password=(sensitive) user=x"),
        ("rclone --password=canary", "rclone --password=(sensitive)"),
        (f"{CERTIFICATE}\n{KEY}\nafter", f"{CERTIFICATE}\n(sensitive)\nafter"),
        (KEY.partition("\n-----END")[0], "(sensitive)"),
        (f"age: AGE-SECRET-KEY-1{'Q' * 58}.", "age: (sensitive)."),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown
    assert is_secret("OWN", text)


@pytest.mark.parametrize(
    "text",
    [
        "https://host/@somebody",
        "https://host:443/@somebody",
        "https://[::1]:8443/",
        "https://host/x?a=b",
        "PASSWORD_FILE=/srv/password --key-file=/srv/key",
        "ssh://git@host/x",
        "git@host:x.git",
        "Write to admin@example.com, see https://example.com/",
        CERTIFICATE,
    ],
)
def test_what_is_none_stays_as_it_is(text: str) -> None:
    assert masked(text) == text
    assert not is_secret("OWN", text)


def test_json_stays_json_whatever_is_masked_in_it() -> None:
    values = {"a": 'smtp://u:p"q\\@host/', "b": KEY, "c": "x@y", "d": "https://k@h?token=t"}

    found = json.loads(masked(json.dumps(values)))

    assert found.keys() == values.keys()
    assert found["c"] == "x@y"
    assert found["b"] == "(sensitive)"


def test_a_changed_secret_in_a_file_shows_that_it_changed() -> None:
    before = f'A="smtp://u:one@h"\nB="x"\n{KEY}\n'
    after = f'A="smtp://u:two@h"\nB="x"\n{KEY.replace("canary", "other")}\n'

    assert masked_settings(before) == ['A="smtp://(sensitive)@h"', 'B="x"', "(sensitive)"]
    assert masked_settings(after, before) == [
        'A="smtp://(sensitive, changed)@h"',
        'B="x"',
        "(sensitive, changed)",
    ]
    assert masked_settings(before, before) == masked_settings(before)

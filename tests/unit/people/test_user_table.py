"""The application's own tables and complaints, as its versions print them."""

from __future__ import annotations

import pytest

from tasks.errors import DeployError
from tasks.workflows.user_table import User, last_message, parse_table

OLD = """\
2025-10-19T10:00:00Z: INFO	▶ 001 Ran all migrations successfully.
+----+----------+------------------+-----------------------------+----------------------+----------------------+
| ID | USERNAME |      EMAIL       |           STATUS            |       CREATED        |       UPDATED        |
+----+----------+------------------+-----------------------------+----------------------+----------------------+
|  1 | anna     | anna@example.com | Active                      | 2025-10-19T10:00:00Z | 2025-10-19T10:00:00Z |
|  2 | b|b      | bob@example.com  | Email Confirmation required | 2025-10-19T10:00:00Z | 2025-10-19T10:00:00Z |
+----+----------+------------------+-----------------------------+----------------------+----------------------+
"""  # noqa: E501

NEW = """\
time=2026-11-29T23:16:14.670Z level=INFO msg="No config file found"
┌────┬──────────┬──────────────────┬──────────┬────────┬─────────┬──────────────────────┬──────────────────────┐
│ ID │ USERNAME │      EMAIL       │  STATUS  │ ISSUER │ SUBJECT │       CREATED        │       UPDATED        │
├────┼──────────┼──────────────────┼──────────┼────────┼─────────┼──────────────────────┼──────────────────────┤
│ 3  │ -lead    │ d@example.com    │ Disabled │ local  │         │ 2026-11-29T23:16:15Z │ 2026-11-29T23:16:16Z │
│ 4  │ pi|pe│x  │                  │ Active   │ ldap   │ cn=x    │ 2026-11-29T23:16:16Z │ 2026-11-29T23:16:16Z │
│ 5  │ 名前     │ f@example.com    │ Active   │ local  │         │ 2026-11-29T23:16:16Z │ 2026-11-29T23:16:16Z │
└────┴──────────┴──────────────────┴──────────┴────────┴─────────┴──────────────────────┴──────────────────────┘
"""  # noqa: E501


def test_the_table_of_a_version_before_1_0_is_read() -> None:
    time = "2025-10-19T10:00:00Z"
    assert parse_table(OLD) == (
        User(1, "anna", "anna@example.com", "Active", time, time),
        User(2, "b|b", "bob@example.com", "Email Confirmation required", time, time),
    )


def test_a_later_table_is_read_whatever_a_name_holds() -> None:
    found = parse_table(NEW)
    assert [(one.id, one.username, one.email, one.status) for one in found] == [
        (3, "-lead", "d@example.com", "Disabled"),
        (4, "pi|pe│x", "", "Active"),
        (5, "名前", "f@example.com", "Active"),
    ]
    assert (found[1].issuer, found[1].subject) == ("ldap", "cn=x")
    assert found[0].updated == "2026-11-29T23:16:16Z"


def test_a_table_without_rows_is_nobody() -> None:
    head = NEW.splitlines()[1:4]
    assert parse_table("\n".join([*head, NEW.splitlines()[-1]])) == ()


@pytest.mark.parametrize(
    "text", ["", "no table at all", "│ ID │ NAME │\n│ 1 │ x │", "│ ID │\n│ one │"]
)
def test_what_has_another_shape_is_refused(text: str) -> None:
    with pytest.raises(DeployError, match="list of users"):
        parse_table(text)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            'time=2026-11-29T23:16:14.990Z level=ERROR msg="Error creating new user: bcrypt: '
            'password length exceeds 72 bytes"\n',
            "Error creating new user: bcrypt: password length exceeds 72 bytes",
        ),
        ('x\r\ntime=T level=ERROR msg="a \\"b\\" ü"\r\n\r\n', 'a "b" ü'),
        ("time=T level=ERROR msg=short\n", "short"),
        (
            "2025-10-19: \x1b[31mCRITICAL\x1b[0m\t▶ 03f Provided email is invalid.\n",
            "Provided email is invalid.",
        ),
        ("2025-10-19: CRITICAL ▶ Error reading password: x\n", "Error reading password: x"),
        ("Error: unknown flag: --admin\n", "Error: unknown flag: --admin"),
        (" \n", "it does not say why"),
    ],
)
def test_a_complaint_is_what_the_log_says_last(said: str, message: str) -> None:
    assert last_message(said.encode()) == message

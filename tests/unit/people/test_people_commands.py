"""`user` and `app` as they are typed: what they take, and what they refuse before anything."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.commands import app, user
from tasks.errors import CancelledError, ResourceError, UsageError
from tasks.output import console
from tasks.workflows.user_table import User

ONE = (sample_instance(),)
OPTIONS: dict[str, Any] = {
    "email": "",
    "admin": False,
    "password_stdin": False,
    "now": False,
    "yes": False,
}


@pytest.mark.parametrize(
    ("arguments", "verb", "name"),
    [
        (["vikunja-main", "list"], "list", ""),
        (["list"], "list", ""),
        (["add", "anna"], "add", "anna"),
        (["vikunja-main", "reset-password", "list"], "reset-password", "list"),
    ],
)
def test_the_only_instance_need_not_be_named(arguments: list[str], verb: str, name: str) -> None:
    assert user.meant(ONE, arguments) == (ONE[0], verb, name)


@pytest.mark.parametrize(
    ("arguments", "kind", "what", "hint"),
    [
        ([], UsageError, "what is to be done", "One of list, add"),
        (["vikunja-main"], UsageError, "what is to be done", "One of list, add"),
        (["vikunja-main", "ad", "x"], UsageError, "'ad'", "Did you mean add?"),
        (["other", "list"], ResourceError, "no instance 'other'", "vikunja-main"),
        (["list", "x"], UsageError, "list takes no name", "./doit user ID list"),
        (["add"], UsageError, "add takes one name", "./doit user ID add NAME"),
        (["add", "a", "b"], UsageError, "add takes one name", "./doit user ID add NAME"),
    ],
)
def test_what_is_typed_otherwise_is_refused_with_what_is_meant(
    arguments: list[str], kind: type[UsageError], what: str, hint: str
) -> None:
    with pytest.raises(kind) as refused:
        user.meant(ONE, arguments)
    assert what in str(refused.value)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("verb", "given", "what"),
    [
        ("add", {}, "needs --email"),
        ("enable", {"email": "a@b.c"}, "user enable takes no --email"),
        ("list", {"admin": True}, "user list takes no --admin"),
        ("disable", {"password_stdin": True}, "user disable takes no --password-stdin"),
        ("reset-password", {"now": True}, "takes no --now"),
    ],
)
def test_an_option_of_another_verb_is_refused(verb: str, given: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        user.refuse_options(verb, {**OPTIONS, **given})


def test_a_password_comes_from_stdin_where_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"geheim 1\n")))
    found = user.password_for("add", {**OPTIONS, "password_stdin": True})
    assert found is not None
    assert found.reveal() == "geheim 1"


def test_without_a_terminal_it_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "interactive", lambda: False)
    with pytest.raises(UsageError, match="there is none") as refused:
        user.password_for("reset-password", OPTIONS)
    assert "--password-stdin" in refused.value.hint
    assert user.password_for("enable", OPTIONS) is None


@pytest.mark.parametrize("second", [b"geheim 1", b"geheim 2"])
def test_at_a_terminal_it_is_asked_for_twice(
    monkeypatch: pytest.MonkeyPatch, second: bytes
) -> None:
    answers = iter([b"geheim 1", second])
    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(console, "ask_secret", lambda question: next(answers))
    if second == b"geheim 1":
        found = user.password_for("add", OPTIONS)
        assert found is not None
        assert found.reveal() == "geheim 1"
    else:
        with pytest.raises(UsageError, match="differ"):
            user.password_for("add", OPTIONS)


@pytest.mark.parametrize(
    ("mailer", "now", "refused"),
    [
        ("", False, True),
        ("false", False, True),
        ("true", False, False),
        ("mail.example.com", False, False),
        ("", True, False),
    ],
)
def test_nobody_is_asked_by_a_mail_that_is_not_sent(mailer: str, now: bool, refused: bool) -> None:
    document: dict[str, Any] = {}
    if "." in mailer:
        document = {"vikunja": {"mailer": {"host": mailer, "from": "tasks@example.com"}}}
    elif mailer:
        document = {"vikunja": {"environment": {"VIKUNJA_mailer_enabled": mailer}}}
    instance = sample_instance(**document)
    if not refused:
        user.refuse_unaskable(instance, {**OPTIONS, "now": now})
        return
    with pytest.raises(UsageError, match="its mailer is off"):
        user.refuse_unaskable(instance, {**OPTIONS, "now": now})


DIRECTORY = {"host": "ldap.example.com", "base_dn": "dc=example", "user_filter": "(uid=%[1]s)"}
PROVIDER = {
    "name": "Login",
    "url": "https://login.example.com",
    "client_id": "a",
    "client_secret_file": "/etc/hostname",
}


@pytest.mark.parametrize(
    ("vikunja", "passwords", "others"),
    [
        ({}, True, False),
        ({"auth": {"openid": [PROVIDER]}}, True, True),
        ({"auth": {"openid": [PROVIDER], "local": False}}, False, True),
        ({"auth": {"ldap": DIRECTORY, "local": True}}, True, True),
        # Vikunja asks itself after the directory, whatever it was told.
        ({"auth": {"ldap": DIRECTORY, "local": False}}, True, True),
        ({"environment": {"VIKUNJA_AUTH_LOCAL_ENABLED": "false"}}, False, False),
        ({"environment": {"VIKUNJA_AUTH_OPENID_ENABLED": "true"}}, True, True),
        ({"environment": {"VIKUNJA_AUTH_LDAP_ENABLED": "true"}}, True, True),
    ],
)
def test_only_who_can_log_in_is_said_to_be_able_to(
    capsys: pytest.CaptureFixture[str], vikunja: dict[str, Any], passwords: bool, others: bool
) -> None:
    instance = sample_instance(vikunja=vikunja)
    user.say(instance, "add", User(1, "anna", "anna@example.com", "Active", "", ""), OPTIONS)

    said = capsys.readouterr()
    assert ("anna can log in: https://" in said.out) == passwords
    assert ("anna is added, and cannot log in by a password" in said.out) != passwords
    assert ("vikunja.auth.local" in said.err) != passwords
    assert instance.vikunja.asks_others == others


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_who_deletes_is_told_what_goes_with_it_and_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(console, "ask", lambda question: answer)
    if answer == "y":
        user.confirm("anna", {**OPTIONS, "now": True})
    else:
        with pytest.raises(CancelledError):
            user.confirm("anna", {**OPTIONS, "now": True})
    assert "with every project that is shared with nobody else" in capsys.readouterr().err


def test_nobody_is_deleted_where_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "interactive", lambda: False)
    with pytest.raises(UsageError, match="needs --yes"):
        user.confirm("anna", {**OPTIONS, "now": True})
    user.confirm("anna", {**OPTIONS, "yes": True})


@pytest.mark.parametrize(
    "words",
    [["doctor"], ["migrate", "list"], ["user", "list"], ["--help"], ["version"], ["repair", "-x"]],
)
def test_any_other_command_of_the_application_is_run(words: list[str]) -> None:
    app.refuse(words, "vikunja-main")


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ([], "-- doctor"),
        (["--config", "x", "web"], "-- doctor"),
        (["web"], "./doit start"),
        (["dump"], "./doit backup"),
        (["restore", "x.zip"], "./doit restore"),
        (["migrate"], "./doit apply"),
        (["migrate", "rollback"], "./doit apply"),
        (["user", "create", "-u", "x", "-p", "secret"], "./doit user vikunja-main add"),
        (["user", "create", "-psecret"], "./doit user vikunja-main add"),
        (["user", "reset-password", "1", "-d", "--password=secret"], "./doit user vikunja-main"),
    ],
)
def test_what_migrates_serves_or_shows_a_password_is_refused_with_what_does_it(
    words: list[str], instead: str
) -> None:
    with pytest.raises(UsageError) as refused:
        app.refuse(words, "vikunja-main")
    assert instead in refused.value.hint
    assert "secret" not in f"{refused.value}{refused.value.hint}".replace("secrets", "")

"""People of a real instance: added, listed, changed, deleted, and whether they can log in.

The application asks for a password at a terminal; the container, and what holds it, is looked at
meanwhile for that password in anybody's arguments or environment.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from inside import Inside
from journey import DOIT, Site
from people_lab import at_a_terminal, login, user, users

from tasks.commands.demo import let_in, welcome
from tasks.config import load_instances
from tasks.model.lock import Lock

PASSWORDS = (
    "two words",
    "'quo\"ted`",
    "$HOME ${PATH} $(id) %i %%",
    "back\\slash \\n \\x41",
    "-rf --lead",
    "Ümläute ß € 名",
    "x" * 72,
)


@contextmanager
def nobody_reads(secret: str) -> Iterator[None]:
    """Within it no process of this machine, and so none of a container, has the secret among its
    arguments or in its environment."""
    found: list[str] = []
    looks = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal looks
        while not done.is_set():
            looks += 1
            for name in ("cmdline", "environ"):
                for path in Path("/proc").glob(f"[0-9]*/{name}"):
                    try:
                        if secret.encode() in path.read_bytes():
                            found.append(str(path))
                    except (FileNotFoundError, ProcessLookupError, PermissionError):
                        continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert looks > 10
    assert found == []


def remains(inside: Inside, secret: str) -> str:
    """Files of the container in which the secret is."""
    script = 'grep -rlF -e "$1" /run /etc /var/log /var/lib/vikunja-deploy 2>/dev/null || :'
    return inside.shell(script, secret)


@pytest.fixture(scope="module", autouse=True)
def many_logins(deployed: Site) -> Iterator[None]:
    """The application lets an address try ten times a minute."""
    deployed.edit({"vikunja": {"environment": {"VIKUNJA_RATELIMIT_NOAUTHLIMIT": "1000"}}})
    deployed.run("apply", "--yes")
    yield
    deployed.edit({"vikunja": None})
    deployed.run("apply", "--yes")


@pytest.fixture
def inside(deployed: Site) -> Inside:
    return Inside(deployed)


@pytest.fixture
def nobody(deployed: Site) -> Iterator[None]:
    """Whoever a test adds is gone after it."""
    yield
    for name in users(deployed):
        user(deployed, "delete", "--now", "--yes", "--", name)


def test_who_was_added_can_log_in_whatever_the_password(deployed: Site, nobody: None) -> None:
    assert users(deployed) == {}
    for number, password in enumerate(PASSWORDS):
        email = f"u{number}@example.com"
        said = user(deployed, "add", f"u{number}", "--email", email, password=password)
        assert f"{deployed.id}: u{number} can log in: https://" in said
        assert login(deployed, f"u{number}", password) == 200
        assert login(deployed, f"u{number}", f"y{password[1:]}") == 403
    found = users(deployed)
    assert list(found) == [f"u{number}" for number in range(len(PASSWORDS))]
    assert found["u0"]["email"] == "u0@example.com"
    assert found["u0"]["status"] == "Active"


def test_a_password_is_seen_nowhere_on_its_way(
    deployed: Site, inside: Inside, nobody: None
) -> None:
    secret = "nobody-reads-this-1"
    with nobody_reads(secret):
        user(deployed, "add", "anna", "--email", "anna@example.com", password=secret)
    assert login(deployed, "anna", secret) == 200
    assert remains(inside, secret) == ""
    assert secret not in deployed.log()
    assert "] [user] " in deployed.log()
    assert ": adds user anna (anna@example.com)" in deployed.log()


def test_at_a_terminal_it_is_asked_for_twice_and_shown_never(deployed: Site, nobody: None) -> None:
    secret = "Geheimes Wort 2"
    words = ["user", deployed.id, "add", "-anna", "--email", "a@example.com"]
    words = [*words[:3], "--config", str(deployed.file), *words[4:], "--", words[3]]
    typed = [("Password: ", f"{secret}\n"), ("The same again: ", f"{secret}\n")]
    assert secret not in at_a_terminal(deployed, words, typed)
    assert login(deployed, "-anna", secret) == 200
    typed[1] = (typed[1][0], "another\n")
    words = ["user", "reset-password", "--config", str(deployed.file), "--", "-anna"]
    assert "the two passwords differ" in at_a_terminal(deployed, words, typed, code=3)
    assert login(deployed, "-anna", secret) == 200


def test_the_password_of_before_no_longer_works(deployed: Site, nobody: None) -> None:
    user(deployed, "add", "4711", "--email", "n@example.com", password="first one")
    said = user(deployed, "reset-password", "4711", password="second one")
    assert "4711 has another password" in said
    assert login(deployed, "4711", "first one") == 403
    assert login(deployed, "4711", "second one") == 200


def test_who_is_disabled_cannot_log_in_until_enabled(deployed: Site, nobody: None) -> None:
    user(deployed, "add", "bob", "--email", "b@example.com", password="secret one")
    user(deployed, "disable", "bob")
    assert (users(deployed)["bob"]["status"], login(deployed, "bob", "secret one")) == (
        "Disabled",
        412,
    )
    user(deployed, "enable", "bob")
    assert (users(deployed)["bob"]["status"], login(deployed, "bob", "secret one")) == (
        "Active",
        200,
    )


def test_who_was_deleted_is_gone(deployed: Site, nobody: None) -> None:
    user(deployed, "add", "cleo", "--email", "c@example.com", password="secret one")
    assert "its mailer is off" in user(deployed, "delete", "cleo", code=3)
    assert "needs --yes" in user(deployed, "delete", "cleo", "--now", code=3)
    words = ["user", "delete", "cleo", "--now", "--config", str(deployed.file)]
    said = at_a_terminal(deployed, words, [("Delete cleo? [y/N]", "n\n")], code=20)
    assert "cleo goes now, for good, with every project" in said
    assert list(users(deployed)) == ["cleo"]
    at_a_terminal(deployed, words, [("Delete cleo? [y/N]", "y\n")])
    assert users(deployed) == {}
    assert login(deployed, "cleo", "secret one") == 403


def test_what_the_application_says_against_it_is_said(deployed: Site, nobody: None) -> None:
    user(deployed, "add", "dan", "--email", "d@example.com", password="secret one")
    said = user(deployed, "add", "dan", "--email", "e@example.com", password="secret", code=1)
    assert f"error: {deployed.id}: dan was not added: Error creating new user: " in said
    said = user(deployed, "add", "bot-x", "--email", "e@example.com", password="secret", code=1)
    assert "reserved" in said
    said = user(
        deployed, "add", "eve", "--email", "e@example.com", "--admin", password="secret", code=3
    )
    assert "--admin needs Vikunja 2.4.0 or newer; v1.0.0 serves" in said
    assert "Did you mean dan?" in user(deployed, "enable", "dann", code=4)
    assert list(users(deployed)) == ["dan"]


def test_a_command_of_the_application_has_its_own_input_outputs_and_code(
    deployed: Site, inside: Inside
) -> None:
    argv = [str(DOIT), "app", "--config", str(deployed.file), deployed.id, "--"]

    def app(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*argv, *words],
            env=deployed.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = app("doctor")
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "✓ database sqlite" in done.stdout
    assert f"user id {inside.run('id', '-u', 'vikunja').strip()}" in done.stdout
    assert app("user", "delete", "1", "--now", given="no\n").returncode == 1
    assert app("user", "nonsense").returncode == 1
    for word in ("web", "dump", "restore", "migrate"):
        done = app(word)
        assert (done.returncode, done.stdout) == (3, "")
        assert f"error: app does not run the application's {word}" in done.stderr
    said = at_a_terminal(
        deployed,
        [*argv[1:], "user", "create", "-u", "fay", "-e", "f@example.com"],
        [("Enter Password: ", "secret three\r"), ("Confirm Password: ", "secret three\r")],
        asks="vikunja",
    )
    assert "secret three" not in said
    assert login(deployed, "fay", "secret three") == 200
    user(deployed, "delete", "fay", "--now", "--yes")
    assert inside.shell("ls /run/systemd/system /run/vikunja-deploy").count("command") == 0


def test_who_tries_the_real_one_gets_a_user_each_time(
    deployed: Site, nobody: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (instance,) = load_instances([deployed.file])
    passwords = [let_in(instance, deployed.paths) for _ in range(2)]
    assert list(users(deployed)) == ["demo"]
    assert [login(deployed, "demo", one.reveal()) for one in passwords] == [403, 200]
    welcome(passwords[1])
    assert f"User demo, password {passwords[1].reveal()}\n" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_command_ends_with_what_runs_it(
    deployed: Site, inside: Inside, number: signal.Signals, nobody: None
) -> None:
    user(deployed, "add", "gus", "--email", "g@example.com", password="secret one")
    argv = [str(DOIT), "app", "--config", str(deployed.file), deployed.id, "--"]
    process = subprocess.Popen(
        [*argv, "user", "delete", "gus", "--now"],
        env=deployed.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    # It waits for an answer, which does not come; who would give it still has its input open.
    while b"To confirm" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    process.wait(30)
    assert list(users(deployed)) == ["gus"]
    assert inside.shell("ls /run/systemd/system /run/vikunja-deploy").count("command") == 0
    process.communicate()


def test_nothing_is_run_beside_what_does_not_serve(deployed: Site, inside: Inside) -> None:
    color = inside.serving
    deployed.run("stop")
    try:
        said = user(deployed, "list", code=4)
        assert f"only beside what serves: {color} does not run" in said
        assert f"./doit start {deployed.id}" in said
    finally:
        deployed.run("start")
    # Another program than the one that runs would migrate.
    folder = f"/opt/vikunja/backend/{color}"
    inside.shell('cd "$1" && cp -p vikunja other && mv -f other vikunja', folder)
    try:
        assert "another program runs" in user(deployed, "list", code=4)
    finally:
        deployed.run("restart")
    assert users(deployed) == {}
    assert deployed.plan() == []


def test_nothing_is_run_beside_another_operation(deployed: Site) -> None:
    with Lock.acquire(deployed.paths, deployed.id, "update"):
        assert "locked by update by" in user(deployed, "list", code=5)
    assert users(deployed) == {}

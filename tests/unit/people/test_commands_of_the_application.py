"""Commands of the application: how they are put, and what never gets into an argument."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.errors import DeployError, LockedError, ResourceError, UsageError
from tasks.guest.unit_words import unit_words
from tasks.host.process import Completed
from tasks.model.operation_log import Log
from tasks.paths import Paths
from tasks.secret import Secret
from tasks.workflows import people
from tasks.workflows.application import AtWork, Program, command_arguments

PASSWORD = "se cr\"et$'"
PROGRAM = Program("blue", 3456, "v2.4.0")
HEAD = "│ ID │ USERNAME │ EMAIL │ STATUS │ CREATED │ UPDATED │\n"
ANNA = "│ 7  │ anna     │ a@b.c │ Active │ c       │ u       │\n"


@pytest.fixture(autouse=True)
def protected_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is protected in one test is not masked in the next."""
    monkeypatch.setattr("tasks.model.redaction._protected", frozenset())


class Application:
    """Answers commands of the application in a container's place, and keeps what it was given."""

    def __init__(self, *answers: tuple[int, str, str] | Completed | BaseException) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[list[str], bytes | None]] = []

    def run(self, argv: Sequence[str], **how: Any) -> Completed:
        self.asked.append((list(argv), how.get("stdin")))
        answer: Any = self.answers.pop(0) if self.answers else Completed((), 0, b"", b"")
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Completed):
            return answer
        code, output, errors = answer
        said = f"{errors}\nvikunja-deploy: ended {code}\n"
        return Completed(tuple(argv), 0, output.encode(), said.encode())


def at_work(tmp_path: Path, application: Application, version: str = "v2.4.0") -> AtWork:
    instance = sample_instance()
    log = Log(Paths(tmp_path), instance.id, "user")
    return AtWork(instance, application, Program("blue", 3456, version), log)  # type: ignore[arg-type]


def words_of(argv: Sequence[str]) -> str:
    """What follows the program, as application.sh gets it."""
    return argv[argv.index("run") + 5]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["doctor"], '"doctor"'),
        (["a b", "--x=1"], '"a\\x20b" "--x=1"'),
        (['"', "\\", "'", ";"], '"\\x22" "\\x5c" "\\x27" "\\x3b"'),
        (["$HOME ${A}", "%i"], '"$$HOME\\x20$$\\x7bA\\x7d" "%%i"'),
        (["ü\n"], '"ü\\x0a"'),
    ],
)
def test_a_unit_gives_the_program_exactly_these_words(words: list[str], text: str) -> None:
    assert unit_words(words) == text


@pytest.mark.parametrize("word", ["a\0b", "\udcff"])
def test_what_no_unit_can_hold_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        unit_words([word])


def test_at_a_terminal_the_words_are_quoted_for_the_shell_between() -> None:
    argv = command_arguments(PROGRAM, ["user", "x y"], "silent", ["A=1"])
    assert argv == ["run", "blue", "3456", "v2.4.0", "silent", "user\\x20\\x27x\\x20y\\x27", "A=1"]
    assert shlex.split("user 'x y'") == ["user", "x y"]


@pytest.mark.parametrize("verb", ["add", "reset-password"])
def test_a_password_is_in_no_argument_and_no_log_and_only_typed(
    tmp_path: Path, verb: str, capfd: pytest.CaptureFixture[str]
) -> None:
    application = Application(*[(0, HEAD + ANNA, "")] * 3)
    work = at_work(tmp_path, application)
    if verb == "add":
        people.add(work, "anna", "a@b.c", Secret(PASSWORD))
    else:
        people.reset_password(work, "anna", Secret(PASSWORD))
    typed = [stdin for _, stdin in application.asked if stdin]
    assert typed == [2 * f"{PASSWORD}\n".encode()]
    for argv, _ in application.asked:
        assert not any(PASSWORD in word or "se\\x20cr" in word for word in argv)
    assert PASSWORD not in Paths(tmp_path).log("vikunja-main").read_text()
    assert PASSWORD not in "".join(capfd.readouterr())


def test_who_logs_in_elsewhere_is_given_no_password_here(tmp_path: Path) -> None:
    listed = HEAD.replace("CREATED", "ISSUER │ CREATED") + ANNA.replace("c   ", "ldap │ c   ")
    application = Application((0, listed, ""))
    with pytest.raises(UsageError) as refused:
        people.reset_password(at_work(tmp_path, application), "anna", Secret(PASSWORD))
    assert str(refused.value) == "vikunja-main: anna has no password here, but logs in by ldap"
    assert len(application.asked) == 1


def test_a_password_that_the_application_repeats_is_neither_logged_nor_said(tmp_path: Path) -> None:
    application = Application((1, f"Enter Password: \r\nCRITICAL ▶ bad: {PASSWORD}\r\n", ""))
    with pytest.raises(DeployError) as failed:
        people.add(at_work(tmp_path, application), "anna", "a@b.c", Secret(PASSWORD))
    assert str(failed.value) == "vikunja-main: anna was not added: bad: (sensitive)"
    assert PASSWORD not in Paths(tmp_path).log("vikunja-main").read_text()


def test_a_user_is_named_by_id_and_the_log_says_who_did_what(tmp_path: Path) -> None:
    application = Application((0, HEAD + ANNA, ""), (0, "done", ""))
    people.delete(at_work(tmp_path, application), "anna", now=True)
    assert words_of(application.asked[1][0]) == '"user" "delete" "--now" "--confirm" "7"'
    (line,) = Paths(tmp_path).log("vikunja-main").read_text().splitlines()
    assert "] [INFO] [user] " in line
    assert line.endswith(": deletes user anna")


def test_without_now_the_application_asks_the_user(tmp_path: Path) -> None:
    application = Application((0, HEAD + ANNA, ""), (0, "done", ""))
    people.delete(at_work(tmp_path, application), "anna", now=False)
    assert words_of(application.asked[1][0]) == '"user" "delete" "7"'


def test_a_name_that_begins_with_a_hyphen_is_no_option(tmp_path: Path) -> None:
    application = Application((0, "", ""), (0, HEAD + ANNA.replace("anna ", "-anna"), ""))
    people.add(at_work(tmp_path, application), "-anna", "-a@b.c", Secret("x"))
    words = words_of(application.asked[0][0])
    assert words == "user\\x20create\\x20--username=-anna\\x20--email=-a@b.c"


def test_who_is_not_there_is_said_with_who_may_be_meant(tmp_path: Path) -> None:
    work = at_work(tmp_path, Application((0, HEAD + ANNA, "")))
    with pytest.raises(ResourceError) as refused:
        people.change_status(work, "anma", enable=True)
    assert refused.value.hint.startswith("Did you mean anna? ")


def test_a_status_that_is_not_what_was_asked_for_is_no_success(tmp_path: Path) -> None:
    work = at_work(tmp_path, Application(*[(0, HEAD + ANNA, "")] * 3))
    with pytest.raises(DeployError, match="'Active' all the same"):
        people.change_status(work, "anna", enable=False)


@pytest.mark.parametrize("version", ["v1.0.0", "0.24.6", "v2.3.1", "v2.3.0-5-gabc"])
def test_an_administrator_of_a_version_that_has_none_is_refused_before_anything(
    tmp_path: Path, version: str
) -> None:
    application = Application()
    work = at_work(tmp_path, application, version)
    with pytest.raises(UsageError, match=r"--admin needs Vikunja 2\.4\.0 or newer; .* serves"):
        people.add(work, "anna", "a@b.c", Secret("x"), admin=True)
    assert application.asked == []


@pytest.mark.parametrize("version", ["v2.4.0", "v2.5.1", "v10.0.0", "0123456789"])
def test_an_administrator_is_made_by_the_application(tmp_path: Path, version: str) -> None:
    application = Application((0, "", ""), (0, HEAD + ANNA, ""), (1, "", "level=ERROR msg=license"))
    work = at_work(tmp_path, application, version)
    with pytest.raises(DeployError, match="anna was added, and is no administrator: license"):
        people.add(work, "anna", "a@b.c", Secret("x"), admin=True)
    assert words_of(application.asked[2][0]) == '"user" "set-admin" "--admin" "7"'


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (7, "blue does not run", ResourceError),
        (75, "", LockedError),
        (1, "mkfifo: No space left", DeployError),
        (137, "", DeployError),
    ],
)
def test_a_command_that_never_ran_is_told_from_one_that_failed(
    tmp_path: Path, code: int, said: str, kind: type[DeployError]
) -> None:
    application = Application(Completed((), code, b"", said.encode()))
    with pytest.raises(kind) as refused:
        at_work(tmp_path, application).run(["doctor"])
    assert type(refused.value) is kind
    assert said in f"{refused.value}{refused.value.evidence}"


def test_the_exit_code_and_both_outputs_are_the_commands_own(tmp_path: Path) -> None:
    work = at_work(tmp_path, Application((3, "out", "err")))
    ran = work.run(["doctor"])
    assert (ran.code, ran.output, ran.errors) == (3, b"out", b"err")


@pytest.mark.parametrize("why", [KeyboardInterrupt(), DeployError("did not finish in 120 s")])
def test_a_command_does_not_outlive_what_waited_for_it(tmp_path: Path, why: BaseException) -> None:
    application = Application(why)
    with pytest.raises(type(why)):
        at_work(tmp_path, application).run(["doctor"])
    assert application.asked[-1][0][-1] == "end"

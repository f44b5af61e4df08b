"""A server outside is tried with what is configured, before anything of a running site changes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from instance_samples import sample_instance
from model_site import Site

from tasks.commands.apply import Apply
from tasks.databases.trial import TRIALS, refuse_failing
from tasks.errors import DatabaseError, DeployError, NetworkError
from tasks.guest.runner import script_text
from tasks.host.process import Completed
from tasks.model.host_files import NO_HOST_FILES, HostFiles
from tasks.secret import Secret

SECRET = "/etc/vikunja/secrets/db-password"


def test_a_wrong_password_of_a_running_site_changes_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("user", "admin"):
        (site.folder / name).write_text(f"{name}\n")
        (site.folder / name).chmod(0o600)
    login = {
        "type": "postgresql",
        "host": "db.example.com",
        "password_file": str(site.folder / "user"),
    }
    admin = {"admin_user": "root", "admin_password_file": str(site.folder / "admin")}

    def apply(**database: str) -> int:
        site.document["database"] = database
        site.write()
        code: int = Apply().parse_execute(["--yes", "--config", str(site.config)])
        return code

    assert apply(**login, **admin) == 0
    assert apply(**login) == 0
    (site.folder / "user").write_text("wrong\n")
    capsys.readouterr()
    assert apply(**login) == 7
    said = capsys.readouterr().err
    assert "db.example.com port 5432 finds it denied" in said
    assert "0 done" in said
    assert site.machine.files.content(SECRET) == b"user"
    # An administrator gives the user that password.
    assert apply(**login, **admin) == 0
    assert site.machine.files.content(SECRET) == b"wrong"


class Answering:
    """A container in which the script ends so."""

    def __init__(self, code: int, said: bytes) -> None:
        self.code, self.said = code, said
        self.asked: list[list[str]] = []
        self.members: dict[str, bytes] = {}

    def run(self, argv: list[str], *, stdin: bytes, **_: Any) -> Completed:
        self.asked.append(argv)
        with tarfile.open(fileobj=io.BytesIO(stdin)) as archive:
            for member in archive:
                taken = archive.extractfile(member)
                assert taken is not None and member.mode == 0o600
                self.members[member.name] = taken.read()
        return Completed(tuple(argv), self.code, b"", self.said)


OUTSIDE = {"type": "mysql", "host": "db.example.com", "password_file": "/p", "admin_user": "root"}
GIVEN = HostFiles(database_password=Secret(b"p"), database_tls={"db-ca": Secret(b"CA")})


@pytest.mark.parametrize(
    ("code", "said", "kind", "what"),
    [
        (1, b"noise\nMySQL refuses it.\n", DatabaseError, "MySQL refuses it"),
        (6, b"It does not answer.\n", NetworkError, "It does not answer"),
        (1, b"", DatabaseError, "what is configured of the database could not be tried"),
    ],
)
def test_why_it_fails_is_the_script_s_last_line(
    code: int, said: bytes, kind: type[DeployError], what: str
) -> None:
    container: Any = Answering(code, said)
    with pytest.raises(kind) as caught:
        refuse_failing(sample_instance(database=OUTSIDE), GIVEN, container)
    assert (caught.value.what, caught.value.where) == (what, "vikunja-main")
    (argv,) = container.asked
    assert argv[-6:] == ["mysql", "db.example.com", "3306", "vikunja", "vikunja", "-"]
    assert "p" not in argv
    # Secrets come with the stream alone.
    assert container.members == {"db-password": b"p", "db-ca": b"CA"}


def test_an_administrator_is_named_and_where_nothing_is_outside_nothing_is_asked() -> None:
    container: Any = Answering(0, b"")
    with_admin = HostFiles(database_password=Secret(b"p"), admin_password=Secret(b"a"))
    refuse_failing(sample_instance(database=OUTSIDE), with_admin, container)
    assert container.asked[0][-1] == "root"
    assert "admin" not in "".join(container.members)
    for section in ({"type": "sqlite"}, {"type": "mysql"}):
        refuse_failing(sample_instance(database=section), GIVEN, container)
    refuse_failing(sample_instance(database=OUTSIDE), NO_HOST_FILES, container)
    assert len(container.asked) == 1


CALLS = """
probe_external_mysql() { echo "$STATE"; }
apply_external_mysql() { echo "$# $*" >&2; echo "$SECRETS/$DB_SECRET" >&2; return 1; }
"""


@pytest.mark.parametrize(
    ("state", "admin", "applied"),
    [
        ("present", "-", True),
        ("insecure", "root", True),
        ("unreachable", "root", True),
        ("absent", "root", False),
        ("denied", "root", False),
        ("denied", "-", True),
        ("absent", "-", True),
        ("unasked", "-", False),
    ],
)
def test_an_administrator_s_work_is_not_done_by_a_trial(
    state: str, admin: str, applied: bool
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w"):
        pass
    text = f"STATE={state}\n{CALLS}\n{script_text('database-trial')}"
    argv = ["sh", "-c", text, "trial", "mysql", "db", "3306", "name", "user", admin]
    done = run(argv, input=buffer.getvalue(), capture_output=True, check=False)
    said = done.stderr.decode().splitlines()
    if not applied:
        assert (done.returncode, said) == (0, [])
        return
    assert done.returncode == 1
    assert said[0] == "6 db 3306 name user - "
    assert not Path(said[1]).parent.exists()


def test_the_trial_is_of_what_makes_the_database_otherwise() -> None:
    for kind, script in TRIALS.items():
        assert f"apply_external_{kind}() {{" in script.text

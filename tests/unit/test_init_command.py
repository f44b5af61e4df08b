"""`init`: answers as flags, answers on a terminal, and a file that loads."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from tasks.commands import init
from tasks.commands.init import Init
from tasks.config import load_instances
from tasks.containers import proxmox
from tasks.containers.proxmox import section_of
from tasks.paths import ROOT

FLAGS = ["--ip-address", "10.98.0.20/24", "--domain", "tasks.example.com"]
FLAGS += ["--email", "me@example.com"]

REMOTE = ["--driver", "proxmox", "--node", "pve", "--host", "pve.example.com"]
REMOTE += ["--gateway", "10.98.0.1"]

FINGERPRINT = ":".join(["C0"] * 32)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, no terminal, and a machine without Proxmox VE."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(proxmox, "PVEVERSION", tmp_path / "no-pveversion")
    return tmp_path


def run(*arguments: str) -> int:
    code: int = Init().parse_execute(list(arguments))
    return code


def token_in(folder: Path) -> None:
    """A file `token` that holds an API token."""
    (folder / "token").touch(0o600)
    (folder / "token").write_text("deploy@pve!tool=5e0f4d7c\n")


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))


def test_flags_alone_write_a_file_that_loads(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*FLAGS) == 0

    printed = capsys.readouterr()
    assert printed.out == f"{here}/config.yaml\n"
    assert printed.err == "Next: ./doit check, then ./doit plan\n"
    instance = load_instances([here / "config.yaml"])[0]
    assert instance.id == "vikunja-main"
    assert instance.driver == "lxc"
    assert instance.network.gateway == "10.98.0.1"
    assert instance.network.domain == "tasks.example.com"
    assert instance.admin.email == "me@example.com"
    assert instance.database.type == "sqlite"
    assert instance.git is None
    assert instance.release is not None
    assert instance.release.channel == "stable"


@pytest.mark.parametrize(
    ("flags", "given"),
    [
        (["--release", "v2.5.0"], {"release": {"version": "v2.5.0"}}),
        (["--source", "release"], {"release": {"channel": "stable"}}),
        (
            ["--source", "git"],
            {"git": {"repository": "https://github.com/go-vikunja/vikunja.git", "branch": "main"}},
        ),
        (
            ["--branch", "v2.5.0"],
            {
                "git": {
                    "repository": "https://github.com/go-vikunja/vikunja.git",
                    "branch": "v2.5.0",
                }
            },
        ),
    ],
)
def test_flags_say_whether_the_application_is_published_or_built(
    here: Path, flags: list[str], given: dict[str, object]
) -> None:
    assert run(*FLAGS, *flags) == 0
    document = yaml.safe_load((here / "config.yaml").read_text())
    assert {name: document[name] for name in ("release", "git") if name in document} == given
    load_instances([here / "config.yaml"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--source", "docker"], 'error: --source: "docker" is none of release, git\n'),
        (
            ["--release", "2.5.0"],
            "error: --release: is no published version\n       Write it as v2.5.0, or give url",
        ),
        (["--release", "stable", "--branch", "main"], "error: --release: does not go with"),
        (["--source", "release", "--branch", "a"], "error: --branch: does not go with"),
    ],
)
def test_flags_for_the_application_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert run(*FLAGS, *flags) == 3
    assert capsys.readouterr().err.startswith(said)


def test_every_answer_can_be_a_flag(here: Path) -> None:
    (here / "password").write_text("correct horse\n")
    (here / "password").chmod(0o600)
    token_in(here)
    arguments = ["--instance-id", "tasks", "--driver", "proxmox", "--node", "pve2"]
    arguments += ["--connection", "https", "--host", "pve.b.de", "--ssh-user", "deploy"]
    arguments += ["--token-file", "token", "--fingerprint", FINGERPRINT]
    arguments += ["--ip-address", "10.0.0.9/16", "--gateway", "10.0.255.1", "--domain", "a.b.de"]
    arguments += ["--email", "me@b.de", "--database", "mysql", "--database-host", "db.b.de"]
    arguments += ["--database-user", "tasks", "--database-password-file", "password"]
    arguments += ["--repository", "./fork", "--branch", "next", "--output", "sub/tasks.yaml"]

    assert run(*arguments) == 0

    assert _given(here / "sub/tasks.yaml") == {
        "deployment": {"instance_id": "tasks"},
        "proxmox": {
            "node": "pve2",
            "connection": {
                "type": "https",
                "host": "pve.b.de",
                "token_file": f"{here}/token",
                "fingerprint": FINGERPRINT,
            },
            "ssh": {"user": "deploy"},
        },
        "network": {"ip_address": "10.0.0.9/16", "gateway": "10.0.255.1", "domain": "a.b.de"},
        "database": {
            "type": "mysql",
            "host": "db.b.de",
            "user": "tasks",
            "password_file": f"{here}/password",
        },
        "git": {"repository": f"{here}/fork", "branch": "next"},
        "admin": {"email": "me@b.de"},
    }
    assert load_instances([here / "sub/tasks.yaml"])[0].id == "tasks"


def _given(path: Path) -> object:
    return _without_empty(yaml.safe_load(path.read_text()))


def _without_empty(value: object) -> object:
    if not isinstance(value, dict):
        return value
    reduced = {key: _without_empty(inner) for key, inner in value.items()}
    return {key: inner for key, inner in reduced.items() if inner not in (None, {})}


def test_a_file_that_is_not_found_by_itself_is_named_in_what_comes_next(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*FLAGS, "--output", "sites/a.yaml") == 0
    assert capsys.readouterr().err == (
        "Next: ./doit check --config sites/a.yaml, then ./doit plan --config sites/a.yaml\n"
    )


def test_a_place_that_cannot_be_looked_at_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    # To root nothing is closed.
    monkeypatch.setattr(Path, "exists", refused)
    assert run(*FLAGS, "--output", "closed/a.yaml") == 1
    assert capsys.readouterr().err.startswith(
        f"error: {here}/closed/a.yaml: cannot be written: Permission denied\n"
    )


def test_what_is_missing_without_a_terminal_is_one_error_with_the_flags(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--driver", "proxmox") == 3

    assert capsys.readouterr().err == (
        "error: --connection, --host, --node, --ip-address, --gateway, --domain and --email"
        " must be given\n"
        "       Give them as options, or run ./doit init on a terminal, where it asks\n"
    )
    assert list(here.iterdir()) == []


def test_all_that_is_wrong_with_the_flags_is_reported_at_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("--ip-address", "10.98.0.20/24", "--gateway", "10.99.0.1", "--domain", "my_tasks")

    assert code == 3
    assert capsys.readouterr().err == (
        'error: --domain: "my_tasks" is not a name that a site can have\n'
        '       The part "my_tasks" is not allowed.\n'
        "error: --gateway: 10.99.0.1 is not in the subnet 10.98.0.0/24 of network.ip_address\n"
        "       Check both addresses and the prefix length.\n"
    )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--driver", "docker"], '--driver: "docker" is none of proxmox, lxc'),
        (
            ["--database", "postgres"],
            '--database: "postgres" is none of sqlite, postgresql, mysql, did you mean postgresql?',
        ),
        (["--node", "pve"], "--node: does not go with the other options"),
        (["--connection", "https"], "--connection: does not go with the other options"),
        ([*REMOTE, "--connection", "ssh"], '--connection: "ssh" is none of local, https, openssh'),
        ([*REMOTE, "--connection", "https"], "--token-file must be given"),
        (
            [*REMOTE, "--connection", "https", "--token-file", "gone"],
            "--token-file: the API token's file cannot be read: No such file or directory",
        ),
        (
            [*REMOTE, "--connection", "openssh", "--fingerprint", FINGERPRINT],
            "--fingerprint: does not go with type openssh",
        ),
        ([*REMOTE, "--connection", "local"], "--host: does not go with type local"),
        (["--database-host", "db"], "--database-host: does not go with type sqlite"),
        (
            ["--database", "mysql", "--database-host", "db.example.com"],
            "--database-password-file must be given",
        ),
        (["--instance-id", "my_tasks"], '--instance-id: "my_tasks" is not an instance id'),
        (["--repository", "vikunja"], "--repository: is not the address of a repository"),
        (["--branch", "a b"], '--branch: "a b" is not the name of a branch or tag'),
        (["--branch", "x\ny: z"], '--branch: "x\\ny: z" is not the name of a branch or tag'),
        (["--output", "."], "is a folder"),
        (["extra"], "init takes no arguments: extra"),
    ],
)
def test_a_wrong_flag_is_named(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(*FLAGS, *arguments) == 3

    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert list(here.iterdir()) == []


def test_on_a_node_of_proxmox_that_node_is_taken(here: Path) -> None:
    (here / "no-pveversion").touch()

    assert run(*FLAGS) == 0

    instance = load_instances([here / "config.yaml"])[0]
    proxmox = section_of(instance)
    assert proxmox.node == os.uname().nodename.partition(".")[0]
    assert proxmox.connection.type == "local"


def test_a_node_of_proxmox_may_be_used_as_a_workstation_for_another(here: Path) -> None:
    (here / "no-pveversion").touch()

    assert run(*FLAGS, *REMOTE, "--connection", "openssh") == 0

    proxmox = section_of(load_instances([here / "config.yaml"])[0])
    assert (proxmox.node, proxmox.connection.host) == ("pve", "pve.example.com")


def test_a_workstation_is_asked_how_proxmox_is_reached(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token_in(here)
    type_in(monkeypatch, "", "pve.example.com", "", "gone", "token", FINGERPRINT, "", *[""] * 4)

    assert run(*FLAGS, "--driver", "proxmox", "--instance-id", "a") == 0

    printed = capsys.readouterr().err
    asked = printed.partition("Gateway")[0]
    assert asked.split(": ") == [
        "How Proxmox VE is reached from here",
        "https or openssh [https]",
        "Name or address of a node, such as pve.example.com",
        "User of ssh there, who can do what root can [root]",
        "File with the API token, USER@REALM!NAME=VALUE (chmod 600)",
        "  the API token's file cannot be read",
        "No such file or directory\n"
        "  write USER@REALM!NAME=VALUE into it, as `pveum user token add` shows them\n"
        "File with the API token, USER@REALM!NAME=VALUE (chmod 600)",
        "SHA-256 fingerprint of its certificate, as `pvenode cert info` shows it (nothing",
        "an authority speaks for it)",
        "Proxmox node [pve]",
        "",
    ]
    proxmox = section_of(load_instances([here / "config.yaml"])[0])
    assert (proxmox.node, proxmox.ssh.user) == ("pve", "root")
    assert (proxmox.connection.type, proxmox.connection.host) == ("https", "pve.example.com")
    assert proxmox.connection.token_file == here / "token"
    assert proxmox.connection.fingerprint == FINGERPRINT


def test_ssh_alone_needs_no_token(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "openssh", "192.0.2.7", "deploy", "", "pve3", *[""] * 4)

    assert run(*FLAGS, "--driver", "proxmox", "--instance-id", "a") == 0

    text = (here / "config.yaml").read_text()
    assert "\n    type: openssh\n" in text
    assert "\n    #token_file: /etc/vikunja-deploy/proxmox-token\n" in text
    proxmox = section_of(load_instances([here / "config.yaml"])[0])
    # An address says nothing of the node's name: it is asked for until it is said.
    assert (proxmox.node, proxmox.connection.host) == ("pve3", "192.0.2.7")
    assert proxmox.ssh.user == "deploy"


def test_an_existing_file_stays_unless_forced(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "config.yaml").write_text("mine")

    assert run(*FLAGS) == 3
    assert (here / "config.yaml").read_text() == "mine"
    assert capsys.readouterr().err == (
        f"error: {here}/config.yaml: exists already\n"
        "       --force overwrites it, --output FILE writes another one\n"
    )

    assert run(*FLAGS, "--force") == 0
    assert load_instances([here / "config.yaml"])[0].id == "vikunja-main"


def test_a_dangling_link_counts_as_existing(here: Path) -> None:
    (here / "config.yaml").symlink_to("gone")

    assert run(*FLAGS) == 3


def test_nothing_is_asked_on_a_terminal_when_all_that_is_needed_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch)

    assert run(*FLAGS) == 0
    assert "[" not in capsys.readouterr().err


def test_a_terminal_is_asked_with_the_defaults_shown(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "tasks", "", "", "", "tasks.example.com", "", "", "", "")

    assert run() == 0

    assert capsys.readouterr().err.split(": ") == [
        "Name of the instance [vikunja-main]",
        "Where its container lives",
        "proxmox, or lxc on this machine [lxc]",
        "Address of the container with its prefix length, such as 192.168.1.50/24 [10.98.0.20/24]",
        "Gateway [10.98.0.1]",
        "Domain of the site, such as vikunja.example.com",
        "E-mail address of the administrator [admin@tasks.example.com]",
        "Database",
        "sqlite, postgresql or mysql [sqlite]",
        "The application",
        "release (as published) or git (built here, from a repository) [release]",
        "Which release",
        "stable (the newest, now and later), or one that stays, as v2.5.0 [stable]",
        "Next",
        "./doit check, then ./doit plan\n",
    ]
    instance = load_instances([here / "config.yaml"])[0]
    assert (instance.id, instance.network.ip_address) == ("tasks", "10.98.0.20/24")


def test_a_wrong_answer_is_explained_and_asked_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "10.0.0.255/24", "10.0.0.5/24", "10.1.0.1", "", "", "", "", "", "")

    assert run("--instance-id", "a", "--driver", "lxc", "--domain", "tasks.example.com") == 0

    printed = capsys.readouterr().err
    assert "10.0.0.255 is the broadcast address of 10.0.0.0/24" in printed
    assert "10.1.0.1 is not in the subnet 10.0.0.0/24 of network.ip_address" in printed
    network = load_instances([here / "config.yaml"])[0].network
    assert (network.ip_address, network.gateway) == ("10.0.0.5/24", "10.0.0.1")


def test_a_server_is_asked_for_where_the_database_can_have_one(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "password").write_text("x\n")
    (here / "password").chmod(0o600)
    type_in(monkeypatch, "", "", "", "postgresql", "db.example.com", "", "gone", "password", "", "")

    assert run(*FLAGS[:4], "--email", "", "--driver", "lxc") == 0
    database = load_instances([here / "config.yaml"])[0].database

    assert (database.host, database.user) == ("db.example.com", "vikunja")
    assert database.password_file == here / "password"


def test_an_input_that_ends_writes_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch)

    assert run() == 20

    assert "error: no usable answer, nothing was written" in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "schema"),
    [
        (ROOT / "config.yaml", "schemas/config.schema.json"),
        (ROOT / "examples/a.yaml", "../schemas/config.schema.json"),
        (Path("/etc/vikunja-deploy/a.yaml"), str(ROOT / "schemas/config.schema.json")),
    ],
)
def test_editors_find_the_schema_from_where_the_file_is(output: Path, schema: str) -> None:
    assert init.schema_for(output) == schema


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, tasks.commands.init;"
        "print(*(n for n in ('yaml', 'jsonschema', 'jinja2', 'requests') if n in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_real_terminal_is_asked(here: Path) -> None:
    ours, theirs = pty.openpty()
    code = "import sys; from tasks.commands.init import Init; sys.exit(Init().parse_execute([]))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment,
    )  # fmt: skip
    os.close(theirs)
    limit = threading.Timer(60, process.kill)
    limit.start()
    os.write(ours, b"tasks\nlxc\n10.98.0.21/24\n\ntasks.example.com\n\n\n\n\n")
    out, err = process.communicate()
    limit.cancel()
    os.close(ours)

    assert process.returncode == 0, err
    assert out.decode() == f"{here}/config.yaml\n"
    assert load_instances([here / "config.yaml"])[0].network.ip_address == "10.98.0.21/24"

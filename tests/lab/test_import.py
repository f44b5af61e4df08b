"""Moving in: each known layout as its description has it, in a container of its own, is found and
brought into an instance; its people log in as before, and it stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from dumps import write_dump
from inside import Inside
from journey import DOIT, Site
from old_installation import (
    BASH_PROJECT,
    COMMUNITY_SCRIPT,
    PACKAGE,
    PASSWORD,
    SECRET,
    Layout,
    OldInstallation,
    beside,
    on_server,
)
from people_lab import login

from tasks.model.instance import DatabaseType

KILLS = int(os.environ.get("VIKUNJA_DEPLOY_KILLS", "2"))
"""How often an import is killed; more by hand than in every run."""


@pytest.fixture(scope="module")
def site(deployed: Site) -> Iterator[Site]:
    """The instance that everything is brought into, with the secret of before and logins that
    nothing limits. What it held comes back."""
    (held,) = json.loads(deployed.run("backup", "--json").stdout)
    secret = deployed.paths.prefix / "secret-of-before"
    secret.touch(0o600)
    secret.write_text(f"{SECRET}\n")
    settings = {
        "environment": {"VIKUNJA_RATELIMIT_NOAUTHLIMIT": "1000"},
        "secret_file": str(secret),
    }
    # Each import takes a backup.
    deployed.edit({"vikunja": settings, "backup": {"retention_count": 20}})
    deployed.run("apply", "--yes")
    yield deployed
    deployed.run("restore", "--from", Path(held["archive"]).name, "--yes", "--no-backup")
    deployed.edit({"vikunja": None, "backup": {"retention_count": None}})
    deployed.run("apply", "--yes")


@pytest.fixture
def moved(site: Site, request: pytest.FixtureRequest) -> Iterator[DatabaseType]:
    """The instance with this kind of database; afterwards with SQLite again, and it alone."""
    site.edit({"database": {"type": request.param}})
    site.run("apply", "--yes")
    yield request.param
    site.edit({"database": {"type": "sqlite"}})
    site.run("apply", "--yes")
    site.run("apply", "--yes", "--allow-destroy")


@pytest.fixture(scope="module")
def program(site: Site) -> bytes:
    inside = Inside(site)
    path = f"/opt/vikunja/backend/{inside.serving}/vikunja"
    return inside.container.run(["cat", path], timeout=120).stdout


@pytest.fixture(scope="module")
def old(site: Site) -> Iterator[OldInstallation]:
    with beside(site) as made:
        yield made


def bring(site: Site, said: str, *words: str, code: int = 0) -> str:
    done = site.run("import", site.id, "--data", "--yes", "--from", said, *words, code=code)
    return done.stdout + done.stderr


def who(site: Site, token: str) -> int:
    """What the application answers to a session of before."""
    request = urllib.request.Request(
        f"https://{site.address}/api/v1/user",
        headers={"Authorization": f"Bearer {token}", "Host": site.document["network"]["domain"]},
    )
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return int(answer.status)


def attachments(site: Site) -> dict[str, str]:
    lines = Inside(site).shell("cd /var/lib/vikunja/files && sha256sum *").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


@pytest.mark.parametrize(
    "layout", [COMMUNITY_SCRIPT, PACKAGE, BASH_PROJECT], ids=lambda one: one.unit
)
def test_a_layout_is_brought_in_and_stays_as_it_was(
    site: Site, old: OldInstallation, program: bytes, layout: Layout, tmp_path: Path
) -> None:
    old.lay(layout, program)
    person = f"anna{len(layout.name)}"
    token = old.fill(person)

    config = tmp_path / "config.yaml"
    words = ["import", "--from", old.said, "--to", str(config), "--email", "me@example.com"]
    address = site.document["network"]["ip_address"]
    looked = subprocess.run(
        [str(DOIT), *words, "--ip-address", address],
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert looked.returncode == 0, looked.stderr
    assert layout.name in looked.stderr
    written = yaml.safe_load(config.read_text())
    assert written["network"]["domain"] == "old.example.com"
    assert written["vikunja"]["secret_file"] == "config.secrets/service-secret"
    assert (tmp_path / "config.secrets/service-secret").read_text() == f"{SECRET}\n"

    assert "it still runs" in bring(site, old.said, code=4)
    assert old.active
    said = bring(site, old.said, "--stop-source")

    assert f"To go back: systemctl start {layout.unit} at {old.said}" in said.splitlines()[-1]
    assert not old.active
    assert login(site, person, PASSWORD) == 200
    assert who(site, token) == 200
    assert attachments(site) == old.attachments()
    before = old.digests()
    old.start()
    assert old.call("GET", "/api/v1/user", token=token)[0] == 200
    old.run("systemctl", "stop", layout.unit)
    assert old.digests().splitlines()[1:] == before.splitlines()[1:]


def test_what_fails_leaves_both_as_they_were(
    site: Site, old: OldInstallation, program: bytes, tmp_path: Path
) -> None:
    old.lay(PACKAGE, program)
    old.fill("berta")
    rows = Inside(site).shell(COUNT)
    old.run("systemctl", "stop", PACKAGE.unit)
    old.change("insert into migration (id) values ('29990101000000')", tmp_path)
    old.start()

    said = bring(site, old.said, "--stop-source", code=7)

    assert "has been through 1 migrations that" in said
    assert old.active
    assert Inside(site).shell(COUNT) == rows


@pytest.mark.parametrize("moved", ["postgresql", "mysql"], indirect=True)
def test_a_database_on_a_server_is_brought_in_and_stays_as_it_was(
    site: Site, old: OldInstallation, program: bytes, moved: DatabaseType
) -> None:
    old.lay(on_server(moved), program)
    token = old.fill("frieda")
    before = old.digests()

    bring(site, old.said, "--stop-source")

    assert login(site, "frieda", PASSWORD) == 200
    assert who(site, token) == 200
    assert attachments(site) == old.attachments()
    assert old.digests() == before
    old.start()
    assert old.call("GET", "/api/v1/user", token=token)[0] == 200


def test_killed_at_any_moment_one_serves_and_the_next_import_finishes(
    site: Site, old: OldInstallation, program: bytes
) -> None:
    old.lay(PACKAGE, program)
    chance = random.Random(20261130)
    words = ["import", site.id, "--data", "--yes", "--from", old.said, "--stop-source"]
    for number in range(KILLS):
        person = f"hanna{number}"
        token = old.fill(person)
        process = subprocess.Popen(
            [str(DOIT), *words, "--progress", "--config", str(site.file)],
            env=site.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Most of it where it matters: once what came last is copied.
        at = ("rehearsing on a copy", "copying the database")[chance.random() < 0.8]
        kill_after(process, at, chance.uniform(0, 4))
        # The old one, or, where all of it is there already, the new one.
        wait_for(lambda: old.active or login(site, person, PASSWORD) == 200)  # noqa: B023
        wait_for(lambda: login(site, "nobody", "nothing") in (401, 403, 412))
        if not old.active:
            assert who(site, token) == 200
            old.start()
        assert old.call("GET", "/api/v1/user", token=token)[0] == 200
    bring(site, old.said, "--stop-source")
    assert login(site, person, PASSWORD) == 200
    assert who(site, token) == 200
    assert attachments(site) == old.attachments()
    assert site.addresses() == []


def test_a_killed_import_starts_the_old_one_again(
    site: Site, old: OldInstallation, program: bytes
) -> None:
    old.lay(PACKAGE, program)
    token = old.fill("clara")
    words = ["import", site.id, "--data", "--yes", "--from", old.said, "--stop-source"]
    process = subprocess.Popen(
        [str(DOIT), *words, "--config", str(site.file)],
        env=site.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while old.active:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(60)

    wait_for(lambda: old.active)
    bring(site, old.said, "--stop-source")
    assert login(site, "clara", PASSWORD) == 200
    assert who(site, token) == 200


def test_by_ssh_from_a_folder_and_from_a_dump(
    site: Site, old: OldInstallation, program: bytes, tmp_path: Path
) -> None:
    old.lay(PACKAGE, program)
    old.fill("dora")
    old.shell(
        "export DEBIAN_FRONTEND=noninteractive; apt-get install -y -q openssh-server >/dev/null &&"
        " mkdir -p /root/.ssh /run/sshd && chmod 700 /root/.ssh"
    )
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    old.shell("cat >/root/.ssh/authorized_keys", stdin=key.with_suffix(".pub").read_bytes())
    said = f"ssh:root@{old.address}"
    home = tmp_path / "home"
    refused = with_ssh(site, key, home, "import", "--from", said, "--to", str(tmp_path / "a.yaml"))
    assert refused.returncode == 6
    assert "its host key is not known here" in refused.stderr
    known = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", old.address], capture_output=True, check=True
    )
    (home / ".ssh/known_hosts").write_bytes(known.stdout)

    words = ["import", site.id, "--data", "--yes", "--stop-source", "--from", said]
    done = with_ssh(site, key, home, *words, "--config", str(site.file))

    assert done.returncode == 0, done.stderr
    assert login(site, "dora", PASSWORD) == 200
    assert attachments(site) == old.attachments()
    assert not old.active

    folder = tmp_path / "volumes"
    (folder / "db").mkdir(parents=True)
    (folder / "files").mkdir()
    database, files = PACKAGE.data
    for end in ("", "-wal"):
        old.fetch(f"{database}{end}", folder / f"db/vikunja.db{end}")
    for name in old.attachments():
        old.fetch(f"{files}/{name}", folder / "files" / name)
    rows = Inside(site).shell(COUNT)
    bring(site, f"folder:{folder}")
    assert login(site, "dora", PASSWORD) == 200
    assert attachments(site) == old.attachments()

    zipped = tmp_path / "dump.zip"
    contents = {path.name: path.read_bytes() for path in (folder / "files").iterdir()}
    write_dump(zipped, folder / "db/vikunja.db", contents, "2.5.0")
    bring(site, f"dump:{zipped}")
    assert login(site, "dora", PASSWORD) == 200
    assert attachments(site) == {
        name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
    }
    assert Inside(site).shell(COUNT) == rows


def kill_after(process: subprocess.Popen[str], at: str, seconds: float) -> None:
    """`kill -9` it so long after it last said that it is about this; it may be done by then."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.rstrip().endswith(at):
            threading.Timer(seconds, process.send_signal, [signal.SIGKILL]).start()
            break
    said.append(process.stderr.read())
    process.stderr.close()
    assert process.wait(timeout=300) in (0, -signal.SIGKILL), "".join(said)


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come")


COUNT = "sqlite3 /var/lib/vikunja/vikunja.db 'select count(*), max(title) from tasks'"


def with_ssh(site: Site, key: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The tool with an ssh that has this key, and knows the hosts of this home."""
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    programs = home / "bin"
    programs.mkdir(exist_ok=True)
    ssh_program = programs / "ssh"
    ssh_program.write_text(
        "#!/bin/sh\n"
        f'exec /usr/bin/ssh -i {key} -o UserKnownHostsFile={home}/.ssh/known_hosts "$@"\n'
    )
    ssh_program.chmod(0o755)
    environment = {**site.environment, "PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run(
        [str(DOIT), *words], env=environment, capture_output=True, text=True, check=False
    )


def test_the_history_has_it(site: Site) -> None:
    (last,) = json.loads(site.run("history", "--json", "--lines", "1").stdout)
    assert (last["operation"], last["outcome"]) == ("import", "success")

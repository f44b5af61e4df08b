"""`backup` of a site that serves: consistent under writes, harmless when it is cut short."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from journey import DOIT, Site, merged
from load import Writer, written_to

from tasks.backup.unpack import extract_argv, unpack
from tasks.config import load_instances
from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.databases import database_for
from tasks.model import archive as model
from tasks.model.archive import Archive

ASIDE = "/root/from-an-archive"
STAGING = "/var/lib/vikunja-backup"
NOISE = 40_000_000
STEPS = ("Waiting", "Looking", "Copying the database", "Writing the archive")

POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
QUERY = {
    "sqlite": ["sqlite3", "-separator", " "],
    "postgresql": [*POSTGRES, "psql", "-X", "-q", "-A", "-t", "-F", " ", "-d"],
    "mysql": ["mariadb", "-N", "-B"],
}
HOLD = """
cat >/usr/local/bin/sqlite3 <<'END'
#!/bin/sh
case "$*" in *"vacuum into"*)
    touch /root/held
    until [ -e /root/go ]; do sleep 0.05; done ;;
esac
exec /usr/bin/sqlite3 "$@"
END
chmod 0755 /usr/local/bin/sqlite3
"""
LONELY = """
select count(*) from task_attachments
    left join tasks on tasks.id = task_id left join files on files.id = file_id
    where tasks.id is null or files.id is null;
"""


@dataclass
class Configured(Site):
    """A deployed site with a configuration file of these tests' own: nothing is applied."""

    name: str = "backup-tests"

    @property
    def file(self) -> Path:
        return self.paths.prefix / f"{self.name}.yaml"

    @property
    def folder(self) -> Path:
        return Path(self.document["backup"]["directory"]) / self.id

    @property
    def container(self) -> Container:
        (instance,) = load_instances([self.file])
        return container_for(instance, self.paths)

    def shell(self, script: str) -> str:
        return self.container.run(["sh", "-c", script], timeout=120).stdout.decode()

    def archives(self) -> list[Archive]:
        return model.archives(self.folder)

    def quietly(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal; on success it says nothing."""
        done = self.run(*arguments, code=code)
        assert done.stdout == "" and (code != 0 or done.stderr == ""), done
        return done


def configured(site: Site, folder: Path, **backup: Any) -> Configured:
    changes = {"backup": {"directory": str(folder), **backup}}
    made = Configured(site.paths, merged(site.document, changes))
    made.edit({})
    return made


@pytest.fixture
def site(deployed: Site, tmp_path: Path) -> Configured:
    return configured(deployed, tmp_path / "backups")


@pytest.fixture
def heavy(site: Configured) -> Iterator[Configured]:
    """With an attachment that takes a while to pass."""
    site.shell(f"head -c {NOISE} /dev/urandom >/var/lib/vikunja/files/0")
    yield site
    site.shell("rm /var/lib/vikunja/files/0")


def serves(site: Site) -> bool:
    argv = ["curl", "-skf", "--max-time", "60", f"https://{site.address}/health"]
    return subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture
def held(heavy: Configured) -> Iterator[Configured]:
    """Whose database is not copied before `/root/go` is there in the container."""
    heavy.shell(HOLD)
    yield heavy
    # Whatever still waits ends, too.
    heavy.shell("rm /usr/local/bin/sqlite3 && touch /root/go")
    heavy.shell("flock /run/vikunja-deploy/apply.lock rm -f /root/held /root/go")


UNTIL_HELD = "until [ -e /root/held ]; do sleep 0.05; done"


def nothing_left(site: Configured) -> None:
    """No trace of a backup but its archives, on the host and in the container."""
    assert model.leftovers(site.folder) == []
    assert site.shell(f"ls -A {STAGING}") == ""


def started(site: Site, *arguments: str) -> subprocess.Popen[str]:
    argv = [str(DOIT), *arguments, "--config", str(site.file)]
    return subprocess.Popen(
        argv, env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(process: subprocess.Popen[str], text: str) -> None:
    """Read its progress up to a line that holds this."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"it never said {text!r}")


# What is in it


@contextmanager
def loaded(site: Configured, archive: Archive) -> Iterator[str]:
    """An archive's database beside the live one, under this name, and its files in ASIDE."""
    (instance,) = load_instances([site.file])
    container = site.container
    site.shell(f"rm -rf {ASIDE} && mkdir {ASIDE}")

    def consume(stream: IO[bytes]) -> None:
        container.run(extract_argv(ASIDE), stdin=stream, timeout=300)

    unpack(archive, consume)
    database = database_for(instance, container)
    database.load(f"{ASIDE}/database", "check")
    try:
        yield database.name("check")
    finally:
        database.drop("check")
        site.shell(f"rm -r {ASIDE}")


def ask(site: Configured, database: str, statement: str) -> list[str]:
    argv = [*QUERY[site.document["database"]["type"]], database]
    return site.container.run(argv, stdin=statement.encode()).stdout.decode().split()


def check_promises(site: Configured, archive: Archive, writer: Writer, before: int) -> None:
    """All that was acknowledged before is there, and nothing is half there."""
    with loaded(site, archive) as database:
        assert ask(site, database, LONELY) == ["0"]
        tasks = set(map(int, ask(site, database, "select id from tasks;")))
        files = set(map(int, ask(site, database, "select id from files;")))
        assert {one.task for one in writer.promised[:before]} <= tasks
        assert {one.file for one in writer.promised[:before]} <= files
        there = site.shell(f"cd {ASIDE}/files && ls").split()
        assert files <= {int(name) for name in there if name.isdigit()}
        for one in writer.promised[:before]:
            if one.file % 10 == 0:
                got = site.container.run(["cat", f"{ASIDE}/files/{one.file}"]).stdout
                assert got == one.content


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql"])
def test_a_backup_under_writes_holds_every_promise(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    deployed = request.getfixturevalue("engine_site")(engine)
    site = configured(deployed, tmp_path / "backups")
    with written_to(site) as writer:
        before = len(writer.promised)
        site.quietly("backup")
        writer.wait_for(3)
    (archive,) = site.archives()
    check_promises(site, archive, writer, before)
    nothing_left(site)
    (listed,) = json.loads(site.run("backups", "--json").stdout)
    assert listed["metadata"]["database_type"] == engine
    assert listed["metadata"]["backup_trigger"] == "scheduled"
    assert "whole" in site.run("verify").stdout


def test_a_backup_is_recorded_and_leaves_the_plan_empty(deployed: Site, site: Configured) -> None:
    assert deployed.addresses() == []
    site.quietly("backup")
    (archive,) = site.archives()
    assert deployed.addresses() == []
    record = site.shell("cat /etc/vikunja/deployment-config.yaml")
    assert f"last_backup: '{archive.created_at}'" in record
    history = json.loads(deployed.run("history", "--json", "--lines", "1").stdout)
    assert (history[0]["operation"], history[0]["outcome"]) == ("backup", "success")


def test_an_archive_for_somebody_holds_the_secrets_and_a_plain_one_does_not(
    deployed: Site, site: Configured, tmp_path: Path
) -> None:
    from pyrage import decrypt, x25519

    secret = site.shell("cat /etc/vikunja/secrets/service-secret").strip()
    site.quietly("backup")
    owner = x25519.Identity.generate()
    recipients = {"recipients": [str(owner.to_public())]}
    sealed = configured(deployed, tmp_path / "backups", encrypt=recipients)
    sealed.quietly("backup")
    plain, encrypted = site.archives()
    assert (plain.encrypted, encrypted.encrypted) == (False, True)
    stream = subprocess.run(["gunzip", "-c", plain.path], check=True, stdout=subprocess.PIPE)
    assert secret.encode() not in stream.stdout
    assert b"VIKUNJA_SERVICE_PUBLICURL" in stream.stdout
    inside = decrypt(encrypted.path.read_bytes(), [owner])
    stream = subprocess.run(["gunzip", "-c"], input=inside, check=True, stdout=subprocess.PIPE)
    assert stream.stdout.count(secret.encode()) == 1
    identity = tmp_path / "identity"
    identity.write_text(f"{owner}\n")
    assert "whole" in sealed.run("verify", "--identity", str(identity)).stdout


def test_only_as_many_stay_as_are_wanted(deployed: Site, tmp_path: Path) -> None:
    site = configured(deployed, tmp_path / "backups", retention_count=1)
    site.quietly("backup")
    site.run("verify")
    (verified,) = site.archives()
    site.quietly("backup")
    site.quietly("backup")
    assert len(site.archives()) == 2
    assert site.archives()[0] == verified


# Cut short


@pytest.mark.parametrize("step", STEPS)
def test_a_backup_killed_at_any_step_harms_nothing(heavy: Configured, step: str) -> None:
    process = started(heavy, "backup", "--progress")
    until(process, step)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert serves(heavy)
    # What has an archive's name is whole: the kill may have come too late.
    for archive in heavy.archives():
        assert "whole" in heavy.run("verify", str(archive.path)).stdout
    killed = len(heavy.archives())
    heavy.run("backup")
    assert len(heavy.archives()) == killed + 1
    assert "whole" in heavy.run("verify").stdout
    nothing_left(heavy)


def test_a_cancelled_backup_leaves_nothing(held: Configured) -> None:
    process = started(held, "backup", "--progress")
    until(process, "Copying the database")
    held.shell(UNTIL_HELD)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 20
    assert held.archives() == []
    nothing_left(held)
    assert serves(held)


@pytest.fixture
def small_disk(held: Configured) -> Iterator[Configured]:
    """With room for what a backup may need, and not much more."""
    folder = Path(held.document["backup"]["directory"])
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", folder], check=True)
    yield held
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_leaves_no_archive_and_the_site_serving(
    small_disk: Configured,
) -> None:
    site = small_disk
    process = started(site, "backup", "--progress")
    until(process, "Copying the database")
    site.shell(UNTIL_HELD)
    fill(site.folder.parent / "somebody-elses", leave=NOISE // 8)
    site.shell("touch /root/go")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert "cannot be written: No space left on device" in said
    assert site.archives() == []
    nothing_left(site)
    assert serves(site)
    # What is known before is said before.
    refused = site.quietly("backup", code=4)
    assert "the backup may need" in refused.stderr
    refused = site.run("uninstall", "--yes", code=4)
    assert "the final backup failed, and nothing was removed: the backup may need" in refused.stderr
    assert serves(site)
    (site.folder.parent / "somebody-elses").unlink()
    site.quietly("backup")
    assert len(site.archives()) == 1


def fill(path: Path, leave: int) -> None:
    free = os.statvfs(path.parent)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_bsize - leave)


# With others


def test_overlapping_runs_are_refused_or_wait(deployed: Site, tmp_path: Path) -> None:
    held, go = tmp_path / "held", tmp_path / "go"
    script = 'touch "$1"; until [ -e "$2" ]; do sleep 0.05; done'
    command = ["sh", "-c", script, "sh", str(held), str(go)]
    holding = configured(deployed, tmp_path / "backups", after=command)
    first = started(holding, "backup", "--progress")
    until(first, "second target")
    site = configured(deployed, tmp_path / "backups")
    refused = site.quietly("backup", code=5)
    assert refused.stderr.startswith(f"error: {site.id}: locked by backup by")
    waiting = started(site, "backup", "--wait", "300", "--progress")
    until(waiting, "Waiting for the lock")
    go.touch()
    assert first.communicate(timeout=120)[1] == ""
    assert waiting.communicate(timeout=120)[0] == ""
    assert (first.returncode, waiting.returncode) == (0, 0)
    assert held.exists()
    assert len(site.archives()) == 2


def test_a_backup_killed_while_it_is_copied_elsewhere_is_there(
    deployed: Site, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = ["sh", "-c", 'until [ -e "$1" ]; do sleep 0.05; done', "sh", str(go)]
    site = configured(deployed, tmp_path / "backups", after=command)
    process = started(site, "backup", "--progress")
    until(process, "second target")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    go.touch()
    assert "whole" in site.run("verify").stdout
    history = json.loads(site.run("history", "--json", "--lines", "1").stdout)
    assert (history[0]["operation"], history[0]["outcome"]) == ("backup", "interrupted")
    site.run("backup")
    assert len(site.archives()) == 2
    nothing_left(site)


def test_a_second_target_that_fails_is_one_message_and_the_archive_stays(
    deployed: Site, tmp_path: Path
) -> None:
    copy = ["sh", "-c", 'cp "$1" /nowhere/else', "sh", "{archive}"]
    site = configured(deployed, tmp_path / "backups", after=copy)
    failed = site.quietly("backup", code=6)
    assert failed.stderr.count("error:") == 1
    assert "is complete, but the second target has no copy" in failed.stderr
    assert "/nowhere/else" in failed.stderr
    assert len(site.archives()) == 1
    assert "whole" in site.run("verify").stdout
    configured(deployed, tmp_path / "backups").quietly("backup")

"""`restore`: what was lost comes back to the byte, and what goes wrong changes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from backed_site import Backed, backed
from colors import GREEN_AS_BLUE
from journey import DOIT, Site, new_site
from load import written_to
from places import LabNetwork
from small_disk import small_disk

from tasks.model import archive as model
from tasks.model.operations import operation
from tasks.paths import Paths


def wreck(site: Backed) -> None:
    """Rows and attachments go, others come."""
    site.shell("rm -f /var/lib/vikunja/files/*; echo other >/var/lib/vikunja/files/7")
    query(site, "delete from task_attachments; update tasks set title = 'wrecked';")


def query(site: Backed, statements: str) -> str:
    argv = {
        "sqlite": ["sqlite3", "-cmd", ".timeout 20000", site.database.name()],
        "postgresql": ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql",
                       "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "vikunja"],
        "mysql": ["mariadb", "--default-character-set=utf8mb4", "-N", "-B", "vikunja"],
    }[site.document["database"]["type"]]  # fmt: skip
    return site.container.run(argv, stdin=statements.encode()).stdout.decode()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql"])
def test_a_site_that_was_wrecked_altogether_comes_back_to_the_byte(
    engine: str, engine_site: Callable[[str], Site], tmp_path: Path
) -> None:
    site = backed(engine_site(engine), tmp_path / "backups")
    with written_to(site) as writer:
        writer.wait_for(40)
    before = site.seen()
    site.run("backup")
    site.container.destroy()
    site.origin.run("apply", "--yes")
    empty = site.seen()
    assert empty[0]["tasks"].rows == 0
    shown = site.run("restore", "--from", "latest", "--yes")
    assert site.seen() == before
    assert site.serves()
    assert "no secrets" in shown.stderr
    site.nothing_left()
    assert site.origin.addresses() == []
    if engine != "sqlite":
        return
    # What was there was backed up before, however little it was.
    safety = model.archives(site.folder)[-1]
    site.run("restore", "--from", safety.name, "--yes", "--no-backup")
    assert site.seen() == empty
    site.run("restore", "--from", "latest", "--yes", "--no-backup")
    assert site.seen() == before
    assert len(model.archives(site.folder)) == 2
    assert site.serves()


def test_what_an_administrator_added_is_said_and_comes_back_or_is_left_out(
    engine_site: Callable[[str], Site], tmp_path: Path
) -> None:
    site = backed(engine_site("postgresql"), tmp_path / "backups")
    extensions = "select extname from pg_extension where extname like 'pg_%';"
    query(
        site,
        "create extension pg_stat_statements; create function tell() returns event_trigger "
        "language plpgsql as 'begin end'; "
        "create event trigger told on ddl_command_end execute function tell();",
    )
    try:
        said = site.run("check").stdout
        assert "may leave out what only an administrator may create: event trigger told" in said
        (taken,) = json.loads(site.run("backup", "--json").stdout)
        assert taken["left_out"] == ["event trigger told", "extension pg_stat_statements"]
        wreck(site)
        said = site.run("restore", "--from", "latest", "--yes").stderr
        assert "may come back without: event trigger told" in said
        left = "Left out, for only an administrator of the database's server may create it: "
        assert f"{left}event trigger told\n" in said
        assert query(site, extensions).split() == ["pg_stat_statements"]
        assert query(site, "select count(*) from pg_event_trigger;").split() == ["0"]
        assert site.serves()
        assert site.origin.addresses() == []
    finally:
        query(
            site,
            "drop event trigger if exists told; drop function if exists tell; "
            "drop extension if exists pg_stat_statements;",
        )


@pytest.fixture
def site(deployed: Site, tmp_path: Path) -> Iterator[Backed]:
    """A site that serves other data than its newest archive has."""
    site = backed(deployed, tmp_path / "backups")
    with written_to(site):
        pass
    site.run("backup")
    wreck(site)
    yield site


def back_up_broken(site: Backed) -> None:
    """A database that says that it lacks what it has: the application's migration fails on it."""
    query(site, "create table aside as select * from migration;"
                "delete from migration where id = '20240105101500';")  # fmt: skip
    site.run("backup")
    query(site, "delete from migration; insert into migration select * from aside;"
                "drop table aside;")  # fmt: skip


def test_what_does_not_come_up_with_the_restored_data_goes_on_with_what_it_had(
    site: Backed,
) -> None:
    now = site.seen()
    back_up_broken(site)
    assert site.seen() == now
    refused = site.run("restore", "--from", "latest", "--yes", code=7)
    assert "would run 1 migrations on it" in refused.stderr
    assert "--allow-version" in refused.stderr
    assert site.seen() == now
    site.nothing_left()
    failed = site.run("restore", "--from", "latest", "--yes", "--allow-version", code=11)
    assert "what was there serves again" in failed.stderr
    assert site.seen() == now
    assert site.serves()
    site.nothing_left()
    assert site.origin.addresses() == []


@contextmanager
def full_inside(site: Backed, folder: str) -> Iterator[None]:
    """A folder of the container on a disk of its own, of a megabyte, without a free page."""
    site.shell(
        'mkdir -p "$1" && cp -a "$1" /root/aside && mount -t tmpfs -o size=1m none "$1" &&'
        ' cp -a /root/aside/. "$1" && { cat /dev/zero >"$1/filler" 2>/dev/null || :; }',
        folder,
    )
    try:
        yield
    finally:
        site.shell('umount "$1" && rm -rf /root/aside', folder)


def test_a_full_disk_changes_nothing(site: Backed, tmp_path: Path) -> None:
    now = site.seen()
    argv = ["restore", "--from", str(model.archives(site.folder)[0].path), "--yes"]
    # In the container: of what is unpacked, and of what puts everything back.
    for folder in ("/var/lib/vikunja-backup", "/var/lib/vikunja-deploy"):
        with full_inside(site, folder):
            full = site.run(*argv, "--no-backup", code=1)
            assert "No space left on device" in full.stderr
            assert "the container's disk" in full.stderr
            assert site.seen() == now
            assert site.serves()
            site.shell('rm "$1/filler"', folder)
            site.nothing_left()
    # On the host: of the backup of what is there.
    with small_disk(tmp_path / "small", 64):
        site.edit({"backup": {"directory": str(tmp_path / "small")}})
        refused = site.run(*argv, code=4)
        assert "the backup may need" in refused.stderr
        assert "--no-backup" in refused.stderr
        assert site.seen() == now
        assert model.archives(site.folder) == []
    site.run(*argv, "--no-backup")
    assert site.seen() != now
    assert site.serves()
    site.nothing_left()
    assert site.origin.addresses() == []


BROKEN = "/run/systemd/system/vikunja-backend@.service.d"


def test_what_cannot_be_put_back_either_is_kept_for_the_next_apply(site: Backed) -> None:
    now = site.seen()
    site.edit({"vikunja": {"start_timeout_seconds": 2}})
    # Whatever is started from now on does not come up; what runs is not touched.
    site.shell(
        'mkdir "$1" && printf "[Service]\nExecStartPre=/bin/false\nRestart=no\n" >"$1/broken.conf"'
        " && systemctl daemon-reload",
        BROKEN,
    )
    argv = ["restore", "--from", "latest", "--yes", "--no-backup"]
    failed = site.run(*argv, code=12)
    assert "what was there does not serve" in failed.stderr
    assert "no request is taken" in failed.stderr
    assert "./doit apply" in failed.stderr
    assert not site.serves()
    # Nor does the next one go on over it.
    assert "what was there is not back" in site.run(*argv, code=12).stderr
    site.shell('rm -r "$1" && systemctl daemon-reload', BROKEN)
    site.origin.run("apply", "--yes")
    assert site.seen() == now
    assert site.serves()
    site.nothing_left()
    assert site.origin.addresses() == []


GO_GREEN = f"""{GREEN_AS_BLUE}
for part in backend mcp-server; do cp -aT "/opt/vikunja/$part/blue" "/opt/vikunja/$part/green"; done
systemctl -q enable --now vikunja-backend@green vikunja-mcp@green
touch /etc/vikunja/active/green
ln -sfT environment.green /etc/vikunja/environment
systemctl -q disable --now vikunja-mcp@blue vikunja-backend@blue
rm -r /etc/vikunja/environment.blue /etc/vikunja/mcp-environment.blue /etc/vikunja/secrets/blue
"""
PROCESS = "systemctl show -P MainPID vikunja-backend@green"
REPLACED = "All that {} holds now is replaced.\n"
ACTIVE = "systemctl is-active redis-server vikunja-backend@green vikunja-mcp@green nginx"


def test_another_instance_with_all_parts_on_green_takes_an_archive_over(
    site: Backed, lab_paths: Paths, lab_network: LabNetwork, tmp_path: Path
) -> None:
    other = new_site(
        lab_paths,
        lab_network,
        "second",
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
    )
    other.run("apply", "--yes")
    second = backed(other, tmp_path / "second")
    secret = second.shell('cat "$1"', SECRET)
    archive = model.archives(site.folder)[0]
    restore = ("restore", "--from", str(archive.path), "--yes", "--wait", "300")
    with operation(second.paths, second.id, "update"):
        waiting = subprocess.Popen(
            [str(DOIT), *restore, "--config", str(second.file)],
            env=second.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        shown = "".join(iter(waiting.stderr.readline, REPLACED.format(second.id)))
        # An update that it waits for brings the other color.
        second.shell(GO_GREEN)
        wrote = second.shell(PROCESS)
    _, said = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, said
    assert f"from {site.id}" in shown
    site.run("restore", "--from", "latest", "--yes", "--no-backup")
    assert second.seen() == site.seen()
    assert second.shell(ACTIVE).split() == ["active"] * 4
    assert second.shell("ls /etc/vikunja/active") == "green\n"
    # It wrote no more while its data was replaced.
    assert second.shell(PROCESS) != wrote
    assert second.shell('cat "$1"', SECRET) == secret
    assert second.serves()
    second.nothing_left()
    # What serves is the truth: the records follow it.
    other.run("apply", "--yes")
    assert other.addresses() == []
    assert site.origin.addresses() == []


SECRET = "/etc/vikunja/secrets/service-secret"


def test_an_encrypted_archive_brings_back_the_secret_that_signs_sessions(
    site: Backed, tmp_path: Path
) -> None:
    before = site.shell('cat "$1"', SECRET)
    mine = f"/etc/vikunja/secrets/{site.color}/service-secret"
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    passphrase.chmod(0o600)
    site.edit({"backup": {"encrypt": {"passphrase_file": str(passphrase)}}})
    site.run("backup")
    back_up_broken(site)
    *_, good, broken = model.archives(site.folder)
    site.shell('echo other | tee "$1" >"$2"', SECRET, mine)
    restore = ("restore", "--yes", "--no-backup", "--allow-version", "--from")
    failed = site.run(*restore, broken.name, code=11)
    assert "what was there serves again" in failed.stderr
    # What serves signs with it, too.
    signs = 'for file in "$@"; do cat "$file" && stat -c "%a %U" "$file"; done'
    assert site.shell(signs, SECRET, mine) == "other\n600 vikunja\n" * 2
    shown = site.run(*restore, good.name)
    assert "brings back the secret" in shown.stderr
    assert site.shell(signs, SECRET, mine) == f"{before}600 vikunja\n" * 2
    assert site.serves()
    site.nothing_left()
    assert site.origin.addresses() == []


def test_a_database_that_nobody_can_read_any_more_is_replaced(site: Backed) -> None:
    site.run("restore", "--from", "latest", "--yes", "--no-backup")
    there = site.seen()
    site.shell(
        f"systemctl stop vikunja-backend@{site.color}; cd /var/lib/vikunja && rm -f vikunja.db-*; "
        "yes 'no database at all' | head -c 100000 >vikunja.db"
    )
    refused = site.run("restore", "--from", "latest", "--yes", code=7)
    assert "--no-backup" in refused.stderr
    refused = site.run("restore", "--from", "latest", "--yes", "--no-backup", code=7)
    assert "--allow-version" in refused.stderr
    site.run("restore", "--from", "latest", "--yes", "--no-backup", "--allow-version")
    assert site.seen() == there
    assert site.serves()
    site.nothing_left()
    assert site.origin.addresses() == []


def lines_of(listing: str) -> set[str]:
    """A line each, but that of the folder itself, whose size is its file system's business."""
    return {line for line in listing.splitlines() if not line.startswith(" ")}


LOSE = {
    "sqlite": "rm -f /var/lib/vikunja/vikunja.db*",
    "postgresql": "cd / && setpriv --reuid=postgres --regid=postgres --init-groups "
    "psql -qc 'alter database vikunja rename to gone_by_hand'",
    "mysql": "mariadb -e 'drop database vikunja'",
}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql"])
def test_a_lost_database_comes_back_and_attachments_that_are_there_stay(
    engine: str, engine_site: Callable[[str], Site], tmp_path: Path
) -> None:
    site = backed(engine_site(engine), tmp_path / "backups")
    with written_to(site) as writer:
        writer.wait_for(20)
    site.run("backup")
    before, attachments = site.seen()
    # One is newer than the backup, and one that it has is gone, too.
    site.shell(
        "cd /var/lib/vikunja/files && echo newer >987654 && chown vikunja:vikunja 987654 && "
        'rm "$(ls | head -n 1)"'
    )
    # Whoever serves from it writes to what is no file any more, or to nothing.
    site.shell(f"systemctl stop vikunja-backend@{site.color}.service")
    site.shell(LOSE[engine])
    script = f"{engine}-database"
    shown = site.run("plan").stdout
    assert f"{script}:" in shown and "gone, with the data." in shown
    assert "./doit restore" in shown and "destructive: lost already" in shown
    refused = site.run("apply", "--yes", code=3)
    assert "data is gone" in refused.stderr
    # Nor does a start of the container, or of the service, make one.
    started = site.run("start", code=10 if engine != "sqlite" else 1)
    assert started.stderr
    assert "gone, with the data." in site.run("plan").stdout
    restored = site.run("restore", "--from", "latest", "--yes")
    assert "no database" in restored.stderr
    assert "1 attachments that the archive lacks: they were kept" in restored.stderr
    after, found = site.seen()
    assert after == before
    more, those = lines_of(found), lines_of(attachments)
    assert more > those
    assert len(more) == len(those) + 1
    assert site.serves()
    site.nothing_left()
    assert site.origin.addresses() == []


EMPTY = {
    "sqlite": "cd /var/lib/vikunja && rm -f vikunja.db* && setpriv --reuid=vikunja "
    "--regid=vikunja --clear-groups sqlite3 vikunja.db 'create table gone (id); drop table gone'",
    "postgresql": "cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -qc "
    "'drop schema public cascade; create schema public authorization vikunja' vikunja",
    "mysql": "mariadb -e 'drop database vikunja; create database vikunja character set utf8mb4'",
}


@pytest.mark.parametrize("engine", EMPTY)
def test_a_database_whose_tables_are_gone_is_lost_and_not_the_next_backup(
    engine: str, engine_site: Callable[[str], Site], tmp_path: Path
) -> None:
    site = backed(engine_site(engine), tmp_path / "backups")
    site.run("backup")
    there, kept = site.seen(), model.archives(site.folder)
    site.shell(f"systemctl stop vikunja-backend@{site.color}.service")
    site.shell(EMPTY[engine])
    shown = site.run("plan").stdout
    assert f"{engine}-database:" in shown and "gone, with the data." in shown
    assert "data is gone" in site.run("apply", "--yes", code=3).stderr
    refused = site.run("backup", code=7)
    assert "the database has no tables" in refused.stderr
    assert model.archives(site.folder) == kept
    site.origin.run("apply", "--yes", "--allow-destroy")
    assert site.serves()
    assert site.seen()[0]["tasks"].rows == 0
    assert site.origin.addresses() == []
    site.run("restore", "--from", "latest", "--yes")
    (tables, files), (tables_then, files_then) = site.seen(), there
    assert (tables, lines_of(files)) == (tables_then, lines_of(files_then))
    assert site.serves()


def test_attachments_whose_folder_is_gone_are_not_begun_anew_by_a_start(site: Backed) -> None:
    site.run("restore", "--from", "latest", "--yes")
    there = site.seen()
    site.shell("rm -r /var/lib/vikunja/files")
    refused = site.run("restart", code=11)
    assert "what ran serves on" in refused.stderr
    site.shell(
        'systemctl restart "$1" || :; ! ls /var/lib/vikunja/files',
        f"vikunja-backend@{site.color}.service",
    )
    assert "data is gone" in site.run("apply", "--yes", code=3).stderr
    assert "attachments, /var/lib/vikunja/files, is gone" in site.run("backup", code=1).stderr
    assert "where it is gone ./doit restore" in site.run("status", code=10).stderr
    # What is there of it is saved first.
    restored = site.run("restore", "--from", "latest", "--yes")
    assert "What was there before:" in restored.stderr
    assert site.seen() == there
    assert site.serves()
    assert site.origin.addresses() == []


KILLED_AT = ("Unpacking", "Loading", "stopping writes", "swapping in", "starting on")


def test_a_kill_leaves_one_data_or_the_other_and_what_comes_next_goes_on(site: Backed) -> None:
    now = site.seen()
    archive = model.archives(site.folder)[0]
    for step in KILLED_AT:
        argv = [str(DOIT), "restore", "--from", str(archive.path), "--yes", "--no-backup",
                "--progress", "--config", str(site.file)]  # fmt: skip
        process = subprocess.Popen(
            argv, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert any(step in line for line in process.stderr), step
        process.send_signal(signal.SIGKILL)
        process.stderr.close()
        process.wait(timeout=60)
        site.origin.run("apply", "--yes")
        assert site.seen() == now, step
        assert site.serves()
    site.run("restore", "--from", "latest", "--yes")
    there = site.seen()
    assert there != now
    site.nothing_left()
    assert site.origin.addresses() == []


def test_what_cannot_be_restored_is_refused_before_anything_changes(
    site: Backed, tmp_path: Path
) -> None:
    now = site.seen()
    assert "--yes" in site.run("restore", "--from", "latest", code=3).stderr
    assert "--from" in site.run("restore", "--yes", code=3).stderr
    site.run("restore", "--from", str(tmp_path / "1.tar.gz"), "--yes", code=4)
    (archive,) = model.archives(site.folder)
    whole = bytearray(archive.path.read_bytes())
    whole[len(whole) // 2] ^= 1
    archive.path.write_bytes(whole)
    damaged = site.run("restore", "--from", "latest", "--yes", code=1)
    assert "the archive is damaged" in damaged.stderr
    assert site.seen() == now
    site.nothing_left()

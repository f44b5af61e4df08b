"""Every engine's copies on real servers: while somebody writes, with odd values, after kills."""

from __future__ import annotations

import pytest
from engines import ENGINES, FOLDER, OUTSIDE, QUERY, ROWS, USER, LabDatabase
from msgspec.structs import replace
from tables import put_back, tables

from tasks.databases.base import counts_in, script
from tasks.errors import DatabaseError

CHANGE = """
delete from attachments;
delete from tasks where id > 10;
drop table label_tasks;
create table more (a integer);
"""
EVERYWHERE = pytest.mark.parametrize("made", (*ENGINES, *OUTSIDE), indirect=True)


def test_a_dump_under_writes_holds_every_row_acknowledged_before(lab: LabDatabase) -> None:
    database = lab.database
    with lab.written_to():
        before = lab.acknowledged()
        size = database.dump(FOLDER)
        lab.wait_for_writes(1)
    database.load(FOLDER, "restored")
    newest, tasks, lonely = lab.sql(
        "select max(id), count(*), (select count(*) from tasks left join attachments "
        "on task_id = tasks.id where task_id is null) from tasks;",
        "restored",
    ).split("|" if lab.engine != "mysql" else "\t")
    assert int(newest) >= before
    assert int(tasks) == ROWS + int(newest) - 100000
    assert int(lonely) == 0
    counted = counts_in(lab.sh('cat "$1/tables.tsv"', FOLDER))
    assert counted == database.counts("restored")
    assert counted["tasks"] == int(tasks)
    assert size == int(lab.sh('stat -c %s "$1"/vikunja.*', FOLDER))
    assert database.size() > 0


@EVERYWHERE
def test_what_was_dumped_is_swapped_in_and_what_was_there_is_kept(lab: LabDatabase) -> None:
    database = lab.database
    database.dump(FOLDER)
    before = tables(database)
    assert before["tasks"].rows == ROWS
    assert before["nothing_in_it"].rows == 0
    assert len({table.sha256 for table in before.values()}) == len(before)
    lab.sql(CHANGE)
    wrecked = tables(database)
    database.load(FOLDER, "restored")
    assert tables(database, "restored") == before
    assert tables(database) == wrecked
    database.swap("restored", "replaced")
    assert tables(database) == before
    assert tables(database, "replaced") == wrecked
    assert database.places() == ("replaced",)
    # The application goes on with it.
    lab.sql("insert into tasks (title) values ('new'); drop table nothing_in_it;")
    put_back(database, "replaced")
    assert tables(database) == wrecked
    assert database.places() == ()


@EVERYWHERE
def test_a_copy_is_made_while_somebody_writes_and_is_the_applications_own(
    lab: LabDatabase,
) -> None:
    database = lab.database
    before = tables(database)
    with lab.written_to():
        database.copy("rehearsal")
    assert database.places() == ("rehearsal",)
    lab.sql("delete from attachments where id > 100000; delete from tasks where id > 100000;"
            "alter table tasks add column more integer; alter table tasks drop column more;",
            "rehearsal")  # fmt: skip
    assert tables(database, "rehearsal") == before
    database.copy("rehearsal")
    assert tables(lab.database, "rehearsal")["tasks"].rows >= ROWS + 5
    database.drop("rehearsal")
    database.drop("rehearsal")
    assert database.places() == ()
    if lab.engine == "mysql":
        assert "deploy" not in lab.sh("mariadb -N -e 'select db from mysql.db'")


def test_what_was_saved_is_put_back_exactly(lab: LabDatabase) -> None:
    database = lab.database
    before = tables(database)
    database.save("saved")
    lab.sql(CHANGE)
    put_back(database, "saved")
    assert tables(database) == before
    assert database.places() == ()
    with pytest.raises(DatabaseError, match="could not be swapped"):
        put_back(database, "saved")
    assert tables(database) == before


def test_a_state_that_somebody_still_reads_is_saved_all_the_same(lab: LabDatabase) -> None:
    database = lab.database
    before = tables(database)
    script = """
        (echo 'begin; select count(*) from tasks;' && exec sleep 60) 2>/dev/null |
            setsid sh -c "$1" sh "$2" "$3" "$4" >/root/reader 2>&1 &
        until [ -s /root/reader ]; do sleep 0.05; done
        echo $!
    """
    reader = lab.sh(script, QUERY[lab.engine], database.name(), lab.host, USER)
    database.save("saved")
    lab.sh("kill $1", reader.strip())
    assert tables(database, "saved") == before


def test_migrations_are_in_order_and_none_without_their_table(lab: LabDatabase) -> None:
    assert lab.database.migrations() == ("20190101000000", "20200101000000", "SCHEMA_INIT")
    lab.sql("drop table migration;")
    assert lab.database.migrations() == ()


def test_a_changed_value_changes_the_digest_of_its_table_only(lab: LabDatabase) -> None:
    before = dict(tables(lab.database))
    lab.sql("update tasks set title = 'other' where id = 7;"
            "update label_tasks set label = 'NULL' where label is null;")  # fmt: skip
    after = dict(tables(lab.database))
    for table in ("tasks", "label_tasks"):
        assert after[table].rows == before[table].rows
        assert after.pop(table) != before.pop(table)
    assert after == before


@pytest.mark.parametrize("how", ["truncate -s -40000", "rm"])
def test_a_broken_dump_is_refused_and_nothing_changed(lab: LabDatabase, how: str) -> None:
    lab.database.dump(FOLDER)
    before = tables(lab.database)
    lab.sh(f"{how} {FOLDER}/vikunja.*")
    with pytest.raises(DatabaseError, match="could not be loaded"):
        lab.database.load(FOLDER, "restored")
    assert tables(lab.database) == before


def test_a_dump_that_lacks_rows_is_refused(lab: LabDatabase) -> None:
    lab.database.dump(FOLDER)
    lab.sh(r"sed -i 's/^tasks\t.*/tasks\t5001/' " + f"{FOLDER}/tables.tsv")
    with pytest.raises(DatabaseError, match="other rows came out of the dump") as refused:
        lab.database.load(FOLDER, "restored")
    assert any("tasks\t5001" in line for line in refused.value.evidence)


def test_a_kill_at_any_moment_leaves_one_whole_database_or_the_other(lab: LabDatabase) -> None:
    database = lab.database
    database.dump(FOLDER)
    new = tables(database)
    lab.sql(CHANGE)
    old = tables(database)
    steps = """
        text=$1; shift
        bash -c "$text" x load "$@" FOLDER restored
        exec bash -c "$text" x swap "$@" restored replaced
    """.replace("FOLDER", FOLDER)
    call = ["bash", "-ec", steps, "bash", script(database.engine).text, *database.connection]
    measured = 'begun=$(date +%s%N); "$@" >&2; echo $((($(date +%s%N) - begun) / 1000000))'
    limit = int(lab.sh(measured, *call)) / 1000
    assert tables(database) == new
    put_back(database, "replaced")
    # Earlier and earlier, until one fell before the end.
    while True:
        argv = ["timeout", "-s", "KILL", f"{limit:.3f}", *call]
        killed = lab.box.run(argv, check=False, timeout=120).returncode != 0
        lab.wait_for_killed_clients()
        found = tables(database)
        assert found in (old, new)
        if found == new:
            put_back(database, "replaced")
            assert tables(database) == old
        elif killed and limit < 0.1:
            break
        limit *= 0.5
    lab.sh('"$@"', *call)
    assert tables(database) == new


@pytest.mark.parametrize("made", OUTSIDE, indirect=True)
def test_without_the_right_to_make_databases_a_copy_is_refused(lab: LabDatabase) -> None:
    host, port, name, user, _, secret, trust = lab.database.connection
    poor = replace(lab.database, connection=(host, port, name, user, "", secret, trust))
    before = tables(poor)
    for attempt in (poor.copy, poor.save):
        with pytest.raises(DatabaseError, match="An administrator of that server has to run"):
            attempt("rehearsal")
    assert lab.database.places() == ()
    poor.dump(FOLDER)
    with pytest.raises(DatabaseError, match=r"or set database\.admin_user"):
        poor.load(FOLDER, "restored")
    assert tables(poor) == before


@pytest.mark.parametrize("made", ["postgresql"], indirect=True)
def test_a_client_older_than_its_server_is_refused_before_anything_is_written(
    lab: LabDatabase,
) -> None:
    folder = "/usr/lib/postgresql/9-old/bin"
    lab.sh(
        """
        mkdir -p "$1" && ln -s /usr/lib/postgresql/1*/bin/psql "$1/psql"
        printf '#!/bin/sh\necho "pg_dump (PostgreSQL) 14.1"\n' >"$1/pg_dump"
        chmod +x "$1/pg_dump"
        rm -rf "$2"
        """,
        folder,
        FOLDER,
    )
    try:
        with pytest.raises(DatabaseError, match=r"until postgresql-client-1\d is installed there"):
            lab.database.dump(FOLDER)
    finally:
        lab.sh('rm -r "${1%/bin}"', folder)
    assert lab.sh('ls -d "$1" 2>/dev/null || echo none', FOLDER) == "none\n"


def test_a_full_disk_is_found_before_anything_is_written(lab: LabDatabase) -> None:
    lab.sh("mkdir -p /mnt/small && mount -t tmpfs -o size=10m none /mnt/small")
    try:
        with pytest.raises(
            DatabaseError, match=r"/mnt/small.* may need \d+ MB, and 10 MB are free"
        ):
            lab.database.dump("/mnt/small/database")
        assert lab.sh("ls /mnt/small") == ""
    finally:
        lab.sh("umount /mnt/small")


@EVERYWHERE
def test_it_is_occupied_until_it_is_emptied(lab: LabDatabase) -> None:
    assert lab.database.occupied()
    for _ in range(2):
        lab.database.wipe()
        assert not lab.database.occupied()

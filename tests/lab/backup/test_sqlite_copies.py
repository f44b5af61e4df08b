"""SQLite's copies in a real container, while somebody writes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tasks.backup.databases import sqlite
from tasks.containers.lxc.driver import LxcContainer
from tasks.errors import DatabaseError

DATA = "/var/lib/vikunja"
DATABASE = f"{DATA}/vikunja.db"
COPY = "/var/lib/vikunja-backup/database/vikunja.db"
OWNER = "vikunja:vikunja"

SCHEMA = """
create table tasks (id integer primary key, title text not null);
create table attachments (id integer primary key, task_id integer not null references tasks (id));
create table label_tasks (label text, task_id integer);
with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000)
insert into tasks select i, 'task ''' || i || ''' ' || hex(randomblob(20)) from n;
insert into attachments select id, id from tasks;
insert into label_tasks select 'a', id from tasks where id % 3 = 0;
"""

WRITER = """
n=100000
while :; do
    n=$((n + 1))
    sqlite3 -cmd '.timeout 20000' "$1" "begin immediate; insert into tasks values ($n, 'written');
        insert into attachments values ($n, $n); commit;"
    echo "$n" >>"$2"
done
"""


def sql(box: LxcContainer, statement: str, database: str = DATABASE) -> str:
    return box.run(["sqlite3", "-bail", database], stdin=statement.encode()).stdout.decode()


def shell(box: LxcContainer, script: str) -> str:
    return box.run(["sh", "-c", script]).stdout.decode()


@pytest.fixture(params=["wal", "delete"])
def database(request: pytest.FixtureRequest, box: LxcContainer) -> str:
    """20,000 tasks, in either of the journal modes that Vikunja has used."""
    shell(box, f"rm -rf {DATA} /var/lib/vikunja-backup && install -d -o vikunja {DATA}")
    sql(box, f"pragma journal_mode = {request.param}; begin; {SCHEMA} commit;")
    shell(box, f"chown {OWNER} {DATA}/vikunja.db* && chmod 0600 {DATABASE}")
    return DATABASE


@contextmanager
def written_to(box: LxcContainer, database: str) -> Iterator[str]:
    """While somebody adds a task with an attachment, again and again; the file that has the ids
    of those that were acknowledged."""
    acknowledged = "/root/acknowledged"
    shell(box, f"rm -f {acknowledged}; touch {acknowledged}")
    argv = ["sh", "-c", f"echo $$ >/root/writer; {WRITER}", "sh", database, acknowledged]
    writer = threading.Thread(target=lambda: box.run(argv, timeout=120, check=False))
    writer.start()
    try:
        shell(box, f"until [ $(wc -l <{acknowledged}) -ge 5 ]; do sleep 0.05; done")
        yield acknowledged
    finally:
        shell(box, "kill $(cat /root/writer)")
        writer.join()


def test_a_copy_under_writes_holds_every_row_acknowledged_before(
    box: LxcContainer, database: str
) -> None:
    with written_to(box, database) as acknowledged:
        before = int(shell(box, f"tail -n 1 {acknowledged}"))
        size = sqlite.copy(box, database, COPY)
        during = int(shell(box, f"tail -n 1 {acknowledged}"))
        shell(box, f"until [ $(tail -n 1 {acknowledged}) -gt {during} ]; do sleep 0.05; done")
    assert size == int(shell(box, f"stat -c %s {COPY}"))
    newest, tasks, lonely = sql(
        box,
        ".separator ' '\nselect max(id), count(*), "
        "(select count(*) from tasks left join attachments on task_id = tasks.id "
        "where task_id is null) from tasks;",
        COPY,
    ).split()
    assert before <= int(newest)
    assert int(tasks) == 20000 + int(newest) - 100000
    assert lonely == "0"
    assert sql(box, "pragma integrity_check; pragma foreign_key_check;", COPY) == "ok\n"
    assert shell(box, "ls /var/lib/vikunja-backup/database") == "vikunja.db\n"


def test_restoring_brings_every_row_back(box: LxcContainer, database: str) -> None:
    sqlite.copy(box, database, COPY)
    before = sqlite.digest(box, COPY)
    assert {name: table.rows for name, table in before.items()} == {
        "attachments": 20000,
        "label_tasks": 6666,
        "tasks": 20000,
    }
    sql(box, "delete from tasks where id > 10; drop table label_tasks; create table more (a);")
    sqlite.restore(box, COPY, database, OWNER)
    assert sqlite.digest(box, database) == before
    assert shell(box, f"stat -c '%U:%G %a' {database}") == "vikunja:vikunja 600\n"
    assert shell(box, f"ls {DATA}") == "vikunja.db\n"


def test_the_old_ones_journal_never_meets_the_new_one(box: LxcContainer, database: str) -> None:
    sqlite.copy(box, database, COPY)
    before = sqlite.digest(box, COPY)
    # A server that was killed leaves its journals.
    shell(
        box,
        f"(echo 'begin; update tasks set title = 1; commit; begin; delete from tasks;'; sleep 20) "
        f"| sqlite3 {database} & sleep 1; kill -9 $(pidof sqlite3)",
    )
    sqlite.restore(box, COPY, database, OWNER)
    assert sqlite.digest(box, database) == before
    assert shell(box, f"ls {DATA}") == "vikunja.db\n"


def test_restoring_where_nothing_was_makes_the_owner_the_service(
    box: LxcContainer, database: str
) -> None:
    sqlite.copy(box, database, COPY)
    shell(box, f"rm -f {DATA}/vikunja.db*")
    sqlite.restore(box, COPY, database, OWNER)
    assert shell(box, f"stat -c '%U:%G %a' {database}") == "vikunja:vikunja 640\n"
    assert sqlite.digest(box, database) == sqlite.digest(box, COPY)


def test_a_damaged_database_is_kept_beside_the_restored(box: LxcContainer, database: str) -> None:
    sqlite.copy(box, database, COPY)
    shell(box, f"rm -f {DATA}/vikunja.db-*; echo no database at all, not even close >{database}")
    sqlite.restore(box, COPY, database, OWNER)
    assert sqlite.digest(box, database) == sqlite.digest(box, COPY)
    assert shell(box, f"ls {DATA}") == "vikunja.db\nvikunja.db.damaged\n"


@pytest.mark.parametrize("how", ["truncate -s 100000", "truncate -s 0", "rm"])
def test_a_broken_copy_is_refused_and_nothing_changed(
    box: LxcContainer, database: str, how: str
) -> None:
    sqlite.copy(box, database, COPY)
    before = sqlite.digest(box, database)
    shell(box, f"{how} {COPY}")
    with pytest.raises(DatabaseError, match=r"vikunja\.db could not be restored") as raised:
        sqlite.restore(box, COPY, database, OWNER)
    assert any(re.search(r"malformed|missing or empty|error", x) for x in raised.value.evidence)
    assert sqlite.digest(box, database) == before


def test_a_changed_value_changes_the_digest_of_its_table_only(
    box: LxcContainer, database: str
) -> None:
    before = dict(sqlite.digest(box, database))
    sql(box, "update tasks set title = 'other' where id = 7;")
    after = dict(sqlite.digest(box, database))
    assert after.pop("tasks").rows == before.pop("tasks").rows
    assert after == before


def test_a_missing_database_is_named_and_not_made(box: LxcContainer, database: str) -> None:
    shell(box, f"rm -f {DATA}/vikunja.db*")
    with pytest.raises(DatabaseError, match=r"vikunja\.db could not be copied"):
        sqlite.copy(box, database, COPY)
    assert shell(box, f"ls {DATA}") == ""

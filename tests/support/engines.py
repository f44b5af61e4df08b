"""Databases of each engine with odd values in them, and what is done to them by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tasks.containers.lxc.container import LxcContainer
from tasks.databases.base import LIVE, Database
from tasks.guest.runner import function_name, script_text

ENGINES = ("sqlite", "postgresql", "mysql")
OUTSIDE = ("postgresql outside", "mysql outside")
PASSWORD = "a:b\\c'd\"e #f %s $HOME"
NAME = "vik_unja-x"
USER = "the user"
FOLDER = "/var/lib/vikunja-backup/database"
DATA = "/var/lib/vikunja"

ROWS = 2000
COMMON = """
create table migration (id varchar(255), description varchar(255));
insert into migration values ('20200101000000', 'b'), ('SCHEMA_INIT', ''), ('20190101000000', 'a');
create table label_tasks (label varchar(20), task_id bigint);
insert into label_tasks select 'a', id from tasks where id % 3 = 0;
insert into label_tasks values (null, null), ('NULL', null), ('', 0), ('''"\\`;--', 1), ('a', 3);
create table nothing_in_it (id integer);
insert into attachments select id, id from tasks;
"""
FILL = {
    "sqlite": """
        pragma journal_mode = wal;
        create table tasks (id integer primary key, title text not null, data blob);
        create table attachments (id integer primary key,
            task_id integer not null references tasks (id));
        create table "odd `'name (" (a integer);
        insert into "odd `'name (" values (1), (2);
        with recursive n (i) as (select 1 union all select i + 1 from n where i < {rows})
        insert into tasks select i, 'Grüße 漢字 😀 ''"' || char(10, 9) || '(1),\\n' || i,
            randomblob(20) from n;
        update tasks set title = hex(zeroblob(300000)), data = x'00ff0a27' where id = 7;
        """,
    "postgresql": """
        drop schema public cascade;
        create schema public;
        create table tasks (id bigserial primary key, title text not null, data bytea);
        create table attachments (id bigserial primary key,
            task_id bigint not null references tasks (id));
        create table "odd `'name (" (a json, b timestamptz, c double precision, one integer);
        insert into "odd `'name (" values ('{{"a": 1}}', now(), 0.1, 1), (null, null, 'NaN', 2);
        insert into tasks (title, data) select 'Grüße 漢字 😀 ''"' || E'\\n\\t' || '(1),\\n' || i,
            decode(md5(i::text), 'hex') from generate_series(1, {rows}) as i;
        update tasks set title = repeat('long', 150000), data = '\\x00ff0a27' where id = 7;
        """,
    "mysql": """
        set foreign_key_checks = 0;
        drop table if exists tasks, attachments, `odd ``'name (`, migration, label_tasks,
            nothing_in_it, more;
        create table tasks (id bigint auto_increment primary key, title longtext not null,
            data blob);
        create table attachments (id bigint auto_increment primary key, task_id bigint not null,
            foreign key (task_id) references tasks (id));
        create table `odd ``'name (` (a timestamp null, b double, c datetime(6));
        insert into `odd ``'name (` values (now(), 0.1, now(6)), (null, null, null);
        insert into tasks (title, data) select concat('Grüße 漢字 😀 ''"',
            char(10, 9 using utf8mb4), '(1),\\\\n', seq), unhex(md5(seq)) from seq_1_to_{rows};
        update tasks set title = repeat('long', 150000), data = x'00ff0a27' where id = 7;
        """,
}

QUERY = {
    "sqlite": 'exec sqlite3 -bail -cmd ".timeout 20000" "$1"',
    "postgresql": 'PGPASSFILE=/root/pgpass exec psql -X -q -A -t -F "|" -v ON_ERROR_STOP=1 '
    '-h "$2" -U "$3" -d "$1"',
    "mysql": 'exec mariadb --defaults-extra-file=/root/my.cnf --default-character-set=utf8mb4 '
    '-n -N -r -B -h "$2" -u "$3" "$1"',
}  # fmt: skip

WRITER = """
echo $$ >/root/writer
query() { sh -c "$QUERY" sh "$@"; }
n=100000
while :; do
    n=$((n + 1))
    echo "begin; insert into tasks (id, title) values ($n, 'written');
        insert into attachments values ($n, $n); commit;" | query "$@" || exit 1
    echo "$n" >>/root/acknowledged
done
"""


@dataclass(frozen=True)
class LabDatabase:
    """kind: one of ENGINES or OUTSIDE."""

    box: LxcContainer
    kind: str
    database: Database

    @property
    def engine(self) -> str:
        return self.kind.split()[0]

    @property
    def host(self) -> str:
        outside = "outside" in self.kind
        return self.box.spec.ip_address.split("/")[0] if outside else "127.0.0.1"

    def sh(self, script: str, *arguments: str) -> str:
        return self.box.run(["sh", "-c", script, "sh", *arguments], timeout=120).stdout.decode()

    def sql(self, statements: str, place: str = LIVE) -> str:
        """As the application's user, the way the application comes in."""
        argv = ["sh", "-c", QUERY[self.engine], "sh", self.database.name(place), self.host, USER]
        return self.box.run(argv, stdin=statements.encode(), timeout=120).stdout.decode()

    def fill(self) -> None:
        if self.engine == "sqlite":
            self.sh('rm -rf "$1" && install -d -o vikunja "$1"', DATA)
        text = COMMON.replace("\\", "\\\\") if self.engine == "mysql" else COMMON
        self.sql(FILL[self.engine].format(rows=ROWS) + text)
        if self.engine == "sqlite":
            self.sh('chown vikunja:vikunja "$1"/vikunja.db* && chmod 0600 "$1"/vikunja.db', DATA)

    @contextmanager
    def written_to(self) -> Iterator[None]:
        """While somebody adds a task with an attachment, again and again."""
        self.sh("rm -f /root/acknowledged; touch /root/acknowledged")
        script = f"QUERY='{QUERY[self.engine]}'\n{WRITER}"
        argv = ["sh", "-c", script, "sh", self.database.name(), self.host, USER]
        writer = threading.Thread(target=lambda: self.box.run(argv, timeout=300, check=False))
        writer.start()
        try:
            self.wait_for_writes(5)
            yield
        finally:
            self.sh("kill $(cat /root/writer)")
            writer.join()

    def wait_for_killed_clients(self) -> None:
        """Wait until a server has ended what clients that were killed had asked for."""
        self.sh("exec 9>/run/vikunja-deploy/apply.lock && flock 9")
        others = {
            "sqlite": "true",
            "postgresql": "cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql "
            "-Atc \"select count(*) from pg_stat_activity where backend_type = 'client backend'\" "
            "postgres | grep -qx 1",
            "mysql": 'mariadb -Ne "select count(*) from information_schema.processlist '
            "where command <> 'Daemon'\" | grep -qx 1",
        }
        self.sh(f"until {others[self.engine]}; do sleep 0.05; done")

    def acknowledged(self) -> int:
        """The newest task that is known to be written; 100001 is the first."""
        return int(self.sh("tail -n 1 /root/acknowledged"))

    def wait_for_writes(self, more: int) -> None:
        self.sh(
            'begun=$(wc -l </root/acknowledged); '
            'until [ $(wc -l </root/acknowledged) -ge $((begun + $1)) ]; do sleep 0.05; done',
            str(more),
        )  # fmt: skip


LISTEN = """
cluster=$(pg_lsclusters -h | awk '{ print $1; exit }')
cd / && runuser -u postgres -- psql -q -c 'alter system reset listen_addresses'
systemctl restart "postgresql@$cluster-main.service"
"""
"""An apply has had the server of this box to itself, and shut it off from outside."""


def prepare(box: LxcContainer, kind: str) -> LabDatabase:
    """An empty database and its user, as an apply makes them."""
    engine, _, place = kind.partition(" ")
    if kind == "postgresql outside":
        box.run(["sh", "-c", LISTEN], timeout=120)
    address = box.spec.ip_address.split("/")[0] if place else ""
    if engine == "sqlite":
        database = Database(box, "sqlite", (f"{DATA}/vikunja.db", "vikunja:vikunja"), "database")
        return LabDatabase(box, kind, database)
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    for path, content in {
        "/etc/vikunja/secrets/db-password": f"{PASSWORD}\n",
        "/etc/vikunja/secrets/db-admin-password": "lab-admin-password\n",
        "/root/pgpass": f"*:*:*:*:{escaped}\n",
        "/root/my.cnf": f'[client]\npassword="{quoted}"\n',
    }.items():
        box.run(["sh", "-c", 'umask 077; cat >"$1"', "sh", path], stdin=content.encode())
    port = "5432" if engine == "postgresql" else "3306"
    admin = "admin" if place else ""
    name = f"{NAME}-{'out' if place else 'in'}"
    script = f"external-{engine}" if place else f"{engine}-database"
    arguments = (address, port, name, USER, admin) if place else (name, USER)
    text = f'{script_text(script)}\napply_{function_name(script)} "$@"'
    box.run(["sh", "-c", text, "sh", *arguments], timeout=120)
    connection = (address, port, name, USER, admin, "db-password", "")
    return LabDatabase(box, kind, Database(box, engine, connection, f"database {name}"))  # type: ignore[arg-type]

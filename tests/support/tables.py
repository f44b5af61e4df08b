"""What a database holds, by digest, and the way back after a swap: for tests of any engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.databases.base import LIVE, Database, script

# Each follows the functions of its engine's own script.
DIGESTS = {
    "sqlite": r"""
file=$(file_of "$1")
must_be_there "$file"
tables "$file" | while IFS= read -r table; do
    quoted=\"${table//\"/\"\"}\"
    columns=$(query "$file" "select count(*) from pragma_table_info('${table//\'/\'\'}')")
    rows=$(query "$file" "select count(*) from $quoted")
    digest=$(query "$file" '.mode quote' "select * from $quoted order by $(seq -s, 1 "$columns")" |
        sha256sum)
    printf '%s\t%s\t%s\n' "$table" "$rows" "${digest%% *}"
done
""",
    "postgresql": r"""
from=$(database_of "$1")
names="select $SHOWN, format('%I.%I', schemaname, tablename) $TABLES"
echo "$names order by ($SHOWN) collate \"C\"" |
    ask "$from" | while IFS=$(printf '\t') read -r table quoted; do
    rows=$(echo "select count(*) from $quoted" | ask "$from")
    digest=$(ask "$from" <<SQL | sha256sum
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set intervalstyle = 'postgres';
set bytea_output = 'hex';
set extra_float_digits = 1;
copy (select one::text from $quoted as one order by one::text collate "C") to stdout;
SQL
    )
    printf '%s\t%s\t%s\n' "$table" "$rows" "${digest%% *}"
done
""",
    "mysql": r"""
from=$(database_of "$1")
must_exist "$from"
list "$from" | while IFS= read -r table; do
    # One statement a row, each on a line of its own.
    counted=$(mktemp /run/vikunja-mysql.XXXXXX)
    exec 6<>"$counted"
    rm "$counted"
    digest=$(dump_of "$from" "$table" --compact --no-create-info --skip-extended-insert |
        sed -n '/^INSERT /w /proc/self/fd/6
            /^INSERT /p' | LC_ALL=C sort | sha256sum)
    rows=$(wc -l </proc/self/fd/6)
    printf '%s\t%s\t%s\n' "$table" "$rows" "${digest%% *}"
done
""",
}


@dataclass(frozen=True)
class Table:
    """rows: how many. sha256: of all their values in the order of their columns, hex.

    Two databases of one engine hold the same table exactly if these are the same.
    """

    rows: int
    sha256: str


def tables(database: Database, place: str = LIVE) -> Mapping[str, Table]:
    """Every table by its name. Of a database that nobody writes to."""
    functions, _, actions = script(database.engine).text.partition("\ncase $action in\n")
    assert actions
    text = functions + DIGESTS[database.engine]
    argv = ["bash", "-c", text, database.engine, "tables", *database.connection, place]
    done = database.container.run(database.within(argv), timeout=database.timeout)
    lines = (line.split("\t") for line in done.stdout.decode().splitlines())
    return {name: Table(int(rows), digest) for name, rows, digest in lines}


def put_back(database: Database, place: str) -> None:
    """What `place` holds becomes live, what was live is gone. Services are stopped."""
    database.swap(place, "failed")
    database.drop("failed")

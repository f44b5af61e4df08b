"""What the tool's scripts for updates that change the database do to a machine.

The database is the ids of its migrations: what `machine.migrations` says, and each place beside it.
A new version brings one migration along, which it runs when it starts.
"""

from __future__ import annotations

from collections.abc import Sequence

from model_files import folder
from model_machine import GREEN, STAMPS, Answer, Machine, Record

from tasks.databases.watchdog import AT_BOOT, WANTED
from tasks.resources.data_move import ALL_NEXT, FILLING
from tasks.resources.migration import DATABASE_FILE, HOME, JOURNAL

EMPTY = "no-rows"
"""In front of the migrations of a database that has the tables of the application, without rows."""

MAINTENANCE = "/etc/vikunja/active/maintenance"


def database(
    machine: Machine, engine: str, action: str, connection: Sequence[str], arguments: Sequence[str]
) -> Answer:
    """tasks/guest/scripts/database-*.sh"""
    places = machine.places
    key = ("sqlite", "")
    if engine != "sqlite":
        host, port, name, *_ = connection
        key = (f"{host}:{port}" if host else engine.replace("postgresql", "postgres"), name)
    match action, arguments:
        case "size", []:
            if machine.fails_to_measure:
                return Answer(stderr=b"its size cannot be read\n", returncode=7)
            return Answer(b"1000000\n")
        case "occupied", []:
            return Answer(b"no\n" if machine.contents.get(key, "none") == "none" else b"yes\n")
        case "counts", ["live"]:
            rows = len(machine.contents[key].split())
            return Answer(f"migration\t{rows}\ntasks\t{rows}\n".encode())
        case "columns", []:
            said = "migration\tid\ttext\t0\t0\t\ntasks\tid\tbigint\t0\t0\t1\n"
            if engine == "sqlite" and machine.somebodys:
                said += f"{machine.somebodys}\tid\tinteger\t1\t0\t\n"
            return Answer(said.encode())
        case (("wipe" | "remove"), []) if engine == "sqlite":
            machine.contents.pop(key, None)
            machine.files.remove(DATABASE_FILE)
        case "wipe", []:
            machine.contents[key] = "none"
        case "remove", []:
            machine.contents.pop(key, None)
            machine.databases.pop(key, None)
        case (("copy" | "save"), [place]):
            places[place] = machine.migrations
        case "drop", [place]:
            places.pop(place, None)
        case "swap", [place, aside]:
            if place not in places:
                return Answer(stderr=f"there is no {place}\n".encode(), returncode=7)
            machine.migrations, places[aside] = places.pop(place), machine.migrations
        case "name", [place]:
            return Answer(f"vikunja-deploy-{place}\n".encode())
        case "places", []:
            return Answer("".join(f"{place}\n" for place in places).encode())
        case "migrations", [place]:
            found = machine.contents.get(key, "") if place == "live" else places[place]
            return Answer("".join(f"{one}\n" for one in found.split()).encode())
        case _:
            raise AssertionError(f"the model's database does not know {action} {arguments}")
    return Answer()


def _new(machine: Machine, found: str) -> str:
    """What the database has been through once the new version has run."""
    return f"{found} {20260101000000 + len(found.split())}"


def rehearse(machine: Machine, arguments: Sequence[str], record: Record) -> Answer:
    match arguments:
        case ["begin", *_]:
            record("migrations:rehearsal", "run")
            machine.places["rehearsal"] = _new(machine, machine.places["rehearsal"])
            return Answer(b"19000\n")
        case ["look", *_] if machine.never_healthy:
            return Answer(machine.never_healthy.encode(), b"bind: address already in use\n")
        case ["look", *_]:
            return Answer(b"healthy\n")
        case ["end"]:
            return Answer()
    raise AssertionError(f"no rehearsal {arguments}")


def migrate(machine: Machine, arguments: Sequence[str], record: Record) -> Answer:
    files = machine.files
    if arguments[0] == "stop":
        _, journal, _, _, *units = arguments
        files.put(HOME, folder())
        files.write(JOURNAL, f"stopping {journal}\n".encode())
        files.write(MAINTENANCE, b"")
        for unit in units:
            if machine.load_state(unit) != "not-found":
                machine.stop(unit)
                machine.unit(unit).enabled = False
        record("writes:stop", "run")
        return Answer()
    before, after = {"saved": ("stopping", "saved"), "commit": ("saved", "committed")}[arguments[0]]
    found = (files.content(JOURNAL) or b"").decode()
    if not found.startswith(before):
        return Answer(stderr=f"it is {found}, not {before}\n".encode(), returncode=1)
    files.write(JOURNAL, found.replace(before, after, 1).encode())
    if after == "committed":
        files.remove(MAINTENANCE)
        for unit in arguments[1:]:
            machine.unit(unit).enabled = True
        record("writes:go-on", "run")
    return Answer()


def moving(machine: Machine) -> bool:
    """Whether the data is moving to another database."""
    return b"kind=database-move" in (machine.files.content(JOURNAL) or b"")


def database_move(
    machine: Machine, arguments: Sequence[str], stdin: bytes, record: Record
) -> Answer:
    """database-move.sh"""
    files = machine.files
    match arguments:
        case ["room", _]:
            pass
        case ["keep", *paths]:
            machine.put_back = {path: files.get(path) for path in paths}
            files.remove(f"{HOME}/filled")
        case ["schema", color, *_]:
            assert b'VIKUNJA_MAILER_ENABLED="false"' in stdin
            files.write(FILLING, files.content(f"{HOME}/filling") or b"")
            files.write(f"{HOME}/filled", b"")
            new = machine.filled = machine.database_of(color)
            assert machine.contents.get(new, "none") == "none", "it is filled twice"
            schema = machine.migrations
            if machine.makes_older_tables:
                schema = schema.rpartition(" ")[0]
            machine.contents[new] = f"{EMPTY} {schema}"
            if new[0] == "sqlite":
                files.write(DATABASE_FILE, b"SQLite format 3")
        case ["undo"]:
            if files.get(f"{HOME}/filled") is not None:
                assert machine.filled is not None
                machine.contents[machine.filled] = "none"
            for path, node in machine.put_back.items():
                if node is not None:
                    files.put(path, node)
            machine.daemon_reload()
            for path in ALL_NEXT:
                files.remove(path)
            files.remove(FILLING)
        case ["end"]:
            for path in ALL_NEXT:
                files.remove(path)
            files.remove(FILLING)
        case ["wake" | "rest" as verb, engine]:
            unit = "mariadb.service" if engine == "mysql" else f"{engine}.service"
            (machine.start if verb == "wake" else machine.stop)(unit)
        case _:
            raise AssertionError(f"database-move.sh does not know {arguments}")
    return Answer()


def copy_rows(machine: Machine, folder: str, action: str, record: Record) -> Answer:
    """copy-rows.sh"""
    new = machine.filled
    assert new is not None
    for name in ("old", "new", "rows", "old-connection", "new-digests"):
        assert machine.files.content(f"{folder}/{name}")
    if action == "copy":
        machine.contents[new] = machine.contents[new].removeprefix(f"{EMPTY} ")
        record("database:carried-over", "run")
        return Answer()
    rows = len(machine.migrations.split())
    arrived = 1 if machine.fails_to_copy else rows
    said = f"old\ttasks\t{rows}\t{rows}\nnew\ttasks\t{arrived}\t{arrived}\n"
    return Answer(said.encode())


def started(machine: Machine) -> None:
    """The new version has run its migration, before it is healthy."""
    if not machine.nothing_to_migrate:
        machine.migrations = _new(machine, machine.migrations)


def recover(machine: Machine, record: Record) -> Answer:
    files = machine.files
    journal = (files.content(JOURNAL) or b"").decode().split()
    record("migrations:unfinished", "run")
    if not journal:
        return Answer()
    phase, words = journal[0], dict(word.split("=", 1) for word in journal[1:])
    old, new, mcp, kind = words["old"], words["new"], words["mcp"], words["kind"] == "database-move"
    said = b"done already\n"

    def units(color: str) -> list[str]:
        names = [f"vikunja-{part}@{color}.service" for part in ("backend", "mcp")]
        return names[:1] if mcp == "no" or machine.load_state(names[1]) == "not-found" else names

    if phase != "committed":
        for unit in units(new):
            if new != old:
                files.remove(f"{STAMPS}/{unit}")
            machine.stop(unit)
            machine.unit(unit).enabled = False
        if kind:
            database_move(machine, ["undo"], b"", record)
        elif phase == "saved" and "saved" in machine.places:
            machine.migrations = machine.places.pop("saved")
        files.remove(GREEN)
        if old == "green":
            files.write(GREEN, b"")
        for unit in units(old):
            machine.start(unit)
            machine.unit(unit).enabled = True
        said = b"undone\n"
    else:
        for unit in units(new):
            machine.start(unit)
            machine.unit(unit).enabled = True
        if kind:
            database_move(machine, ["end"], b"", record)
    files.remove(MAINTENANCE)
    machine.places.clear()
    for path in (JOURNAL, AT_BOOT, WANTED):
        files.remove(path)
    return Answer(said)

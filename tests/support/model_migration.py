"""What the tool's scripts for updates that change the database do to a machine.

The database is the ids of its migrations: what `machine.migrations` says, and each place beside it.
A new version brings one migration along, which it runs when it starts.
"""

from __future__ import annotations

from collections.abc import Sequence

from model_files import folder
from model_machine import GREEN, STAMPS, Machine
from model_scripts import Answer, Told

from tasks.effects.guarding import AT_BOOT, WANTED
from tasks.resources.migration import HOME, JOURNAL

MAINTENANCE = "/etc/vikunja/active/maintenance"


def database(machine: Machine, action: str, arguments: Sequence[str]) -> Answer:
    """tasks/backup/databases/*.sh; arguments: without the connection."""
    places = machine.places
    match action, arguments:
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
            found = machine.migrations if place == "live" else places[place]
            return Answer("".join(f"{one}\n" for one in found.split()).encode())
        case _:
            raise AssertionError(f"the model's database does not know {action} {arguments}")
    return Answer()


def _new(machine: Machine, found: str) -> str:
    """What the database has been through once the new version has run."""
    return f"{found} {20260101000000 + len(found.split())}"


def rehearse(machine: Machine, arguments: Sequence[str], told: Told) -> Answer:
    match arguments:
        case ["begin", *_]:
            told("migrations:rehearsal", "run")
            machine.places["rehearsal"] = _new(machine, machine.places["rehearsal"])
            return Answer(b"39000\n")
        case ["look", *_]:
            return Answer(b"healthy\n")
        case ["end"]:
            return Answer()
    raise AssertionError(f"no rehearsal {arguments}")


def migrate(machine: Machine, arguments: Sequence[str], told: Told) -> Answer:
    files = machine.files
    if arguments[0] == "stop":
        _, journal, _, _, *units = arguments
        files.put(HOME, folder())
        files.write(JOURNAL, f"stopping {journal}\n".encode())
        files.write(MAINTENANCE, b"")
        for unit in units:
            machine.stop(unit)
            machine.unit(unit).enabled = False
        told("writes:stop", "run")
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
        told("writes:go-on", "run")
    return Answer()


def started(machine: Machine) -> None:
    """The new version has run its migration, before it is healthy."""
    machine.migrations = _new(machine, machine.migrations)


def recover(machine: Machine, told: Told) -> Answer:
    files = machine.files
    journal = (files.content(JOURNAL) or b"").decode().split()
    told("migrations:unfinished", "run")
    if not journal:
        return Answer()
    phase, old, new, _, _, _, mcp = journal
    said = b"done already\n"
    kinds = ("backend", "mcp") if mcp == "yes" else ("backend",)
    if phase != "committed":
        for kind in kinds:
            unit = f"vikunja-{kind}@{new}.service"
            files.remove(f"{STAMPS}/{unit}")
            machine.stop(unit)
            machine.unit(unit).enabled = False
        if phase == "saved" and "saved" in machine.places:
            machine.migrations = machine.places.pop("saved")
        files.remove(GREEN)
        if old == "green":
            files.write(GREEN, b"")
        for kind in kinds:
            machine.start(f"vikunja-{kind}@{old}.service")
            machine.unit(f"vikunja-{kind}@{old}.service").enabled = True
        said = b"undone\n"
    else:
        for kind in kinds:
            machine.start(f"vikunja-{kind}@{new}.service")
            machine.unit(f"vikunja-{kind}@{new}.service").enabled = True
    files.remove(MAINTENANCE)
    machine.places.clear()
    for path in (JOURNAL, AT_BOOT, WANTED):
        files.remove(path)
    return Answer(said)

"""What stands against copies of a database, known while it serves and not when one is needed.

The engines' scripts find it (action `outlook`), a line each:

    client<tab>17<tab>15              the server's version and that of the programs in the container
    unreadable<tab>table public.t<tab>   the user may not read it, so nothing can be dumped
    charset<tab>latin1<tab>30         so many tables (0: only new ones) cannot hold every character
    apart<tab>extension dblink<tab>   only an administrator of the server may create it. `needed`
                                      behind it: something else stands on it. `stays`: tables that
                                      have it cannot be moved
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Apart(Struct, frozen=True):
    """what: `extension dblink`. note: empty, `needed` or `stays`."""

    what: str
    note: str = ""


class Outlook(Struct, frozen=True):
    """client: the server's version and the older one of the programs in the container.

    unreadable: what the user may not read. charsets: number of tables by the character set that is
    not utf8mb4. apart: what no backup brings back without an administrator.
    """

    client: tuple[int, int] | None = None
    unreadable: tuple[str, ...] = ()
    charsets: tuple[tuple[str, int], ...] = ()
    apart: tuple[Apart, ...] = ()


class Doubt(Struct, frozen=True):
    """what: one line. hint: what to do."""

    what: str
    hint: str


def read_outlook(lines: Iterable[str]) -> Outlook:
    found: dict[str, list[list[str]]] = {}
    for line in lines:
        kind, *words = line.split("\t")
        found.setdefault(kind, []).append(words)
    client = found.get("client")
    return Outlook(
        client=(int(client[0][0]), int(client[0][1])) if client else None,
        unreadable=tuple(words[0] for words in found.get("unreadable", ())),
        charsets=tuple((words[0], int(words[1])) for words in found.get("charset", ())),
        apart=tuple(Apart(words[0], words[1]) for words in found.get("apart", ())),
    )


def read_apart(text: str) -> tuple[Apart, ...]:
    """Of a dump's `apart.tsv`: lines of `CATALOG<tab>ID<tab>WHAT<tab>NOTE`."""
    rows = (line.split("\t") for line in text.splitlines())
    return tuple(Apart(what, note) for _, _, what, note in rows)


def doubts(outlook: Outlook, user: str, *, administered: bool) -> tuple[Doubt, ...]:
    """What is to be said of it, the worst first.

    administered: somebody who may do more than `user` does it where that is needed.
    """
    found = []
    if outlook.client is not None:
        found.append(_client(*outlook.client))
    if outlook.unreadable:
        found.append(
            Doubt(
                f"no backup is possible: user {user} may not read {_some(outlook.unreadable)}",
                f"An administrator of the server makes {user} the owner, or runs: GRANT SELECT ON "
                f"… TO {user}",
            )
        )
    stays = [one.what for one in outlook.apart if one.note == "stays"]
    if stays:
        found.append(
            Doubt(
                "no restore and no update that migrates is possible while tables have the "
                f"{_some(stays)}",
                "Drop it: the application has none",
            )
        )
    needed = [one.what for one in outlook.apart if one.note == "needed"]
    if needed and not administered:
        found.append(
            Doubt(
                "backups can be restored only by an administrator of the server: the "
                f"{_some(needed)} is none that user {user} may create, and the database stands on "
                "it",
                "Set database.admin_user and database.admin_password_file, or drop it",
            )
        )
    rest = [
        one.what
        for one in outlook.apart
        # An administrator makes extensions anew.
        if not one.note and not (administered and one.what.startswith("extension "))
    ]
    if rest:
        found.append(
            Doubt(
                f"a restore may leave out what only an administrator may create: {_some(rest)}",
                "The application does not need it; make it again after a restore where you do",
            )
        )
    if outlook.charsets:
        found.append(_charset(outlook.charsets))
    return tuple(found)


def _client(server: int, own: int) -> Doubt:
    return Doubt(
        f"PostgreSQL {server} is newer than the programs of PostgreSQL {own} in the container: no "
        "backup and no update that migrates is possible",
        f"Name a source of postgresql-client-{server} in system.apt_sources, from which it is "
        "installed; a new container of Debian 13 (trixie) has 17",
    )


def _charset(charsets: tuple[tuple[str, int], ...]) -> Doubt:
    names = ", ".join(name for name, _ in charsets)
    tables = sum(count for _, count in charsets)
    which = f"{tables} of its tables" if tables else "new tables in it"
    return Doubt(
        f"{which} are of the character set {names}: what people write with emoji ends in an error",
        "Take a backup; then an administrator runs ALTER DATABASE … CHARACTER SET utf8mb4, and for "
        "each table ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4",
    )


def _some(names: Iterable[str]) -> str:
    """`table a`, `table a and 2 more`."""
    first, *more = names
    return f"{first} and {len(more)} more" if more else first

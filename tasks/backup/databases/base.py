"""What is known of a database's content, whatever its engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.containers.base import Completed, Container
from tasks.errors import DatabaseError

_FOLDER = Path(__file__).parent
_EVIDENCE = 5


@dataclass(frozen=True)
class Table:
    """rows: how many. sha256: of all their values in the order of their columns, hex.

    Two databases of one engine hold the same table exactly if these are the same.
    """

    rows: int
    sha256: str


def run_script(
    container: Container, script: str, *arguments: str, what: str, timeout: float
) -> Completed:
    """Run a shell script of this folder in the container. Arguments hold no secrets.

    Raises DatabaseError `what` with the last lines of its stderr.
    """
    text = (_FOLDER / script).read_text()
    done = container.run(["bash", "-c", text, script, *arguments], timeout=timeout, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").splitlines()
        raise DatabaseError(what, where=container.spec.name, evidence=lines[-_EVIDENCE:])
    return done


def parse_tables(output: bytes) -> Mapping[str, Table]:
    """Lines of `NAME<tab>ROWS<tab>SHA-256`."""
    tables = {}
    for line in output.decode().splitlines():
        name, rows, digest = line.split("\t")
        tables[name] = Table(int(rows), digest)
    return tables

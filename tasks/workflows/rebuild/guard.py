"""Who puts a rebuild in order where this process is killed while neither container may serve.

A shell of its own session waits for the word that all is in order; where its input ends without it,
it becomes `./doit rebuild --recover`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tasks.host.process import DEVNULL, PIPE, start
from tasks.model import rebuild as records
from tasks.model.instance import Instance
from tasks.paths import ROOT, Paths

WAIT = 'IFS= read -r word; [ "$word" = done ] || exec "$@"'

LOCK_SECONDS = 600


def recover_argv(instance: Instance) -> list[str]:
    """The command that puts in order what a rebuild of this instance has left."""
    options = ["--recover", "--wait", str(LOCK_SECONDS), "--config", str(instance.source)]
    return [str(ROOT / "doit"), "rebuild", *options, instance.id]


@contextmanager
def posted(instance: Instance, paths: Paths) -> Iterator[None]:
    """Within it somebody stands by, who goes as soon as nothing is left to be put in order. Else he
    does that once the instance's lock is free."""
    argv = ["sh", "-c", WAIT, "rebuild-guard", *recover_argv(instance)]
    guard = start(argv, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield
    finally:
        assert guard.stdin is not None
        in_order = records.read(paths, instance.id) is None
        # Where somebody has ended it, nobody is told.
        with suppress(BrokenPipeError), guard.stdin:
            if in_order:
                guard.stdin.write(b"done\n")
        if in_order:
            guard.wait()

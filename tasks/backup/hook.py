"""A second target: the user's own program, run when an archive is complete.

It gets the archive's path, so it may be rclone, restic, scp, a script. What becomes of it does
not touch the archive.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import NetworkError
from tasks.host.process import TimedOut, run
from tasks.model.archive import Archive
from tasks.model.instance import Instance

_EVIDENCE = 8
_LONGEST = 64 * 1024


def hook_argv(command: Sequence[str], archive: Archive, instance_id: str) -> list[str]:
    """The words of `command`, each still one word, with its placeholders filled in."""
    known = {
        "{archive}": str(archive.path),
        "{folder}": str(archive.folder),
        "{instance}": instance_id,
    }
    argv = []
    for word in command:
        # From the left, once: what is filled in is not looked at again.
        parts, rest = [], word
        while rest:
            places = [(rest.find(name), name) for name in known if name in rest]
            if not places:
                break
            at, name = min(places)
            parts += [rest[:at], known[name]]
            rest = rest[at + len(name) :]
        argv.append("".join([*parts, rest]))
    return argv


def run_hook(instance: Instance, archive: Archive) -> None:
    """Run `backup.after` and wait for it. Raises NetworkError: the archive is here only."""
    argv = hook_argv(instance.backup.after, archive, instance.id)
    timeout = instance.backup.after_timeout_seconds
    try:
        done = run(argv, folder=str(archive.folder), timeout=timeout, merge=True, group=True)
    except OSError as error:
        raise _failed(instance, archive, f"cannot be run: {error.strerror}") from error
    except TimedOut as error:
        what = f"did not finish in {timeout} s and was killed"
        raise _failed(instance, archive, what, error.output) from error
    if done.returncode != 0:
        what = f"failed with exit code {done.returncode}"
        raise _failed(instance, archive, what, done.stdout)


def _failed(instance: Instance, archive: Archive, what: str, output: bytes = b"") -> NetworkError:
    program = instance.backup.after[0]
    return NetworkError(
        f"the archive {archive.name} is complete, but the second target has no copy: "
        f"{program} {what}",
        where=instance.id,
        evidence=output[-_LONGEST:].decode(errors="replace").splitlines()[-_EVIDENCE:],
        hint=f"Correct backup.after, or copy it by hand: {archive.path}",
    )

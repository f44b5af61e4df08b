"""Programs in a container, on the node that holds it: this machine, or one that ssh reaches.

By lxc-attach itself, which is what `pct exec` starts after half a second of its own start-up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from tasks.containers.base import MARKER_PATH
from tasks.containers.lxc.attach import attach, attach_argv
from tasks.containers.proxmox.access import Local, OpenSsh
from tasks.containers.proxmox.stream import stream
from tasks.errors import DeployError, ResourceError
from tasks.host.process import Completed, last_lines

FOREIGN = 113
NOBODY = "nothing"
SAYS = "vikunja-deploy: the marker names "

GUARD = f"""
owner=
{{ IFS= read -r owner <{MARKER_PATH}; }} 2>/dev/null
[ "$owner" = "$1" ] || {{ printf '{SAYS}%s\\n' "${{owner:-{NOBODY}}}" >&2; exit {FOREIGN}; }}
shift
exec "$@"
"""
"""Becomes the program only where the marker names the instance: the proof costs no process."""

MARK = f"""
owner=
{{ IFS= read -r owner <{MARKER_PATH}; }} 2>/dev/null
case ${{owner:-$1}} in
"$1" | "${{2:-$1}}") ;;
*) printf '{SAYS}%s\\n' "$owner" >&2; exit {FOREIGN} ;;
esac
umask 022
cd {Path(MARKER_PATH).parent} || exit
new={Path(MARKER_PATH).name}.new
printf '%s\\n' "$1" >$new && sync $new && mv $new {MARKER_PATH}
"""

ASK = f"""
owner=
{{ IFS= read -r owner <{MARKER_PATH}; }} 2>/dev/null
printf '%s\\n' "$owner"
"""

NOT_RUNNING = re.compile(r"^lxc-attach: .* Failed to get init pid$", re.MULTILINE)


HERE = Local()


class Inside(Struct, frozen=True):
    """A running container. where: its name in errors. access: the way to its node. See
    Container.run; through ssh, exit code 255 arrives as 254."""

    vmid: int
    instance_id: str
    where: str
    lxc_path: Path = Path("/var/lib/lxc")
    access: Local | OpenSsh = HERE

    def mark(self, before: str | None = None) -> None:
        """Write the marker of a container that has none, or that of `before`, whose it was;
        ResourceError where it has another's."""
        argv = ["sh", "-c", MARK, "sh", self.instance_id, before or self.instance_id]
        done = self._attach((), argv, None, None, 30)
        self._evaluate(done, check=True)

    def marker(self) -> str | None:
        """The instance that the marker names, empty where it names none; None where it cannot be
        asked. Nothing else is done in a container that may be anybody's."""
        done = self._attach((), ["sh", "-c", ASK], None, None, 30)
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed:
        """Run argv as root in it; ResourceError where its marker does not name the instance."""
        guard = ("sh", "-c", GUARD, "sh", self.instance_id)
        done = self._attach(guard, argv, stdin, stdout, timeout)
        self._evaluate(done, check=check)
        return done

    def _attach(
        self,
        guard: Sequence[str],
        argv: Sequence[str],
        stdin: bytes | IO[bytes] | None,
        stdout: IO[bytes] | None,
        timeout: float,
    ) -> Completed:
        if isinstance(self.access, OpenSsh):
            done = stream(
                self.access,
                attach_argv(str(self.vmid), self.lxc_path, [*guard, *argv]),
                stdin=stdin,
                stdout=stdout,
                timeout=timeout,
                where=self.where,
                name=argv[0],
            )
            return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)
        return attach(
            str(self.vmid),
            self.lxc_path,
            argv,
            stdin=stdin,
            stdout=stdout,
            timeout=timeout,
            check=False,
            through=guard,
        )

    def _evaluate(self, done: Completed, *, check: bool) -> None:
        said = done.stderr.decode(errors="replace")
        if done.returncode == FOREIGN and said.startswith(SAYS):
            named = said.removeprefix(SAYS).strip()
            hint = "Choose another proxmox.container_id; that container is left as it is."
            if named == NOBODY:
                hint = f"./doit apply --adopt {self.instance_id} puts the marker back, where it is"
                hint += " this instance's."
            raise ResourceError(
                f"container {self.vmid} is not proven to be instance {self.instance_id}'s: tag and "
                f"notes are there, and its marker {MARKER_PATH} "
                + ("is missing" if named == NOBODY else f"names {named}"),
                where=self.where,
                hint=hint,
                evidence=[f"{MARKER_PATH} in the container says: {named}"],
            )
        if done.returncode != 0 and NOT_RUNNING.search(said):
            raise ResourceError(
                f"container {self.vmid} does not run on its node",
                where=self.where,
                hint="`./doit start` starts it",
                evidence=last_lines(said),
            )
        if check and done.returncode != 0:
            raise DeployError(
                f"{done.argv[0]} failed with exit code {done.returncode}",
                where=self.where,
                evidence=last_lines(said),
            )

"""The builder container: toolchains and their caches, apart from everything that serves.

It is a container on the machine that runs doit, on a bridge and subnet of its own, is made by the
first build and rests between builds. It is a cache: destroying it costs the next build time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO
from zlib import crc32

from tasks.builds.workplace import Command, Outcome, too_long
from tasks.containers.base import Container, ContainerSpec
from tasks.containers.drivers import local_driver
from tasks.errors import BuildError, DeployError, NetworkError
from tasks.guest.runner import GuestScript
from tasks.host import locks
from tasks.model.instance import NEWEST_SUITE
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

NAME = "vikunja-builder"
BRIDGE = "vikunja-build0"
SUBNET = "10.98.76"
SUITE = NEWEST_SUITE
USER = "builder"
HOME = f"/home/{USER}"
TREE = "/srv/build"
APT_SECONDS = 1200.0

END = GuestScript(
    "end",
    call="""exec setpriv --reuid="$1" --regid="$1" --clear-groups sh -c 'kill -KILL -1'""",
    guard=False,
)
"""Ends all that a user runs."""

PREPARE = GuestScript("build-tree", ("build-tree",), guard=False)
"""Arguments: USER FOLDER."""

INSTALL = GuestScript("build-packages", ("reach", "build-packages"), guard=False)
"""Arguments: packages of Debian."""


def builder_spec(suite: str = SUITE) -> ContainerSpec:
    """This machine's builder of a Debian release, with all cores and three quarters of the memory.

    A release has its own: what is compiled on a newer one does not run on an older.
    """
    name = NAME if suite == SUITE else f"{NAME}-{suite}"
    host = 2 if suite == SUITE else 3 + crc32(suite.encode()) % 250
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return ContainerSpec(
        name=name,
        instance_id=name,
        template=suite,
        hostname=name,
        cpu_cores=os.cpu_count() or 1,
        memory_mb=max(memory * 3 // 4, min(memory, 2048)),
        disk_size_gb=20,
        bridge=BRIDGE,
        ip_address=f"{SUBNET}.{host}/24",
        gateway=f"{SUBNET}.1",
    )


def builder_container(paths: Paths, spec: ContainerSpec | None = None) -> Container:
    """The builder's container, not yet looked at. spec: of another than the machine's usual one."""
    return local_driver().from_spec(spec or builder_spec(), paths)


class BuilderWorkplace:
    """A running builder. Made by `builder_workplace`."""

    home, tree = HOME, TREE

    def __init__(self, container: Container) -> None:
        self.name = container.spec.name
        self._container = container

    def provide(self, packages: Sequence[str], progress: Progress) -> bool:
        progress.step(f"packages of {self.name}")

        def failure(code: int, lines: list[str]) -> DeployError:
            if code == NetworkError.exit_code:
                return NetworkError(
                    "the builder reaches no archive of packages",
                    where=self.name,
                    hint="check the network: this machine's NAT and name servers are its own, too",
                    evidence=lines,
                )
            return BuildError(
                f"the builder cannot install its packages: {' '.join(packages)}",
                where=self.name,
                hint="check build.packages, this machine's apt sources and the network",
                evidence=lines,
            )

        INSTALL.run(self._container, *packages, timeout=APT_SECONDS, failure=failure)
        return True

    def execute(
        self, command: Command, *, stdout: IO[bytes], stdin: IO[bytes] | None = None
    ) -> Outcome:
        begun = time.monotonic()
        try:
            done = self._container.run(
                as_builder(command),
                stdin=stdin,
                stdout=stdout,
                timeout=command.timeout,
                check=False,
            )
        except DeployError as error:
            if time.monotonic() - begun >= command.timeout:
                raise too_long(command) from error
            raise
        return Outcome(done.returncode, b"" if command.merge else done.stderr)


def as_builder(command: Command) -> list[str]:
    """The argv by which the builder's unprivileged user runs it."""
    pairs = [f"{name}={value}" for name, value in command.environment.items()]
    wrapped = [
        *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--no-new-privs"),
        *("--", "/usr/bin/env", "-i", "-C", command.folder, "--", *pairs),
        *command.argv,
    ]
    return ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *wrapped] if command.merge else wrapped


@contextmanager
def builder_workplace(
    paths: Paths,
    packages: Sequence[str],
    progress: Progress = SILENT,
    spec: ContainerSpec | None = None,
) -> Iterator[BuilderWorkplace]:
    """The builder, running, with these packages and an empty tree; it rests afterwards.

    One build at a time. spec: another builder than the machine's usual one. One that was made of
    another release goes: it holds nothing but caches.
    """
    container = builder_container(paths, spec)
    name = container.spec.name
    paths.cache.mkdir(parents=True, exist_ok=True)
    busy = paths.cache / f"{name}.lock"
    with locks.locked(busy, lambda: progress.step(f"waiting for {name}: another build runs")):
        facts = container.observe()
        if facts.running:
            # A build that was killed left it so, perhaps with commands that still run.
            progress.step(f"ending what a killed build left in {name}")
            END.attempt(container, USER)
            container.stop(progress)
        if facts.exists and facts.template != container.spec.template:
            progress.step(f"removing {name}, which is of Debian {facts.template}")
            container.destroy(progress)
            facts = container.observe()
        if not facts.exists:
            progress.step(f"making {name}")
            container.create(progress)
        container.start(progress)
        try:
            PREPARE.run(container, USER, TREE)
            workplace = BuilderWorkplace(container)
            workplace.provide(packages, progress)
            yield workplace
        finally:
            container.stop(progress)

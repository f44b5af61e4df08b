"""Containers of plain LXC on this machine.

    paths.lxc/<name>/config     LXC's configuration, which also says whose the container is
    paths.lxc/<name>/hook       what the host does around it (hook.sh)
    paths.lxc/<name>/rootfs     where its file system is mounted while it runs: an overlay of a
                                root file system (rootfs.py, bases.py) and of
    paths.lxc/<name>/upper      what is its own
    paths.lxc/<name>/init       its first process, while it runs

A folder of this form appears by one rename and goes by one: there is no half-made container.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from tasks.containers.base import MARKER_PATH, Container, ContainerFacts, ContainerSpec
from tasks.containers.lxc import (
    bases,
    boot,
    cgroup,
    config,
    facts,
    guest_files,
    identity,
    init,
    limits,
    network,
    ownership,
)
from tasks.containers.lxc.attach import attach
from tasks.containers.lxc.ownership_check import OwnershipCheck
from tasks.errors import ResourceError
from tasks.host.locks import locked
from tasks.host.process import (
    Completed,
    remove_tree,
    sync_folder,
    unmount_below,
    uses_apparmor,
)
from tasks.host.user_ids import IdMap, read_idmap
from tasks.model import registry
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
ADDRESSES = ("ip_address", "ip6_address")
RESTART_FIELDS = frozenset(
    {"ip_address", "gateway", "ip6_address", "gateway6", "mac_address", "bridge"}
)


RESTART_REQUIRED = Path("/run/reboot-required")
"""Where Debian's packages of kernels and the like say so."""


class LxcContainer:
    """One container of plain LXC: tasks.containers.base.Container."""

    own_disk = False
    """An overlay shares its file system with the host: disk_size_gb is not enforced."""

    @property
    def restart_pending(self) -> bool | None:
        return RESTART_REQUIRED.exists()

    def __init__(self, spec: ContainerSpec, paths: Paths) -> None:
        self.spec = spec
        self.paths = paths
        self.round_trips = 0
        self.ownership = OwnershipCheck(spec, paths)

    @property
    def folder(self) -> Path:
        return self.paths.lxc / self.spec.name

    @property
    def _aside(self) -> Path:
        """Where the folder is before it exists and after it is gone."""
        return self.paths.lxc / f".vikunja-deploy-{self.spec.name}"

    @property
    def _is_there(self) -> bool:
        return (self.folder / "config").exists()

    @property
    def lock(self) -> Path:
        return self.paths.library / "lxc.lock"

    # What is there

    def observe(self) -> ContainerFacts:
        found = ownership.read(self.folder)
        if found is None:
            self.ownership.refuse_second()
            return facts.NOTHING
        recorded = self.ownership.recorded
        unproven = self.ownership.doubt(found, recorded)
        # What is another instance's is said to be that; what says that it is this one's is proven.
        mine = found.owner == self.spec.instance_id
        owner = found.owner if unproven is None or not mine else None
        return facts.observe(found, owner, unproven, ownership.noted(found, recorded))

    def copies(self) -> tuple[str, ...]:
        return self.ownership.copies()

    # Proof

    def missing(self) -> str | None:
        return self.ownership.missing()

    def adopt(self, progress: Progress = SILENT) -> None:
        with locked(self.lock):
            found = ownership.read(self.folder)
            if found is None or self.ownership.lost(found) is None:
                return
            settings = config.parse(f"{config.INSTANCE}={self.spec.instance_id}\n{found.text}")
            assert settings is not None, "it is at home"
            progress.step("container adopted")
            ids = read_idmap()
            settings = self.ownership.note(settings)
            self._mark(ids)
            self.write_config(self.folder, settings, ids)

    def _mark(self, ids: IdMap) -> None:
        marker = f"{self.spec.instance_id}\n".encode()
        guest_files.write(self.root(), MARKER_PATH, marker, (ids.uids, ids.gids))

    # Making and changing

    def prepare_machine(self, progress: Progress = SILENT) -> None:
        from tasks.containers.lxc.preparing import prepare_machine

        prepare_machine(self.paths, progress)

    def preflight(self, found: ContainerFacts) -> None:
        spec, has = self.spec, found.attributes
        replacing = spec.template_named and has.get("template") != spec.template
        making = not found.exists or replacing
        if not found.exists:
            self._refuse_name()
        if making or has.get("bridge") != spec.bridge:
            network.preflight(spec, self.paths)
        if making or any(has.get(name) != getattr(spec, name) for name in ADDRESSES):
            network.refuse_unmade(spec, network.bridge_mode(spec.bridge, self.paths))
            network.check_free(spec, self.paths)
        if making:
            from tasks.containers.lxc.apt import read_setup

            read_idmap()
            # Last: it asks the archives.
            read_setup(spec.template, spec.name)

    def _refuse_name(self) -> None:
        if not NAME.fullmatch(self.spec.name):
            raise ResourceError(
                "a container's name is letters, digits, dots and dashes, 63 at most",
                where=self.spec.name,
                hint="set lxc.name to such a name",
            )
        if self.folder.exists() and any(self.folder.iterdir()):
            raise self._in_the_way()

    def _in_the_way(self) -> ResourceError:
        return ResourceError(
            f"the folder {self.folder} exists and holds no container of ours",
            where=self.spec.name,
            hint="set lxc.name to another name; that folder is left as it is",
        )

    def create(self, progress: Progress = SILENT) -> None:
        from tasks.containers.lxc.apt import read_setup
        from tasks.containers.lxc.rootfs import ensure_rootfs

        spec = self.spec
        if self._is_there:
            self.ownership.require_ours("keep")
            return
        self._refuse_name()
        ids = read_idmap()
        cached = ensure_rootfs(
            self.paths.cache, spec.template, read_setup(spec.template, spec.name), ids, progress
        )
        progress.step("container created")
        self.paths.lxc.mkdir(parents=True, exist_ok=True)
        with locked(self.lock, handed_on=True) as lock:
            if self._is_there:
                self.ownership.require_ours("keep")
                return
            network.check_free(spec, self.paths)
            remove_tree(self._aside, spec.name)
            settings = self.desired_settings(bases.keep_base(self.paths, cached, spec.name, lock))
            settings = replace(settings, identity=registry.new_identity())
            self._build(self._aside, settings, ids)
            # First: what is there is told from its copies from its first moment on.
            self._record(settings)
            try:
                self._aside.rename(self.folder)
            except OSError as error:
                raise self._in_the_way() from error
            sync_folder(self.paths.lxc)

    def _record(self, settings: config.Settings) -> None:
        assert settings.identity is not None
        registry.note_container(
            self.paths,
            self.spec.instance_id,
            "lxc",
            identity=settings.identity,
            folder=self._aside.stat().st_ino,
        )

    def desired_settings(self, lower: Path) -> config.Settings:
        mode = network.bridge_mode(self.spec.bridge, self.paths)
        mtu = network.packet_size(self.spec.bridge, mode)
        return config.from_spec(self.spec, lower=lower, bridge_mode=mode, mtu=mtu)

    def _build(self, folder: Path, settings: config.Settings, ids: IdMap) -> None:
        folder.mkdir()
        for name in ("rootfs", "work", "upper"):
            (folder / name).mkdir()
        upper = folder / "upper"
        os.chown(upper, ids.uids, ids.gids)
        owner = (ids.uids, ids.gids)
        guest_files.write(upper, "etc/machine-id", f"{uuid.uuid4().hex}\n".encode(), owner, 0o444)
        guest_files.write(upper, MARKER_PATH, f"{settings.instance_id}\n".encode(), owner)
        identity.write_identity(upper, settings, owner)
        guest_files.write(folder, "hook", network.HOOK.read_bytes(), (0, 0), 0o755)
        self.write_config(folder, settings, ids)

    def write_config(self, folder: Path, settings: config.Settings, ids: IdMap) -> None:
        text = config.render(
            settings,
            folder=self.folder,
            lock=network.lock_path(self.paths),
            ids=ids,
            layout=cgroup.read_layout(),
            apparmor=uses_apparmor(),
        )
        guest_files.write(folder, "config", text.encode(), (0, 0))

    def configure(self, progress: Progress = SILENT) -> None:
        found = self.ownership.require_ours("configure")
        progress.step("container configured")
        ids = read_idmap()
        desired = self.desired_settings(found.lower)
        desired = replace(desired, template=found.template, identity=found.identity)
        with locked(self.lock):
            if any(getattr(desired, name) != getattr(found, name) for name in ADDRESSES):
                network.check_free(self.spec, self.paths)
            pid = init.running_init(self.folder)
            if pid is not None:
                self._apply_live(pid, desired)
                network.bring_up(desired, self.paths, self.spec.name)
            identity.write_identity(self.root(), desired, (ids.uids, ids.gids))
            desired = self.ownership.note(desired)
            # Last: while the file says the old values, the next plan finishes this.
            self.write_config(self.folder, desired, ids)

    def _apply_live(self, pid: int, desired: config.Settings) -> None:
        try:
            cgroup.group_of_process(pid).apply(self.spec.cpu_cores, self.spec.memory_mb)
        except OSError as error:
            raise ResourceError(
                f"the kernel refused the new limits: {error.strerror}",
                where=self.spec.name,
                hint="less memory than is in use needs services stopped first",
                evidence=[str(error)],
            ) from error
        self.run(["hostname", desired.hostname])

    def root(self) -> Path:
        """Where files of the container are written: changing a mounted overlay's upper folder
        beside it is undefined, so through the mount while there is one."""
        root = self.folder / "rootfs"
        return root if root.is_mount() else self.folder / "upper"

    def needs_restart(self, changed: frozenset[str]) -> frozenset[str]:
        return changed & RESTART_FIELDS

    # Running

    def start(self, progress: Progress = SILENT) -> None:
        self.ownership.require_ours("start")
        progress.step("container started")
        with locked(self.folder, handed_on=True) as lock:
            settings = self.ownership.require_ours("start")
            pid = boot.current_init(self.folder)
            if pid is None:
                self._require_base(settings)
                self._refresh(settings)
                limits.raise_limits()
                network.bring_up(settings, self.paths, self.spec.name)
                boot.launch(self.folder, lock)
            elif init.is_frozen(pid):
                boot.unfreeze(self.folder, lock)
        spec = config.place_of(self.spec, settings)
        waited = self.run(boot.wait_argv(spec), timeout=boot.BOOT_LIMIT, check=False)
        failed = boot.evaluate(waited, spec)
        degraded = f", degraded: {' '.join(failed)} failed" if failed else ""
        progress.step(f"container up{degraded}", 1.0)
        network.remove_unused(self.paths, self.spec.name)

    def _require_base(self, settings: config.Settings) -> None:
        if not settings.lower.is_dir():
            raise ResourceError(
                f"the root file system {settings.lower} that it stands on is gone",
                where=self.spec.name,
                hint="bring that folder back from a backup of this machine: what the container has "
                f"changed is in {self.folder / 'upper'}, and not lost. To uninstall it and restore "
                "a backup loses all that came after that backup",
            )

    def _refresh(self, settings: config.Settings) -> None:
        """What may have changed on the host since: control groups, AppArmor, the hook."""
        ids = read_idmap()
        guest_files.write(self.folder, "hook", network.HOOK.read_bytes(), (0, 0), 0o755)
        self.write_config(self.folder, settings, ids)

    def stop(self, progress: Progress = SILENT) -> None:
        self.ownership.require_ours("stop")
        progress.step("container stopped")
        with locked(self.folder, handed_on=True) as lock:
            self.ownership.require_ours("stop")
            boot.halt(self.folder, lock, kill=False)

    def retire(self, progress: Progress = SILENT) -> None:
        before = self._autostarts(False)
        try:
            self.stop(progress)
        except BaseException:
            self._autostarts(before)
            raise

    def _autostarts(self, wanted: bool) -> bool:
        """Let a boot start it, or not; what it was before."""
        with locked(self.lock):
            settings = self.ownership.require_ours("stop")
            self.write_config(self.folder, replace(settings, autostart=wanted), read_idmap())
        return settings.autostart

    def known_as(self, identity: str) -> bool:
        found = ownership.read(self.folder)
        return found is not None and found.identity == identity

    def become(self, other: Container, identity: str, progress: Progress = SILENT) -> None:
        from tasks.containers.lxc.handover import hand_over

        assert isinstance(other, LxcContainer)
        progress.step(f"container {self.spec.name} becomes {other.spec.name}")
        with locked(self.lock):
            hand_over(self, other, identity)

    def require_removable(self, *, kept: bool = False) -> None:
        if self._is_there:
            self.ownership.require_ours("destroy")

    def destroy(self, progress: Progress = SILENT) -> None:
        if self._is_there:
            self.ownership.require_ours("destroy")
            with locked(self.folder, handed_on=True) as lock:
                self.ownership.require_ours("destroy")
                boot.halt(self.folder, lock, kill=True)
        progress.step("container removed")
        with locked(self.lock):
            remove_tree(self._aside, self.spec.name)
            if self._is_there:
                self.ownership.require_ours("destroy")
                unmount_below(self.folder, self.spec.name)
                self.folder.rename(self._aside)
                sync_folder(self.paths.lxc)
            remove_tree(self._aside, self.spec.name)
            bases.remove_unused_bases(self.paths, self.spec.name)
        network.remove_unused(self.paths, self.spec.name)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed:
        self.ownership.require_ours("run a command in")
        if init.running_init(self.folder) is None:
            raise ResourceError(
                "the container does not run", where=self.spec.name, hint="`./doit start` starts it"
            )
        self.round_trips += 1
        return attach(
            self.spec.name,
            self.paths.lxc,
            argv,
            stdin=stdin,
            stdout=stdout,
            timeout=timeout,
            check=check,
        )

    @staticmethod
    def list_owned(paths: Paths) -> list[tuple[str, str]]:
        """(name, instance id) of every container here that says that it is an instance's."""
        claims = (ownership.read(paths.lxc / name) for name in network.configurations(paths))
        return [(claim.name, claim.owner) for claim in claims if claim and claim.owner is not None]

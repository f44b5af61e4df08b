"""Make, change, start, stop and remove a container through the API, each awaited to its end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from msgspec import Struct

from tasks.containers.base import ContainerSpec, refuse
from tasks.containers.proxmox.answers import Bridge, Storage, Template, Volume
from tasks.containers.proxmox.api import Session, Value, ask
from tasks.containers.proxmox.availability import register
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.guests import Found, choose, inspect_guest, list_guests, require_ours
from tasks.containers.proxmox.parameters import (
    AT_NEXT_START,
    Changes,
    Config,
    changes,
    create_parameters,
    storage_of,
    tags_change,
)
from tasks.containers.proxmox.power import Power, note
from tasks.containers.proxmox.selection import (
    choose_download,
    choose_storage,
    choose_template,
    file_of,
    has_content,
)
from tasks.containers.proxmox.tasks import Finished
from tasks.errors import DeployError, LockedError, NetworkError, ResourceError
from tasks.model.registry import new_identity
from tasks.progress import SILENT, Progress

CREATE_LIMIT = 900
DOWNLOAD_LIMIT = 1800
MOVE_LIMIT = 7200
"""Seconds."""

RACES = 5
"""How many ids that others took in the same moment are passed over."""

TAKEN = re.compile(r"the container id \d+ is taken")


class Lifecycle(Struct, frozen=True):
    """One container of one instance. lock_limit: seconds to wait for a lock of Proxmox VE.

    finder: finds the container at less cost than calls of the API. creating: held while a
    container is made on a node. registering: held while what containers share is changed. record:
    is told the id and the identity of a container that is about to be made.
    """

    spec: ContainerSpec
    desired: DesiredProxmox
    session: Session
    lock_limit: float = 300
    download: bool = True
    finder: Callable[[], Found | None] | None = None
    creating: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
    registering: Callable[[], AbstractContextManager[None]] = lambda: nullcontext()
    record: Callable[[int, str], None] = lambda _, __: None

    # What is there

    def find(self) -> Found | None:
        """The container wherever in the cluster it is now; None where there is none."""
        if self.finder is not None:
            return self.finder()
        guest = choose(self.spec, self.desired, list_guests(self.session))
        return inspect_guest(self.session, guest) if guest else None

    def require(self, action: str) -> Found:
        """The container, proven ours and not locked: waits for a lock within lock_limit."""
        found = require_ours(self.find(), self.spec, action)
        deadline = time.monotonic() + self.lock_limit
        while found.lock:
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"container {found.guest.vmid} is locked by Proxmox VE ({found.lock}), for "
                    f"more than {self.lock_limit:g} s",
                    where=self.spec.name,
                    hint=f"if nothing of the kind runs: `pct unlock {found.guest.vmid}` on node "
                    f"{found.guest.node}",
                )
            time.sleep(min(1, self.lock_limit))
            found = require_ours(self.find(), self.spec, action)
        return found

    @property
    def power(self) -> Power:
        return Power(self.session, self.spec.name, self.find)

    # Making

    def preflight(self) -> None:
        """Raise what would keep it from being made now."""
        storages, _ = self._place()
        self._template(storages)

    def create(self, progress: Progress = SILENT) -> Finished | None:
        """Make it, not started. None where it is there already, proven ours and complete."""
        with self.creating(self.desired.node):
            if self.find() is not None:
                self.require("keep")
                return None
            return self._create(progress)

    def _place(self) -> tuple[list[Storage], str]:
        """The node's storages, and the one for its disk. ResourceError where there is none, or not
        its bridge."""
        node = self.desired.node
        storages = ask(self.session, f"/nodes/{node}/storage", list[Storage])
        storage = choose_storage(
            self.desired.storage,
            "rootdir",
            self.spec.disk_size_gb,
            storages,
            where=self.spec.name,
        )
        self.require_bridge(node)
        return storages, storage

    def _create(self, progress: Progress) -> Finished:
        node = self.desired.node
        storages, storage = self._place()
        template, missing = self._template(storages)
        if missing is not None:
            self.power.do(
                f"download template {missing['template']}",
                ("POST", f"/nodes/{node}/aplinfo", missing),
                DOWNLOAD_LIMIT,
                progress,
            )
        for _ in range(RACES):
            vmid = self.desired.vmid or ask(self.session, "/cluster/nextid", int)
            identity = new_identity()
            parameters = create_parameters(
                self.spec,
                self.desired,
                vmid=vmid,
                template=template,
                storage=storage,
                identity=identity,
            )
            # First: what is there is told from its clones from its first moment on.
            self.record(vmid, identity)
            what = f"create container {vmid}"
            try:
                made = self.power.do(
                    what, ("POST", f"/nodes/{node}/lxc", parameters), CREATE_LIMIT, progress
                )
                tags = tags_change(self.spec, self.desired, Config({}))
                self.session.call("PUT", f"/nodes/{node}/lxc/{vmid}/config", tags)
                return made
            except ResourceError as error:
                # The next free id is reserved for nobody: another took it meanwhile.
                if self.desired.vmid is not None or not TAKEN.search(error.what):
                    raise
        raise ResourceError(
            f"{RACES} free container ids in a row were taken by others meanwhile",
            where=self.spec.name,
            hint="set proxmox.container_id",
        )

    def require_bridge(self, node: str) -> None:
        """Proxmox VE takes a bridge that is not there, and fails at the start."""
        path = f"/nodes/{node}/network"
        rows = ask(self.session, path, list[Bridge], {"type": "any_bridge"})
        bridges = sorted(row.iface for row in rows)
        if self.spec.bridge not in bridges:
            raise ResourceError(
                f"node {node} has no bridge {self.spec.bridge}",
                where=self.spec.name,
                hint=f"set network.bridge to one of: {', '.join(bridges) or 'none is there'}",
            )

    def _template(self, storages: Sequence[Storage]) -> tuple[str, Mapping[str, Value] | None]:
        """The volume to make it from, and what downloads it where it is missing and may be."""
        node = self.desired.node
        volumes = list_templates(self.session, node, storages)
        found = choose_template(self.spec.template, volumes, self.spec.name)
        if found:
            return found, None
        if not self.download:
            raise ResourceError(
                f"node {node} has no template {self.spec.template}",
                where=self.spec.name,
                hint="download it: `pveam update`, then `pveam download STORAGE TEMPLATE`",
                evidence=[file_of(volume) for volume in volumes],
            )
        rows = ask(self.session, f"/nodes/{node}/aplinfo", list[Template])
        name = choose_download(self.spec.template, [row.template for row in rows], self.spec.name)
        target = choose_storage(None, "vztmpl", 0.5, storages, where=self.spec.name)
        return f"{target}:vztmpl/{name}", {"storage": target, "template": name}

    # Changing

    def configure(self, progress: Progress = SILENT) -> None:
        """Bring settings and disks to what is desired, live where Proxmox VE can: see parameters.

        It is never moved or made anew by this. Raises before anything changed where a disk would
        shrink; StalePlanError where somebody else changes it in the same moment.
        """
        found = self.require("configure")
        guest = found.guest
        wanted = changes(self.spec, self.desired, found.config, guest.node, found.second_address)
        if "net0" in wanted.settings:
            self.require_bridge(guest.node)
        if wanted.settings or wanted.deleted:
            extra = {"digest": found.config.digest, "delete": ",".join(wanted.deleted)}
            given = {name: value for name, value in extra.items() if value}
            try:
                self.session.call("PUT", f"{guest.path}/config", {**wanted.settings, **given})
            except (DeployError, NetworkError) as error:
                if not self._changed_all_the_same(error, wanted):
                    raise
                progress.step(f"changed, though Proxmox VE said: {error.what}")
        for disk, size in wanted.grow.items():
            self.power.do(
                f"grow {disk} to {size} GiB",
                ("PUT", f"{guest.path}/resize", {"disk": disk, "size": f"{size}G"}),
                MOVE_LIMIT,
                progress,
            )

    def _changed_all_the_same(self, error: DeployError, wanted: Changes) -> bool:
        """Whether the settings hold after an error that is no refusal of them.

        What a hotplug could not do waits for the next start, and does not hold.
        """
        if type(error) not in (DeployError, NetworkError):
            return False
        found = self.require("configure")
        left = changes(
            self.spec, self.desired, found.config, found.guest.node, found.second_address
        )
        waiting = set(found.config.pending) - AT_NEXT_START
        return not (left.settings or left.deleted or waiting & {*wanted.settings, *wanted.deleted})

    def describe(self, found: Found, notes: str) -> None:
        """Give it these notes, with the tags that it lacks; StalePlanError where somebody else has
        changed it since."""
        given = {"description": notes, "digest": found.config.digest}
        tags = tags_change(self.spec, self.desired, found.config)
        self.session.call("PUT", f"{found.guest.path}/config", {**given, **tags})

    def migrate(self, progress: Progress = SILENT) -> None:
        """Move it to the desired node; there already is success. Restarts it where it runs.

        Where the HA manager has put it, there it stays.
        """
        found = self.require("migrate")
        if found.guest.node == self.desired.node or self.desired.ha is not None:
            return
        parameters: dict[str, Value] = {"target": self.desired.node}
        if found.running:
            parameters["restart"] = 1
        self.power.do(
            f"migrate container {found.guest.vmid} to {self.desired.node}",
            ("POST", f"{found.guest.path}/migrate", parameters),
            MOVE_LIMIT,
            progress,
        )

    def move_disk(self, progress: Progress = SILENT) -> None:
        """Move rootfs to the desired storage; there already, or none desired, is success.

        A running container is shut down for it and started again.
        """
        found = self.require("move the disk of")
        if self.desired.storage in (None, storage_of(found.config.coming)):
            return
        refuse(found.refusals, "move", self.spec.name)
        parameters: dict[str, Value | None] = {
            "volume": "rootfs",
            "storage": self.desired.storage,
            "delete": 1,
        }
        with self.power.stopped(found, progress):
            self.power.do(
                f"move the disk of container {found.guest.vmid} to {self.desired.storage}",
                ("POST", f"{found.guest.path}/move_volume", parameters),
                MOVE_LIMIT,
                progress,
            )

    # Running

    def start(self, progress: Progress = SILENT) -> None:
        """Start it; running already is success. Its services come up after this."""
        found = self.require("start")
        if not found.running:
            refuse(found.refusals, "start", self.spec.name)
            self.power.start(found, progress)

    def stop(self, progress: Progress = SILENT) -> None:
        """Shut it down, by force after STOP_LIMIT; stopped already is success."""
        found = self.require("stop")
        if found.running:
            self.power.stop(found, progress)

    def retire(self, progress: Progress = SILENT) -> None:
        """Let neither its node's boot nor the HA manager start it, and shut it down. Where any of
        it fails, its node's boot starts it as before; whoever asked brings it up again."""
        found = self.require("stop")
        path = f"{found.guest.path}/config"
        starts = found.config.coming.get("onboot") == "1"
        # What may be refused comes before what interrupts.
        if starts:
            self.session.call("PUT", path, {"onboot": 0, "digest": found.config.digest})
        try:
            self.stop(progress)
            if found.ha is not None:
                # While it runs, the manager would take a stop for a crash.
                self.session.call("DELETE", f"/cluster/ha/resources/ct:{found.guest.vmid}")
        except BaseException as error:
            if starts:
                self._starts_again(path, error)
            raise

    def _starts_again(self, path: str, error: BaseException) -> None:
        try:
            self.session.call("PUT", path, {"onboot": 1})
        except DeployError as second:
            note(error, f"its node's boot does not start it any more ({second.what})")

    def require_removable(self, *, kept: bool = False) -> None:
        """Raise what destroy would, or retire where it is kept, before anything is changed: waits
        for a lock."""
        if self.find() is not None:
            found = self.require("destroy")
            if not kept:
                refuse(found.refusals, "destroy", self.spec.name)

    def leave(self) -> None:
        """Take it from an HA manager that is not to have it: what moves it then waits for none."""
        found = self.require("configure")
        if self.desired.ha is None and found.ha is not None:
            self.session.call("DELETE", f"/cluster/ha/resources/ct:{found.guest.vmid}")

    def register(self) -> None:
        """Bring what the HA manager and storage replication know of it to what is desired."""
        with self.registering() if self.desired.ha else nullcontext():
            register(self.session, self.desired, lambda: self.require("register"))

    def destroy(self, progress: Progress = SILENT) -> None:
        """Remove it with its disks and what refers to it. Gone already is success."""
        if self.find() is None:
            return
        found = self.require("destroy")
        refuse(found.refusals, "destroy", self.spec.name)
        # With that, the HA manager and replication forget it, too.
        with self.power.stopped(found, progress, at_once=True, goes=True):
            self.power.do(
                f"destroy container {found.guest.vmid}",
                ("DELETE", found.guest.path, {"purge": 1}),
                CREATE_LIMIT,
                progress,
            )


def list_templates(session: Session, node: str, storages: Sequence[Storage]) -> list[str]:
    """Volumes of templates that a node's storages hold."""
    return [
        volume.volid
        for storage in storages
        if has_content(storage, "vztmpl")
        for volume in ask(
            session,
            f"/nodes/{node}/storage/{storage.storage}/content",
            list[Volume],
            {"content": "vztmpl"},
        )
    ]

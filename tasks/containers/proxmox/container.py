"""Containers of Proxmox VE: tasks.containers.base.Container.

What is done to a container goes through the API (lifecycle); programs in it are started by the
node that holds it (inside), here or through ssh; what is there is read from the cluster file
system (cluster, view). It is ours where three things name the same instance: a tag and the notes,
which every step asks for, and the marker, which every program in it is started through and which
a running container is asked for before it is changed, stopped or destroyed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from tasks.containers.base import (
    NOT_RECORDED,
    Container,
    ContainerFacts,
    ContainerSpec,
    Refusal,
)
from tasks.containers.lxc import boot
from tasks.containers.proxmox import attributes
from tasks.containers.proxmox.cluster import Cluster
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.growth import require_grown
from tasks.containers.proxmox.guest_access import Inside
from tasks.containers.proxmox.guests import (
    NOTHING,
    Found,
    Guest,
    asked,
    choose,
    claiming,
    given_address,
    placed,
    require_ours,
)
from tasks.containers.proxmox.handover import change_to
from tasks.containers.proxmox.lifecycle import Lifecycle
from tasks.containers.proxmox.parameters import (
    RESTART_FIELDS,
    hardware_address_of,
    interface_of,
    parse_net,
    tags_change,
)
from tasks.containers.proxmox.preconditions import (
    refuse_taken_address,
    require_ha_group,
    require_removal_privileges,
)
from tasks.containers.proxmox.proof import Proof
from tasks.containers.proxmox.properties import (
    instance_in_notes,
    is_unmarked,
    marked,
    marker_until_then,
    with_identity,
    with_proof,
)
from tasks.containers.proxmox.view import Seen, View
from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.host.process import Completed
from tasks.model import registry
from tasks.model.registry import Registered
from tasks.paths import Paths
from tasks.progress import SILENT, Progress


class ProxmoxContainer:
    """One container of Proxmox VE. See tasks.containers.base.Container.

    lock_limit: seconds that a lock of Proxmox VE is waited for. download: a template that is
    missing may be downloaded. paths: of the registry [the cluster's].
    """

    own_disk = True

    def __init__(
        self,
        spec: ContainerSpec,
        desired: DesiredProxmox,
        cluster: Cluster,
        *,
        lock_limit: float = 300,
        download: bool = True,
        paths: Paths | None = None,
    ) -> None:
        self.spec = spec
        self.round_trips = 0
        self._desired = desired
        self._cluster = cluster
        self._paths = paths or cluster.paths
        self._lifecycle = Lifecycle(
            spec,
            desired,
            cluster.session,
            lock_limit,
            download,
            self._find,
            cluster.creating,
            cluster.registering,
            self._note,
        )
        self._guest: Guest | None = None
        self._node: Seen | None = None
        # A look that began when this was made, or later, is new enough for the first question.
        self._made: float | None = time.monotonic()

    # What is there

    @property
    def restart_pending(self) -> bool | None:
        """Of the node that it was seen on."""
        return self._node.restart_pending if self._node else None

    def _find(self) -> Found | None:
        """Where in the cluster it is now, and what; NetworkError where its node is not reached."""
        since = time.monotonic() if self._made is None else self._made
        self._made = None
        self._guest = None
        try:
            return self._look(since)
        except NetworkError as error:
            # Of several instances, whose is not seen is more than which node is not reached.
            raise NetworkError(
                error.what, where=self.spec.name, hint=error.hint, evidence=error.evidence
            ) from error

    def _look(self, since: float) -> Found | None:
        view = self._cluster.view(since)
        recorded = self._recorded
        guest = choose(self.spec, self._desired, view.guests, recorded)
        if guest is None:
            guest = self._stripped(view, recorded)
        if guest is None:
            return None
        config = view.config(guest.vmid)
        self._node = self._cluster.seen(guest.node, since)
        found = Found(
            guest,
            guest.vmid in self._node.running,
            config.current.get("lock"),
            config,
            attributes.ha_of(view.ha, view.affinities, guest.vmid, self._desired.ha),
            attributes.jobs_of(view.replication, guest.vmid),
            view.affinities,
            view.clones(guest.vmid) if config.current.get("template") else (),
            recorded,
        )
        if found.owner == self.spec.instance_id:
            self._guest = guest
        return found

    @property
    def _recorded(self) -> Registered | None:
        """The instance's entry, where that is of a container of Proxmox VE. A registry that cannot
        be read records nothing: whatever it takes to write it fails."""
        entry = None
        with suppress(DeployError):
            entry = registry.find(self._paths, self.spec.instance_id)
        return entry if entry is not None and entry.driver == "proxmox" else None

    def _note(self, vmid: int, identity: str) -> None:
        """Let the registry know the container by its id and identity from now on."""
        registry.note_container(
            self._paths,
            self.spec.instance_id,
            "proxmox",
            identity=identity,
            container_id=vmid,
        )

    def _stripped(self, view: View, recorded: Registered | None) -> Guest | None:
        """The recorded container where neither tag nor notes say that it is the instance's any
        more, but host name or address do: no second, empty one is made beside it."""
        if recorded is None or recorded.container_id is None or self._desired.vmid is not None:
            return None
        vmid = recorded.container_id
        guest = next((one for one in view.guests if (one.vmid, one.kind) == (vmid, "lxc")), None)
        if guest is None:
            return None
        coming = view.config(vmid).coming
        address = recorded.ip_address.partition("/")[0]
        same = coming.get("hostname") == self.spec.hostname or address in parse_net(coming)
        return guest if same else None

    def observe(self) -> ContainerFacts:
        found = self._find()
        if found is None:
            return NOTHING
        guest = found.guest
        proof = found.proof(self.spec.instance_id)
        unproven = proof.doubt()
        if unproven is not None and proof.may_be_ours:
            # Said by its marker, too: which of the three lacks is what there is to be done about.
            unproven = self._proof(found).doubt()
        # One that somebody else started, or whose first start was cut off, is not up yet: `start`
        # writes its marker, without which nothing may be done in it.
        unmarked = is_unmarked(found.config.current.get("description", ""))
        return ContainerFacts(
            exists=True,
            running=found.running and not unmarked,
            owner=found.owner,
            attributes={
                **attributes.observed(
                    self._desired,
                    found.config,
                    guest.node,
                    guest.vmid,
                    found.ha,
                    found.jobs.values(),
                ),
                **interface_of(self.spec, found.config.current, found.second_address),
                **given_address(self._cluster.session, found),
                "identity": proof.noted,
            },
            pending=attributes.pending(self._desired, found.config),
            refusals=found.refusals,
            unproven=unproven,
            identity=proof.identity,
            hardware_address=hardware_address_of(found.config.current),
        )

    def copies(self) -> tuple[str, ...]:
        view = self._cluster.view(0)
        claims = claiming(self.spec.instance_id, view.guests)
        meant = choose(self.spec, self._desired, view.guests, self._recorded)
        return tuple(f"{one.vmid} on node {one.node}" for one in claims if one != meant)

    # Proof

    def _proof(self, found: Found) -> Proof:
        """What speaks for it, its marker included where that can be asked."""
        marker = self._inside(found.guest).marker() if found.running else None
        return found.proof(self.spec.instance_id, marker)

    def missing(self) -> str | None:
        found = self._find()
        return None if found is None else self._missing(found)[1]

    def _missing(self, found: Found) -> tuple[Proof, str | None]:
        proof = self._proof(found)
        lost = proof.missing(found.guest.node)
        if isinstance(lost, Refusal):
            raise ResourceError(lost.what, where=self.spec.instance_id, hint=lost.hint)
        return proof, lost

    def adopt(self, progress: Progress = SILENT) -> None:
        self._changing()
        found = self._find()
        if found is None:
            return
        proof, lost = self._missing(found)
        if lost is None:
            return
        progress.step("container adopted")
        if found.running:
            self._inside(found.guest).mark()
        self._describe(found, proof)

    def _identify(self) -> None:
        """A container that was made before there were identities, or whose host has forgotten it,
        gets one: the registry first, so that both have it or the next apply goes on."""
        found = self._lifecycle.require("configure")
        proof = found.proof(self.spec.instance_id)
        if proof.noted == NOT_RECORDED:
            self._describe(found, proof)

    def _describe(self, found: Found, proof: Proof) -> None:
        known = proof.identity or (proof.recorded.identity if proof.recorded else None)
        identity = known or registry.new_identity()
        self._note(found.guest.vmid, identity)
        notes = with_identity(proof.notes, identity)
        if instance_in_notes(notes) is None:
            notes = with_proof(notes, self.spec.instance_id, self._release_of(found.guest))
        if notes != proof.notes or tags_change(self.spec, self._desired, found.config):
            self._lifecycle.describe(found, notes)

    def _release_of(self, guest: Guest) -> str:
        """What a container was made from, of which its notes tell no more: by what runs in it."""
        argv = ["sh", "-c", '. /etc/os-release && echo "$VERSION_ID"']
        version = self._inside(guest).run(argv).stdout.decode(errors="replace").strip()
        template = f"debian-{version}-standard"
        return self.spec.template if self.spec.template.startswith(template) else template

    def _changing(self) -> None:
        """NetworkError without quorum."""
        self._made = None
        self._cluster.require_quorum(self._cluster.view(time.monotonic()))

    # Making and changing

    def prepare_machine(self, progress: Progress = SILENT) -> None:
        """Proxmox VE's nodes have all of it."""

    def preflight(self, found: ContainerFacts) -> None:
        has, spec = found.attributes, self.spec
        other = has.get("template", spec.template) != spec.template
        replacing = found.exists and spec.template_named and other
        self._cluster.require_quorum(self._cluster.view(0))
        if (
            not found.exists
            or has.get("ip_address") != spec.ip_address
            or (spec.ip6_address and has.get("ip6_address") != spec.ip6_address)
        ):
            number = has.get("container_id")
            own = number if isinstance(number, int) else None
            refuse_taken_address(self._cluster, spec, own)
        require_ha_group(self._cluster, self._desired)
        if not found.exists or replacing:
            self._lifecycle.preflight()
        elif has.get("bridge") != spec.bridge:
            self._lifecycle.require_bridge(str(has["node"]))

    def create(self, progress: Progress = SILENT) -> None:
        self._changing()
        found = self._find()
        refuse_taken_address(self._cluster, self.spec, found.guest.vmid if found else None)
        require_ha_group(self._cluster, self._desired)
        self._lifecycle.create(progress)

    def configure(self, progress: Progress = SILENT) -> None:
        self._changing()
        self._prove_marker()
        self._identify()
        was = self._lifecycle.require("configure")
        refuse_taken_address(self._cluster, self.spec, was.guest.vmid)
        require_ha_group(self._cluster, self._desired)
        self._lifecycle.leave()
        self._lifecycle.migrate(progress)
        self._lifecycle.move_disk(progress)
        self._lifecycle.configure(progress)
        self._lifecycle.register()
        now = self._lifecycle.require("configure")
        if now.running:
            require_grown(self.spec, self._desired, now, self._inside(now.guest))
        # Who is to ask for an address, or no more, does so from the start on that follows.
        if now.running and placed(was) != placed(now) and asked(was) == asked(now):
            self._wait_until_up(progress)

    def needs_restart(self, changed: frozenset[str]) -> frozenset[str]:
        return changed & RESTART_FIELDS

    # Running

    def start(self, progress: Progress = SILENT) -> None:
        self._changing()
        self._lifecycle.start(progress)
        found = self._lifecycle.require("start")
        inside = self._inside(found.guest)
        notes = found.config.current.get("description", "")
        if is_unmarked(notes):
            inside.mark(marker_until_then(notes))
            self._lifecycle.describe(found, marked(notes))
        self._wait_until_up(progress)
        self._lifecycle.register()

    def _wait_until_up(self, progress: Progress) -> None:
        waited = self.run(boot.wait_argv(self.spec), timeout=boot.BOOT_LIMIT, check=False)
        failed = boot.evaluate(waited, self.spec)
        degraded = f", degraded: {' '.join(failed)} failed" if failed else ""
        progress.step(f"container up{degraded}", 1.0)

    def stop(self, progress: Progress = SILENT) -> None:
        self._changing()
        self._prove_marker()
        self._lifecycle.stop(progress)

    def retire(self, progress: Progress = SILENT) -> None:
        self._changing()
        self._prove_marker()
        self._lifecycle.retire(progress)

    def known_as(self, identity: str) -> bool:
        return self._made_as(identity, self.spec.instance_id) is not None

    def _made_as(self, identity: str, *owners: str) -> Guest | None:
        """The container of the configured number, as far as its notes say that it was made so, and
        for one of these instances."""
        guests = self._cluster.view(time.monotonic()).guests
        return next(
            (
                guest
                for guest in guests
                if (guest.vmid, guest.kind, guest.identity) == (self._desired.vmid, "lxc", identity)
                and guest.named in owners
            ),
            None,
        )

    def become(self, other: Container, identity: str, progress: Progress = SILENT) -> None:
        assert isinstance(other, ProxmoxContainer)
        self._changing()
        place = other.spec.instance_id
        guest = self._made_as(identity, self.spec.instance_id, place)
        if guest is None:
            raise ResourceError(
                f"there is no container {self._desired.vmid} that was made as {identity}",
                where=place,
                hint="Look at its notes; nothing was changed.",
            )
        if guest.vmid in self._cluster.seen(guest.node, time.monotonic()).running:
            if guest.owner == place == self.spec.instance_id:
                return
            raise ResourceError(
                f"container {guest.vmid} runs and cannot become {other.spec.name}",
                where=place,
                hint="Stop it first.",
            )
        progress.step(f"container {guest.vmid} becomes {other.spec.name}")
        config = self._cluster.view(0).config(guest.vmid)
        # First, as for one that is made: from then on it is told from what it was.
        other._note(guest.vmid, identity)
        settings = change_to(other.spec, other._desired, config)
        self._cluster.session.call("PUT", f"{guest.path}/config", settings)
        self._made = other._made = None

    def require_removable(self, *, kept: bool = False) -> None:
        self._changing()
        self._prove_marker()
        self._lifecycle.require_removable(kept=kept)
        require_removal_privileges(self._cluster, self.spec, self._find())

    def destroy(self, progress: Progress = SILENT) -> None:
        self.require_removable()
        self._lifecycle.destroy(progress)
        self._guest = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed:
        inside = self._inside(self._guest or self._ours("run a command in"))
        self.round_trips += 1
        return inside.run(argv, stdin=stdin, stdout=stdout, timeout=timeout, check=check)

    def _prove_marker(self) -> None:
        """Ask a running container for its marker; a stopped one has no way to answer."""
        found = self._find()
        if found is None or not found.running or self._guest is None:
            return
        if not is_unmarked(found.config.current.get("description", "")):
            self._inside(self._guest).run(["true"])

    def _ours(self, action: str) -> Guest:
        return require_ours(self._find(), self.spec, action).guest

    def _inside(self, guest: Guest) -> Inside:
        cluster = self._cluster
        # Where nodes are does not change while this runs: any look will do.
        way = cluster.way_to(guest.node, cluster.view(0))
        lxc_path = cluster.paths.lxc
        return Inside(guest.vmid, self.spec.instance_id, self.spec.name, lxc_path, way)

"""What a cluster must have and grant before a container is made, changed or removed."""

from __future__ import annotations

from tasks.containers.base import ContainerSpec
from tasks.containers.proxmox.access import Https
from tasks.containers.proxmox.answers import Permissions
from tasks.containers.proxmox.api import ask
from tasks.containers.proxmox.availability import uses_rules
from tasks.containers.proxmox.cluster import Cluster
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.guests import Found
from tasks.containers.proxmox.privileges import missing, needs_to_remove
from tasks.containers.proxmox.registration import require_group
from tasks.errors import ResourceError


def refuse_taken_address(cluster: Cluster, spec: ContainerSpec, own: int | None) -> None:
    """ResourceError where another container has one of its addresses. own: the id of the
    instance's."""
    view = cluster.view(0)
    for text in spec.addresses:
        address = text.partition("/")[0]
        holder = view.holder(address, own)
        if holder is not None:
            node = view.nodes_by_id[holder]
            raise ResourceError(
                f"{address} is the address of container {holder} on node {node}",
                where=spec.name,
                hint=f"set {spec.key_of(text)} to a free one",
            )


def require_ha_group(cluster: Cluster, desired: DesiredProxmox) -> None:
    """What registration.require_group raises."""
    affinities = cluster.view(0).affinities
    rules = uses_rules(cluster.session, desired.ha, affinities)
    require_group(desired.ha, affinities, rules=rules)


def require_removal_privileges(cluster: Cluster, spec: ContainerSpec, found: Found | None) -> None:
    """ResourceError where an API token may not do all that a removal takes."""
    if found is None or not isinstance(cluster.reach.api, Https):
        return
    granted = ask(cluster.session, "/access/permissions", Permissions)
    lacking = missing(needs_to_remove(found.guest.vmid, managed=found.ha is not None), granted)
    if lacking:
        raise ResourceError(
            "the API token may not remove the container: it lacks "
            + "; ".join(f"{', '.join(need.privileges)} on {need.path}" for need in lacking),
            where=spec.name,
            hint="`./doit check --role` prints the commands that grant it",
        )

"""Whether high availability and storage replication can be had as configured."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.containers.proxmox import section_of
from tasks.containers.proxmox.affinity import Affinities
from tasks.containers.proxmox.availability import uses_rules
from tasks.containers.proxmox.cluster import cluster_of
from tasks.containers.proxmox.registration import require_group
from tasks.containers.proxmox.section import Ha
from tasks.containers.proxmox.view import View
from tasks.errors import DeployError
from tasks.model.finding import Finding, World


def check(world: World) -> Iterator[Finding]:
    """Nothing where neither is desired."""
    desired = section_of(world.instance)
    cluster = cluster_of(desired, world.paths)
    if desired.ha is not None:
        view = cluster.view(0)
        rules = uses_rules(cluster.session, desired.ha, view.affinities)
        yield evaluate_group(world, desired.ha, view.affinities, rules=rules)
        yield from evaluate_nodes(
            world, "ha", [node.partition(":")[0] for node in desired.ha.nodes], view
        )
    if desired.replication:
        targets = [job.target for job in desired.replication]
        yield from evaluate_nodes(world, "replication", targets, cluster.view(0))


def evaluate_group(world: World, desired: Ha, affinities: Affinities, *, rules: bool) -> Finding:
    if desired.group is None:
        return world.ok("ha", "the HA manager may run it on every node")
    kind = "rule" if rules else "group"
    try:
        require_group(desired, affinities, rules=rules)
        rule = affinities.rule(desired.group) if rules else None
    except DeployError as error:
        return world.failed("ha", error)
    if rule is not None and rule.disabled:
        return world.warning(
            "ha",
            f"HA rule {rule.name} is disabled: the HA manager does not heed it",
            f"`ha-manager rules set node-affinity {rule.name} --disable 0` on a node",
        )
    nodes = affinities.nodes_of(desired.group)
    if not nodes:
        return world.ok("ha", f"{kind} {desired.group} will be made, on {', '.join(desired.nodes)}")
    return world.ok("ha", f"{kind} {desired.group} is there, on {', '.join(nodes)}")


def evaluate_nodes(world: World, topic: str, names: list[str], view: View) -> Iterator[Finding]:
    unknown = sorted(set(names) - set(view.members))
    if unknown:
        known = ", ".join(sorted(view.members))
        what = f"there is no node {', '.join(unknown)}"
        yield world.problem(topic, what, f"Name only these: {known}")

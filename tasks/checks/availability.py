"""Whether high availability and storage replication can be had as they are wished."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.checks.finding import Finding, World
from tasks.containers.proxmox.affinity import Affinities
from tasks.containers.proxmox.availability import uses_rules
from tasks.containers.proxmox.cluster import cluster_of
from tasks.containers.proxmox.registration import require_group
from tasks.containers.proxmox.view import View
from tasks.errors import DeployError
from tasks.model.instance import Ha


def check(world: World) -> Iterator[Finding]:
    """Nothing where neither is wished."""
    wish = world.instance.proxmox
    assert wish is not None
    cluster = cluster_of(wish, world.paths)
    if wish.ha is not None:
        view = cluster.view(0)
        rules = uses_rules(cluster.session, wish.ha, view.affinities)
        yield judge_group(world, wish.ha, view.affinities, rules=rules)
        yield from judge_nodes(
            world, "ha", [node.partition(":")[0] for node in wish.ha.nodes], view
        )
    if wish.replication:
        targets = [job.target for job in wish.replication]
        yield from judge_nodes(world, "replication", targets, cluster.view(0))


def judge_group(world: World, wish: Ha, affinities: Affinities, *, rules: bool) -> Finding:
    if wish.group is None:
        return world.ok("ha", "the HA manager may run it on every node")
    kind = "rule" if rules else "group"
    try:
        require_group(wish, affinities, rules=rules)
        rule = affinities.rule(wish.group) if rules else None
    except DeployError as error:
        return world.failed("ha", error)
    if rule is not None and rule.disabled:
        return world.warning(
            "ha",
            f"HA rule {rule.name} is disabled: the HA manager does not heed it",
            f"`ha-manager rules set node-affinity {rule.name} --disable 0` on a node",
        )
    nodes = affinities.nodes_of(wish.group)
    if not nodes:
        return world.ok("ha", f"{kind} {wish.group} will be made, on {', '.join(wish.nodes)}")
    return world.ok("ha", f"{kind} {wish.group} is there, on {', '.join(nodes)}")


def judge_nodes(world: World, topic: str, names: list[str], view: View) -> Iterator[Finding]:
    unknown = sorted(set(names) - set(view.members))
    if unknown:
        known = ", ".join(sorted(view.members))
        what = f"there is no node {', '.join(unknown)}"
        yield world.problem(topic, what, f"Name only these: {known}")

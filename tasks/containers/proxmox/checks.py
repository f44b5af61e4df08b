"""Whether Proxmox VE has what a container needs, and lets us make it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tasks.containers import container_for
from tasks.containers.address_check import asked, conflict, gateway_answers
from tasks.containers.address_check import evaluate_address as evaluate_answer
from tasks.containers.proxmox import section_of
from tasks.containers.proxmox.access import Https
from tasks.containers.proxmox.answers import Bridge, Permissions, Storage, Template, Version
from tasks.containers.proxmox.api import ask
from tasks.containers.proxmox.api_token import read_token
from tasks.containers.proxmox.cluster import Cluster, cluster_of
from tasks.containers.proxmox.lifecycle import list_templates
from tasks.containers.proxmox.privileges import TOKEN, Need, commands, missing, needs
from tasks.containers.proxmox.properties import tag_of
from tasks.containers.proxmox.selection import (
    choose_download,
    choose_storage,
    choose_template,
)
from tasks.containers.proxmox.view import View
from tasks.errors import DeployError, NetworkError
from tasks.host.arp import is_up, who_has
from tasks.model.finding import Finding, World
from tasks.model.last_drill import SUFFIX

if TYPE_CHECKING:
    from tasks.containers.proxmox.section import Proxmox
    from tasks.model.instance import Instance

SUPPORTED = (8, 9)
TEMPLATE_GB = 0.5


def _of(world: World) -> tuple[Proxmox, Cluster]:
    desired = section_of(world.instance)
    return desired, cluster_of(desired, world.paths)


def node(world: World) -> Iterator[Finding]:
    """The API answers, its version is known, the node is up, and the cluster can be changed."""
    desired, cluster = _of(world)
    view = cluster.view(0)
    yield evaluate_quorum(world, view)
    yield evaluate_node(world, view, desired.node)
    version = ask(cluster.session, "/version", Version).version
    yield evaluate_version(world, version)
    member = view.members.get(desired.node)
    if member is not None and member.online:
        cluster.seen(desired.node, 0)
        yield world.ok("programs", f"node {desired.node} starts them")


def evaluate_version(world: World, version: str) -> Finding:
    if version.partition(".")[0] in map(str, SUPPORTED):
        return world.ok("api", f"Proxmox VE {version} answers")
    known = " and ".join(map(str, SUPPORTED))
    what = f"Proxmox VE {version} is none of {known}"
    return world.warning("api", what, "Try it with an instance that may be lost")


def evaluate_quorum(world: World, view: View) -> Finding:
    if view.quorate:
        return world.ok("quorum", "the cluster takes changes")
    return world.problem(
        "quorum",
        "the cluster has no quorum: Proxmox VE refuses every change",
        "`pvecm status` on a node shows who is missing",
        NetworkError,
    )


def evaluate_node(world: World, view: View, name: str) -> Finding:
    member = view.members.get(name)
    if member is None:
        known = ", ".join(sorted(view.members))
        what = f"there is no node {name}"
        return world.problem("node", what, f"Set proxmox.node to one of: {known}")
    if not member.online:
        what = f"node {name} is down"
        return world.problem("node", what, "`pvecm status` on another shows more", NetworkError)
    return world.ok("node", f"{name} is up")


def privileges(world: World) -> Iterator[Finding]:
    """Of the API token; root of a node may do everything."""
    desired, cluster = _of(world)
    if not isinstance(cluster.reach.api, Https):
        yield world.ok("privileges", "root of a node may do everything")
        return
    granted = ask(cluster.session, "/access/permissions", Permissions)
    lacking = missing(needs(desired, world.instance.network.bridge), granted)
    if not lacking:
        yield world.ok("privileges", "the API token has all that is needed")
    for need in lacking:
        yield world.problem(
            "privileges",
            f"the API token lacks {', '.join(need.privileges)} on {need.path}",
            "./doit check --role prints the commands that grant it",
        )
    yield from evaluate_tags(world, cluster.view(0), granted)
    yield from evaluate_drill(world, granted)


def evaluate_tags(world: World, view: View, granted: Permissions) -> Iterator[Finding]:
    """Whether the cluster's rules of tags let the token set those that are missing."""
    desired = section_of(world.instance)
    if not missing([Need("", "/", ("Sys.Modify",))], granted):
        return
    found = next((one for one in view.guests if one.owner == world.instance.id), None)
    has = view.tag_rules.keys(found.tags if found else ())
    own = [tag_of(world.instance.id), *desired.tags]
    wanted = [tag for tag in own if view.tag_rules.key(tag) not in has]
    drill = [tag_of(f"{world.instance.id}{SUFFIX}")]
    for tags, finding, why in (
        (wanted, world.problem, ""),
        (drill, world.warning, ": ./doit drill needs it"),
    ):
        forbidden = view.tag_rules.forbidden(tags, view.tags)
        if forbidden:
            yield finding(
                "tags",
                f"datacenter.cfg keeps the API token from setting the tag {', '.join(forbidden)}"
                f"{why}",
                "In Datacenter, Options, let users set it: User Tag Access (user-allow-list), and"
                " not among the Registered Tags; or give the token Sys.Modify on /",
            )


def evaluate_drill(world: World, granted: Permissions) -> Iterator[Finding]:
    """A drill's container has an id of its own."""
    desired = section_of(world.instance)
    elsewhere = replace(desired, container_id=None)
    lacking = missing(needs(elsewhere, world.instance.network.bridge)[:1], granted)
    if desired.container_id is not None and lacking:
        yield world.warning(
            "drill",
            f"the API token may make container {desired.container_id} and no other: ./doit drill"
            " needs one with an id of its own for a while",
            "Set proxmox.pool, and grant the role on that pool as ./doit check --role says then; or"
            " leave proxmox.container_id out",
        )


def storage(world: World) -> Iterator[Finding]:
    """For the disk and further mount points; for a container that is there, of what grows."""
    desired, cluster = _of(world)
    rows = ask(cluster.session, f"/nodes/{desired.node}/storage", list[Storage])
    found = container_for(world.instance, world.paths).observe()
    wanted = float(world.instance.resources.disk_size_gb)
    has: Any = found.attributes.get("disk_size_gb", 0)
    storage = str(found.attributes["storage"]) if found.exists else desired.storage
    yield evaluate_storage(world, rows, "rootfs", storage, max(wanted - float(has), 0))
    for mount in desired.mounts:
        there: Any = found.attributes.get(f"mounts[{mount.path}].size_gb") or 0
        more = max(mount.size_gb - float(there), 0)
        yield evaluate_storage(world, rows, mount.path, mount.storage, more)


def evaluate_storage(
    world: World,
    rows: Sequence[Storage],
    disk: str,
    desired: str | None,
    needed_gb: float,
) -> Finding:
    try:
        name = choose_storage(desired, "rootdir", needed_gb, rows, where=world.instance.id)
    except DeployError as error:
        return world.failed("storage", error)
    return world.ok("storage", f"{name} has room for {needed_gb:g} GiB more for {disk}")


def template(world: World) -> Iterator[Finding]:
    desired, cluster = _of(world)
    there = container_for(world.instance, world.paths).observe()
    if there.exists:
        yield world.ok("template", f"the container has been made from {there.template}")
        return
    wanted = world.instance.template
    session = cluster.session
    rows = ask(session, f"/nodes/{desired.node}/storage", list[Storage])
    volumes = list_templates(session, desired.node, rows)
    found = choose_template(wanted, volumes, world.instance.id)
    if found:
        yield world.ok("template", f"{found} is there")
        return
    if not desired.download:
        what = f"node {desired.node} has no template {wanted}, and none may be downloaded"
        yield world.problem("template", what, "`pveam download`, or proxmox.download: true")
        return
    available = ask(session, f"/nodes/{desired.node}/aplinfo", list[Template])
    names = [row.template for row in available]
    name = choose_download(wanted, names, world.instance.id)
    target = choose_storage(None, "vztmpl", TEMPLATE_GB, rows, where=world.instance.id)
    yield world.ok("template", f"{name} can be downloaded to {target}")


def bridge(world: World) -> Iterator[Finding]:
    desired, cluster = _of(world)
    path = f"/nodes/{desired.node}/network"
    names = sorted(
        row.iface for row in ask(cluster.session, path, list[Bridge], {"type": "any_bridge"})
    )
    name = world.instance.network.bridge
    if name in names:
        yield world.ok("bridge", f"node {desired.node} has {name}")
    else:
        known = ", ".join(names) or "none that the token may use"
        what = f"node {desired.node} has no bridge {name}"
        yield world.problem("bridge", what, f"Set network.bridge to one of: {known}")


def address(world: World) -> Iterator[Finding]:
    """Whether another guest of the cluster, or another instance of this host, has it."""
    desired, cluster = _of(world)
    if taken := conflict(world):
        yield taken
        return
    yield from asked(world)
    if world.instance.network.is_given:
        return
    found = container_for(world.instance, world.paths).observe()
    own: Any = found.attributes.get("container_id")
    yield evaluate_address(world, cluster.view(0), own)
    yield from probe(world, desired, cluster)


def evaluate_address(world: World, view: View, own: int | None) -> Finding:
    desired = world.instance.network.interface.ip
    vmid = view.holder(str(desired), own)
    if vmid is not None:
        what = f"{desired} is the address of container {vmid} on node {view.nodes_by_id[vmid]}"
        return world.problem("address", what, "Set network.ip_address to a free one")
    return world.ok("address", f"no other container of the cluster has {desired}")


def probe(world: World, desired: Proxmox, cluster: Cluster) -> Iterator[Finding]:
    """Ask the bridge who has address and gateway, where this machine is the node."""
    network = world.instance.network
    here = cluster.is_node and cluster.view(0).node == desired.node
    if not here or network.interface.version != 4 or not is_up(network.bridge):
        return
    found = container_for(world.instance, world.paths).observe()
    if found.running and found.attributes.get("ip_address") == network.ip_address:
        return
    taken = who_has(IPv4Address(network.interface.ip), network.bridge)
    yield evaluate_answer(world, asked=True, taken=taken)
    gateway = IPv4Address(network.gateway or "")
    if gateway_answers(gateway, network.bridge):
        yield world.ok("gateway", f"{gateway} answers on {network.bridge}")
    else:
        yield world.warning(
            "gateway",
            f"{gateway} does not answer on {network.bridge}",
            "Correct network.gateway, or give that address to the bridge",
        )


def grants(instances: Sequence[Instance]) -> list[str]:
    """Commands that grant the API tokens of these instances what they need, each once."""
    wanted: dict[str, list[Need]] = {}
    for instance in instances:
        desired = section_of(instance)
        file = desired.connection.token_file
        token = read_token(file) if file else None
        name = f"{token.user}!{token.name}" if token else TOKEN
        wanted.setdefault(name, []).extend(needs(desired, instance.network.bridge))
    lines = [line for name, found in wanted.items() for line in commands(found, name)]
    return list(dict.fromkeys(lines))

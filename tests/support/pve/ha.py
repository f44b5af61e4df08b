"""The stand-in's HA manager: resources, groups as version 8 has them, rules as version 9 has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pve.cluster import Cluster, Guest, Refused, Task
from pve.files import rules_text

Parameters = dict[str, Any]

WITH_RULES = 9
"""The first version with rules; what groups there were, became rules when it came."""


def settings(values: Parameters, *names: str) -> Parameters:
    """What a section holds of a call's parameters."""
    return {key: value for key, value in values.items() if key not in (*names, "delete", "digest")}


def _listed(text: object) -> list[str]:
    return [one for one in re.split(r"[;,\s]+", str(text)) if one]


def manages(cluster: Cluster, vmid: int) -> bool:
    """Whether what is asked of a container itself is only passed on to the HA manager."""
    resource = cluster.ha.get(f"ct:{vmid}")
    return resource is not None and resource.get("state") != "ignored"


def request(cluster: Cluster, user: str, guest: Guest, kind: str, *command: str) -> str:
    """Tell the HA manager something of a container: the task is over when that was told."""
    sid = f"ct:{guest.vmid}"

    def tell(_: Task) -> None:
        if command[0] == "start":
            cluster.ha[sid]["state"] = "started"
        else:
            cluster.ha_commands[sid] = list(command)

    said = [f"Requesting HA {command[0]} for CT {guest.vmid}"]
    return cluster.begin(guest.node, kind, guest.vmid, user, tell, said, works=False)


def _require_group(cluster: Cluster, values: Parameters) -> None:
    group = values.get("group")
    if group is None:
        return
    if cluster.version >= WITH_RULES:
        raise Refused(500, "invalid parameter 'group': ha groups have been migrated to rules")
    if group not in cluster.ha_groups:
        raise Refused(500, f"HA group '{group}' does not exist")


def _add_resource(cluster: Cluster, _: str, values: Parameters) -> None:
    sid = values["sid"]
    if int(sid.removeprefix("ct:")) not in cluster.guests:
        raise Refused(500, f"unable to add HA resource '{sid}': no such container")
    if sid in cluster.ha:
        raise Refused(500, f"resource ID '{sid}' already defined")
    _require_group(cluster, values)
    cluster.ha[sid] = settings(values, "sid")


def _change_resource(cluster: Cluster, _: str, values: Parameters) -> None:
    sid = values["sid"]
    if sid not in cluster.ha:
        raise Refused(500, f"no such resource '{sid}'")
    _require_group(cluster, values)
    cluster.ha[sid] |= settings(values, "sid")
    for name in _listed(values.get("delete", "")):
        cluster.ha[sid].pop(name, None)


def _remove_resource(cluster: Cluster, _: str, values: Parameters) -> None:
    if values["sid"] not in cluster.ha:
        raise Refused(500, f"cannot delete service '{values['sid']}', not HA managed!")
    forget(cluster, values["sid"], purge=bool(values.get("purge", 1)))


def forget(cluster: Cluster, sid: str, *, purge: bool = True) -> None:
    """A resource goes; purge: out of the rules that name it, too, and a rule with its last one."""
    cluster.ha.pop(sid, None)
    cluster.ha_commands.pop(sid, None)
    cluster.ha_tries.pop(sid, None)
    for name, rule in list(cluster.ha_rules.items()) if purge else ():
        left = [one for one in _listed(rule["resources"]) if one != sid]
        if left:
            rule["resources"] = ",".join(left)
        else:
            del cluster.ha_rules[name]


def _require_nodes(cluster: Cluster, values: Parameters) -> None:
    names = [node.partition(":")[0] for node in _listed(values.get("nodes", ""))]
    unknown = sorted(set(names) - set(cluster.nodes))
    if unknown:
        raise Refused(500, f"cannot use non-existant node(s) {', '.join(unknown)}.")


def _groups(cluster: Cluster) -> dict[str, Parameters]:
    if cluster.version >= WITH_RULES:
        raise Refused(500, "cannot index groups: ha groups have been migrated to rules")
    return cluster.ha_groups


def _add_group(cluster: Cluster, _: str, values: Parameters) -> None:
    groups = _groups(cluster)
    if values["group"] in groups:
        raise Refused(500, f"ha group ID '{values['group']}' already defined")
    groups[values["group"]] = {
        "nofailback": 0,
        "restricted": 0,
        **settings(values, "group", "type"),
    }


def _change_group(cluster: Cluster, _: str, values: Parameters) -> None:
    groups = _groups(cluster)
    if values["group"] not in groups:
        raise Refused(500, f"ha group '{values['group']}' does not exist")
    groups[values["group"]] |= settings(values, "group")


def _check_rule(cluster: Cluster, name: str, values: Parameters) -> None:
    unmanaged = sorted(set(_listed(values.get("resources", ""))) - set(cluster.ha))
    if unmanaged:
        raise Refused(500, f"cannot use unmanaged resource(s) {', '.join(unmanaged)}.")
    _require_nodes(cluster, values)
    for other, rule in cluster.ha_rules.items():
        both = set(_listed(rule["resources"])) & set(_listed(values.get("resources", "")))
        if other != name and both and "disable" not in rule and rule["type"] == values["type"]:
            text = f"resource '{min(both)}' is already used in another node affinity rule"
            raise Refused(400, f"Rule '{name}' is invalid.", {"resources": text})


def _add_rule(cluster: Cluster, _: str, values: Parameters) -> None:
    name = values["rule"]
    if name in cluster.ha_rules:
        raise Refused(500, f"create ha rule failed: HA rule '{name}' already defined")
    if values["type"] == "node-affinity" and "nodes" not in values:
        raise Refused(400, "Parameter verification failed.", {"nodes": "missing value"})
    _check_rule(cluster, name, values)
    cluster.ha_rules[name] = settings(values, "rule")


def _change_rule(cluster: Cluster, _: str, values: Parameters) -> None:
    digest = hashlib.sha1(rules_text(cluster).encode()).hexdigest()
    if values.get("digest", digest) != digest:
        raise Refused(
            500,
            "update HA rules failed: detected modified configuration - file changed by "
            "other user? Try again.",
        )
    name = values["rule"]
    if name not in cluster.ha_rules:
        raise Refused(500, f"update HA rules failed: HA rule '{name}' does not exist")
    _check_rule(cluster, name, values)
    cluster.ha_rules[name] |= settings(values, "rule")


def _remove_rule(cluster: Cluster, _: str, values: Parameters) -> None:
    cluster.ha_rules.pop(values["rule"], None)


def privileges(calls: Iterable[str]) -> dict[str, tuple[str, str]]:
    """All of it may change whoever may use the nodes' console."""
    return dict.fromkeys(calls, ("/", "Sys.Console"))


HANDLERS: Mapping[str, Callable[[Cluster, str, Parameters], Any]] = {
    "POST /cluster/ha/groups": _add_group,
    "PUT /cluster/ha/groups/{group}": _change_group,
    "POST /cluster/ha/resources": _add_resource,
    "PUT /cluster/ha/resources/{sid}": _change_resource,
    "DELETE /cluster/ha/resources/{sid}": _remove_resource,
    "POST /cluster/ha/rules": _add_rule,
    "PUT /cluster/ha/rules/{rule}": _change_rule,
    "DELETE /cluster/ha/rules/{rule}": _remove_rule,
}

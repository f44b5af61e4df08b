"""What the stand-in answers to each call of the contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pve import containers, ha, manager, tickets
from pve.cluster import Cluster, Guest, Refused, Task
from pve.contract import ContractBroken, Route, check_call, load, route
from pve.rights import EVERY_PRIVILEGE, has, may, rights_of

Parameters = dict[str, Any]
Handler = Callable[[Cluster, str, Parameters], Any]

PRIVILEGES: Mapping[str, tuple[str, str]] = {
    "GET /cluster/status": ("/", "Sys.Audit"),
    "POST /nodes/{node}/aplinfo": ("/storage/{storage}", "Datastore.AllocateTemplate"),
    "POST /nodes/{node}/lxc": ("/vms/{vmid}", "VM.Allocate"),
    "DELETE /nodes/{node}/lxc/{vmid}": ("/vms/{vmid}", "VM.Allocate"),
    "GET /nodes/{node}/lxc/{vmid}/config": ("/vms/{vmid}", "VM.Audit"),
    "GET /nodes/{node}/lxc/{vmid}/interfaces": ("/vms/{vmid}", "VM.Audit"),
    "GET /nodes/{node}/lxc/{vmid}/pending": ("/vms/{vmid}", "VM.Audit"),
    "GET /nodes/{node}/lxc/{vmid}/status/current": ("/vms/{vmid}", "VM.Audit"),
    "PUT /nodes/{node}/lxc/{vmid}/config": ("/vms/{vmid}", "VM.Config.Options"),
    "PUT /nodes/{node}/lxc/{vmid}/resize": ("/vms/{vmid}", "VM.Config.Disk"),
    "POST /nodes/{node}/lxc/{vmid}/status/start": ("/vms/{vmid}", "VM.PowerMgmt"),
    "POST /nodes/{node}/lxc/{vmid}/status/stop": ("/vms/{vmid}", "VM.PowerMgmt"),
    "POST /nodes/{node}/lxc/{vmid}/status/shutdown": ("/vms/{vmid}", "VM.PowerMgmt"),
    **ha.privileges(ha.HANDLERS),
}


def typed(cluster: Cluster, call: str, given: Mapping[str, str]) -> Parameters:
    """Parameters as they arrive, all text, with the numbers of the contract as numbers."""
    rules = load(cluster.version)["calls"][call]["parameters"]
    values: Parameters = {}
    for name, text in given.items():
        kind = rules.get(name, {}).get("type")
        number = kind in ("integer", "boolean") and text.lstrip("-").isdigit()
        values[name] = int(text) if number else text
    return values


def answer(cluster: Cluster, user: str, method: str, path: str, given: Mapping[str, str]) -> Any:
    """A call's data; Refused where Proxmox VE would refuse it."""
    called = route(load(cluster.version), method, path)
    time.sleep(cluster.delays.get(called.call, 0) if called else 0)
    with cluster.lock:
        cluster.finish_due()
        manager.work(cluster)
        cluster.publish()
        contract = load(cluster.version)
        found = route(contract, method, path)
        if found is None:
            raise Refused(501, f"Method '{method} {path}' not implemented")
        parameters = typed(cluster, found.call, given)
        cluster.calls.append((method, path, dict(parameters)))
        cluster.meet_injected(f"{method} {path}")
        try:
            check_call(contract, method, path, parameters)
        except ContractBroken as broken:
            raise Refused(400, "Parameter verification failed.", broken.problems) from broken
        merged = {**parameters, **typed(cluster, found.call, found.values)}
        _require_node(cluster, found)
        _require_right(cluster, user, found.call, merged)
        if method != "GET" and path != "/access/ticket" and not cluster.quorate:
            raise Refused(500, "cluster not ready - no quorum?")
        try:
            return HANDLERS[found.call](cluster, user, merged)
        finally:
            cluster.publish()


def _require_node(cluster: Cluster, found: Route) -> None:
    name = found.values.get("node")
    if name is None:
        return
    if name not in cluster.nodes:
        raise Refused(500, f"hostname lookup '{name}' failed")
    if not cluster.nodes[name].online:
        raise Refused(595, "No route to host")


def _require_right(cluster: Cluster, user: str, call: str, values: Parameters) -> None:
    if call in PRIVILEGES:
        form, privilege = PRIVILEGES[call]
        path = form.format(**values)
        if path.startswith("/vms/"):
            granted = may(cluster, user, values["vmid"], privilege, values.get("pool"))
        else:
            granted = has(rights_of(cluster, user), path, privilege)
        if not granted:
            # Of a creation it does not say what is missing.
            what = "" if call == "POST /nodes/{node}/lxc" else f" ({path}, {privilege})"
            raise Refused(403, f"Permission check failed{what}")


def seen(cluster: Cluster, user: str) -> list[Guest]:
    """Lists leave out silently what the user may not see."""
    return [
        guest for guest in cluster.guests.values() if may(cluster, user, guest.vmid, "VM.Audit")
    ]


def _summary(guest: Guest) -> Parameters:
    shown = {
        "vmid": guest.vmid,
        "name": guest.config.get("hostname", f"CT{guest.vmid}"),
        "status": "running" if guest.running else "stopped",
        "maxmem": int(guest.config["memory"]) << 20,
        "cpus": guest.config.get("cores", 0),
    }
    for name in ("tags", "lock"):
        if name in guest.config:
            shown[name] = guest.config[name]
    return shown


def _resources(cluster: Cluster, user: str, values: Parameters) -> Any:
    kind = values.get("type")
    found: list[Parameters] = []
    if kind in (None, "vm"):
        for guest in seen(cluster, user):
            more = {"id": f"lxc/{guest.vmid}", "type": "lxc", "node": guest.node}
            found.append(
                {**_summary(guest), **more, **({"pool": guest.pool} if guest.pool else {})}
            )
        found += [
            {"id": f"qemu/{vmid}", "type": "qemu", "vmid": vmid, "node": node}
            for vmid, node in cluster.machines.items()
        ]
    if kind in (None, "node"):
        found += [
            {
                "id": f"node/{node.name}",
                "type": "node",
                "node": node.name,
                "status": "online" if node.online else "offline",
            }
            for node in cluster.nodes.values()
        ]
    return found


def _next_id(cluster: Cluster, _: str, values: Parameters) -> str:
    wanted = values.get("vmid")
    taken = {*cluster.guests, *cluster.machines}
    if wanted in taken:
        raise Refused(
            400, "Parameter verification failed.", {"vmid": f"VM {wanted} already exists"}
        )
    return str(wanted or next(i for i in range(100, 10**9) if i not in taken))


def _status(cluster: Cluster, _: str, __: Parameters) -> Any:
    nodes = [
        {"type": "node", "name": node.name, "online": int(node.online), "id": f"node/{node.name}"}
        for node in cluster.nodes.values()
    ]
    if len(nodes) == 1:
        return nodes
    return [{"type": "cluster", "name": "lab", "quorate": int(cluster.quorate)}, *nodes]


def _task(cluster: Cluster, values: Parameters) -> Task:
    task = cluster.tasks.get(values["upid"])
    if task is None or task.node != values["node"]:
        raise Refused(500, f"no such task '{values['upid']}'")
    return task


def _task_status(cluster: Cluster, _: str, values: Parameters) -> Any:
    task = _task(cluster, values)
    shown = {"upid": task.upid, "node": task.node, "type": task.kind, "status": "running"}
    if task.exit_status is not None:
        shown |= {"status": "stopped", "exitstatus": task.exit_status}
    return shown


def _task_log(cluster: Cluster, _: str, values: Parameters) -> Any:
    # As the real one, which never answers with an empty list of an empty log.
    lines = _task(cluster, values).log or ["no content"]
    start = values.get("start", 0)
    shown = lines[start : start + values.get("limit", 50)]
    return [{"n": start + index + 1, "t": text} for index, text in enumerate(shown)]


def _storages(cluster: Cluster, _: str, values: Parameters) -> Any:
    return [
        {
            "storage": one.name,
            "content": one.content,
            "total": one.total,
            "used": cluster.used(values["node"], one.name),
            "avail": one.total - cluster.used(values["node"], one.name),
            "active": int(one.active),
            "enabled": 1,
            "shared": int(one.shared),
        }
        for one in cluster.nodes[values["node"]].storages.values()
        if values.get("content", "") in one.content
    ]


def _content(cluster: Cluster, _: str, values: Parameters) -> Any:
    volumes = cluster.nodes[values["node"]].templates
    mine = f"{values['storage']}:"
    return [{"volid": one, "content": "vztmpl"} for one in volumes if one.startswith(mine)]


def _available(cluster: Cluster, _: str, values: Parameters) -> Any:
    node = cluster.nodes[values["node"]]
    return [{"template": one, "section": "system", "os": one[:9]} for one in node.available]


def _download(cluster: Cluster, user: str, values: Parameters) -> str:
    node = cluster.nodes[values["node"]]
    if values["template"] not in node.available:
        raise Refused(400, "no such template")

    def land(task: Task) -> None:
        volume = f"{values['storage']}:vztmpl/{values['template']}"
        node.templates.append(volume)

    return cluster.begin(node.name, "download", None, user, land, ["downloading 10%", "100%"])


def _bridges(cluster: Cluster, _: str, values: Parameters) -> Any:
    node = cluster.nodes[values["node"]]
    return [{"iface": name, "type": "bridge", "active": 1} for name in node.bridges]


def _permissions(cluster: Cluster, user: str, _: Parameters) -> Any:
    rights = rights_of(cluster, user)
    every = {"/": EVERY_PRIVILEGE}
    granted = dict(every if rights is None else rights)
    # What rights on a pool give is listed of each guest that is in it.
    for guest in cluster.guests.values():
        if guest.pool and f"/pool/{guest.pool}" in granted:
            granted[f"/vms/{guest.vmid}"] = granted[f"/pool/{guest.pool}"]
    return {path: dict.fromkeys(sorted(names), 1) for path, names in granted.items()}


def _current(cluster: Cluster, _: str, values: Parameters) -> Any:
    return _summary(cluster.guest(values["node"], values["vmid"]))


def _list(cluster: Cluster, user: str, values: Parameters) -> Any:
    return [_summary(guest) for guest in seen(cluster, user) if guest.node == values["node"]]


def _version(cluster: Cluster, _: str, __: Parameters) -> Any:
    full = load(cluster.version)["version"]
    return {"version": full, "release": full.rpartition(".")[0]}


def _add_replication(cluster: Cluster, _: str, values: Parameters) -> None:
    if values["id"] in cluster.replication:
        raise Refused(500, f"replication job '{values['id']}' already exists")
    if values["target"] not in cluster.nodes:
        raise Refused(500, f"no such cluster node '{values['target']}'")
    cluster.replication[values["id"]] = ha.settings(values, "id", "type")


def _change_replication(cluster: Cluster, _: str, values: Parameters) -> None:
    cluster.replication[values["id"]] |= ha.settings(values, "id")


def _remove_replication(cluster: Cluster, _: str, values: Parameters) -> None:
    if cluster.replication.pop(values["id"], None) is None:
        raise Refused(500, f"no such job '{values['id']}'")


HANDLERS: Mapping[str, Handler] = {
    "GET /version": _version,
    "GET /access/permissions": _permissions,
    "GET /cluster/nextid": _next_id,
    "POST /cluster/replication": _add_replication,
    "PUT /cluster/replication/{id}": _change_replication,
    "DELETE /cluster/replication/{id}": _remove_replication,
    "GET /cluster/resources": _resources,
    "GET /cluster/status": _status,
    "GET /nodes/{node}/aplinfo": _available,
    "POST /nodes/{node}/aplinfo": _download,
    "GET /nodes/{node}/lxc": _list,
    "GET /nodes/{node}/lxc/{vmid}/status/current": _current,
    "GET /nodes/{node}/network": _bridges,
    "GET /nodes/{node}/storage": _storages,
    "GET /nodes/{node}/storage/{storage}/content": _content,
    "GET /nodes/{node}/tasks/{upid}/log": _task_log,
    "GET /nodes/{node}/tasks/{upid}/status": _task_status,
    **containers.HANDLERS,
    **ha.HANDLERS,
    **tickets.HANDLERS,
}

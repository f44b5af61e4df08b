"""Who may do what: API tokens and their roles, as Proxmox VE's access control judges them."""

from __future__ import annotations

from collections.abc import Mapping

from pve.cluster import Cluster, Refused

Rights = Mapping[str, frozenset[str]] | None

EVERY_PRIVILEGE = frozenset(
    f"{kind}.{name}"
    for kind, names in {
        "Datastore": ("Allocate", "AllocateSpace", "AllocateTemplate", "Audit"),
        "Pool": ("Allocate", "Audit"),
        "SDN": ("Allocate", "Audit", "Use"),
        "Sys": ("Audit", "Console", "Modify"),
        "VM": ("Allocate", "Audit", "Backup", "Console", "Migrate", "PowerMgmt", "Snapshot"),
        "VM.Config": ("CPU", "Disk", "Memory", "Network", "Options"),
    }.items()
    for name in names
)
"""What root@pam has, of what matters to containers."""


def rights_of(cluster: Cluster, user: str) -> Rights:
    known = cluster.tokens.get(user) or cluster.users.get(user)
    return known.rights if known else None


def has(rights: Rights, path: str, privilege: str) -> bool:
    """Rights on a path hold for everything below it."""
    if rights is None:
        return True
    below = (at == "/" or path == at or path.startswith(f"{at}/") for at in rights)
    return any(fits and privilege in rights[at] for fits, at in zip(below, rights, strict=True))


def may(cluster: Cluster, user: str, vmid: int, privilege: str, pool: str | None = None) -> bool:
    """Of a guest: rights on the pool that it is in hold for it. pool: where it is to be."""
    rights = rights_of(cluster, user)
    pool = cluster.guests[vmid].pool if vmid in cluster.guests else pool
    paths = [f"/vms/{vmid}", *([f"/pool/{pool}"] if pool else [])]
    return any(has(rights, path, privilege) for path in paths)


def refuse_tags(cluster: Cluster, user: str, vmid: int, before: str, after: str) -> None:
    """Whoever sets tags needs VM.Config.Options on the guest as it is now, which at its creation
    is in no pool yet; and datacenter.cfg says which tags it may be."""
    changed = _tags(before) ^ _tags(after)
    if not changed:
        return
    if not may(cluster, user, vmid, "VM.Config.Options"):
        raise Refused(403, f"Permission check failed (/vms/{vmid}, VM.Config.Options)")
    if has(rights_of(cluster, user), "/", "Sys.Modify"):
        return
    access = dict(
        part.split("=", 1) for part in cluster.options.get("user-tag-access", "").split(",") if part
    )
    allow = access.get("user-allow", "free")
    allowed = _tags(access.get("user-allow-list", "")) if allow != "none" else set()
    if allow in ("free", "existing"):
        for guest in cluster.guests.values():
            allowed |= _tags(str(guest.config.get("tags", "")))
    registered = _tags(cluster.options.get("registered-tags", ""))
    for tag in sorted(changed):
        if (allow != "free" and tag not in allowed) or tag in registered:
            text = f"Permission check failed (/, Sys.Modify for modifying tag '{tag}')"
            raise Refused(403, text)


def unique_tags(cluster: Cluster, tags: str) -> str:
    """As they are kept: sorted, and lower case unless case tells tags apart."""
    if "case-sensitive=1" in cluster.options.get("tag-style", ""):
        return ";".join(sorted(_tags(tags)))
    return ";".join(sorted(_tags(tags.lower())))


def _tags(text: str) -> set[str]:
    return {tag for tag in text.replace(",", ";").replace(" ", ";").split(";") if tag}

"""Plain LXC on this machine: tasks.containers.base.LocalDriver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.containers.base import RECORDED, ContainerSpec, DiskNeed

if TYPE_CHECKING:
    from tasks.containers.lxc.container import LxcContainer
    from tasks.containers.lxc.section import Lxc
    from tasks.model.finding import Concern, Finding
    from tasks.model.instance import DriverName, Instance
    from tasks.paths import Paths

ROOT_FILE_SYSTEM_GB = 1.0
"""mmdebstrap's result with what it downloads, in the cache."""

CONTAINER_GB = 1.0
"""Packages, release and first data of a container."""


PACKAGES = (
    "ca-certificates",
    "iproute2",
    "iptables",
    "lxc",
    "lxcfs",
    "mmdebstrap",
    "mount",
    "uidmap",
    "util-linux",
)


class LxcDriver:
    """See tasks.containers.base.LocalDriver."""

    name: DriverName = "lxc"
    keys: tuple[str, ...] = ("lxc.template",)
    moving: tuple[str, ...] = ()
    packages: tuple[str, ...] = PACKAGES
    makes_networks = True

    @property
    def section(self) -> type[Lxc]:
        from tasks.containers.lxc.section import Lxc

        return Lxc

    def is_here(self) -> bool:
        return True

    def more_of(self, instance: Instance) -> Mapping[str, object]:
        from tasks.containers.lxc.identity import AS_WRITTEN, NAME_FILES, NETWORK_FILE
        from tasks.model.instance import DHCP

        own = {file.path for file in instance.files}
        asks = DHCP in (instance.network.ip_address, instance.network.ip6_address)
        written = (*NAME_FILES, *([NETWORK_FILE] if asks else []))
        names = {path: AS_WRITTEN for path in written if path not in own}
        return {"autostart": True, "forwarding": True, "identity": RECORDED, **names}

    def from_spec(self, spec: ContainerSpec, paths: Paths) -> LxcContainer:
        from tasks.containers.lxc.container import LxcContainer

        return LxcContainer(spec, paths)

    def container(self, spec: ContainerSpec, instance: Instance, paths: Paths) -> LxcContainer:
        return self.from_spec(spec, paths)

    def named(self, name: str, instance_id: str, paths: Paths) -> LxcContainer:
        spec = ContainerSpec(name, instance_id, "", instance_id, 0, 0, 0, "", "", "")
        return self.from_spec(spec, paths)

    def list_owned(self, paths: Paths) -> Sequence[tuple[str, str]]:
        from tasks.containers.lxc.container import LxcContainer

        return LxcContainer.list_owned(paths)

    def location(self, instance: Instance) -> tuple[None, None]:
        return None, None

    def double(self, instance: Instance, suffix: str) -> Mapping[str, Any]:
        return {"name": f"{instance.container_name}{suffix}"}

    def numbered(self, number: int | None) -> Mapping[str, Any]:
        return {}

    def next_number(self, instance: Instance, paths: Paths) -> None:
        return None

    # What `check` asks

    def check_machine(self, paths: Paths) -> Iterable[Finding]:
        from tasks.containers.lxc.preflight import evaluate, preflight

        return evaluate(preflight(paths))

    def disk_needs(self, instances: Sequence[Instance], paths: Paths) -> Iterable[DiskNeed]:
        from tasks.containers import container_for

        for instance in instances:
            now = 0.0 if container_for(instance, paths).observe().exists else CONTAINER_GB
            later = float(instance.resources.disk_size_gb)
            yield DiskNeed(paths.lxc, instance.id, now, later)
        if not any((paths.cache / "rootfs").glob("*")):
            yield DiskNeed(paths.cache, "the root file system", ROOT_FILE_SYSTEM_GB)

    reach_checks: tuple[tuple[str, Concern], ...] = ()

    @property
    def container_checks(self) -> tuple[tuple[str, Concern], ...]:
        from tasks.containers.lxc import network_check, template_check

        return (("address", network_check.check), ("template", template_check.check))

    def grants(self, instances: Sequence[Instance]) -> Sequence[str]:
        return ()

    def unfinished(self) -> Sequence[str]:
        return ()


DRIVER = LxcDriver()

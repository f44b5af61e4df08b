"""Start and stop a container folder's container, and judge how its init came up."""

from __future__ import annotations

from pathlib import Path

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc import init
from tasks.errors import DeployError, NetworkError
from tasks.host.process import Completed, execute, last_lines
from tasks.model.instance import DHCP, is_asked

BOOT_LIMIT = 120
"""Seconds until a container that started must be up."""

STOP_LIMIT = 60
"""Seconds a container has to shut down before it is killed."""

KILL_LIMIT = 10

NO_ROUTE, DUPLICATE, NO_ADDRESS, NO_ADDRESS6 = 3, 5, 6, 7

LEASE_LIMIT = 45
"""Seconds that a DHCP server or a router has to give an address."""

WAIT_FOR_SYSTEM = f"""
until [ -S /run/systemd/private ]; do sleep 0.02; done
state=$(systemctl is-system-running --wait)
echo "$state"
systemctl list-units --state=failed --plain --no-legend --no-pager
asks=$1
asks6=$2
shift 2
deadline=$(($(date +%s) + {LEASE_LIMIT}))
while [ "$asks" = dhcp ]; do
	ip -4 -o address show dev eth0 scope global | grep -q . && break
	[ "$(date +%s)" -lt "$deadline" ] || exit {NO_ADDRESS}
	sleep 0.05
done
while [ "$asks6" != - ]; do
	ip -6 -o address show dev eth0 scope global -temporary -deprecated | grep -q . && break
	[ "$(date +%s)" -lt "$deadline" ] || exit {NO_ADDRESS6}
	sleep 0.05
done
# Until then nothing answers there, and what is sent from there gets no answer later either.
while ip -6 -o address show dev eth0 scope global tentative | grep -qv dadfailed; do
	sleep 0.02
done
! ip -6 -o address show dev eth0 scope global dadfailed | grep . >&2 || exit {DUPLICATE}
for gateway; do ip route get "$gateway" oif eth0 >/dev/null || exit {NO_ROUTE}; done
case $state in running | degraded) ;; *) exit 4 ;; esac
"""
"""Run in the container with `dhcp` or `-`, the same or `auto` of its second address, and its
gateways: prints systemd's state and the units
that failed. An address of IPv6 is looked for at others' first, for a second or two, and is there
only then."""


def wait_argv(spec: ContainerSpec) -> list[str]:
    """WAIT_FOR_SYSTEM with what it takes for a container."""
    both = (spec.ip_address, spec.ip6_address or "")
    asked = (one if is_asked(one) else "-" for one in both)
    return ["sh", "-c", WAIT_FOR_SYSTEM, "sh", *asked, *spec.gateways]


def lxc_arguments(folder: Path) -> tuple[str, str]:
    """How LXC's programs are told which container is meant."""
    return f"--lxcpath={folder.parent}", f"--name={folder.name}"


def current_init(folder: Path) -> int | None:
    """Its first process. Without one, LXC may still be clearing up behind the last: waits."""
    pid = init.running_init(folder)
    if pid is None:
        init.wait_for_monitor(folder, STOP_LIMIT)
        if init.has_monitor(folder):
            raise DeployError(
                "LXC holds the container and its first process is not on record",
                where=folder.name,
                hint=f"stop it: lxc-stop -P {folder.parent} -n {folder.name}",
            )
    return pid


def launch(folder: Path, lock: int) -> None:
    """Start it; DeployError with the log's last lines where LXC cannot.

    lxc-start holds the lock until the container runs: whoever comes after a kill of this process
    waits for that instead of starting it twice.
    """
    log = folder / "start.log"
    log.unlink(missing_ok=True)
    argv = [
        "lxc-start",
        *lxc_arguments(folder),
        "--daemon",
        f"--logfile={log}",
        "--logpriority=INFO",
    ]
    completed = execute(argv, where=folder.name, timeout=BOOT_LIMIT, check=False, lock=lock)
    if completed.returncode != 0:
        shown = log.read_text(errors="replace") if log.is_file() else ""
        raise DeployError(
            "the container did not start",
            where=folder.name,
            hint=f"the whole log is {log}",
            evidence=last_lines(completed.stderr, 5) + last_lines(shown),
        )


def unfreeze(folder: Path, lock: int) -> None:
    execute(["lxc-unfreeze", *lxc_arguments(folder)], where=folder.name, lock=lock)


def halt(folder: Path, lock: int, *, kill: bool) -> None:
    """Stop it, by force at once or after STOP_LIMIT. Stopped already is success."""
    pid = current_init(folder)
    if pid is None:
        return
    how = "--kill" if kill else f"--timeout={STOP_LIMIT}"
    argv = ["lxc-stop", *lxc_arguments(folder), how]
    execute(argv, where=folder.name, timeout=STOP_LIMIT + 30, check=False, lock=lock)
    # Without its monitor, LXC itself can neither see nor stop a container.
    if init.running_init(folder) == pid and not init.kill_init(pid, KILL_LIMIT):
        raise DeployError("the container's first process cannot be killed", where=folder.name)


def evaluate(completed: Completed, spec: ContainerSpec) -> tuple[str, ...]:
    """The units that failed, of what WAIT_FOR_SYSTEM printed. Raises where it is not up."""
    state, *rest = completed.stdout.decode(errors="replace").splitlines() or ["unknown"]
    failed = tuple(line.split()[0] for line in rest if line.strip())
    where = spec.name
    if completed.returncode == NO_ADDRESS:
        raise NetworkError(
            f"no DHCP server on {spec.bridge} gave the container an address within {LEASE_LIMIT} s",
            where=where,
            hint="Is there one, and an address left? Else set network.ip_address and gateway.",
        )
    if completed.returncode == NO_ADDRESS6:
        who = "DHCP server" if spec.ip6_address == DHCP else "router"
        raise NetworkError(
            f"no {who} on {spec.bridge} gave the container an address of IPv6 within "
            f"{LEASE_LIMIT} s",
            where=where,
            hint="Does a router there announce a network"
            + (" that addresses are asked for in" if spec.ip6_address == DHCP else " of its own")
            + "? Else give network.ip6_address an address, or remove the line.",
        )
    if completed.returncode == DUPLICATE:
        raise NetworkError(
            f"somebody else on {spec.bridge} has an address of the container",
            where=where,
            hint=f"set {spec.key_of(spec.addresses[-1])} to an address that is free",
            evidence=last_lines(completed.stderr),
        )
    if completed.returncode == NO_ROUTE:
        raise NetworkError(
            f"the container has no route to {' or '.join(spec.gateways)}",
            where=where,
            hint="set network.gateway to an address in the subnet of network.ip_address",
            evidence=last_lines(completed.stderr),
        )
    if completed.returncode != 0:
        raise DeployError(
            f"systemd in the container did not come up: {state}",
            where=where,
            hint="`lxc-attach` into it and look at `journalctl -b`",
            evidence=[*failed, *last_lines(completed.stderr)],
        )
    return failed

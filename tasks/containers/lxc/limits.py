"""The kernel's limits per user, raised: all containers here share their user ids.

A container with systemd takes some ten inotify instances and ten keys of user 100000. Linux'
defaults (128, 200) are used up by fifteen containers; the next one's init then dies at once.
"""

from __future__ import annotations

from pathlib import Path

from tasks.errors import DeployError
from tasks.host.files import write_atomically

LIMITS = {
    "fs.inotify.max_user_instances": 4096,
    "kernel.keys.maxkeys": 4000,
    "kernel.keys.maxbytes": 4_000_000,
}
"""Enough for some three hundred containers."""

KEPT = "etc/sysctl.d/60-vikunja-deploy.conf"


def setting(name: str, root: Path = Path("/")) -> Path:
    return root / "proc/sys" / name.replace(".", "/")


def too_low(root: Path = Path("/")) -> dict[str, int]:
    """The limits that are lower than they should be, with what they should be."""
    found = {}
    for name, wanted in LIMITS.items():
        try:
            current = int(setting(name, root).read_text())
        except FileNotFoundError:
            continue
        if current < wanted:
            found[name] = wanted
    return found


def raise_limits(root: Path = Path("/")) -> list[str]:
    """Raise what is too low, now and for the next boot. Returns the names of what was raised.

    Never lowers anything. Raises DeployError where the kernel refuses.
    """
    low = too_low(root)
    if not low:
        return []
    for name, wanted in low.items():
        try:
            setting(name, root).write_text(f"{wanted}\n")
        except OSError as error:
            raise DeployError(
                f"{name} cannot be raised to {wanted}: {error.strerror}",
                hint=f"On the machine itself: sysctl -w {name}={wanted}",
            ) from error
    lines = [f"{name} = {wanted}" for name, wanted in LIMITS.items()]
    text = "# Room for many containers that share their user ids. Written by vikunja-deploy.\n"
    write_atomically(root / KEPT, (text + "\n".join(lines) + "\n").encode())
    return list(low)

"""The root file systems that containers are overlays of: made once, never changed.

cache/rootfs/<key>/root     the file system, its owners those of an unprivileged container
cache/rootfs/<key>/recipe   what the key is a digest of
cache/rootfs/.<key>.*       one that is being made, or what a killed maker left
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from tasks.containers.lxc import guest_files
from tasks.containers.lxc.apt import Setup
from tasks.errors import NetworkError
from tasks.host.locks import locked
from tasks.host.process import last_lines, remove_tree, run_by_line, sync_folder
from tasks.host.user_ids import COUNT, IdMap
from tasks.progress import SILENT, Progress

RECIPE = 3
"""Raised with every change of what this module puts into a root file system."""

PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "netbase",
    "procps",
    "systemd",
    "systemd-sysv",
    "tzdata",
)

MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "container-getty@.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@.service",
    "getty-static.service",
    "serial-getty@.service",
    "systemd-modules-load.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)
"""What makes no sense in a container: consoles nobody sees, the kernel's own file systems and
modules, a network that is set from outside, and apt runs that would take the lock from ours."""

LOCAL_AUTHORITIES = Path("/usr/local/share/ca-certificates")

CONTAINED = (
    *("setpriv", "--pdeathsig", "SIGKILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
"""Everything a program starts and mounts ends with it, and it ends with this process: a process
namespace whose first process dies takes all others along."""

UNSYNCED = """
folder=$1
shift
mount -t overlay vikunja-deploy \\
    -o "volatile,lowerdir=$folder/lower,upperdir=$folder/root,workdir=$folder/work" /mnt || {
    echo "every write waits for the disk here" >&2
    mount --bind "$folder/root" /mnt
}
mount -t tmpfs -o mode=1777 vikunja-deploy /tmp
exec "$@"
"""
"""A program that sees `$folder/root` as /mnt, wherever it lies, such that nothing in it waits for
the disk: one sync at the end is as good here. What it leaves in /tmp goes with it."""

CUSTOMIZE = """
rm -f "$1/etc/hostname" "$1/etc/hosts" "$1/etc/resolv.conf"
chroot "$1" systemctl mask MASKED
touch "$1/var/lib/apt/lists/.vikunja-deploy"
"""
"""What is done to the finished tree `$1`: without what every container has of its own, with
MASKED units off. The mark says to what installs packages how old the lists of them are."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MERGED = ("bookworm", "bullseye")
"""Releases whose packages do not bring the links of a merged /usr: with mmdebstrap's own hooks they
come without the package usrmerge, and all of Perl with it."""

HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr"

LINES = 1230
"""About how many lines mmdebstrap prints for these packages; only the progress needs it."""


class Recipe(Struct, frozen=True):
    """Everything that decides what a root file system holds."""

    suite: str
    architecture: str
    packages: tuple[str, ...]
    masked_units: tuple[str, ...]
    sources: str
    settings: str
    keyrings: Mapping[str, str]
    authorities: Mapping[str, str]
    ids: tuple[int, int]
    version: int = RECIPE

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, indent=1) + "\n"

    @property
    def key(self) -> str:
        return f"{self.suite}-{hashlib.sha256(self.text().encode()).hexdigest()[:16]}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def recipe_of(suite: str, setup: Setup, authorities: Mapping[str, bytes], ids: IdMap) -> Recipe:
    return Recipe(
        suite=suite,
        architecture=platform.machine(),
        packages=PACKAGES,
        masked_units=MASKED_UNITS,
        sources="\n".join(source.render() for source in setup.sources),
        settings="".join(f"{line}\n" for line in setup.settings),
        keyrings={path: _digest(data) for path, data in setup.keyrings.items()},
        authorities={name: _digest(data) for name, data in authorities.items()},
        ids=(ids.uids, ids.gids),
    )


def local_authorities(folder: Path = LOCAL_AUTHORITIES) -> dict[str, bytes]:
    """The certificates of authorities that this machine trusts beyond Debian's, by file name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.crt"))
        if path.is_file()
    }


def mmdebstrap_argv(suite: str, setup: Setup) -> list[str]:
    """Makes /mnt the release, which the base may call `stable`.

    The sources are on its standard input. Lists of packages stay, so that a new container installs
    without fetching them.
    """
    return [
        "mmdebstrap",
        "--verbose",
        "--mode=root",
        "--format=directory",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        "--skip=check/empty,check/signed-by,cleanup/apt/lists",
        *([f"--hook-dir={HOOKS}"] if suite in MERGED else []),
        f"--customize-hook={CUSTOMIZE.replace('MASKED', ' '.join(MASKED_UNITS))}",
        *setup.base.suites,
        "/mnt",
        "-",
    ]


def contained_argv(folder: Path, ids: IdMap, argv: Sequence[str]) -> list[str]:
    """argv as root of a user namespace whose users are the container's, `folder/root` as /mnt."""
    maps = [f"u:0:{ids.uids}:{COUNT}", f"g:0:{ids.gids}:{COUNT}"]
    return [
        *(*CONTAINED, "sh", "-eu", "-c", UNSYNCED, "sh", str(folder)),
        *("lxc-usernsexec", "-m", maps[0], "-m", maps[1], "--", *argv),
    ]


def ensure_rootfs(
    cache: Path, suite: str, setup: Setup, ids: IdMap, progress: Progress = SILENT
) -> Path:
    """The path of the suite's root file system, made first where it is not cached.

    Two that want the same one: the second waits for the first. NetworkError where mmdebstrap
    fails, with the last lines it printed.
    """
    authorities = local_authorities()
    recipe = recipe_of(suite, setup, authorities, ids)
    folder = cache.resolve() / "rootfs"
    done = folder / recipe.key
    if (done / "recipe").is_file():
        return done / "root"
    folder.mkdir(parents=True, exist_ok=True)
    making = f"Debian {suite}: root file system"
    with locked(folder / f".{recipe.key}.lock", lambda: progress.step(making)):
        if (done / "recipe").is_file():
            return done / "root"
        for left in folder.glob(f".{recipe.key}.making-*"):
            remove_tree(left)
        aside = Path(tempfile.mkdtemp(prefix=f".{recipe.key}.making-", dir=folder))
        try:
            aside.chmod(0o755)
            _make(aside, recipe, setup, authorities, ids, progress)
            aside.rename(done)
            sync_folder(folder)
        except BaseException:
            remove_tree(aside)
            raise
    return done / "root"


def _make(
    aside: Path,
    recipe: Recipe,
    setup: Setup,
    authorities: Mapping[str, bytes],
    ids: IdMap,
    progress: Progress,
) -> None:
    root, owner = aside / "root", (ids.uids, ids.gids)
    for name in ("root", "lower", "work"):
        (aside / name).mkdir()
    root.chmod(0o755)
    os.chown(root, *owner)
    for path, data in _files_before(recipe, setup, authorities).items():
        guest_files.write(root, path, data, owner)
    sources = aside / "sources"
    sources.write_text(recipe.sources)
    _run(contained_argv(aside, ids, mmdebstrap_argv(recipe.suite, setup)), sources, setup, progress)
    sources.unlink()
    for name in ("lower", "work"):
        remove_tree(aside / name)
    os.sync()
    (aside / "recipe").write_text(recipe.text())


def _files_before(
    recipe: Recipe, setup: Setup, authorities: Mapping[str, bytes]
) -> dict[str, bytes]:
    """What is in a root file system before the first package: packages and apt see it."""
    return {
        "etc/apt/apt.conf.d/50host": recipe.settings.encode(),
        "etc/apt/apt.conf.d/60small": b'Acquire::Languages "none";\n',
        **setup.keyrings,
        **{f"{LOCAL_AUTHORITIES}/{name}": data for name, data in authorities.items()},
    }


def _run(argv: list[str], sources: Path, setup: Setup, progress: Progress) -> None:
    (suite,) = setup.base.suites
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        progress.step(f"Debian {suite}: root file system", min(0.99, len(lines) / LINES))

    environment = {**setup.environment, "PATH": PATH, "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp"}
    with sources.open("rb") as stdin:
        code = run_by_line(argv, show, stdin=stdin, environment=environment)
    if code != 0:
        raise NetworkError(
            f"mmdebstrap of {suite} failed with exit code {code}",
            where=setup.base.uri,
            hint="check that this machine's apt sources answer (`apt-get update`)",
            evidence=last_lines("".join(lines)),
        )

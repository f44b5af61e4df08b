"""The root file systems that containers are overlays of: made once, never changed.

cache/rootfs/<key>/root     the file system, its owners shifted
cache/rootfs/<key>/recipe   what the key is a digest of
cache/rootfs/.<key>.*       one that is being made, or what a killed maker left
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tasks.containers.lxc.apt import Setup
from tasks.containers.lxc.shift import shift_tree
from tasks.errors import NetworkError
from tasks.frozen import dataclass
from tasks.host.locks import locked
from tasks.host.process import execute, last_lines, remove_tree, sync_folder
from tasks.host.user_ids import IdMap
from tasks.progress import SILENT, Progress

RECIPE = 1
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
mkdir -p "$folder/empty" "$folder/root"
work=$(mktemp -d "$folder/work-XXXXXX")
mount -t overlay vikunja-deploy \\
    -o "volatile,lowerdir=$folder/empty,upperdir=$folder/root,workdir=$work" "$folder/root" ||
    echo "every write waits for the disk here" >&2
exec "$@"
"""
"""A program with `$folder/root` mounted over itself such that nothing in it waits for the disk:
half the time of debootstrap is fsync, and one sync at the end is as good here."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEBOOTSTRAP_LINES = 590
"""About how many lines debootstrap prints for these packages; only the progress needs it."""


@dataclass(frozen=True)
class Recipe:
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


def debootstrap_argv(setup: Setup, keyring: Path, target: Path) -> list[str]:
    (suite,) = setup.base.suites
    check = (
        ["--no-check-gpg"] if setup.base.trusted else ["--force-check-gpg", f"--keyring={keyring}"]
    )
    return [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        f"--components={','.join(setup.base.components)}",
        *check,
        suite,
        str(target),
        setup.base.uri,
    ]


def contained_argv(folder: Path, argv: Sequence[str]) -> list[str]:
    return [*CONTAINED, "sh", "-eu", "-c", UNSYNCED, "sh", str(folder), *argv]


def ensure_rootfs(
    cache: Path, suite: str, setup: Setup, ids: IdMap, progress: Progress = SILENT
) -> Path:
    """The path of the suite's root file system, made first where it is not cached.

    Two that want the same one: the second waits for the first. NetworkError where debootstrap
    or apt in it fails, with the last lines it printed.
    """
    authorities = local_authorities()
    recipe = recipe_of(suite, setup, authorities, ids)
    folder = cache.resolve() / "rootfs"
    done = folder / recipe.key
    if (done / "recipe").is_file():
        return done / "root"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f".{recipe.key}.lock"):
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
    keyring = aside / "keyring.gpg"
    keyring.write_bytes(setup.base_keyring)
    root = aside / "root"
    argv = contained_argv(aside, debootstrap_argv(setup, keyring, root))
    _debootstrap(argv, recipe.suite, setup, progress)

    progress.step(f"Debian {recipe.suite}: security updates")
    _write_apt(root, recipe, setup)
    for name, data in authorities.items():
        target = root / str(LOCAL_AUTHORITIES).lstrip("/") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    # The lists that apt-get update leaves let a new container install without fetching them.
    for argv in (
        ["update-ca-certificates"],
        ["apt-get", "--quiet", "update"],
        ["apt-get", "--quiet", "--yes", "dist-upgrade"],
        ["apt-get", "clean"],
        ["systemctl", "mask", *MASKED_UNITS],
    ):
        _in_root(aside, argv, recipe.suite, setup)

    progress.step(f"Debian {recipe.suite}: owners shifted")
    _strip(root)
    shift_tree(root, ids)
    for left in (keyring, *aside.glob("work-*"), aside / "empty"):
        remove_tree(left) if left.is_dir() else left.unlink()
    os.sync()
    (aside / "recipe").write_text(recipe.text())


def _debootstrap(argv: list[str], suite: str, setup: Setup, progress: Progress) -> None:
    import subprocess

    lines: list[str] = []
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**setup.environment, "PATH": PATH, "LC_ALL": "C", "TMPDIR": "/tmp"},
        cwd="/",
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                progress.step(
                    f"Debian {suite}: root file system", min(0.99, len(lines) / DEBOOTSTRAP_LINES)
                )
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise NetworkError(
            f"debootstrap of {suite} failed with exit code {process.returncode}",
            where=setup.base.uri,
            hint="check that this machine's apt source answers (`apt-get update`)",
            evidence=last_lines("".join(lines)),
        )


def _write_apt(root: Path, recipe: Recipe, setup: Setup) -> None:
    etc = root / "etc/apt"
    (etc / "sources.list").unlink(missing_ok=True)
    (etc / "sources.list.d/debian.sources").write_text(recipe.sources)
    (etc / "apt.conf.d/50host").write_text(recipe.settings)
    (etc / "apt.conf.d/60small").write_text('Acquire::Languages "none";\n')
    for path, data in setup.keyrings.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _in_root(aside: Path, argv: list[str], suite: str, setup: Setup) -> None:
    """Run a program of the new file system in it, as the host's root."""
    environment = {
        **setup.environment,
        "PATH": PATH,
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    completed = execute(
        contained_argv(aside, ["chroot", str(aside / "root"), *argv]),
        timeout=900,
        environment=environment,
        check=False,
    )
    if completed.returncode != 0:
        raise NetworkError(
            f"{' '.join(argv[:2])} failed in the new root file system of {suite}",
            where=setup.base.uri,
            hint="check that this machine's apt sources answer (`apt-get update`)",
            evidence=last_lines(completed.stderr or completed.stdout),
        )


def _strip(root: Path) -> None:
    """Take out what every container has of its own, or what the host left."""
    for name in ("etc/hostname", "etc/resolv.conf", "etc/hosts", "var/lib/dbus/machine-id"):
        (root / name).unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    for log in (root / "var/log").rglob("*"):
        if log.is_file():
            log.write_text("")
    shutil.rmtree(root / "tmp", ignore_errors=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)

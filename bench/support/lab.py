"""Instances of the sample application, deployed for a bench and gone with it.

/var/lib/vikunja-deploy-bench/      a prefix: containers and records of a bench, nobody else's
<prefix>/configs/<instance>.yaml    the instances that the next command is about
<cache>/bench/                      what is kept between runs: a root file system with the
                                    packages in it, so that twenty containers are there soon
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.support.measure import Void
from tasks.containers.base import ContainerSpec
from tasks.containers.lxc import bases, init, network
from tasks.containers.lxc.container import LxcContainer
from tasks.host.locks import locked
from tasks.host.process import remove_tree
from tasks.model.instance import Instance
from tasks.paths import PREFIX_VARIABLE, ROOT, Paths

PREFIX = Path("/var/lib/vikunja-deploy-bench")
BRIDGE = "vkdbench0"
SUBNET = "10.77.8"
FIRST_ADDRESS = 11
PYTHON_PACKAGES = ("python3", "python3-apt")
"""What Ansible needs in the container."""


def said(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def environment(prefix: Path | None = None) -> dict[str, str]:
    """Of measured commands: nothing of the caller's Python or of its configuration."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIKUNJA_DEPLOY_"))
    }
    return kept | ({PREFIX_VARIABLE: str(prefix)} if prefix else {})


def document(
    name: str, address: int, files: int = 0, frontend: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The demo's configuration as an instance of its own, with so many files more. frontend: keys
    of services.frontend."""
    desired: dict[str, Any] = yaml.safe_load((ROOT / "examples/demo.yaml").read_text())
    desired["deployment"]["instance_id"] = name
    desired["lxc"]["name"] = name
    # Not the demo's: who runs the demo of another version meanwhile, would change what is desired.
    desired["git"]["repository"] = str(PREFIX / "sample.git")
    desired["network"] |= {
        "bridge": BRIDGE,
        "ip_address": f"{SUBNET}.{address}/24",
        "gateway": f"{SUBNET}.1",
        "domain": f"{name}.example.com",
    }
    if frontend:
        desired["services"] = {**desired.get("services", {}), "frontend": dict(frontend)}
    if files:
        desired["files"] = [
            {"path": f"/srv/bench-{number:04}.conf", "content": f"[bench]\nnumber = {number}\n"}
            for number in range(files)
        ]
    return desired


class Lab:
    """A prefix with instances in it. files: instance → how many files of its own it declares.
    frontend: keys of services.frontend of all of them."""

    def __init__(self, files: Mapping[str, int], frontend: Mapping[str, Any] | None = None) -> None:
        self.paths = Paths(PREFIX)
        self._frontend = frontend
        self.files = dict(files)
        self.configs = PREFIX / "configs"
        self.work = PREFIX / "work"
        self._all = PREFIX / "all"

    @property
    def cache(self) -> Path:
        return Paths().cache / "bench"

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Everything ready for `deploy`; at the end, whatever it is, everything gone."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Void("another bench is running: wait for its end") from None
            self._clear()
            try:
                self._prepare()
                yield
            finally:
                with uninterrupted():
                    said("removing the containers …")
                    self._clear()

    def _prepare(self) -> None:
        from tasks.builds.sample import make_repository
        from tasks.containers.drivers import local_driver
        from tasks.host.packages import ensure, ensure_user_ids
        from tasks.output.console import Lines

        ensure(("git", *local_driver().packages), Lines())
        ensure_user_ids()
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "tasks")], check=False)
        for folder in (self.configs, self.work, self._all, self.paths.cache.parent):
            folder.mkdir(parents=True)
        self.paths.cache.symlink_to(Paths().cache)
        for number, (name, files) in enumerate(self.files.items()):
            desired = document(name, FIRST_ADDRESS + number, files, self._frontend)
            make_repository(Path(desired["git"]["repository"]))
            text = yaml.safe_dump(desired, sort_keys=False)
            (self._all / f"{name}.yaml").write_text(text)

    def choose(self, names: Sequence[str]) -> Path:
        """The folder of configuration with just these instances in it, at the same paths ever."""
        for file in self.configs.iterdir():
            file.unlink()
        for name in names:
            (self.configs / f"{name}.yaml").hardlink_to(self._all / f"{name}.yaml")
        return self.configs

    def instance(self, name: str) -> Instance:
        from tasks.config import load_instances

        self.choose([name])
        (instance,) = load_instances((self.configs / f"{name}.yaml",))
        return instance

    def container(self, name: str) -> LxcContainer:
        from tasks.containers import spec_for

        return LxcContainer(spec_for(self.instance(name)), self.paths)

    def process(self, name: str) -> int:
        """The host's id of the first process of a running container."""
        pid = init.running_init(self.container(name).folder)
        if pid is None:
            raise Void(f"the container {name} does not run")
        return pid

    def deploy(self, packages: Sequence[str]) -> None:
        """Bring all instances up, on a root file system that has these packages already."""
        self._keep_base(packages)
        said(f"deploying {len(self.files)} instances …")
        self.choose(list(self.files))
        self.run_doit("apply", "--yes")

    def run_doit(self, *words: str) -> str:
        """Run a command on the instances that are chosen; what it says. Raises Void where it
        fails."""
        argv = [str(ROOT / "doit"), *words, "--config", str(self.configs)]
        done = subprocess.run(
            argv,
            env=environment(PREFIX),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise Void(f"./doit {words[0]} failed:\n{done.stdout[-3000:]}")
        return done.stdout

    def edit(self, name: str, **sections: object) -> None:
        """Choose an instance alone, with these sections in place of those that it has."""
        config = self.choose([name]) / f"{name}.yaml"
        document = yaml.safe_load(config.read_text())
        config.write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))

    def _keep_base(self, packages: Sequence[str]) -> None:
        """Put a root file system with the packages in place of the one that a container would
        otherwise stand on; made once by a container of its own."""
        from tasks.containers.lxc.apt import read_setup
        from tasks.containers.lxc.rootfs import ensure_rootfs
        from tasks.host.user_ids import read_idmap
        from tasks.model.digests import digest

        suite = self.container(next(iter(self.files))).spec.template
        cached = ensure_rootfs(
            Paths().cache, suite, read_setup(suite, "bench"), read_idmap(), _Said()
        )
        wanted = (*packages, *PYTHON_PACKAGES)
        key = cached.parent.name
        prepared = self.cache / digest(wanted)[:16] / key / "root"
        if not prepared.is_dir():
            said(f"making a root file system with {len(wanted)} packages, once …")
            self._make_base(suite, wanted, prepared)
        self.paths.lxc.mkdir(parents=True, exist_ok=True)
        with locked(self.paths.library / "lxc.lock", handed_on=True) as lock:
            bases.keep_base(self.paths, prepared, "bench", lock)

    def _make_base(self, suite: str, packages: Sequence[str], prepared: Path) -> None:
        from tasks.host.packages import install_argv

        name = "vkd-bench-base"
        spec = ContainerSpec(
            name=name,
            instance_id=name,
            template=suite,
            hostname=name,
            cpu_cores=2,
            memory_mb=2048,
            disk_size_gb=8,
            bridge=BRIDGE,
            ip_address=f"{SUBNET}.{FIRST_ADDRESS - 1}/24",
            gateway=f"{SUBNET}.1",
        )
        container = LxcContainer(spec, self.paths)
        container.create()
        container.start()
        container.run(
            ["env", "DEBIAN_FRONTEND=noninteractive", *install_argv(packages)], timeout=600
        )
        # Where packages are not there yet, nothing of theirs runs before its configuration is.
        container.run(["systemctl", "disable", "--now", "nginx.service"], check=False)
        shutil.rmtree(prepared.parent, ignore_errors=True)
        prepared.parent.mkdir(parents=True)
        aside = prepared.with_name("making")
        source = container.folder / "rootfs"
        copy = ["cp", "--archive", "--one-file-system", "--no-target-directory", str(source)]
        subprocess.run([*copy, str(aside)], check=True)
        container.destroy()
        aside.rename(prepared)

    def _clear(self) -> None:
        """Remove what this bench, or one that was killed, made on this machine."""
        if not PREFIX.exists():
            return
        for name, instance_id in LxcContainer.list_owned(self.paths):
            LxcContainer(_named(name, instance_id), self.paths).destroy()
        network.remove_unused(self.paths)
        remove_tree(PREFIX)


class _Said:
    """Progress as lines."""

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        if fraction is None:
            said(text)


def _named(name: str, instance_id: str) -> ContainerSpec:
    """Enough of a specification to find and destroy a container."""
    return ContainerSpec(name, instance_id, "", name, 1, 512, 8, "", "", "")


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no second Ctrl-C stop the clearing up that the first one began."""
    import signal

    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

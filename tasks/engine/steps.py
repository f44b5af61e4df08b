"""The steps as doit's tasks: one group a step, one subtask an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.dependency import UptodateCalculator

from tasks.engine.instance_run import NEEDS
from tasks.engine.session import Session
from tasks.errors import DeployError
from tasks.model.instance import Instance
from tasks.model.plan import STEPS
from tasks.paths import Paths

if TYPE_CHECKING:
    from tasks.desired.rendering import Templated

DOCS = {
    "validate": "check the configuration of an instance",
    "render": "make the files of an instance from the templates",
    "provision": "make, change and start the container",
    "system": "packages, users, files, database in the container",
    "build": "build the wanted commit into the cache",
    "release": "put the build into the idle color",
    "switch": "prepare and start the color, check its health, let the proxy pass requests to it",
    "record": "write down what was done",
    "backup": "take a backup; no step of an apply",
}

FROM_RENDERED = ("system", "switch")
"""Steps that bring rendered files into the container, and have units take them up."""

TaskMaker = Callable[[], Iterator[dict[str, Any]]]


def step_creators(instances: Iterable[Instance], session: Session) -> dict[str, TaskMaker]:
    """doit's task creators by name (`task_render` …), one a step, in order."""
    chosen = tuple(Files(instance, session.paths) for instance in instances)
    makers: dict[str, TaskMaker] = {
        "task_validate": partial(_validate, chosen, session),
        "task_render": partial(_render, chosen, session),
    }
    for step in STEPS:
        makers[f"task_{step}"] = partial(_step, chosen, session, step)
    return {name: _named(name, maker) for name, maker in makers.items()}


def backup_creator(
    instances: Iterable[Instance], session: Session, take: Callable[[Instance], None]
) -> dict[str, TaskMaker]:
    """doit's task creator of backups. take: does one, or raises DeployError."""

    def create() -> Iterator[dict[str, Any]]:
        yield _group("backup")
        for instance in instances:
            yield _task("backup", instance, partial(_kept, session, instance, take))

    # doit takes no creator with a command's name; the task may have it.
    return {"task_backup_step": create}


class Files:
    """The files on this machine that an instance's steps are about."""

    def __init__(self, instance: Instance, paths: Paths) -> None:
        self.instance = instance
        self._paths = paths

    @cached_property
    def templated(self) -> tuple[Templated, ...]:
        from tasks.desired import system

        return system.templated(self.instance)

    def rendered(self) -> list[Path]:
        from tasks.desired import rendering

        folder = self._paths.rendered(self.instance.id)
        return [folder / rendering.host_name(item.path) for item in self.templated]

    def manifest(self) -> Path:
        from tasks.desired import rendering

        return self._paths.rendered(self.instance.id) / rendering.MANIFEST

    def templates(self) -> list[Path]:
        from tasks.desired import rendering

        return rendering.template_files(self.templated)

    def artifact(self) -> list[Path]:
        """What was built last for the instance, where it is there: a name in the cache comes from
        a commit, which only the repository knows, and who does not need it any more has none."""
        from tasks.builds import artifact
        from tasks.model import releases

        found = releases.read(self._paths, self.instance.id)
        archives = [artifact.archive_path(self._paths, key) for key in (found.current,) if key]
        return [path for path in archives if path.exists()]


@dataclass(frozen=True)
class Planned:
    """doit's `uptodate` of a step; its text is what `./doit info` says where it is not."""

    session: Session
    instance: Instance
    step: str

    def __call__(self) -> bool:
        return self.session.settled(self.instance, self.step)

    def __repr__(self) -> str:
        return f"nothing for {self.step} in ./doit plan {self.instance.id}"


class WholeGroup(UptodateCalculator):  # type: ignore[misc]
    """doit's `uptodate` of a group: whether all of it is. Without, doit takes none to be."""

    def setup(self, dep_manager: Any, tasks_dict: Mapping[str, Any]) -> None:
        self._dependencies, self._tasks = dep_manager, tasks_dict

    def __call__(self, task: Any, values: Any) -> bool:
        found = (self._tasks[name] for name in task.task_dep)
        statuses = [self._dependencies.get_status(one, self._tasks).status for one in found]
        return all(status == "up-to-date" for status in statuses)

    def __repr__(self) -> str:
        return "all of its steps"


def _named(name: str, maker: TaskMaker) -> TaskMaker:
    """doit takes only functions, and a group's description from the docstring."""

    def create() -> Iterator[dict[str, Any]]:
        return maker()

    create.__doc__ = DOCS[name.removeprefix("task_")]
    return create


def _group(step: str) -> dict[str, Any]:
    return {"basename": step, "name": None, "doc": DOCS[step], "uptodate": [WholeGroup()]}


def _task(step: str, instance: Instance, action: Callable[[], Any]) -> dict[str, Any]:
    return {
        "basename": step,
        "name": instance.id,
        "actions": [action],
        # doit's capture swaps sys.stdout for the whole process: no good with threads.
        "io": {"capture": False},
    }


def _texts(paths: Iterable[Path]) -> list[str]:
    return [str(path) for path in paths]


def _validate(chosen: Iterable[Files], session: Session) -> Iterator[dict[str, Any]]:
    from tasks.paths import CONFIG_SCHEMA

    yield _group("validate")
    for files in chosen:
        instance = files.instance
        yield _task("validate", instance, partial(_kept, session, instance, _load)) | {
            "file_dep": _texts([instance.source, CONFIG_SCHEMA])
        }


def _load(instance: Instance) -> None:
    from tasks.config import load_instances

    load_instances([instance.source])


def _render(chosen: Iterable[Files], session: Session) -> Iterator[dict[str, Any]]:
    yield _group("render")
    for files in chosen:
        instance = files.instance
        write = partial(_write, files=files, paths=session.paths)
        yield _task("render", instance, partial(_kept, session, instance, write)) | {
            "doc": str(instance.source),
            "file_dep": _texts([instance.source, *files.templates()]),
            "targets": _texts([files.manifest(), *files.rendered()]),
        }


def _write(instance: Instance, *, files: Files, paths: Paths) -> None:
    from tasks.desired import rendering

    rendering.write(instance, files.templated, paths)


def _kept(session: Session, instance: Instance, work: Callable[[Instance], None]) -> Any:
    from doit.exceptions import TaskFailed

    try:
        with session.keeping_failure(instance):
            work(instance)
    except DeployError as failure:
        return TaskFailed(str(failure))
    return True


def _step(chosen: Iterable[Files], session: Session, step: str) -> Iterator[dict[str, Any]]:
    yield _group(step)
    # Instances of one commit share its archive, and doit takes a file from one task alone.
    made: set[Path] = set()
    for files in chosen:
        instance = files.instance
        own = [path for path in files.artifact() if path not in made] if step == "build" else []
        made.update(own)
        yield _task(step, instance, partial(_perform, session, instance, step)) | {
            "task_dep": [f"{earlier}:{instance.id}" for earlier in NEEDS[step] or ("render",)],
            "file_dep": _texts(files.rendered()) if step in FROM_RENDERED else [],
            "targets": _texts(own),
            "uptodate": [Planned(session, instance, step)],
        }


def _perform(session: Session, instance: Instance, step: str) -> Any:
    from doit.exceptions import TaskFailed

    try:
        session.perform(instance, step)
    except DeployError as failure:
        # The session keeps the error; doit needs to know only that what follows cannot run.
        return TaskFailed(str(failure))
    return True

"""The steps as doit's tasks: one group a step, one subtask an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from tasks.engine.instance_run import NEEDS
from tasks.engine.session import Session
from tasks.errors import DeployError
from tasks.model.instance import Instance
from tasks.model.plan import STEPS

DOCS = {
    "render": "make the files of an instance from the templates",
    "provision": "make, change and start the container",
    "system": "packages, users, files, database, proxy in the container",
    "build": "build the wanted commit into the cache",
    "release": "put the build into the idle color",
    "switch": "start the color, check its health, let nginx pass requests to it",
    "record": "write down what was done",
}

TaskMaker = Callable[[], Iterator[dict[str, Any]]]


def step_creators(instances: Iterable[Instance], session: Session) -> dict[str, TaskMaker]:
    """doit's task creators by name (`task_render` …), one a step, in order."""
    chosen = tuple(instances)
    makers: dict[str, TaskMaker] = {"task_render": partial(_render, chosen, session)}
    for step in STEPS:
        makers[f"task_{step}"] = partial(_step, chosen, session, step)
    return {name: _named(name, maker) for name, maker in makers.items()}


def _named(name: str, maker: TaskMaker) -> TaskMaker:
    """doit takes only functions, and a group's description from the docstring."""

    def create() -> Iterator[dict[str, Any]]:
        return maker()

    create.__doc__ = DOCS[name.removeprefix("task_")]
    return create


def _group(step: str) -> dict[str, Any]:
    return {"basename": step, "name": None, "doc": DOCS[step]}


def _render(instances: Iterable[Instance], session: Session) -> Iterator[dict[str, Any]]:
    from tasks.desired import rendering, system

    yield _group("render")
    for instance in instances:
        wanted = system.templated(instance)
        folder = session.paths.rendered(instance.id)
        yield {
            "basename": "render",
            "name": instance.id,
            "doc": str(instance.source),
            "file_dep": [
                str(path) for path in (instance.source, *rendering.template_files(wanted))
            ],
            "targets": [
                str(folder / name)
                for name in (
                    rendering.MANIFEST,
                    *(rendering.host_name(item.path) for item in wanted),
                )
            ],
            "actions": [partial(_write, instance, wanted, session)],
            # doit's capture swaps sys.stdout for the whole process: no good with threads.
            "io": {"capture": False},
        }


def _write(instance: Instance, wanted: tuple[Any, ...], session: Session) -> Any:
    from doit.exceptions import TaskFailed

    from tasks.desired import rendering

    try:
        with session.keeping_failure(instance):
            rendering.write(instance, wanted, session.paths)
    except DeployError as failure:
        return TaskFailed(str(failure))
    return True


def _step(instances: Iterable[Instance], session: Session, step: str) -> Iterator[dict[str, Any]]:
    yield _group(step)
    for instance in instances:
        yield {
            "basename": step,
            "name": instance.id,
            "task_dep": [f"{earlier}:{instance.id}" for earlier in NEEDS[step] or ("render",)],
            "uptodate": [partial(session.settled, instance, step)],
            "actions": [partial(_perform, session, instance, step)],
            # doit's capture swaps sys.stdout for the whole process: no good with threads.
            "io": {"capture": False},
        }


def _perform(session: Session, instance: Instance, step: str) -> Any:
    from doit.exceptions import TaskFailed

    try:
        session.perform(instance, step)
    except DeployError as failure:
        # The session keeps the error; doit needs to know only that what follows cannot run.
        return TaskFailed(str(failure))
    return True

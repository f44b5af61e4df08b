"""Files to instances: read, parse, judge, fill in, check, and only then believe."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tasks.config import schema, source
from tasks.config.across import across_findings
from tasks.config.environment_rules import unfilled
from tasks.config.finding import Finding, Key, dotted, printable, value_at
from tasks.config.host_files import host_file_findings
from tasks.config.make import make_instance
from tasks.config.memo import Memo, Reading
from tasks.config.rules import rule_findings
from tasks.errors import ConfigError, Problem
from tasks.model.instance import Instance


class Loaded(Struct, frozen=True):
    """One file. document: with defaults, without what has a finding of its own."""

    path: Path
    name: str
    lines: Mapping[Key, int] = msgspec.field(default_factory=dict)
    document: Mapping[str, Any] = msgspec.field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def load_instances(paths: Sequence[Path], memo: Path | None = None) -> tuple[Instance, ...]:
    """The instances of these files, in their order.

    memo: see load_sound. Raises ConfigError with all problems of all files.
    """
    instances, wrong = load_sound(paths, memo)
    if wrong is not None:
        raise wrong
    return instances


def load_sound(
    paths: Sequence[Path], memo: Path | None = None
) -> tuple[tuple[Instance, ...], ConfigError | None]:
    """The instances of those of these files that nothing is wrong with, in their order, and all
    problems of the others. Of two that share what only one may have, both are wrong.

    memo: folder in which what was read from sound files is remembered: the next load is faster.
    """
    remembered = Memo(memo)
    loaded = [load_file(path, remembered) for path in paths]
    remembered.forget_gone()
    problems = [problem for file in loaded for problem in file.problems]
    wrong = {number for number, file in enumerate(loaded) if file.problems}
    for number, first, finding in across_findings(
        [(file.document, file.lines, file.name) for file in loaded]
    ):
        problems.append(_problem(loaded[number].name, loaded[number].lines, finding))
        wrong |= {number, first}
    sound = [file for number, file in enumerate(loaded) if number not in wrong]
    instances = tuple(make_instance(file.document, _real(file.path)) for file in sound)
    return instances, ConfigError(problems) if problems else None


def load_file(path: Path, memo: Memo) -> Loaded:
    """One file with everything that is wrong in it."""
    try:
        data = source.read(path)
    except source.Unreadable as error:
        name = _name(path)
        return Loaded(path, name, problems=(_problem(name, {}, error.finding),))
    return load_data(data, path, memo)


def load_data(data: bytes, path: Path, memo: Memo) -> Loaded:
    """As load_file, of bytes that are, or will be, in that file."""
    name = _name(path)
    findings: list[Finding] = []
    reading = memo.recall(path, data)
    if reading is None:
        try:
            reading = _read(data, findings)
        except source.Unreadable as error:
            memo.forget(path)
            return Loaded(path, name, problems=(_problem(name, {}, error.finding),))
        if findings:
            memo.forget(path)
        else:
            memo.add(path, data, reading)
    written, lines = reading
    document: Mapping[str, Any] = {}
    if written is not None:
        document = _checked(written, lines, _real(path).parent, findings)
    problems = tuple(_problem(name, lines, finding) for finding in findings)
    return Loaded(path, name, lines, document, problems)


def _read(data: bytes, findings: list[Finding]) -> Reading:
    """Parse and judge; what is wrong joins the findings."""
    from tasks.config import yaml_tree
    from tasks.config.evaluation import schema_findings, take_words

    tree = yaml_tree.load(source.decode(data))
    findings += tree.findings
    if tree.document is not None:
        take_words(tree.document, tree.texts)
        findings += schema_findings(tree.document, tree.texts)
    return tree.document, tree.lines


def _checked(
    document: Mapping[str, Any], given: Collection[Key], folder: Path, findings: list[Finding]
) -> Mapping[str, Any]:
    """The document filled in; what the rules and this machine's files say joins the findings."""
    wrong = [finding.key for finding in findings if finding.key]
    filled = schema.with_defaults(without(document, wrong), folder)
    repository = value_at(filled, "git.repository")
    if isinstance(repository, str) and repository.startswith(("./", "../")):
        filled["git"]["repository"] = os.path.abspath(folder / repository)  # noqa: PTH100
    meaningless = list(unfilled(without(filled, wrong)))
    findings += meaningless
    sound = without(filled, [*wrong, *(finding.key for finding in meaningless)])
    findings += rule_findings(sound, given)
    findings += host_file_findings(sound)
    return without(sound, [finding.key for finding in findings if finding.key])


def without(document: Mapping[str, Any], keys: Iterable[Key]) -> dict[str, Any]:
    """A copy without these keys; items of lists become None, so that the others keep place."""
    by_name: dict[str | int, list[Key]] = {}
    for key in keys:
        by_name.setdefault(key[0], []).append(key[1:])
    result = dict(document)
    for name, rests in by_name.items():
        if name in document:
            value = _reduced(document[str(name)], rests)
            if value is None:
                del result[str(name)]
            else:
                result[str(name)] = value
    return result


def _reduced(value: Any, rests: list[Key]) -> Any:
    if () in rests:
        return None
    if isinstance(value, dict):
        return without(value, rests)
    if isinstance(value, list):
        inner: dict[str | int, list[Key]] = {}
        for rest in rests:
            inner.setdefault(rest[0], []).append(rest[1:])
        return [
            _reduced(item, inner[index]) if index in inner else item
            for index, item in enumerate(value)
        ]
    return value


def _problem(name: str, lines: Mapping[Key, int], finding: Finding) -> Problem:
    line = finding.line if finding.line is not None else _line_of(finding.key, lines)
    what, hint = printable(finding.what), printable(finding.hint)
    return Problem(printable(name), line, dotted(finding.key), what, hint)


def _line_of(key: Key, lines: Mapping[Key, int]) -> int:
    """The line of a key, or of the nearest section above it; 0 for the file as a whole."""
    while key and key not in lines:
        key = key[:-1]
    return lines[key] if key else 0


def _real(path: Path) -> Path:
    """The file in the folder that it is really in, however that was named: what is said relative to
    it is the same file, and the same text, from wherever a command is given."""
    return Path(os.path.realpath(path.parent), path.name)


def _name(path: Path) -> str:
    """The path as short as it can be said from where the user is."""
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)

"""YAML text to plain data that remembers its lines, without YAML's surprises.

Scalars that YAML 1.1 reads as something their writer hardly meant (dates, base 60, octal) do not
become values but `Ambiguous`; the schema then says what was expected in their place. Duplicate
keys, tags, merge keys and several documents are findings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tasks.config.finding import Finding, Key, quoted
from tasks.config.source import Unreadable

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

Node = Any
"""A ScalarNode, SequenceNode or MappingNode; `id` tells them apart without importing yaml."""

DEEPEST = 100
MOST_VALUES = 20_000
"""Also counts what aliases repeat, so that a few lines cannot stand for billions of values."""

_TAG = "tag:yaml.org,2002:"
_DIGITS = re.compile(r"[1-9][0-9]{17,}")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?[0-9]*\.[0-9]*([eE][-+]?[0-9]+)?|[-+]?\.(inf|nan)", re.IGNORECASE)
_TRUE = frozenset({"true", "yes", "on", "y"})


class Ambiguous(Struct, frozen=True):
    """A scalar with a finding of its own to come. reading: what YAML takes it for."""

    text: str
    reading: str


class Broken:
    """Stands where a finding has been made already."""


BROKEN = Broken()


@dataclass
class Tree:
    """document: what the file holds, None where it is no mapping. lines: 1-based, of every value.

    texts: how scalars that are not text are written in the file.
    """

    document: dict[str, Any] | None = None
    lines: dict[Key, int] = field(default_factory=dict)
    texts: dict[Key, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def load(text: str) -> Tree:
    """Raises Unreadable where the text is not YAML."""
    import yaml

    try:
        # CSafeLoader recurses in C without a limit: what is nested too deep ends the process.
        if _may_be_deep(text):
            _check_depth(text)
        node = yaml.CSafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_syntax_finding(error, text)) from error
    if node is None:
        raise Unreadable(
            Finding((), "holds nothing", "config.example.yaml shows what goes in; ./doit init asks")
        )
    tree = Tree()
    value = _Reader(tree).value(node, ())
    if isinstance(value, dict):
        tree.document = value
    elif not tree.findings:
        hint = "Write sections such as `deployment:`, as config.example.yaml does."
        tree.findings.append(Finding((), "holds no sections of keys", hint, 1))
    return tree


class _Reader:
    """Walks the nodes of one file and fills its tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.count = 0
        self.above: set[int] = set()

    def value(self, node: Node, key: Key) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise Unreadable(
                Finding((), f"holds more than {MOST_VALUES} values, aliases written out")
            )
        self.tree.lines.setdefault(key, node.start_mark.line + 1)
        if node.id == "scalar":
            return self.scalar(node, key)
        if node.tag != _TAG + ("map" if node.id == "mapping" else "seq"):
            return self.broken(_tag_finding(key))
        if id(node) in self.above:
            return self.broken(Finding(key, "the alias stands for something that holds itself"))
        self.above.add(id(node))
        try:
            if node.id == "mapping":
                return self.mapping(node, key)
            return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
        finally:
            self.above.remove(id(node))

    def mapping(self, node: Node, key: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if finding := _name_finding(name_node, key, line):
                self.tree.findings.append(finding)
                continue
            inner = (*key, name_node.value)
            if name_node.value in result:
                what = f"is given twice, first on line {self.tree.lines[inner]}"
                self.tree.findings.append(Finding(inner, what, "Keep one of the two.", line))
                continue
            self.tree.lines[inner] = line
            result[name_node.value] = self.value(value_node, inner)
        return result

    def scalar(self, node: Node, key: Key) -> Any:
        kind = node.tag.removeprefix(_TAG)
        text: str = node.value
        if kind in ("str", "value"):
            return text
        if node.style:
            return self.broken(_tag_finding(key))
        self.tree.texts[key] = text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in _TRUE
        if kind == "int":
            return int(text) if _DECIMAL.fullmatch(text) else Ambiguous(text, _number_word(text))
        if kind == "float":
            sane = _FRACTION.fullmatch(text)
            return float(text) if sane and text[-1].isdigit() else Ambiguous(text, "a number")
        if kind == "timestamp":
            return Ambiguous(text, "a date")
        return self.broken(_tag_finding(key))

    def broken(self, finding: Finding) -> Broken:
        self.tree.findings.append(finding)
        return BROKEN


def _number_word(text: str) -> str:
    digits = text.lstrip("+-")
    if _DIGITS.fullmatch(digits):
        return "a number too large"
    if ":" in digits:
        return "a number in base 60"
    if digits.startswith("0x"):
        return "a hexadecimal number"
    if digits.startswith("0b"):
        return "a binary number"
    if digits.startswith("0") and digits.strip("0_"):
        return "an octal number"
    return "a number"


def _name_finding(node: Node, section: Key, line: int) -> Finding | None:
    """What is wrong with the name of a key, if anything is."""
    if node.id != "scalar":
        what = "a key is no plain word"
        return Finding(section, what, "Quote a value that starts with { or [.", line)
    kind = node.tag.removeprefix(_TAG)
    if kind in ("str", "value"):
        return None
    if kind == "merge":
        what = "merge keys (<<) are not supported"
        return Finding(section, what, "Write the keys out.", line)
    names = {"bool": "true or false", "int": "a number", "float": "a number"}
    names |= {"timestamp": "a date", "null": "no value"}
    if kind not in names:
        return Finding(section, "tags (!) are not supported", line=line)
    what = f"the key {quoted(node.value)} is read as {names[kind]} by YAML"
    hint = "Quote it." if node.value else "Give it a name."
    return Finding(section, what, hint, line)


def _tag_finding(key: Key) -> Finding:
    return Finding(key, "tags (!) are not supported", "Quote a value that starts with !")


def _may_be_deep(text: str) -> bool:
    # In block style every level of nesting takes a column.
    brackets = text.count("[") + text.count("{")
    return brackets > DEEPEST or any(
        len(line) > DEEPEST and line.lstrip()[:1] != "#" for line in text.splitlines()
    )


def _check_depth(text: str) -> None:
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else None
                raise Unreadable(Finding((), f"is nested more than {DEEPEST} deep", line=line))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_finding(error: MarkedYAMLError, text: str) -> Finding:
    """The parser's message with line and column; it never holds text of the file."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Finding((), f"is not YAML: {error.problem}")
    problem = error.problem or "cannot be read"
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    what = f"column {mark.column + 1}: {_syntax_words(problem, line, mark.column)}"
    if error.context and error.context.startswith("while ") and "token" not in error.context:
        start = error.context_mark
        if start and start.line != mark.line:
            what += f", {error.context} that starts on line {start.line + 1}"
        else:
            what += f", {error.context}"
    return Finding((), what, _syntax_hint(problem, line, mark.column), mark.line + 1)


def _syntax_words(problem: str, line: str, column: int) -> str:
    if problem == "found character that cannot start any token":
        tab = line[column : column + 1] == "\t"
        return "a tab cannot indent" if tab else "this character cannot start a value"
    if problem == "but found another document":
        return "a second document starts here"
    # The parser names aliases and tags after what may be the start of a secret.
    return re.sub(r"\s*'.*'", "", problem) if "alias" in problem or "tag" in problem else problem


def _syntax_hint(problem: str, line: str, column: int) -> str:
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation:
        return "Indent with spaces."
    if problem == "but found another document":
        return "One file is one instance: put the other one in a file of its own."
    if "alias" in problem:
        return "Quote a value that starts with *"
    if problem == "mapping values are not allowed in this context":
        return "Quote a value that holds `: `, and check the indentation."
    if problem == "found character that cannot start any token":
        return f"Quote a value that starts with {line[column : column + 1]}"
    if "quoted scalar" in problem or "end of stream" in problem:
        return "Close the quote."
    return "Check indentation, quotes and colons there."

"""What Vikunja reads its settings from: a file, over it the environment, over both files of values;
pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.config.environment_rules import PREFIX
from tasks.errors import ResourceError
from tasks.imports.found import Setting

FROM_FILE = "_file"
"""Behind the name of a setting: the value is what that file holds."""


def read_config(path: str, content: bytes, said: str) -> dict[str, Setting]:
    """The settings of a configuration file. Raises ResourceError where it is none."""
    try:
        document = _parsed(path, content.decode())
    except (ValueError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ResourceError(
            f"{path} cannot be read: {reason}",
            where=said,
            hint="Vikunja leaves such a file out and starts with its defaults: put it right there.",
        ) from error
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise ResourceError(f"{path} holds no sections of settings", where=said)
    return {name: Setting(value, path) for name, value in _flat(document, ())}


def _parsed(path: str, text: str) -> Any:
    if path.endswith(".json"):
        return json.loads(text)
    if path.endswith(".toml"):
        return tomllib.loads(text)
    import yaml

    try:
        return yaml.load(text, Loader=_text_loader())
    except yaml.YAMLError as error:
        raise ValueError(yaml_problem(error)) from error


def yaml_problem(error: Any) -> str:
    """Of a YAMLError, on one line: where, and what."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


def _text_loader() -> Any:
    """Scalars as they are written: `9:00` is no number of minutes. Yes and no are YAML 1.1's."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag in _RESOLVED]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


_RESOLVED = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


def _flat(section: Mapping[Any, Any], above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        words = (*above, str(key).lower())
        if isinstance(value, Mapping):
            yield from _flat(value, words)
        elif words == ("auth", "openid", "providers") and isinstance(value, list):
            # Before 1.0 they were a list, each known by the letters and digits of its name.
            for provider in value:
                if isinstance(provider, Mapping):
                    lower = {str(name).lower(): one for name, one in provider.items()}
                    known = re.sub(
                        r"[^a-z0-9]", "", str(lower.get("key") or lower.get("name", "")).lower()
                    )
                    yield from _flat(lower, (*words, known))
        elif value is not None:
            yield "_".join(words), _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return str(value)


def read_environment(
    variables: Mapping[str, str], origins: Mapping[str, str]
) -> dict[str, Setting]:
    """The settings among variables. origins: where each is from."""
    return {
        name.removeprefix(PREFIX).lower(): Setting(value, origins[name])
        for name, value in variables.items()
        if name.startswith(PREFIX)
    }


def value_files(settings: Mapping[str, Setting]) -> dict[str, str]:
    """Of settings whose values are in files: name → path as it is written."""
    return {
        name.removesuffix(FROM_FILE): setting.value
        for name, setting in settings.items()
        if name.endswith(FROM_FILE) and setting.value
    }


def with_values(
    settings: Mapping[str, Setting], contents: Mapping[str, tuple[str, bytes]]
) -> dict[str, Setting]:
    """With the values of files in the place of their names. contents: path and content by name."""
    done = {
        name: setting
        for name, setting in settings.items()
        if not name.endswith(FROM_FILE) or not setting.value
    }
    for name, (path, content) in contents.items():
        done[name] = Setting(content.decode(errors="replace").strip("\r\n"), path)
    return done

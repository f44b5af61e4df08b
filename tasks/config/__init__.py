"""Step 1: configuration files become instances, or one error that names all their problems."""

from __future__ import annotations

from tasks.config.document import flatten
from tasks.config.find import CONFIG_VARIABLE, configuration_path, find_configuration
from tasks.config.load import load_instances, load_sound

__all__ = [
    "CONFIG_VARIABLE",
    "configuration_path",
    "find_configuration",
    "flatten",
    "load_instances",
    "load_sound",
]

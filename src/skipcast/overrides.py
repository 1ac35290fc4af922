"""`--set`: values instead of those in `params.yaml`, for a process and those that it starts."""

import json
import os
from collections.abc import Sequence
from typing import Any

import yaml

from skipcast.errors import SkipcastError

VARIABLE = "SKIPCAST_PARAMS"  # holds them as JSON, by key


def override(values: Sequence[str]) -> None:
    """Let this process and those that it starts read other values than the file has.

    Args:
        values: such as `fetch.rows=20000`; without a value, that of the file stays.

    Raises:
        SkipcastError: one is no KEY=VALUE.
    """
    overrides: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals:
            raise SkipcastError(f"--set must be KEY=VALUE but got {text}. Write fetch.rows=20000.")
        if value:
            overrides[key] = value
    os.environ[VARIABLE] = json.dumps(overrides)


def are_overridden() -> bool:
    """Tell whether `override` was called, here or in the process that started this one."""
    return VARIABLE in os.environ


def overridden(content: Any) -> Any:
    """Return what the file holds with the values of `override` in it, in place.

    Raises:
        SkipcastError: a key is in no section of the file, or a value is not YAML.
    """
    for key, value in json.loads(os.environ.get(VARIABLE, "{}")).items():
        *sections, name = key.split(".")
        place = content
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise SkipcastError(f"--set must name a key of params.yaml but got {key}. Correct it.")
        try:
            place[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SkipcastError(
                f"--set must have a value that is YAML but got {key}={value}. Quote it."
            ) from error
    return content

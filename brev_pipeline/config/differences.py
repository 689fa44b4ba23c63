"""Differences: what two configurations say otherwise, key by key, for messages to people."""

import json
from collections.abc import Iterator
from typing import Any, Final

_SHOWN: Final = 120  # characters of a value that a message shows
ABSENT: Final = object()
"""Stands for the value of a key that is not there."""


def list_differences(before: Any, after: Any) -> list[str]:
    """One line per key whose values differ: ``split.seed: 0 → 7``. Arguments as of `find_differences`."""
    return [f"{path}: {_format(old)} → {_format(new)}" for path, old, new in find_differences(before, after)]


def find_differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """YAML path, old and new value of each key whose values differ; `ABSENT` where there is none.

    Args:
        before: JSON-safe: mappings by key, in any order; lists by place.
        after: the same.
        path: YAML path of the two.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else str(key)
            yield from find_differences(before.get(key, ABSENT), after.get(key, ABSENT), inner)
    elif _are_sections(before) and _are_sections(after) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from find_differences(old, new, f"{path}[{index}]")
    # As JSON, because 1, 1.0 and True are equal in Python and not in a configuration.
    elif before is ABSENT or after is ABSENT or json.dumps(before) != json.dumps(after):
        yield path, before, after


def _are_sections(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)


def _format(value: Any) -> str:
    if value is ABSENT:
        return "not there"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

"""Differences: what two configurations say otherwise, key by key, for messages to people."""

import json
from collections.abc import Iterator
from typing import Any, Final

_SHOWN: Final = 120
"""Characters of a value that a message shows."""
_ABSENT: Final = object()


def list_differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """One line per key whose values differ: ``split.seed: 0 → 7``.

    Args:
        before: JSON-safe: mappings by key, lists by place.
        after: the same.
        path: YAML path of the two.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            inner = f"{path}.{key}" if path else str(key)
            yield from list_differences(before.get(key, _ABSENT), after.get(key, _ABSENT), inner)
    elif _are_sections(before) and _are_sections(after) and len(before) == len(after):
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from list_differences(old, new, f"{path}[{place}]")
    elif before is _ABSENT or after is _ABSENT or json.dumps(before) != json.dumps(after):
        # As JSON, because 1, 1.0 and True are equal in Python and not in a configuration.
        yield f"{path}: {_shown(before)} → {_shown(after)}"


def _are_sections(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "not there"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

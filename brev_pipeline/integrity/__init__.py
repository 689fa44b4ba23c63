"""Integrity: who is a copy of whom. Each image's identity is the MD5 of its bytes, and bytes decide.

`check_integrity` is the stage; the other functions put its findings into tables for people and suites.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.integrity.check import check_integrity
    from brev_pipeline.integrity.findings import (
        compare_contents,
        compare_listings,
        find_gone_contents,
        list_duplicate_groups,
        list_label_conflicts,
    )

_HOMES = {
    "check_integrity": "check",
    "compare_contents": "findings",
    "compare_listings": "findings",
    "find_gone_contents": "findings",
    "list_duplicate_groups": "findings",
    "list_label_conflicts": "findings",
}

__all__ = [
    "check_integrity",
    "compare_contents",
    "compare_listings",
    "find_gone_contents",
    "list_duplicate_groups",
    "list_label_conflicts",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Split: who trains and who tests.

An *item* is the physical thing that was photographed, a *stratum* a part of the listing that every purpose must
hold its share of, a *leak group* the images that may never be divided: items, byte copies and pixel copies that
hang together. `select_samples` says which images take part, `assign_purposes` gives every one a purpose, and
`build_split_report` checks the result from the tables alone. The *ledger* is what earlier versions decided; it is kept
for good (`release.ledger`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.split.assignment import assign_purposes
    from brev_pipeline.split.known_assignments import read_known_assignments
    from brev_pipeline.split.prior import PriorAssignments
    from brev_pipeline.split.report import SplitReport, build_split_report
    from brev_pipeline.split.selection import EXCLUSIONS, SELECTED_SAMPLES, select_samples

# Imported when first used: the package costs nothing to import.
_HOMES = {
    "EXCLUSIONS": "selection",
    "SELECTED_SAMPLES": "selection",
    "PriorAssignments": "prior",
    "SplitReport": "report",
    "read_known_assignments": "known_assignments",
    "build_split_report": "report",
    "assign_purposes": "assignment",
    "select_samples": "selection",
}

__all__ = [
    "EXCLUSIONS",
    "SELECTED_SAMPLES",
    "PriorAssignments",
    "SplitReport",
    "assign_purposes",
    "build_split_report",
    "read_known_assignments",
    "select_samples",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

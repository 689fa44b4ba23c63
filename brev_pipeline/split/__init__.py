"""Split: who trains and who tests.

An *item* is the physical thing that was photographed, a *stratum* a part of the listing that every purpose must
hold its share of, a *leak group* the images that may never be divided: items, byte copies and pixel copies that
hang together. `usable_samples` says which images take part, `split_samples` gives every one a purpose, and
`split_report` checks the result from the tables alone. The *ledger* is what earlier versions decided; it is kept
for good (`next_ledger`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.split.ledger import next_ledger, read_known_assignments
    from brev_pipeline.split.report import SplitReport, split_report
    from brev_pipeline.split.samples import split_samples
    from brev_pipeline.split.usable import EXCLUSIONS, USABLE, usable_samples

# Imported when first used: the package costs nothing to import.
_HOMES = {
    "EXCLUSIONS": "usable",
    "USABLE": "usable",
    "SplitReport": "report",
    "next_ledger": "ledger",
    "read_known_assignments": "ledger",
    "split_report": "report",
    "split_samples": "samples",
    "usable_samples": "usable",
}

__all__ = [
    "EXCLUSIONS",
    "USABLE",
    "SplitReport",
    "next_ledger",
    "read_known_assignments",
    "split_report",
    "split_samples",
    "usable_samples",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

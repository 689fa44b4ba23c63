"""Pictures: what a run did, as small PNGs for Dagster's UI and the report.

Charts (`class_balance`, `split_shares`, `drawn_shares`) and sheets of photos (`sample_sheet`, `quarantine_sheet`).
Each is a card on white paper, so that it reads in a light and in a dark page, with its numbers written at its marks.
Drawn with Pillow, which costs 0.1 s to import. All names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.charts.classes import class_balance
    from brev_pipeline.charts.quarantine import quarantine_sheet
    from brev_pipeline.charts.samples import sample_sheet
    from brev_pipeline.charts.strata import split_shares
    from brev_pipeline.charts.weights import drawn_shares

_HOMES = {
    "class_balance": "classes",
    "drawn_shares": "weights",
    "quarantine_sheet": "quarantine",
    "sample_sheet": "samples",
    "split_shares": "strata",
}

__all__ = ["class_balance", "drawn_shares", "quarantine_sheet", "sample_sheet", "split_shares"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

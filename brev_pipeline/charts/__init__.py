"""Charts: what a run did, as small PNGs for Dagster's UI and the report.

Charts (`class_balance`, `split_shares`, `drawn_shares`) and sheets of photos (`sample_sheet`, `quarantine_sheet`).
Each is a card on white paper, so that it reads in a light and in a dark page, with its numbers written at its marks.
Drawn with matplotlib by `figure`. All names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.charts.bars import class_balance, drawn_shares, split_shares
    from brev_pipeline.charts.sheets import quarantine_sheet, sample_sheet

_HOMES = {
    "class_balance": "bars",
    "drawn_shares": "bars",
    "quarantine_sheet": "sheets",
    "sample_sheet": "sheets",
    "split_shares": "bars",
}

__all__ = ["class_balance", "drawn_shares", "quarantine_sheet", "sample_sheet", "split_shares"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

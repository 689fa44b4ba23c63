"""The report: a version told to a person who has never seen the pipeline, as one page that needs nothing but itself.

`build_report` takes the version's tables and manifest and gives the page's files. Each section of the page is a
function (`inventory_section`, `copies_section`, `split_section`, …) that turns tables into a small frozen object; the
templates lay these objects out and decide nothing. Pictures go through one `ThumbnailCache`, so that pixels are read
once and the page keeps to its size. Tables are read as `rows` says, a column at a time, so that memory follows from a
column or two and not from a table. What a bucket's owner may have written into names passes `text` on its way to the
page: it is escaped, and stripped of credentials.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.report.build import build_report
    from brev_pipeline.report.inputs import ReportInputs

# Imported when first used: the package costs nothing to import.
_HOMES = {"ReportInputs": "inputs", "build_report": "build"}

__all__ = ["ReportInputs", "build_report"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Preview: one sheet that shows a person what a configuration makes of its photos, before any run.

For each class some photos: as they lie in the bucket, as prepared, and as the first draws of the first epoch would
augment them, with the seeds that the pipeline would use. `gather_exhibits` looks the photos up and computes the
pictures, `describe_augmentation` says in words what an augmentation did, `draw_sheet` lays all of it out.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.charts.preview.exhibits import Exhibit, Preview, gather_exhibits
    from brev_pipeline.charts.preview.sheet import draw_sheet

_HOMES = {"Exhibit": "exhibits", "Preview": "exhibits", "draw_sheet": "sheet", "gather_exhibits": "exhibits"}

__all__ = ["Exhibit", "Preview", "draw_sheet", "gather_exhibits"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

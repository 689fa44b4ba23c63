"""Labels of places: what is known of a photo besides its class, pixel by pixel (masks) or object by object.

Each kind goes all the way from the listing to the record and out again in one module, which does what `LabelKind`
says; `KINDS` names them. To add one: write its module, and name it here. A place is the same everywhere: whole numbers
of 1/256 px, corners of pixels on the multiples of 256 (see `polygons`).
"""

from typing import Any, Final

from brev_pipeline.labels.base import LabelKind
from brev_pipeline.labels.mask import MaskKind
from brev_pipeline.labels.objects import ObjectsKind

__all__ = ["KINDS", "LabelKind"]

KINDS: Final[dict[str, LabelKind[Any, Any, Any]]] = {kind.name: kind for kind in (MaskKind(), ObjectsKind())}
"""Name → kind."""

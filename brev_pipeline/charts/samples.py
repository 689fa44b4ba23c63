"""Augmented samples: some records of each class, the prepared pixels beside what the record's seed made of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.charts.canvas import FAINT, MARGIN, SHEET_BYTES, SOFT, Canvas, Pixels
from brev_pipeline.texts import TEXT

_CLASSES: Final = 5
_PAIRS: Final = 3  # of each class
_TILE: Final = 104  # px, longer side
_BLOCK: Final = _TILE + 46  # px, height of a class
_TOP: Final = 78  # px
_GAP: Final = 30  # px between pairs
_SIDE: Final = 6  # px between the two of a pair


class Augmenter(Protocol):
    """Changes pixels by a seed, as `brev_pipeline.augmentation.ImageAugmenter` does."""

    def augment(self, image: Pixels, seed: int) -> Pixels:
        """A new image, shaped like ``image``."""
        ...


class PixelReader(Protocol):
    """Reads prepared pixels, as `brev_pipeline.release.production.PreparedPixels` does."""

    def read(self, rows: pa.Table) -> Iterable[Pixels]:
        """One array per row of prepared_images' columns, in order."""
        ...


@dataclass(frozen=True, eq=False)
class _Pair:
    row: Mapping[str, Any]
    prepared: Pixels
    augmented: Pixels


def sample_sheet(
    records: pa.Table, prepared: pa.Table, *, pixels: PixelReader, augmenter: Augmenter, classes: Sequence[str]
) -> bytes:
    """For each class some records, prepared and augmented side by side; the pixels are those of the shards.

    Only the records on show are read: at most 15. Which those are depends on the record table alone.

    Args:
        records: schema `tables.TFRECORD_SHARDS`, rows in its order.
        prepared: schema `tables.PREPARED_IMAGES`.
        pixels: reads prepared pixels.
        augmenter: the one that the shards were written with.
        classes: class names by label.

    Returns:
        PNG.
    """
    own = records.filter(pc.field("augmented")) if pc.any(records["augmented"]).as_py() else records
    labels = sorted(pc.unique(own["label"]).to_pylist())
    chosen = [row for label in labels[:_CLASSES] for row in _choose(own.filter(pc.field("label") == label))]
    pairs = _pairs(chosen, prepared, pixels, augmenter)
    return _draw(pairs, labels, classes)


def _choose(rows: pa.Table) -> list[dict[str, Any]]:
    """The first records of different contents. Records lie in the shards in random order, so the first are any."""
    chosen: dict[str, dict[str, Any]] = {}
    columns = ["content_id", "path", "seed", "label", "augmented", "purpose", "epoch"]
    for row in rows.slice(0, 20 * _PAIRS).select(columns).to_pylist():
        chosen.setdefault(row["content_id"], row)
    return list(chosen.values())[:_PAIRS]


def _pairs(
    rows: list[dict[str, Any]], prepared: pa.Table, pixels: PixelReader, augmenter: Augmenter
) -> dict[int, list[_Pair]]:
    contents = pa.array([row["content_id"] for row in rows], TEXT)
    places = pc.index_in(contents, value_set=prepared["content_id"].combine_chunks())
    found: dict[int, list[_Pair]] = {}
    for row, image in zip(rows, pixels.read(prepared.take(places)) if rows else (), strict=True):
        # Of a time series the first frame; all are augmented alike.
        first = image if image.ndim == 3 else image[0]
        changed = augmenter.augment(first, row["seed"]) if row["augmented"] else first
        found.setdefault(row["label"], []).append(_Pair(row, first, np.asarray(changed)))
    return found


def _draw(pairs: dict[int, list[_Pair]], labels: Sequence[int], classes: Sequence[str]) -> bytes:
    hidden = len(labels) - len(pairs)
    height = _TOP + len(pairs) * _BLOCK + (30 if hidden else 8)
    canvas = Canvas(height, "Augmented samples", _said(pairs))
    for number, (label, own) in enumerate(pairs.items()):
        y = _TOP + number * _BLOCK
        canvas.text(MARGIN, y + 8, classes[label] if 0 <= label < len(classes) else f"label {label}", 13, bold=True)
        for place, pair in enumerate(own):
            _pair(canvas, MARGIN + place * (2 * _TILE + _SIDE + _GAP), y + 22, pair)
    if hidden:
        canvas.text(MARGIN, height - 20, f"and {hidden} more {'class' if hidden == 1 else 'classes'}", 12, SOFT)
    return canvas.png(SHEET_BYTES)


def _pair(canvas: Canvas, x: float, y: float, pair: _Pair) -> None:
    width, height = canvas.picture(x, y, pair.prepared, (_TILE, _TILE))
    canvas.picture(x + width + _SIDE, y, pair.augmented, (_TILE, _TILE))
    canvas.line(x + width + _SIDE / 2, y, x + width + _SIDE / 2, y + height, FAINT)
    canvas.text(x, y + height + 10, str(pair.row["path"]).rpartition("/")[2], 11, SOFT, width=2 * _TILE)


def _said(pairs: dict[int, list[_Pair]]) -> str:
    rows = [pair.row for own in pairs.values() for pair in own]
    if not rows:
        return "There are no records."
    if not any(row["augmented"] for row in rows):
        return "No record is augmented: left and right are the same."
    return f"Records of {rows[0]['purpose']}: left as prepared, right as in the shard, by the record's own seed."

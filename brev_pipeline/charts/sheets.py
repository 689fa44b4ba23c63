"""Sheets: photos of a run on a card: augmented samples of each class, and what lies in quarantine."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.charts.figure import (
    ALERT,
    FAINT,
    MARGIN,
    SHEET_BYTES,
    SOFT,
    Sheet,
    make_card,
    wrap_text,
)  # fmt: skip
from brev_pipeline.engine import LocalEngine, LostTask
from brev_pipeline.frames import Augmenter, PixelReader, Pixels
from brev_pipeline.images.limits import UNDECIDED_STATUSES
from brev_pipeline.storage.fetcher import Fetcher, SourceRow, check_recorded_md5
from brev_pipeline.texts import TEXT

_TOP: Final = 78  # px, of what stands below a card's heading
_CLASSES: Final = 5
_PAIRS: Final = 3  # of each class
_THUMBNAIL: Final = 104  # px, longer side
_BLOCK: Final = _THUMBNAIL + 46  # px, height of a class
_IN_QUARANTINE: Final = 12  # images shown
_COLUMNS: Final = 4
_TILE: Final = (160, 116)  # px, width and height of one
_LINES: Final = 3  # of a reason
_LARGEST: Final = 32_000_000  # bytes of a file that is read for a thumbnail
_MOST_PIXELS: Final = 64_000_000  # of an image that is decoded for one
_SECONDS: Final = 20.0


class _Pair(NamedTuple):
    """A record, the image that it was made of, and what its seed made of that."""

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
    chosen = [row for label in labels[:_CLASSES] for row in _choose_records(own.filter(pc.field("label") == label))]
    pairs = _augment_records(chosen, prepared, pixels, augmenter)
    hidden = len(labels) - len(pairs)
    height = _TOP + len(pairs) * _BLOCK + (30 if hidden else 8)
    card = make_card(height, "Augmented samples", _describe_records(chosen))
    for number, (label, shown) in enumerate(pairs.items()):
        y = _TOP + number * _BLOCK
        card.add_text(MARGIN, y + 8, classes[label] if 0 <= label < len(classes) else "(no class)", 13, bold=True)
        for column, pair in enumerate(shown):
            _add_pair(card, MARGIN + column * (2 * _THUMBNAIL + 36), y + 22, pair)
    if hidden:
        card.add_text(MARGIN, height - 20, f"and {hidden} more {'class' if hidden == 1 else 'classes'}", 12, SOFT)
    return card.to_png(SHEET_BYTES)


def _choose_records(rows: pa.Table) -> list[dict[str, Any]]:
    """The first records of different contents. Records lie in the shards in random order, so the first are any."""
    chosen: dict[str, dict[str, Any]] = {}
    columns = ["content_id", "path", "seed", "label", "augmented", "purpose", "epoch"]
    for row in rows.slice(0, 20 * _PAIRS).select(columns).to_pylist():
        chosen.setdefault(row["content_id"], row)
    return list(chosen.values())[:_PAIRS]


def _augment_records(
    rows: list[dict[str, Any]], prepared: pa.Table, pixels: PixelReader, augmenter: Augmenter
) -> dict[int, list[_Pair]]:
    contents = pa.array([row["content_id"] for row in rows], TEXT)
    offsets = pc.index_in(contents, value_set=prepared["content_id"].combine_chunks())
    pairs: dict[int, list[_Pair]] = {}
    for row, image in zip(rows, pixels.read(prepared.take(offsets)) if rows else (), strict=True):
        # Of a time series the first frame; all are augmented alike.
        first = image if image.ndim == 3 else image[0]
        changed = augmenter.augment(first, row["seed"]) if row["augmented"] else first
        pairs.setdefault(row["label"], []).append(_Pair(row, first, np.asarray(changed)))
    return pairs


def _add_pair(card: Sheet, x: float, y: float, pair: _Pair) -> None:
    width, height = card.add_picture(x, y, pair.prepared, (_THUMBNAIL, _THUMBNAIL))
    card.add_picture(x + width + 6, y, pair.augmented, (_THUMBNAIL, _THUMBNAIL))
    card.add_box(x + width + 2.5, y, 1, height, FAINT)
    card.add_text(x, y + height + 10, str(pair.row["path"]).rpartition("/")[2], 11, SOFT, width=2 * _THUMBNAIL)


def _describe_records(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "There are no records."
    if not any(row["augmented"] for row in rows):
        return "No record is augmented: left and right are the same."
    return f"Records of {rows[0]['purpose']}: left as prepared, right as in the shard, by the record's own seed."


def quarantine_sheet(quarantine: pa.Table, samples: pa.Table, fetch: Fetcher) -> bytes:
    """A tile for each image in quarantine: what can be seen of it, else its kind of trouble; its name and reason.

    A damaged file is decoded as far as it goes, in a process of its own: one that crashes decoders costs its
    picture, not the run. At most 12 images are shown, and read; images that are missing or changed are not, nor those
    that no decoder came to an end with.

    Args:
        quarantine: rows of ``prepared_images`` whose status is not ok.
        samples: columns of ``sample_integrity``.
        fetch: reads raw images.

    Returns:
        PNG.
    """
    shown = _choose_quarantined(quarantine)
    visible = [row["content_id"] for row in shown if row["status"] not in UNDECIDED_STATUSES]
    thumbnails = dict(_read_thumbnails(visible, samples, fetch))
    counts = {row["values"]: row["counts"] for row in pc.value_counts(quarantine["status"]).to_pylist()}
    said = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in sorted(counts.items()))
    said = f"{said}. Their reasons in full stand in the table." if said else "No image is in quarantine."
    block, hidden = _TILE[1] + 50 + _LINES * 14, quarantine.num_rows - len(shown)
    height = _TOP + -(-len(shown) // _COLUMNS) * block + (26 if hidden else 6)
    card = make_card(height, "In quarantine", said)
    for number, row in enumerate(shown):
        line, column = divmod(number, _COLUMNS)
        _add_tile(card, MARGIN + column * (_TILE[0] + 24), _TOP + line * block, row, thumbnails.get(row["content_id"]))
    if hidden:
        card.add_text(MARGIN, height - 20, f"and {hidden:,} more", 12, SOFT)
    return card.to_png(SHEET_BYTES)


def decode_thumbnail(data: bytes) -> Pixels | None:
    """A small picture of a file that may be damaged, as far as it can be decoded; None if not at all.

    Args:
        data: the file.

    Returns:
        uint8 (height, width, 3), its longer side at most 320 px; what could not be decoded is grey or black.
    """
    from PIL import Image, ImageFile

    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (320, 320))
            small = image.convert("RGB")
            small.thumbnail((320, 320))
            return np.asarray(small)
    # Pillow's plug-ins raise anything on damaged files; all of it means that there is nothing to see.
    except Exception:  # noqa: BLE001
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _choose_quarantined(quarantine: pa.Table) -> list[dict[str, Any]]:
    """Some of each status in turn, so that a kind of which there are many does not hide the others."""
    by_status: dict[str, list[dict[str, Any]]] = {}
    for status in sorted(pc.unique(quarantine["status"]).to_pylist()):
        own = quarantine.filter(pc.field("status") == status).slice(0, _IN_QUARANTINE)
        by_status[status] = own.select(["content_id", "status", "reason", "source_path"]).to_pylist()
    turns = [rows[turn] for turn in range(_IN_QUARANTINE) for rows in by_status.values() if turn < len(rows)]
    return sorted(turns[:_IN_QUARANTINE], key=lambda row: (row["status"], row["source_path"]))


def _read_thumbnails(contents: Sequence[str], samples: pa.Table, fetch: Fetcher) -> Iterator[tuple[str, Pixels]]:
    wanted = samples.filter(pc.is_in(samples["content_id"], value_set=pa.array(contents, TEXT)))
    wanted = wanted.filter((pc.field("size") > 0) & (pc.field("size") <= _LARGEST))
    rows = {row["content_id"]: SourceRow(**row) for row in wanted.select(list(SourceRow._fields)).to_pylist()}
    fetched = fetch.fetch_many(list(rows.values()))
    checked = ((row, check_recorded_md5(row, data)) for row, data in fetched if isinstance(data, bytes))
    files = [(row.content_id, data) for row, data in checked if isinstance(data, bytes)]
    if not files:
        return
    for (content, _), picture in LocalEngine(1).map(_decode_one, files, lost="yield", task_timeout=_SECONDS, tries=1):
        if picture is not None and not isinstance(picture, LostTask):
            yield content, picture


def _decode_one(file: tuple[str, bytes]) -> Pixels | None:
    return decode_thumbnail(file[1])


def _add_tile(card: Sheet, x: float, y: float, row: Mapping[str, Any], picture: Pixels | None) -> None:
    width, height = _TILE
    if picture is None:
        card.add_box(x, y, width, height, "#f1f0ec")
        card.add_text(x + width / 2, y + height / 2, "nothing to see", 12, SOFT, align="center", width=width - 10)
    else:
        card.add_picture(x, y, picture, _TILE)
    card.add_text(x, y + height + 11, str(row["status"]).replace("_", " "), 12, ALERT, bold=True, width=width)
    card.add_text(x, y + height + 27, str(row["source_path"]).rpartition("/")[2], 11, width=width)
    for number, line in enumerate(wrap_text(str(row["reason"] or ""), width, 11, _LINES)):
        card.add_text(x, y + height + 42 + 14 * number, line, 11, SOFT, width=width)

"""The quarantine: what could not be used, as far as there is anything to see of it, and why."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.charts.canvas import ALERT, MARGIN, SHEET_BYTES, SOFT, Canvas, Pixels, wrapped
from brev_pipeline.engine import LocalEngine, LostTask
from brev_pipeline.images.limits import UNJUDGED
from brev_pipeline.storage.fetcher import Fetcher, SourceRow, check_recorded_md5
from brev_pipeline.texts import TEXT

_SHOWN: Final = 12
_COLUMNS: Final = 4
_TILE: Final = 160  # px, width
_HIGH: Final = 116  # px, height
_LINES: Final = 3  # of a reason
_BLOCK: Final = _HIGH + 50 + _LINES * 14  # px
_TOP: Final = 78  # px
_GAP: Final = 24  # px
_LARGEST: Final = 32_000_000  # bytes of a file that is read for a thumbnail
_MOST_PIXELS: Final = 64_000_000  # of an image that is decoded for one
_SECONDS: Final = 20.0


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
    shown = _shown(quarantine)
    visible = [row["content_id"] for row in shown if row["status"] not in UNJUDGED]
    pictures = dict(_pictures(visible, samples, fetch))
    lines = -(-len(shown) // _COLUMNS)
    hidden = quarantine.num_rows - len(shown)
    height = _TOP + lines * _BLOCK + (26 if hidden else 6)
    canvas = Canvas(height, "In quarantine", _said(quarantine))
    for number, row in enumerate(shown):
        line, column = divmod(number, _COLUMNS)
        _tile(canvas, MARGIN + column * (_TILE + _GAP), _TOP + line * _BLOCK, row, pictures.get(row["content_id"]))
    if hidden:
        canvas.text(MARGIN, height - 20, f"and {hidden:,} more", 12, SOFT)
    return canvas.png(SHEET_BYTES)


def look(data: bytes) -> Pixels | None:
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


def _shown(quarantine: pa.Table) -> list[dict[str, Any]]:
    """Some of each status in turn, so that a kind of which there are many does not hide the others."""
    by_status: dict[str, list[dict[str, Any]]] = {}
    for status in sorted(pc.unique(quarantine["status"]).to_pylist()):
        own = quarantine.filter(pc.field("status") == status).slice(0, _SHOWN)
        by_status[status] = own.select(["content_id", "status", "reason", "source_path"]).to_pylist()
    turns = [rows[turn] for turn in range(_SHOWN) for rows in by_status.values() if turn < len(rows)]
    return sorted(turns[:_SHOWN], key=lambda row: (row["status"], row["source_path"]))


def _pictures(contents: Sequence[str], samples: pa.Table, fetch: Fetcher) -> Iterator[tuple[str, Pixels]]:
    wanted = samples.filter(pc.is_in(samples["content_id"], value_set=pa.array(contents, TEXT)))
    wanted = wanted.filter((pc.field("size") > 0) & (pc.field("size") <= _LARGEST))
    rows = {row["content_id"]: SourceRow(**row) for row in wanted.select(list(SourceRow._fields)).to_pylist()}
    found = fetch.fetch_many(list(rows.values()))
    checked = ((row, check_recorded_md5(row, data)) for row, data in found if isinstance(data, bytes))
    files = [(row.content_id, data) for row, data in checked if isinstance(data, bytes)]
    if not files:
        return
    for (content, _), picture in LocalEngine(1).map(_look, files, lost="yield", task_timeout=_SECONDS, tries=1):
        if picture is not None and not isinstance(picture, LostTask):
            yield content, picture


def _look(file: tuple[str, bytes]) -> Pixels | None:
    return look(file[1])


def _tile(canvas: Canvas, x: float, y: float, row: Mapping[str, Any], picture: Pixels | None) -> None:
    if picture is None:
        canvas.bar(x, y, _TILE, _HIGH, "#f1f0ec")
        canvas.text(x + _TILE / 2, y + _HIGH / 2, "nothing to see", 12, SOFT, align="middle", width=_TILE - 10)
    else:
        canvas.picture(x, y, picture, (_TILE, _HIGH))
    canvas.text(x, y + _HIGH + 11, str(row["status"]).replace("_", " "), 12, ALERT, bold=True, width=_TILE)
    canvas.text(x, y + _HIGH + 27, str(row["source_path"]).rpartition("/")[2], 11, width=_TILE)
    for number, line in enumerate(wrapped(str(row["reason"] or ""), _TILE, 11, _LINES)):
        canvas.text(x, y + _HIGH + 42 + 14 * number, line, 11, SOFT, width=_TILE)


def _said(quarantine: pa.Table) -> str:
    counts = {row["values"]: row["counts"] for row in pc.value_counts(quarantine["status"]).to_pylist()}
    told = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in sorted(counts.items()))
    return f"{told}. Their reasons in full stand in the table." if told else "No image is in quarantine."

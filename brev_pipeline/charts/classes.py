"""Class balance: how many images each class has, dataset by dataset."""

from typing import Final

import pyarrow as pa

from brev_pipeline.charts.canvas import ACCENT, FAINT, MARGIN, SOFT, WIDTH, Canvas
from brev_pipeline.texts import join_names

_ROWS: Final = 24  # classes shown of each dataset, others added up
_DATASETS: Final = 4
_LABEL: Final = 210  # px
_BARS: Final = WIDTH - 2 * MARGIN - _LABEL - 130  # px of the longest bar
_ROW, _HEAD, _TOP = 22, 30, 80  # px


def class_balance(listing: pa.Table) -> bytes:
    """A bar for each class of each dataset, the largest first, with the number of images and its share.

    Args:
        listing: columns dataset, category (lists of text).

    Returns:
        PNG.
    """
    found = _counts(listing)
    shown = {
        name: _most(rows, _ROWS if len(found) == 1 else _ROWS // 2) for name, rows in list(found.items())[:_DATASETS]
    }
    several = len(found) > 1
    rows = sum(map(len, shown.values())) + (_hidden(found) > 0)
    height = _TOP + rows * _ROW + several * len(shown) * _HEAD + 16
    classes = {label for own in found.values() for label, _ in own}
    canvas = Canvas(max(height, 96), "Images by class", _said(listing.num_rows, len(classes), len(found)))
    longest = max((count for own in shown.values() for _, count, _ in own), default=1)
    y = _TOP
    for name, own in shown.items():
        if several:
            canvas.text(MARGIN, y + 12, name, 13, bold=True)
            y += _HEAD
        for label, count, other in own:
            canvas.text(
                MARGIN + _LABEL - 12, y + 7, label, 13, SOFT if other else "#1d1f23", align="right", width=_LABEL - 12
            )
            width = _BARS * count / longest
            canvas.bar(MARGIN + _LABEL, y, width, 14, FAINT if other else ACCENT)
            share = count / max(1, listing.num_rows)
            canvas.text(MARGIN + _LABEL + width + 8, y + 7, f"{count:,}   {share:.1%}", 12, SOFT)
            y += _ROW
    if _hidden(found):
        canvas.text(MARGIN, y + 7, f"and {_hidden(found)} more datasets", 12, SOFT)
    return canvas.png()


def _hidden(found: dict[str, list[tuple[str, int]]]) -> int:
    return max(0, len(found) - _DATASETS)


def _counts(listing: pa.Table) -> dict[str, list[tuple[str, int]]]:
    """Dataset → class and images, the largest first; datasets by size too."""
    flat = pa.table({"dataset": listing["dataset"], "label": join_names(listing["category"], ", ")})
    counted = flat.group_by(["dataset", "label"]).aggregate([([], "count_all")]).to_pylist()
    found: dict[str, list[tuple[str, int]]] = {}
    for row in sorted(counted, key=lambda row: (-row["count_all"], row["label"])):
        found.setdefault(row["dataset"], []).append((row["label"] or "(no class)", row["count_all"]))
    return dict(sorted(found.items(), key=lambda item: (-sum(count for _, count in item[1]), item[0])))


def _most(rows: list[tuple[str, int]], limit: int) -> list[tuple[str, int, bool]]:
    """The first rows; those that do not fit as one, marked."""
    if len(rows) <= limit:
        return [(*row, False) for row in rows]
    rest = rows[limit - 1 :]
    return [*((*row, False) for row in rows[: limit - 1]), (f"{len(rest)} others", sum(n for _, n in rest), True)]


def _said(images: int, classes: int, datasets: int) -> str:
    parts = [_number(images, "image"), _number(classes, "class", "classes"), _number(datasets, "dataset")]
    return ", ".join(parts)


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"

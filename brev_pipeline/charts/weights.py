"""The weights: how often each sampling group is drawn, beside how often it would be drawn by its size alone."""

from typing import Any, Final

import pyarrow as pa

from brev_pipeline.charts.canvas import ACCENT, FAINT, LINE, MARGIN, SOFT, WIDTH, Canvas

_ROWS: Final = 24
_LABEL: Final = 210  # px
_AXIS: Final = WIDTH - 2 * MARGIN - _LABEL - 180  # px
_ROW, _TOP = 26, 108  # px


def drawn_shares(weights: pa.Table, purpose: str | None = None) -> bytes:
    """For each group a ring at its share of the images and a dot at its share of the draws.

    Args:
        weights: columns purpose, group, samples, probability.
        purpose: whose groups are shown; None: those of the one that is weighed most.

    Returns:
        PNG.
    """
    rows = _of_purpose(weights.select(["purpose", "group", "samples", "probability"]).to_pylist(), purpose)
    shown = rows[:_ROWS]
    name = rows[0]["purpose"] if rows else purpose or ""
    said = f"Groups of {name}: share of the images, and of the draws of an epoch." if rows else "There are no groups."
    canvas = Canvas(
        _TOP + len(shown) * _ROW + (34 if len(rows) > _ROWS else 16), "Drawn, beside natural frequency", said
    )
    _legend(canvas)
    most = max((max(row["natural"], row["probability"]) for row in shown), default=1.0) or 1.0
    for number, row in enumerate(shown):
        _row(canvas, _TOP + 9 + number * _ROW, row, _AXIS / most)
    if len(rows) > _ROWS:
        rest = sum(row["probability"] for row in rows[_ROWS:])
        canvas.text(
            MARGIN,
            _TOP + len(shown) * _ROW + 12,
            f"{len(rows) - _ROWS} smaller groups, {rest:.1%} of the draws",
            12,
            SOFT,
        )
    return canvas.png()


def _of_purpose(rows: list[dict[str, Any]], purpose: str | None) -> list[dict[str, Any]]:
    """The groups of one purpose with their natural shares, the largest first."""
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["purpose"]] = totals.get(row["purpose"], 0) + row["samples"]
    skew = dict.fromkeys(totals, 0.0)
    for row in rows:
        row["natural"] = row["samples"] / (totals[row["purpose"]] or 1)
        skew[row["purpose"]] += abs(row["probability"] - row["natural"])
    wanted = purpose or max(totals, key=lambda name: (skew[name], totals[name], name), default="")
    own = [row for row in rows if row["purpose"] == wanted]
    return sorted(own, key=lambda row: (-row["samples"], row["group"]))


def _legend(canvas: Canvas) -> None:
    x = float(MARGIN + _LABEL)
    canvas.dot(x + 5, 84, 5, SOFT, hollow=True)
    x += 18 + canvas.text(x + 18, 84, "of the images", 12, SOFT) + 22
    canvas.dot(x + 5, 84, 5, ACCENT)
    canvas.text(x + 18, 84, "of the draws", 12, SOFT)


def _row(canvas: Canvas, y: float, row: dict[str, Any], scale: float) -> None:
    left = MARGIN + _LABEL
    natural, drawn = left + row["natural"] * scale, left + row["probability"] * scale
    canvas.text(left - 12, y, row["group"] or "(all)", 13, align="right", width=_LABEL - 12)
    canvas.line(left, y, left + _AXIS, y, LINE)
    canvas.line(natural, y, drawn, y, FAINT, 4)
    canvas.dot(natural, y, 5, SOFT, hollow=True)
    canvas.dot(drawn, y, 5, ACCENT)
    factor = row["probability"] / row["natural"] if row["natural"] else 0.0
    said = f"{row['natural']:.1%} → {row['probability']:.1%}   ×{factor:.2g}"
    canvas.text(left + _AXIS + 14, y, said, 12, SOFT)

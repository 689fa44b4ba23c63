"""The split: each stratum's images on the sides that they came to, beside the sides that were wanted."""

from typing import Any, Final

import pyarrow as pa

from brev_pipeline.charts.canvas import CARD, INK, MARGIN, PURPOSES, SOFT, WIDTH, Canvas

_ROWS: Final = 24
_LABEL: Final = 210  # px
_BAR: Final = WIDTH - 2 * MARGIN - _LABEL - 70  # px
_ROW, _TOP = 26, 108  # px


def split_shares(shares: pa.Table) -> bytes:
    """A bar for each stratum, divided into its purposes with their images; ticks stand where the wanted shares end.

    Args:
        shares: columns stratum, purpose, images, wanted_share: a row for each pair, purposes in their order.

    Returns:
        PNG. The first bar is all strata together.
    """
    strata, wanted = _by_stratum(shares)
    colours = {purpose: PURPOSES[number % len(PURPOSES)] for number, purpose in enumerate(wanted)}
    rows = _rows(strata, list(wanted))
    said = "Images of each stratum; the ticks mark the wanted shares. Leak groups are never divided."
    canvas = Canvas(_TOP + len(rows) * _ROW + 16, "Split by stratum", said)
    _legend(canvas, wanted, colours)
    for number, (label, counts) in enumerate(rows):
        _row(canvas, _TOP + number * _ROW, label, counts, wanted, colours)
    return canvas.png()


def _by_stratum(shares: pa.Table) -> tuple[dict[str, dict[str, int]], dict[str, float]]:
    strata: dict[str, dict[str, int]] = {}
    wanted: dict[str, float] = {}
    for row in shares.select(["stratum", "purpose", "images", "wanted_share"]).to_pylist():
        strata.setdefault(row["stratum"], {})[row["purpose"]] = row["images"]
        wanted[row["purpose"]] = row["wanted_share"]
    return strata, wanted


def _rows(strata: dict[str, dict[str, int]], purposes: list[str]) -> list[tuple[str, dict[str, int]]]:
    """All together, then the largest strata, then the others added up."""
    ordered = sorted(strata.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    rows = [(name or "(one stratum)", counts) for name, counts in ordered]
    if len(rows) > _ROWS:
        rest = [counts for _, counts in rows[_ROWS - 1 :]]
        rows = [*rows[: _ROWS - 1], (f"{len(rest)} others", _total(rest, purposes))]
    everything = _total(list(strata.values()), purposes)
    return [("all", everything), *rows] if len(rows) > 1 else rows


def _total(counts: list[dict[str, int]], purposes: list[str]) -> dict[str, int]:
    return {purpose: sum(one.get(purpose, 0) for one in counts) for purpose in purposes}


def _legend(canvas: Canvas, wanted: dict[str, float], colours: dict[str, str]) -> None:
    x = float(MARGIN + (_LABEL if len(wanted) < 4 else 0))
    for purpose, share in wanted.items():
        canvas.bar(x, 78, 12, 12, colours[purpose])
        x += 18 + canvas.text(x + 18, 84, f"{purpose} {share:.0%} wanted", 12, SOFT, width=170) + 18


def _row(
    canvas: Canvas, y: float, label: str, counts: dict[str, Any], wanted: dict[str, float], colours: dict[str, str]
) -> None:
    total = sum(counts.values())
    bold = label == "all"
    canvas.text(MARGIN + _LABEL - 12, y + 9, label, 13, INK, bold=bold, align="right", width=_LABEL - 12)
    canvas.text(MARGIN + _LABEL + _BAR + 10, y + 9, f"{total:,}", 12, SOFT)
    x = float(MARGIN + _LABEL)
    for purpose in wanted:
        count = counts.get(purpose, 0)
        width = _BAR * count / total if total else 0.0
        canvas.bar(x, y, width, 18, colours[purpose])
        if width > 9 * len(f"{count:,}"):
            canvas.text(x + width / 2, y + 9, f"{count:,}", 12, CARD, bold=True, align="middle")
        x += width
    _ticks(canvas, y, list(wanted.values()))


def _ticks(canvas: Canvas, y: float, wanted: list[float]) -> None:
    end = 0.0
    for share in wanted[:-1]:
        end += share
        at = MARGIN + _LABEL + _BAR * end
        canvas.line(at, y - 3, at, y + 21, CARD, 3)
        canvas.line(at, y - 3, at, y + 21, INK, 1)

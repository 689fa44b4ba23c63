"""Bars: charts with a row for each class, stratum or sampling group, as cards for Dagster's UI."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from brev_pipeline.charts.figure import (
    ACCENT,
    CARD,
    FAINT,
    INK,
    LINE,
    MARGIN,
    PURPOSES,
    SOFT,
    WIDTH,
    Sheet,
    make_card,
    make_style,
    shorten_text,
)  # fmt: skip
from brev_pipeline.texts import join_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROWS: Final = 24  # shown in one chart, others added up
_DATASETS: Final = 4
_LABEL: Final = 210  # px, left of the bars
_ROW, _HEAD, _TOP, _LEGEND = 24, 30, 76, 30  # px, heights


def class_balance(listing: pa.Table) -> bytes:
    """A bar for each class of each dataset, the largest first, with the number of images and its share.

    Args:
        listing: columns dataset, category (lists of text).

    Returns:
        PNG.
    """
    datasets = _count_classes(listing)
    several, hidden = len(datasets) > 1, len(datasets) - _DATASETS
    most = _ROWS // 2 if several else _ROWS
    shown = {name: _merge_last(rows, most) for name, rows in list(datasets.items())[:_DATASETS]}
    height = _TOP + sum(len(rows) * _ROW + several * _HEAD for rows in shown.values()) + (30 if hidden > 0 else 16)
    classes = len({row.label for rows in datasets.values() for row in rows})
    counts = [(listing.num_rows, "image", "images"), (classes, "class", "classes")]
    counts.append((len(datasets), "dataset", "datasets"))
    said = ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in counts)
    card = make_card(max(height, 96), "Images by class", said)
    longest = max((row.images for rows in shown.values() for row in rows), default=1)
    y = _TOP
    for name, rows in shown.items():
        if several:
            card.add_text(MARGIN, y + 12, name, 13, bold=True)
            y += _HEAD
        axes = _add_rows(card, y, [row.label for row in rows], 130)
        axes.set_xlim(0, longest)
        bars = axes.barh(range(len(rows)), [row.images for row in rows], 0.6)
        for bar, row in zip(bars, rows, strict=True):
            bar.set_color(FAINT if row.others else ACCENT)
        numbers = [f"{row.images:,}   {row.images / max(1, listing.num_rows):.1%}" for row in rows]
        axes.bar_label(bars, numbers, padding=8, **make_style(12))
        y += len(rows) * _ROW
    if hidden > 0:
        card.add_text(MARGIN, y + 8, f"and {hidden} more datasets", 12, SOFT)
    return card.to_png()


def split_shares(shares: pa.Table) -> bytes:
    """A bar for each stratum, divided into its purposes with their images; ticks stand where the wanted shares end.

    Args:
        shares: columns stratum, purpose, images, wanted_share: a row for each pair, purposes in their order.

    Returns:
        PNG. The first bar is all strata together.
    """
    strata: dict[str, dict[str, int]] = {}
    wanted: dict[str, float] = {}
    for row in shares.select(["stratum", "purpose", "images", "wanted_share"]).to_pylist():
        strata.setdefault(row["stratum"], {})[row["purpose"]] = row["images"]
        wanted[row["purpose"]] = row["wanted_share"]
    labels, counts = _count_strata(strata, list(wanted))  # counts: (rows, purposes)
    said = "Images of each stratum; the ticks mark the wanted shares. Leak groups are never divided."
    card = make_card(_TOP + _LEGEND + len(labels) * _ROW + 16, "Split by stratum", said)
    x = float(MARGIN + (_LABEL if len(wanted) < 4 else 0))
    for number, (purpose, share) in enumerate(wanted.items()):
        card.add_box(x, 78, 12, 12, PURPOSES[number % len(PURPOSES)])
        x += 36 + card.add_text(x + 18, 84, f"{purpose} {share:.0%} wanted", 12, SOFT, width=170)
    if not labels:
        return card.to_png()
    axes = _add_rows(card, _TOP + _LEGEND, labels, 70, bold_first=len(labels) > 1)
    axes.set_xlim(0, 1)
    totals = counts.sum(axis=1)
    widths = counts / np.maximum(totals, 1)[:, None]
    width = WIDTH - 2 * MARGIN - _LABEL - 70
    for number in range(len(wanted)):
        colour, left = PURPOSES[number % len(PURPOSES)], widths[:, :number].sum(axis=1)
        bars = axes.barh(range(len(labels)), widths[:, number], 0.7, left, color=colour)
        # A number stands only in a bar that is wide enough for it.
        pairs = zip(counts[:, number], widths[:, number] * width, strict=True)
        own = [f"{count:,}" if px > 9 * len(f"{count:,}") else "" for count, px in pairs]
        axes.bar_label(bars, own, label_type="center", **make_style(12, CARD, bold=True))
    for row, total in enumerate(totals):
        axes.annotate(f"{total:,}", (1, row), (10, 0), textcoords="offset points", va="center", **make_style(12))
    rows = np.arange(len(labels))
    for end in np.cumsum(list(wanted.values()))[:-1]:
        # A dark tick on a wider light one is seen on every purpose's colour.
        for colour, thick in ((CARD, 3), (INK, 1)):
            axes.vlines([end] * len(labels), rows - 0.46, rows + 0.46, colour, linewidth=thick)
    return card.to_png()


def drawn_shares(weights: pa.Table, purpose: str | None = None) -> bytes:
    """For each group a ring at its share of the images and a dot at its share of the draws.

    Args:
        weights: columns purpose, group, samples, probability.
        purpose: whose groups are shown; None: those of the one that is weighed most.

    Returns:
        PNG.
    """
    rows = _choose_groups(weights.select(["purpose", "group", "samples", "probability"]).to_pylist(), purpose)
    shown, rest = rows[:_ROWS], rows[_ROWS:]
    name = rows[0]["purpose"] if rows else purpose or ""
    said = f"Groups of {name}: share of the images, and of the draws of an epoch." if rows else "There are no groups."
    height = _TOP + _LEGEND + len(shown) * _ROW + (34 if rest else 16)
    card = make_card(height, "Drawn, beside natural frequency", said)
    axes = _add_rows(card, _TOP + _LEGEND, [row["group"] or "(all)" for row in shown], 190)
    natural, drawn = ([row[key] for row in shown] for key in ("natural", "probability"))
    most, places = max([*natural, *drawn, 0.0]) or 1.0, range(len(shown))
    axes.set_xlim(0, most)
    axes.hlines(places, 0, most, LINE, linewidth=1)
    axes.hlines(places, natural, drawn, FAINT, linewidth=4)
    ring = axes.scatter(natural, places, 90, CARD, edgecolors=SOFT, linewidths=1.5, clip_on=False, zorder=3)
    dot = axes.scatter(drawn, places, 90, ACCENT, clip_on=False, zorder=4)
    for row, group in enumerate(shown):
        factor = group["probability"] / group["natural"] if group["natural"] else 0.0
        said = f"{group['natural']:.1%} → {group['probability']:.1%}   ×{factor:.2g}"
        axes.annotate(said, (most, row), (16, 0), textcoords="offset points", va="center", **make_style(12))
    card.add_legend([ring, dot], ["of the images", "of the draws"], MARGIN + _LABEL, 84)
    if rest:
        said = f"{len(rest)} smaller groups, {sum(row['probability'] for row in rest):.1%} of the draws"
        card.add_text(MARGIN, height - 20, said, 12, SOFT)
    return card.to_png()


def _add_rows(card: Sheet, y: float, labels: Sequence[str], right: float, *, bold_first: bool = False) -> "Axes":
    """Axes with a labelled row for each label, ``right`` px narrower than the card."""
    left = MARGIN + _LABEL
    axes = card.add_axes(left, y, WIDTH - MARGIN - left - right, max(1, len(labels)) * _ROW)
    axes.set_ylim(max(1, len(labels)) - 0.5, -0.5)
    fitting = [shorten_text(label, _LABEL - 12, 13) for label in labels]
    axes.set_yticks(range(len(labels)), fitting, **make_style(13, INK))
    for text in axes.get_yticklabels()[: int(bold_first)]:
        text.set_fontweight("bold")
    return axes


class _Row(NamedTuple):
    label: str
    images: int
    others: bool = False  # several classes, added up


def _count_classes(listing: pa.Table) -> dict[str, list[_Row]]:
    """Dataset → its classes, the largest first; datasets by size too."""
    flat = pa.table({"dataset": listing["dataset"], "label": join_names(listing["category"], ", ")})
    counted = flat.group_by(["dataset", "label"]).aggregate([([], "count_all")]).to_pylist()
    datasets: dict[str, list[_Row]] = {}
    for row in sorted(counted, key=lambda row: (-row["count_all"], row["label"])):
        datasets.setdefault(row["dataset"], []).append(_Row(row["label"] or "(no class)", row["count_all"]))
    return dict(sorted(datasets.items(), key=lambda item: (-sum(row.images for row in item[1]), item[0])))


def _merge_last(rows: list[_Row], limit: int) -> list[_Row]:
    """The first rows; those that do not fit as one."""
    if len(rows) <= limit:
        return rows
    rest = rows[limit - 1 :]
    return [*rows[: limit - 1], _Row(f"{len(rest)} others", sum(row.images for row in rest), others=True)]


def _count_strata(strata: dict[str, dict[str, int]], purposes: list[str]) -> tuple[list[str], Any]:
    """Labels and images (rows, purposes): all together, then the largest strata, then the others added up."""
    ordered = sorted(strata.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    labels = [name or "(one stratum)" for name, _ in ordered]
    counts = np.array([[own.get(purpose, 0) for purpose in purposes] for _, own in ordered])
    counts = counts.reshape(len(ordered), len(purposes))
    everything = counts.sum(axis=0)
    if len(labels) > _ROWS:
        labels = [*labels[: _ROWS - 1], f"{len(labels) - _ROWS + 1} others"]
        counts = np.vstack([counts[: _ROWS - 1], counts[_ROWS - 1 :].sum(axis=0)])
    return (["all", *labels], np.vstack([everything, counts])) if len(labels) > 1 else (labels, counts)


def _choose_groups(rows: list[dict[str, Any]], purpose: str | None) -> list[dict[str, Any]]:
    """The groups of one purpose with their natural shares, the largest first."""
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["purpose"]] = totals.get(row["purpose"], 0) + row["samples"]
    skew = dict.fromkeys(totals, 0.0)
    for row in rows:
        row["natural"] = row["samples"] / (totals[row["purpose"]] or 1)
        skew[row["purpose"]] += abs(row["probability"] - row["natural"])
    chosen = purpose or max(totals, key=lambda name: (skew[name], totals[name], name), default="")
    return sorted((row for row in rows if row["purpose"] == chosen), key=lambda row: (-row["samples"], row["group"]))

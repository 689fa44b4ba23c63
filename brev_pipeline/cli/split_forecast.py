"""The split that a run would make of a configuration, as far as the paths and the bytes that are known tell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from brev_pipeline.cli.output import format_count, make_visible, print_heading, print_paragraph
from brev_pipeline.config import PipelineConfig
from brev_pipeline.texts import TEXT

_SHOWN: Final = 12  # classes


@dataclass(frozen=True)
class SplitForecast:
    """The photos by class and side, and what hangs together."""

    classes: dict[str, Counter[str]]  # class → side → photos
    purposes: list[str]  # the purposes, in the configuration's order
    items: int
    groups: int  # what may not be divided: items, and copies that join them
    largest: list[tuple[str, int]]  # an item of each of the largest groups, and the group's photos
    crossing: list[tuple[str, str]] = field(default_factory=list)
    """Photos with the same bytes under two items, some of them."""
    copies: int | None = 0  # photos that have the bytes of another one; None where nobody looked
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    """Photos with the same bytes under two classes, some of them."""
    divided_items: int = 0
    """Item keys that stand on two sides; more than none only where ``uniqueness_scope`` is stratum."""

    @property
    def empty_purposes(self) -> list[str]:
        """The sides that no photo stands on."""
        return [side for side in self.purposes if not any(counts[side] for counts in self.classes.values())]


def forecast_split(config: PipelineConfig, contents: dict[str, str] | None) -> SplitForecast:
    """List the dataset of a configuration, and divide it as a run does.

    Args:
        config: with one dataset.
        contents: key within the dataset → MD5 of the bytes, where that is known; None: nobody looked.

    Raises:
        ListingError: as `list_datasets`.
        SplitError: as `check_split_early` and `assign_purposes`.
    """
    from brev_pipeline.listing import listing_state
    from brev_pipeline.release.assignments import load_given_files
    from brev_pipeline.split import PriorAssignments, assign_purposes
    from brev_pipeline.split.early_checks import check_split_early
    from brev_pipeline.storage import Sources

    listing = listing_state(config.datasets, config.listing, Sources.from_config(config)).listing
    prior = PriorAssignments(given=load_given_files(config))
    check_split_early(listing, config.split, prior)
    table = assign_purposes(_make_samples(listing, contents or {}), config.split, prior)
    return _count_split(table, config, contents)


def _make_samples(listing: pa.Table, contents: dict[str, str]) -> pa.Table:
    """The listing as the split takes it: what has no known bytes is a content of its own."""
    from brev_pipeline.split import SELECTED_SAMPLES
    from brev_pipeline.tables import conform_table

    # Known contents are named from the bucket, as keys are; a listing has whole paths.
    prefix = listing["bucket"][0].as_py().rstrip("/") + "/"
    keys = pc.utf8_slice_codeunits(listing["path"], len(prefix))
    known = pa.table(
        {"key": pa.array(contents.keys(), keys.type), "md5": pa.array(contents.values(), TEXT)}
    ).combine_chunks()
    rows = pc.index_in(keys, value_set=known["key"].combine_chunks())
    content = pc.coalesce(known["md5"].take(rows), pc.cast(listing["path"], TEXT))
    for name in ("content_id", "pixel_id"):
        listing = listing.append_column(name, content)
    return conform_table(listing.select(SELECTED_SAMPLES.names), SELECTED_SAMPLES, "listing")


def _count_split(table: pa.Table, config: PipelineConfig, contents: dict[str, str] | None) -> SplitForecast:
    classes: dict[str, Counter[str]] = {}
    names = [" + ".join(found) for found in table["category"].to_pylist()]
    purposes = table["purpose"].to_pylist()
    for (name, purpose), count in sorted(Counter(zip(names, purposes, strict=True)).items()):
        classes.setdefault(name, Counter())[purpose] += count
    groups = Counter(table["leak_group"].to_pylist())
    largest = sorted(groups, key=lambda group: (-groups[group], group))[:3]
    item_of = dict(zip(table["path"].to_pylist(), table["item"].to_pylist(), strict=True))
    first: dict[str, int] = {}
    crossing, conflicts, copies = list[tuple[str, str]](), list[tuple[str, str]](), 0
    paths, items = table["path"].to_pylist(), table["item"].to_pylist()
    sides = Counter(item for item, _ in set(zip(items, purposes, strict=True)))
    for row, content in enumerate(table["content_id"].to_pylist()):
        at = first.setdefault(content, row)
        if at == row:
            continue
        copies += 1
        pair = (paths[at], paths[row])
        if items[at] != items[row]:
            crossing.append(pair)
        if names[at] != names[row]:
            conflicts.append(pair)
    return SplitForecast(
        classes,
        config.split.names,
        len(set(items)),
        len(groups),
        [(item_of[group], groups[group]) for group in largest],
        crossing,
        None if contents is None else copies,
        conflicts,
        sum(count > 1 for count in sides.values()),
    )


def show_split_forecast(console: Console, outcome: SplitForecast, config: PipelineConfig) -> None:
    """The table of classes and sides, the largest groups, and what copies say."""
    print_heading(console, "What a run would make of it")
    rows = sorted(outcome.classes.items(), key=lambda row: -row[1].total())
    console.print(_make_table(rows, outcome.purposes))
    groups = f"{format_count(outcome.groups, 'group')} that may not be divided"
    print_paragraph(console, f"{format_count(outcome.items, 'item')}, {groups}")
    if outcome.largest[0][1] > 1:
        largest = ", ".join(f"{item} ({format_count(count, 'photo')})" for item, count in outcome.largest)
        print_paragraph(console, f"the largest: {largest}")
    if config.split.uniqueness_scope == "stratum":
        divided = format_count(outcome.divided_items, "item number")
        print_paragraph(console, f"{divided} on two sides: a leak, if they are the same items", "yellow")
    _show_copies(console, outcome, config.datasets[0].bucket)
    alone = [name for name, counts in rows if counts.total() == max(counts.values())]
    if alone and len(rows) > 1:
        print_paragraph(console, f"on one side only: {', '.join(alone[:_SHOWN])}", "yellow")


def _make_table(rows: Sequence[tuple[str, Counter[str]]], sides: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), show_edge=False)
    table.add_column("  class", overflow="fold")
    for side in (*sides, "photos"):
        table.add_column(side, justify="right")
    for name, counts in rows[:_SHOWN]:
        title = escape(f"  {make_visible(name, line=True)}")
        table.add_row(title, *(str(counts[side]) for side in sides), str(counts.total()))
    if len(rows) > _SHOWN:
        table.add_row(f"  and {len(rows) - _SHOWN} more")
    sums = [sum(counts[side] for _, counts in rows) for side in sides]
    table.add_row("  all", *map(str, sums), str(sum(sums)), style="bold")
    return table


def _show_copies(console: Console, outcome: SplitForecast, bucket: str) -> None:
    if outcome.copies is None:
        print_paragraph(console, "whether there are copies was not looked at: there is too much to read; a run does")
    elif outcome.copies:
        one = outcome.copies == 1
        what = "1 photo is a copy of another" if one else f"{outcome.copies} photos are copies of others"
        print_paragraph(console, f"{what}, byte for byte; copies stay together")
    if outcome.crossing:
        said = f"{_count_having(outcome.crossing)} the bytes of a photo of another item, such as "
        said += f"{_format_pair(outcome.crossing, bucket)}: one item under two names, or a wrong pattern"
        print_paragraph(console, said, "yellow")
    if outcome.conflicts:
        said = f"{_count_having(outcome.conflicts)} the bytes of a photo of another class, such as "
        said += f"{_format_pair(outcome.conflicts, bucket)}: a run stops there until they are corrected, or "
        print_paragraph(console, f"{said}integrity.label_conflicts says quarantine", "yellow")


def _format_pair(pairs: Sequence[tuple[str, str]], bucket: str) -> str:
    return " and ".join(path.removeprefix(bucket).lstrip("/") for path in pairs[0])


def _count_having(pairs: Sequence[tuple[str, str]]) -> str:
    return f"{len(pairs)} of them {'has' if len(pairs) == 1 else 'have'}"

"""What changed against the version before: images, classes, numbers, configuration, packages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.integrity.findings import COMPARED_CONTENTS, compare_contents
from brev_pipeline.report.context import RULES_IN_WORDS, ReportContext, SectionSummary
from brev_pipeline.report.rows import Codes, Mask, Numbers, TableView, count_values, encode_column, first_rows
from brev_pipeline.report.text import count_noun, join_words, order_names
from brev_pipeline.store import StoredTable
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.texts import TEXT

_PATHS: Final = 40  # examples of each change
_PIECE: Final = 1_000_000  # rows


@dataclass(frozen=True)
class ImageChange:
    """A kind of change and the images that it happened to."""

    title: str
    says: str
    images: int
    examples: list[tuple[str, str]]  # paths, and what happened to each


def compare_images(
    context: ReportContext, old: TableView, old_split: TableView, old_exclusions: pa.Table
) -> list[ImageChange]:
    """New images, those that left, what the listing leaves out since or does no more, renamed, replaced, relabelled and
    moved ones, in this order.

    An image is found when it is listed or left out by the listing: what ``listing.classes`` hides has not left. Nor has
    one whose bytes stand under another path now: it is renamed, and keeps its class or is relabelled.
    """
    new = context.listing
    at, before = _match_paths(old, new)
    left = np.ones(before, bool)
    left[at[at >= 0]] = False
    was, now = _unread_paths(old_exclusions), _unread_paths(context.inputs.exclusions)
    back, hidden = _match_paths_among(new, at < 0, was), _match_paths_among(old, left, now)
    come, gone = _drop_known(now, was, old), _drop_known(was, now, new)
    came, lost = (at < 0) & ~back, left & ~hidden
    renamed = _find_renamed(old, lost, new, came)
    came &= ~_match_paths_among(new, came, renamed["path"].combine_chunks())
    lost &= ~_match_paths_among(old, lost, renamed["was"].combine_chunks())
    relabelled = renamed.filter(pc.equal(renamed["change"], "relabelled"))
    altered = _describe_altered(old, new, at, "class", "Relabelled images", "the same path, or renamed; another class")
    examples = sorted([*altered.examples, *_describe_renamed(relabelled, "", "", "category_was", "category").examples])
    split_at, _ = _match_paths(old_split, context.split)
    return [
        _describe_listed("New images", "found now, not before", new, came, come, context),
        _describe_listed("Images that left", "found before, not now", old, lost, gone, None),
        _describe_listed("No longer read", "the listing left them out this time", old, hidden, None, context),
        _describe_listed("Read again", "the listing left them out before", new, back, None, context),
        _describe_renamed(renamed, "Renamed images", "the same bytes, another path", "was"),
        _describe_altered(old, new, at, "content_id", "Replaced images", "the same path, other bytes"),
        replace(altered, images=altered.images + len(relabelled), examples=examples[:_PATHS]),
        _describe_altered(
            old_split, context.split, split_at, "purpose", "Moved images", "they changed sides of the split"
        ),
    ]


def _unread_paths(exclusions: pa.Table) -> pa.Array:
    """Paths that the listing left out."""
    rules = pa.array(LEFT_OUT_RULES, TEXT)
    return exclusions["path"].filter(pc.is_in(exclusions["rule"], value_set=rules)).combine_chunks()


def _match_paths_among(table: TableView, rows: Mask, paths: pa.Array) -> Mask:
    """(rows of the table,) those of some rows whose path is one of some."""
    found = np.zeros(len(rows), bool)
    if len(paths) and rows.any():
        found[rows] = pc.is_in(table.read_column("path", rows), value_set=paths).to_numpy()
    return found


def _drop_known(paths: pa.Array, others: pa.Array, listing: TableView) -> pa.Array:
    """Those of some paths that are neither among others nor listed."""
    for known in (others, listing.read_column("path") if len(paths) else others):
        paths = paths.filter(pc.invert(pc.is_in(paths, value_set=known)))
    return paths


def _describe_listed(
    title: str, says: str, table: TableView, among: Mask, unread: pa.Array | None, context: ReportContext | None
) -> ImageChange:
    """A change of listed images, and of some that the listing left out."""
    examples = _examples(table, among, context)
    if unread is not None and len(unread):
        paths = unread.take(pc.bottom_k_unstable(unread, min(_PATHS, len(unread)))).to_pylist()
        fates = context.describe_fates(paths) if context else {}
        examples += [(path, fates.get(path, "left out by the listing")) for path in paths[: _PATHS - len(examples)]]
    return ImageChange(title, says, int(among.sum()) + (0 if unread is None else len(unread)), examples)


def _find_renamed(old: TableView, lost: Mask, new: TableView, came: Mask) -> pa.Table:
    """What has the bytes of an image that is gone: schema `LISTING_CHANGES`, sorted by path."""
    both = ((old, lost), (new, came))
    sides = (pa.table({name: rows.read_column(name, among) for name in COMPARED_CONTENTS}) for rows, among in both)
    found = compare_contents(*sides)
    return found.filter(found["was"].is_valid())


def _describe_renamed(renamed: pa.Table, title: str, says: str, was: str, now: str = "path") -> ImageChange:
    """A change of images that were renamed."""
    shown = renamed.slice(0, _PATHS).to_pylist()
    arrow = [(row["path"], f"was {row[was]}" if now == "path" else f"{row[was]} → {row[now]}") for row in shown]
    return ImageChange(title, says, len(renamed), arrow)


def _match_paths(old: TableView, new: TableView) -> tuple[Codes, int]:
    """(new rows,) the row of the same path in the old table, or −1; and the rows of that."""
    was, now = old.read_column("path"), new.read_column("path")
    if len(was) == len(now) and pc.all(pc.equal(was, now), min_count=0).as_py():
        return np.arange(len(now), dtype=np.int32), len(was)  # as a rule, and far cheaper
    return pc.index_in(now, value_set=was).fill_null(-1).to_numpy(), len(was)


def _first_paths(table: TableView, among: Mask) -> Numbers:
    """The rows that are shown of some."""
    if not among.any():
        return np.zeros(0, np.int64)
    return np.flatnonzero(among)[first_rows(pa.table({"path": table.read_column("path", among)}), _PATHS)]


def _examples(table: TableView, among: Mask, context: ReportContext | None) -> list[tuple[str, str]]:
    if not len(rows := _first_paths(table, among)):
        return []
    shown = table.read_rows(["path", "class"], rows).to_pylist()
    fates = context.describe_fates(row["path"] for row in shown) if context else {}
    return [(row["path"], ", ".join(filter(None, [row["class"], fates.get(row["path"], "")]))) for row in shown]


def _describe_altered(old: TableView, new: TableView, at: Codes, column: str, title: str, says: str) -> ImageChange:
    unlike = _differs(old.read_column(column), new.read_column(column), at)
    if not len(rows := _first_paths(new, unlike)):
        return ImageChange(title, says, 0, [])
    was = old.read_rows([column], at[rows])[column].to_pylist()
    shown = new.read_rows(["path", column], rows).to_pylist()
    arrows = [(row["path"], f"{before} → {row[column]}") for row, before in zip(shown, was, strict=True)]
    return ImageChange(title, says, int(unlike.sum()), arrows)


def _differs(old: pa.ChunkedArray, new: pa.ChunkedArray, at: Codes) -> Mask:
    """(new rows,) whether there was another value at the old row; in pieces, for what is taken is a copy."""
    old, unlike = old.combine_chunks(), np.zeros(len(new), bool)
    for start in range(0, len(new), _PIECE):
        places = at[start : start + _PIECE]
        was = old.take(pa.array(places, mask=places < 0))
        other = pc.not_equal(was, new.slice(start, _PIECE).combine_chunks())
        unlike[start : start + _PIECE] = other.fill_null(False).to_numpy(zero_copy_only=False)
    return unlike


@dataclass(frozen=True)
class NumberDifference:
    """A number, then and now."""

    name: str
    was: int
    now: int

    @property
    def change(self) -> str:
        """With its sign."""
        return f"{self.now - self.was:+,}" if self.now != self.was else "±0"


@dataclass(frozen=True)
class SettingDifference:
    """A setting or package, then and now."""

    name: str
    was: str
    now: str


@dataclass(frozen=True)
class ChangesSection:
    """The section; without a parent only the opening."""

    opening: SectionSummary
    parent: str | None
    images: list[ImageChange]
    classes: list[NumberDifference]
    numbers: list[NumberDifference]
    settings: list[SettingDifference]
    packages: list[SettingDifference]


def changes_section(context: ReportContext) -> ChangesSection:
    """Compare the version with its parent."""
    parent = context.inputs.parent
    if parent is None:
        said = "This is the first published version of this pipeline: there is nothing to compare it with."
        return ChangesSection(SectionSummary("changes", "What changed", "plain", said), None, [], [], [], [], [])
    before, now = parent.read_manifest(), context.inputs.manifest
    tables = {name: StoredTable(parent.folder, f"{name}.parquet") for name in ("listing", "assignments", "exclusions")}
    listing = TableView(tables["listing"])
    old_out = tables["exclusions"].read(["path", "rule"])
    images = compare_images(context, listing, TableView(tables["assignments"]), old_out)
    settings = list(_compare_settings(before["configuration"], now["configuration"]))
    packages = list(_compare_settings(before.get("packages", {}), now.get("packages", {})))
    return ChangesSection(
        _summarize_changes(parent.id, images, settings, packages),
        parent.id,
        [change for change in images if change.images],
        _compare_classes(context, listing),
        _compare_numbers(context, before, old_out),
        settings,
        packages,
    )


def _compare_classes(context: ReportContext, old: TableView) -> list[NumberDifference]:
    was = {row["class"]: row["count"] for row in count_values({"class": old.explode_categories()[0]})}
    now = {name: sum(one.values()) for name, one in context.class_counts.items()}
    names = [*now, *sorted(set(was) - set(now))]
    return [one for name in names if (one := NumberDifference(name, was.get(name, 0), now.get(name, 0))).was != one.now]


def _compare_numbers(context: ReportContext, before: Mapping[str, Any], old_out: pa.Table) -> list[NumberDifference]:
    now, new_out = context.inputs.manifest, context.inputs.exclusions
    rows = [NumberDifference("Images found", before["counts"]["listed"], now["counts"]["listed"])]
    for kind, title in (("images", "Images for"), ("records", "Records for")):
        was, is_now = before["counts"][kind], now["counts"][kind]
        names = order_names({*was, *is_now}, context.purposes)
        rows += [NumberDifference(f"{title} {name}", was.get(name, 0), is_now.get(name, 0)) for name in names]
    rules_of = [count_values({"rule": encode_column(table["rule"])}) for table in (old_out, new_out)]
    out = [{row["rule"]: row["count"] for row in rows_of} for rows_of in rules_of]
    rules = order_names({*out[0], *out[1]}, RULES_IN_WORDS)
    return rows + [
        NumberDifference(f"Left out: {RULES_IN_WORDS.get(name, name)}", out[0].get(name, 0), out[1].get(name, 0))
        for name in rules
    ]


def _compare_settings(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[SettingDifference]:
    old, new = dict(_flatten_settings(was)), dict(_flatten_settings(now))
    for key in sorted({**old, **new}):
        before, after = old.get(key, "—"), new.get(key, "—")
        if before != after:
            yield SettingDifference(key, _format_setting(before), _format_setting(after))


def _flatten_settings(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted key; ranges and lists of texts stay whole, sections in lists are numbered."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flatten_settings(one, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value):
            yield from _flatten_settings(one, f"{key}[{number}]")
    else:
        yield key, list(value) if isinstance(value, tuple) else value


def _format_setting(value: Any) -> str:
    if value is None:
        return "none"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


# Of each change that `compare_images` gives: what happened to one image, and to several.
_HAPPENED: Final = (
    ("is new", "are new"),
    ("left", "left"),
    ("is no longer read", "are no longer read"),
    ("is read again", "are read again"),
    ("was renamed", "were renamed"),
    ("was replaced", "were replaced"),
    ("got another class", "got another class"),
    ("changed sides", "changed sides"),
)


def _summarize_changes(
    parent: str, images: list[ImageChange], settings: list[SettingDifference], packages: list[SettingDifference]
) -> SectionSummary:
    parts = [f"{change.images:,} {words[change.images > 1]}" for change, words in zip(images, _HAPPENED, strict=True)]
    parts = [part for part, change in zip(parts, images, strict=True) if change.images]
    happened = f"of the images {join_words(parts)}" if parts else "the images stayed the same"
    said = f"Since version {parent}, {happened}; {count_noun(len(settings), 'setting')} changed"
    if packages:
        said += f", and so did {count_noun(len(packages), 'package')}"
    relabelled, moved = images[-2].images, images[-1].images
    said += "; no image changed sides of the split." if not moved else "; images that changed sides deserve a look."
    return SectionSummary("changes", "What changed", "look" if relabelled or moved else "good", said)

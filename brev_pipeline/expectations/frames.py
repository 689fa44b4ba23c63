"""What the suites look at: small pandas frames made from a stage's tables.

Truths that span rows or tables (no leak, nothing lost, frequencies met) are computed here once, independently of
the stage that they judge, as one column each; a suite then names the column. Rows keep the columns that tell a
person which image is meant.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations.changes import find_content_changes, find_path_changes
from brev_pipeline.expectations.class_frames import build_class_frames, build_drawn_classes, build_strata
from brev_pipeline.images.limits import UNDECIDED_STATUSES
from brev_pipeline.labels.columns import LABEL_PURPOSE
from brev_pipeline.labels.identity import LABEL_ID
from brev_pipeline.labels.prepared import PREPARED_LABELS, find_prepared_labels
from brev_pipeline.listing.class_checks import count_classes, find_odd_classes
from brev_pipeline.table_metadata import found_facts
from brev_pipeline.tables import NO_LABEL, Columns, drawn_by_weight, part_names, to_mask
from brev_pipeline.texts import TEXT, join_names, normalize_unicode, number_values

if TYPE_CHECKING:
    import pandas as pd

    from brev_pipeline.split.given_names import GivenMatches


@dataclass(frozen=True)
class Baseline:
    """What the newest published version remembers, for rules that compare with it."""

    listing: pa.Table | None = None
    """Its listing; None where nothing was published yet."""
    assignments: pa.Table | None = None
    """Its split, and what earlier ones remembered: the ledger."""
    known: pa.Table | None = None
    """The configured file of known assignments."""
    classes: Sequence[str] = ()
    """Its class names, in the order of the labels."""
    given: Mapping[str, pa.Table] | None = None
    """The files of ``split.given``, by their keys."""


Tables = Mapping[str, Columns]
Frames = dict[str, "pd.DataFrame"]
Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def build_frames(stage: str, tables: Tables, config: PipelineConfig, published: Baseline) -> Frames:
    """The frames of a stage's suite.

    Args:
        stage: for example ``sample_split``.
        tables: the stage's own table and those it is compared with (see `stages.inputs_of`), by stage.
        config: the pipeline's configuration.
        published: what the newest published version remembers.
    """
    return FRAMES[stage](tables, config, published)


def _listing_frames(tables: Tables, config: PipelineConfig, published: Baseline) -> Frames:
    listing = tables["raw_listing"].read(["path", "size", "category"])
    rows = listing.select(["path", "size"]).to_pandas()
    rows["has_category"] = (pc.list_value_length(listing["category"]).to_numpy() > 0) | (
        not config.listing.finds_classes
    )
    rows["has_bytes"] = rows["size"] > 0
    gone = find_path_changes(published.listing, tables["raw_listing"])
    facts = found_facts(listing)
    names, twins = facts.get("names", []), facts.get("twins", [])
    odd = find_odd_classes(count_classes(listing["category"]), len(listing), config.listing)
    return {
        "rows": rows,
        "summary": _single_row(images=len(rows), paths_gone=gone.share, paths_told=gone.description),
        "path_changes": gone.examples.to_pandas(),
        "names": _frame_of_rows(names, matched=[row["images"] > 0 for row in names]),
        "twins": _frame_of_rows(twins, distinct=[False] * len(twins)),
        "labels": _frame_of_rows(odd, useful=[False] * len(odd)),
    }


def _frame_of_rows(rows: Sequence[Mapping[str, Any]], **truth: Sequence[bool]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows).assign(**truth) if rows else _empty_frame(*truth)


def _integrity_frames(tables: Tables, config: PipelineConfig, published: Baseline) -> Frames:
    from brev_pipeline.integrity.findings import COMPARED_CONTENTS, list_duplicate_groups, list_label_conflicts

    columns = ["path", "content_id", "content_source", "duplicate_of", "label_conflict"]
    table = tables["sample_integrity"].read([*columns, "category", "copies", "folder", "dataset"])
    rows = table.select(columns).to_pandas()
    rows["has_content_id"] = rows["content_id"].str.match(r"^(?:[0-9a-f]{32}|unread-[0-9a-f]{32})$")
    rows["readable"] = rows["content_source"] != "unreadable"
    rows["no_label_conflict"] = ~rows["label_conflict"]
    lost = _count_difference(tables["raw_listing"].read(["path"])["path"], table["path"])
    share = float(rows["duplicate_of"].notna().mean()) if len(rows) else 0.0
    gone = find_content_changes(published.listing, table.select(COMPARED_CONTENTS))
    return {
        "rows": rows,
        "summary": _single_row(
            rows_lost=lost, duplicate_share=share, contents_gone=gone.share, contents_told=gone.description
        ),
        "conflicts": _frame_of_conflicts(list_label_conflicts(table)),
        "copies": list_duplicate_groups(table).slice(0, 20).select(["paths", "copies"]).to_pandas(),
        "content_changes": gone.examples.to_pandas(),
    }


def _frame_of_conflicts(conflicts: pa.Table) -> "pd.DataFrame":
    """Up to 20 contents under several classes: each path with its own."""
    import pandas as pd

    pairs = [zip(row["paths"], row["categories"], strict=True) for row in conflicts.slice(0, 20).to_pylist()]
    texts = [", ".join(f"{path} ({names})" for path, names in content) for content in pairs]
    return pd.DataFrame([[text] for text in texts], columns=["paths"])


def _image_frames(tables: Tables, config: PipelineConfig, published: Baseline) -> Frames:
    kept = ["content_id", "source_path", "status", "reason", "note"]
    sides = ["prepared_height", "prepared_width", "prepared_channels"]
    table = tables["prepared_images"].read([*kept, "pixel_id", "std", "file", "length", *sides])
    samples = tables["sample_integrity"].read(["path", "content_id", "category", LABEL_ID])
    rows = table.to_pandas()
    ok = rows["status"] == "ok"
    rows["reason_given"] = ok | rows["reason"].fillna("").astype(bool)
    accepted = config.validation.prepared_images.accept_unjudged
    # By any of the paths that hold the same bytes.
    at_paths = samples.filter(
        pc.is_in(normalize_unicode(samples["path"]), value_set=normalize_unicode(pa.array(accepted, TEXT)))
    )
    is_accepted = rows["content_id"].isin([*accepted, *at_paths["content_id"].to_pylist()])
    rows["judged"] = ~rows["status"].isin(UNDECIDED_STATUSES) | is_accepted
    rows["pixels_kept"] = ~ok | (rows["file"].notna() & (rows["length"] > 0) & _has_wanted_size(rows, config))
    rows["not_blank"] = ~ok | (rows["std"].fillna(0) > 0)
    rows["read_cleanly"] = ~ok | ~rows["note"].fillna("").str.contains("in spite of")
    conflicting = _is_in(table["content_id"], _find_pixel_conflicts(table, samples))
    rows["no_pixel_conflict"] = ~conflicting
    truths = ["reason_given", "judged", "pixels_kept", "not_blank", "read_cleanly", "no_pixel_conflict"]
    return {
        "rows": rows[[*kept, *truths]],
        "deep": _build_deep(tables["prepared_images"], config),
        "accepted": _build_accepted(accepted, samples),
        "pixel_conflicts": _build_pixel_conflicts(table.filter(pa.array(conflicting)), samples),
        "summary": _single_row(
            contents_lost=_count_difference(samples["content_id"], table["content_id"]),
            quarantined_share=float((~ok).mean()) if len(rows) else 0.0,
        ),
    }


def _build_accepted(entries: list[str], samples: pa.Table) -> "pd.DataFrame":
    """A row for each entry of accept_unjudged: whether it means an image, and which is most like it where not."""
    import pandas as pd

    from brev_pipeline.split.matching import match_rows

    table = pa.table({"path": pa.array(entries, TEXT)})
    match = match_rows(table, ["path"], samples.select(["path"]), {}, "accept_unjudged")
    there = match.found | _is_in(table["path"], samples["content_id"])
    missing = np.flatnonzero(~there)[:20]  # a search through all paths for each
    frame = pd.DataFrame({"entry": pd.Series(entries, dtype=object), "closest": None, "matched": there})
    frame.loc[missing, "closest"] = match.find_closest(missing)["closest"].to_pylist()
    return frame


def _build_pixel_conflicts(images: pa.Table, samples: pa.Table) -> "pd.DataFrame":
    """Up to 20 pictures under several classes: the paths of each with their own."""
    images = images.filter(pc.is_in(images["pixel_id"], value_set=pc.unique(images["pixel_id"]).drop_null()[:20]))
    at = pc.index_in(samples["content_id"], value_set=images["content_id"])
    shown = samples.filter(pc.is_valid(at)).append_column("pixel_id", images["pixel_id"].take(at.drop_null()))
    shown = shown.append_column("categories", join_names(shown["category"], ", ")).sort_by("path")
    groups = shown.group_by("pixel_id", use_threads=False).aggregate([("path", "list"), ("categories", "list")])
    return _frame_of_conflicts(groups.rename_columns({"path_list": "paths", "categories_list": "categories"}))


_RANGE = ["bit_depth", "sample_min", "sample_low", "sample_high", "sample_max", "range_used"]


def _build_deep(images: Columns, config: PipelineConfig) -> "pd.DataFrame":
    """A row for each image of more than 8 bits."""
    from brev_pipeline.images.intensity import SampleRanges, advise_window, measure_fit

    table = images.read(["source_path", *_RANGE])
    if "range_used" not in table.column_names:
        # Of a version that was made before there was such a column.
        return _empty_frame("share", "advice")
    # An image of one value is blank, which no window helps.
    table = table.filter(pc.and_(table["range_used"].is_valid(), pc.greater(table["sample_max"], table["sample_min"])))
    ranges = SampleRanges(*(table[name].to_numpy() for name in _RANGE))
    share, least = measure_fit(ranges, config.image.intensity), config.validation.prepared_images.min_range_used
    little = share < least
    advice = advise_window(ranges.select_images(little), ranges.select_images(~little), least) if little.any() else ""
    rows: pd.DataFrame = table.to_pandas()
    return rows.assign(share=share, advice=advice)


def _has_wanted_size(rows: "pd.DataFrame", config: PipelineConfig) -> Any:
    channels = rows["prepared_channels"] == (1 if config.image.color_mode == "greyscale" else 3)
    if config.image.target_size is None:
        return channels & (rows["prepared_height"].fillna(0) > 0)
    height, width = config.image.target_size
    return channels & (rows["prepared_height"] == height) & (rows["prepared_width"] == width)


def _find_pixel_conflicts(images: pa.Table, samples: pa.Table) -> pa.ChunkedArray:
    """Content ids whose pixels stand under more than one category, or have more than one label."""
    at = pc.index_in(samples["content_id"], value_set=images["content_id"])
    shown = samples.filter(pc.is_valid(at))
    pixels = _encode_texts(images["pixel_id"])[at.drop_null().to_numpy()]
    # Without pixels: one that nothing else shares.
    pixels = np.where(pixels < 0, np.arange(len(pixels)) + len(images), pixels)
    agree = _is_whole(pixels, _encode_texts(join_names(shown["category"], "\x1f")))
    if LABEL_ID in shown.column_names:
        agree &= _is_whole(pixels, _encode_texts(pc.fill_null(shown[LABEL_ID], "")))
    return shown["content_id"].filter(pa.array(~agree))


def _split_frames(tables: Tables, config: PipelineConfig, published: Baseline) -> Frames:
    from brev_pipeline.split.known_assignments import count_known_matches, list_known_columns
    from brev_pipeline.split.leak_groups import list_key_columns

    paths = tables["sample_split"].read(["path"])["path"]
    lost = _count_difference(_find_usable_paths(tables, config), paths)
    columns = ["path", "content_id", "pixel_id", "item", "stratum", "leak_group", "purpose", "assigned_by"]
    wanted = list_known_columns(published.known, config.split)
    by_given = ["bucket", "etag", LABEL_PURPOSE] if config.split.given else []
    split = tables["sample_split"].read([*columns, "category", *list_key_columns(config.split), *wanted, *by_given])
    rows = split.select(columns).to_pandas()
    purpose, group = _encode_texts(split["purpose"]), _encode_texts(split["leak_group"])
    listing = tables["sample_integrity"].read(wanted) if published.known is not None else split
    account = count_known_matches(published.known, split, listing, config.split)
    given = _match_given(tables, config, published)
    unmatched = [
        {"where": f"split.given.{source.key}", **row} for source in given for row in source.unmatched.to_pylist()
    ]
    rows["leak_group_whole"] = _is_whole(group, purpose)
    rows["content_whole"] = _is_whole(_encode_texts(split["content_id"]), purpose)
    rows["pixels_whole"] = _is_whole(_encode_texts(split["pixel_id"]), purpose)
    return {
        "rows": rows,
        "summary": _single_row(
            rows_lost=lost,
            known_unmatched=0 if account is None else account.unmatched_count,
            known_told="" if account is None else account.unmatched_text,
            given_unmatched=sum(source.unmatched_count for source in given),
            given_told="; ".join(source.unmatched_text for source in given if source.unmatched_text),
        ),
        "given": _frame_of_rows(unmatched) if unmatched else _empty_frame("where", "key", "closest"),
        "known": _empty_frame("key", "purpose", "closest") if account is None else account.unmatched.to_pandas(),
        **_report_frames(split, group, config, published, tables["sample_integrity"]),
    }


def _match_given(tables: Tables, config: PipelineConfig, published: Baseline) -> Sequence["GivenMatches"]:
    """What became of the names and words of ``split.given``: of all that is listed, usable or not."""
    from brev_pipeline.split.given_names import count_given_matches, list_given_columns

    if config.split.given is None:
        return ()
    listing = tables["sample_integrity"].read(list_given_columns(config.split))
    return count_given_matches(listing, config.split, published.given)


def _report_frames(
    split: pa.Table, group: Numbers, config: PipelineConfig, published: Baseline, samples: Columns
) -> Frames:
    """What the split's own report finds, each finding a row."""
    from brev_pipeline.split import PriorAssignments, build_split_report
    from brev_pipeline.split.selection import read_listed

    # All listed images, where something is said of single ones.
    listed = read_listed(samples, split.column_names) if config.split.names_images else None
    # Unknown purposes are left to their own rule.
    named = pc.is_in(split["purpose"], value_set=pa.array(config.split.names, TEXT))
    if not pc.all(named, min_count=0).as_py():
        split, group = split.filter(named), group[named.to_numpy()]
    report = build_split_report(
        split,
        config.split,
        PriorAssignments(ledger=published.assignments, known=published.known, given=published.given, listed=listed),
    )
    rest, moved = ~report.outside, report.moved.to_pandas()
    listed_words = moved.pop("present").map({True: "yes", False: "no"})
    return {
        "strata": build_strata(split if rest.all() else split.filter(pa.array(rest)), group[rest], config.split),
        **build_class_frames(split, group, config.split, published.classes, report.outside),
        "oversize": report.oversize.to_pandas().assign(fits=False),
        "moved": moved.assign(listed=listed_words, kept=False),
        "overruled": report.overruled.to_pandas().assign(kept=False),
        "additions": report.locked_additions.to_pandas().assign(allowed=False),
    }


def _find_usable_paths(tables: Tables, config: PipelineConfig) -> pa.ChunkedArray:
    """Paths that the split should hold, by the configured policies."""
    columns = ["path", "content_id", "category", "duplicate_of", "label_conflict", LABEL_ID]
    samples = tables["sample_integrity"].read(columns)
    prepared = tables["prepared_images"].read(["content_id", "status", "pixel_id", PREPARED_LABELS])
    ready = prepared["content_id"].filter(pc.equal(prepared["status"], "ok"))
    usable = _is_in(samples["content_id"], ready) & _have_usable_labels(samples, prepared)
    if config.integrity.duplicates == "keep_first":
        usable &= _are_first_copies(samples, usable)
    if config.integrity.label_conflicts == "quarantine":
        usable &= ~samples["label_conflict"].to_numpy()
        usable &= ~_is_in(samples["content_id"], _find_pixel_conflicts(prepared, samples))
    return samples["path"].filter(pa.array(usable))


def _have_usable_labels(samples: pa.Table, prepared: pa.Table) -> Bools:
    """(images,) whether the labels of each, where it has any, are fit to be used."""
    if LABEL_ID not in samples.column_names or PREPARED_LABELS not in prepared.column_names:
        return np.ones(len(samples), np.bool_)
    labels, at = find_prepared_labels(prepared, samples["content_id"], samples[LABEL_ID])
    fit = to_mask(pc.equal(labels["status"].take(at), "ok"))
    return np.asarray(samples[LABEL_ID].is_null().to_numpy() | fit, np.bool_)


def _are_first_copies(samples: pa.Table, usable: Bools) -> Bools:
    """(images,) whether each is the first of its bytes by path, among those that can be used."""
    if LABEL_ID not in samples.column_names:
        return np.asarray(samples["duplicate_of"].is_null().to_numpy(), np.bool_)
    rows = samples.select(["path", "content_id"]).filter(pa.array(usable))
    first = rows.group_by("content_id").aggregate([("path", "min")])["path_min"]
    return np.asarray(_is_in(samples["path"], first), np.bool_)


def _weight_frames(tables: Tables, config: PipelineConfig, published: Baseline) -> Frames:
    rows = tables["sampling_weights"].read().to_pandas()
    totals = rows.groupby("purpose")["draws"].transform("sum")
    rows["draws_error"] = (rows["draws"] - rows["probability"] * totals).abs()
    purposes = rows.groupby("purpose", as_index=False).agg(total=("probability", "sum"))
    purposes["error"] = (purposes["total"] - 1).abs()
    lost = int(tables["sample_split"].read(["purpose"]).num_rows - rows["samples"].sum())
    return {"rows": rows, "purposes": purposes, "summary": _single_row(rows_lost=abs(lost))}


def _shard_frames(tables: Tables, config: PipelineConfig, published: Baseline) -> Frames:
    from brev_pipeline.split.label_map import read_split_classes

    columns = ["purpose", "epoch", "shard", "position", "path", "content_id", "group", "label"]
    table = tables["tfrecord_shards"].read([*columns, "ordinal"])
    split = tables["sample_split"].read(["path", "purpose", "category"])
    parts = part_names(table)
    rows = table.select(columns).to_pandas()
    rows["part"] = parts.to_pandas()
    purposes = split["purpose"].take(pc.index_in(table["path"], value_set=split["path"]))
    rows["purpose_of_split"] = pc.fill_null(pc.equal(purposes, table["purpose"]), False).to_numpy()
    rows["place_unique"] = _is_alone(_encode_texts(parts), table["shard"].to_numpy(), table["position"].to_numpy())
    least = 0 if config.listing.finds_classes else NO_LABEL
    rows["label_known"] = rows["label"].between(least, len(read_split_classes(split)) - 1)
    drawn = [name for name in config.sampling.purposes if name not in config.split.fold_names]
    once = split["path"].filter(pa.array(~_is_in(split["purpose"], drawn)))
    weighed = drawn_by_weight(table).to_numpy()
    as_they_are = table["path"].filter(pa.array(~weighed | ~_is_in(table["purpose"], list(config.sampling.purposes))))
    shards = rows.groupby(["part", "shard"], as_index=False).size()
    spread = shards.groupby("part")["size"].agg(["min", "max"])
    return {
        "rows": rows,
        "groups": _build_groups(rows[weighed], tables["sampling_weights"].read()),
        "shards": spread.assign(spread=spread["max"] - spread["min"]).reset_index(),
        "classes": build_drawn_classes(table, split, config),
        "summary": _single_row(never_recorded=int((~_is_in(once, as_they_are)).sum())),
    }


def _is_alone(*columns: Numbers) -> Any:
    """(rows,) whether no other row has the same numbers, none of them negative."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        key = key * (int(column.max(initial=0)) + 1) + column
    ordered = np.sort(key)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return ~np.isin(key, twice)


def _build_groups(rows: "pd.DataFrame", weights: pa.Table) -> "pd.DataFrame":
    """Records of each group beside what its probability asks for, over all epochs."""
    wanted: pd.DataFrame = weights.select(["purpose", "group", "probability"]).to_pandas()
    counts = rows.groupby(["purpose", "group"], as_index=False).size()
    totals = rows.groupby("purpose").size()
    both = wanted.merge(counts, on=["purpose", "group"], how="outer").fillna({"size": 0, "probability": 0.0})
    both["records_wanted"] = both["probability"] * both["purpose"].map(totals).fillna(0)
    both["records_error"] = (both["size"] - both["records_wanted"]).abs()
    return both


def _count_difference(first: pa.ChunkedArray, second: pa.ChunkedArray) -> int:
    """How many distinct values stand in only one of the two columns."""
    if len(first) == len(second) and pc.all(pc.equal(first, second), min_count=0).as_py():
        return 0  # as a rule; two sets of all paths cost ten times as much
    values = [pc.unique(first), pc.unique(second)]
    return sum(int((~_is_in(left, right)).sum()) for left, right in (values, values[::-1]))


def _is_in(values: Any, wanted: Any) -> Any:
    """Whether each text is one of those wanted, as NumPy's truth values (pandas' ``isin`` walks through Python)."""
    known = pa.array(wanted, TEXT) if isinstance(wanted, list) else wanted
    return pc.is_in(values, value_set=known).to_numpy(zero_copy_only=False)


def _encode_texts(column: pa.ChunkedArray) -> Numbers:
    """(rows,) a number for each different text; −1 for null."""
    return number_values(column)[0].astype(np.int64)


def _is_whole(number: Numbers, side: Numbers) -> Any:
    """(rows,) whether all rows of a row's number stand on one side."""
    from brev_pipeline.split.report import find_divided

    return ~np.append(find_divided(number, side), False)[number]


def _empty_frame(*columns: str) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({column: [] for column in columns})


def _single_row(**values: float | str) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([values])


FRAMES: dict[str, Callable[[Tables, PipelineConfig, Baseline], Frames]] = {
    "raw_listing": _listing_frames,
    "sample_integrity": _integrity_frames,
    "prepared_images": _image_frames,
    "sample_split": _split_frames,
    "sampling_weights": _weight_frames,
    "tfrecord_shards": _shard_frames,
}

"""What the suites look at: small pandas frames made from a stage's tables.

Truths that span rows or tables (no leak, nothing lost, frequencies met) are computed here once, independently of
the stage that they judge, as one column each; a suite then names the column. Rows keep the columns that tell a
person which image is meant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.tables import Columns
from brev_pipeline.texts import TEXT, joined_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Published:
    """What the newest published version remembers, for rules that compare with it."""

    listing: pa.Table | None = None
    """Its listing; None where nothing was published yet."""
    assignments: pa.Table | None = None
    """Its split, and what earlier ones remembered: the ledger."""
    known: pa.Table | None = None
    """The configured file of known assignments."""


Tables = Mapping[str, pa.Table]
Frames = dict[str, "pd.DataFrame"]

_READ: Final[dict[str, dict[str, list[str] | None]]] = {
    "raw_listing": {"raw_listing": ["path", "size", "category"]},
    "sample_integrity": {
        "sample_integrity": ["path", "content_id", "content_source", "duplicate_of", "label_conflict"],
        "raw_listing": ["path"],
    },
    "prepared_images": {
        "prepared_images": [
            *("content_id", "source_path", "status", "reason", "note", "pixel_id", "std", "file", "length"),
            *("prepared_height", "prepared_width", "prepared_channels"),
        ],
        "sample_integrity": ["content_id", "category"],
    },
    "sample_split": {
        "sample_split": None,
        "sample_integrity": ["path", "content_id", "category", "duplicate_of", "label_conflict"],
        "prepared_images": ["content_id", "status", "pixel_id"],
    },
    "sampling_weights": {"sampling_weights": None, "sample_split": ["purpose"]},
    "tfrecord_shards": {
        "tfrecord_shards": ["purpose", "epoch", "shard", "position", "path", "content_id", "group", "label"],
        "sample_split": ["path", "purpose", "category"],
        "sampling_weights": None,
    },
}
"""Stage → table → the columns that its suite reads; None: all."""


def frames(stage: str, tables: Mapping[str, Columns], config: PipelineConfig, published: Published) -> Frames:
    """The frames of a stage's suite.

    Args:
        stage: for example ``sample_split``.
        tables: the stage's own table and those it is compared with (see `suites.NEEDS`), by stage.
        config: the pipeline's configuration.
        published: what the newest published version remembers.
    """
    read = {name: tables[name].read(columns) for name, columns in _READ[stage].items()}
    return _FRAMES[stage](read, config, published)


def _raw_listing(tables: Tables, config: PipelineConfig, published: Published) -> Frames:
    listing = tables["raw_listing"]
    rows = listing.select(["path", "size"]).to_pandas()
    rows["has_category"] = _lengths(listing, "category") > 0
    rows["has_bytes"] = rows["size"] > 0
    gone = 0.0
    if published.listing is not None and published.listing.num_rows:
        gone = 1 - float(_in(published.listing["path"], listing["path"]).mean())
    return {"rows": rows, "summary": _one_row(images=len(rows), shrinkage=gone)}


def _sample_integrity(tables: Tables, config: PipelineConfig, published: Published) -> Frames:
    table = tables["sample_integrity"]
    rows = table.select(["path", "content_id", "content_source", "duplicate_of", "label_conflict"]).to_pandas()
    rows["has_content_id"] = rows["content_id"].str.match(r"^(?:[0-9a-f]{32}|unread-[0-9a-f]{32})$")
    rows["readable"] = rows["content_source"] != "unreadable"
    rows["no_label_conflict"] = ~rows["label_conflict"]
    lost = _difference(tables["raw_listing"]["path"], table["path"])
    share = float(rows["duplicate_of"].notna().mean()) if len(rows) else 0.0
    return {"rows": rows, "summary": _one_row(rows_lost=lost, duplicate_share=share)}


def _prepared_images(tables: Tables, config: PipelineConfig, published: Published) -> Frames:
    table, samples = tables["prepared_images"], tables["sample_integrity"]
    rows = table.to_pandas()
    ok = rows["status"] == "ok"
    rows["reason_given"] = ok | rows["reason"].fillna("").astype(bool)
    rows["pixels_kept"] = ~ok | (rows["file"].notna() & (rows["length"] > 0) & _wanted_size(rows, config))
    rows["not_blank"] = ~ok | (rows["std"].fillna(0) > 0)
    rows["read_cleanly"] = ~ok | ~rows["note"].fillna("").str.contains("in spite of")
    rows["no_pixel_conflict"] = ~_in(table["content_id"], _pixel_conflicts(rows, samples))
    kept = ["content_id", "source_path", "status", "reason", "note"]
    truths = ["reason_given", "pixels_kept", "not_blank", "read_cleanly", "no_pixel_conflict"]
    return {
        "rows": rows[[*kept, *truths]],
        "summary": _one_row(
            contents_lost=_difference(samples["content_id"], table["content_id"]),
            quarantined_share=float((~ok).mean()) if len(rows) else 0.0,
        ),
    }


def _wanted_size(rows: "pd.DataFrame", config: PipelineConfig) -> Any:
    channels = rows["prepared_channels"] == (1 if config.image.color_mode == "greyscale" else 3)
    if config.image.target_size is None:
        return channels & (rows["prepared_height"].fillna(0) > 0)
    height, width = config.image.target_size
    return channels & (rows["prepared_height"] == height) & (rows["prepared_width"] == width)


def _pixel_conflicts(rows: "pd.DataFrame", samples: pa.Table) -> Any:
    """Content ids whose pixels stand under more than one category."""
    labels = _with_category(samples, ["content_id"]).merge(rows[["content_id", "pixel_id"]], on="content_id")
    labels = labels[labels["pixel_id"].notna()]
    counts = labels.groupby("pixel_id")["category_key"].nunique()
    return labels.loc[_in(labels["pixel_id"], counts.index[counts > 1]), "content_id"]


def _sample_split(tables: Tables, config: PipelineConfig, published: Published) -> Frames:
    split = tables["sample_split"]
    columns = ["path", "content_id", "pixel_id", "item", "stratum", "leak_group", "purpose", "assigned_by"]
    rows = split.select(columns).to_pandas()
    for column, truth in (
        ("leak_group", "leak_group_whole"),
        ("content_id", "content_whole"),
        ("pixel_id", "pixels_whole"),
    ):
        rows[truth] = rows.groupby(column)["purpose"].transform("nunique") == 1
    lost = _difference(_usable_paths(tables, config), split["path"])
    return {
        "rows": rows,
        "summary": _one_row(rows_lost=lost),
        "strata": _strata(rows, config),
        **_report(split, config, published),
    }


def _report(split: pa.Table, config: PipelineConfig, published: Published) -> Frames:
    """What the split's own report finds, each finding a row; unknown purposes are left to their own rule."""
    import pyarrow.compute as pc

    from brev_pipeline.split import split_report

    named = split.filter(pc.is_in(split["purpose"], value_set=pa.array(config.split.names)))
    report = split_report(named, config.split, published.assignments, published.known)
    return {
        "oversize": report.oversize.to_pandas().assign(fits=False),
        "moved": report.moved.to_pandas().assign(kept=False),
        "additions": report.locked_additions.to_pandas().assign(allowed=False),
    }


def _usable_paths(tables: Tables, config: PipelineConfig) -> pa.ChunkedArray:
    """Paths that the split should hold, by the configured policies."""
    samples = tables["sample_integrity"].select(["path", "content_id", "duplicate_of", "label_conflict"]).to_pandas()
    prepared = tables["prepared_images"].select(["content_id", "status", "pixel_id"]).to_pandas()
    usable = _in(samples["content_id"], prepared.loc[prepared["status"] == "ok", "content_id"])
    if config.integrity.duplicates == "keep_first":
        usable &= samples["duplicate_of"].isna()
    if config.integrity.label_conflicts == "quarantine":
        conflicts = _pixel_conflicts(prepared, tables["sample_integrity"])
        usable &= ~samples["label_conflict"] & ~_in(samples["content_id"], conflicts)
    return pa.chunked_array([pa.array(samples.loc[usable, "path"], TEXT)])


def _strata(rows: "pd.DataFrame", config: PipelineConfig) -> "pd.DataFrame":
    import pandas as pd

    wanted = dict(config.split.purposes)
    wanted[config.split.remainder] = max(0.0, 1 - sum(wanted.values()))
    out = []
    for stratum, own in rows.groupby("stratum", sort=True):
        shares = own["purpose"].value_counts(normalize=True)
        largest = own["leak_group"].value_counts().iloc[0] / len(own)
        error = max(abs(shares.get(purpose, 0.0) - share) for purpose, share in wanted.items())
        sides = sum(share > 0 for share in wanted.values())
        out.append(
            {
                "stratum": stratum,
                "images": len(own),
                "leak_groups": own["leak_group"].nunique(),
                **{f"share_{purpose}": float(shares.get(purpose, 0.0)) for purpose in wanted},
                "excess_error": max(0.0, error - largest),
                "on_every_side": own["leak_group"].nunique() < sides
                or all(purpose in shares for purpose, share in wanted.items() if share > 0),
            }
        )
    return pd.DataFrame(out)


def _sampling_weights(tables: Tables, config: PipelineConfig, published: Published) -> Frames:
    rows = tables["sampling_weights"].to_pandas()
    totals = rows.groupby("purpose")["draws"].transform("sum")
    rows["draws_error"] = (rows["draws"] - rows["probability"] * totals).abs()
    purposes = rows.groupby("purpose", as_index=False).agg(total=("probability", "sum"))
    purposes["error"] = (purposes["total"] - 1).abs()
    lost = int(tables["sample_split"].num_rows - rows["samples"].sum())
    return {"rows": rows, "purposes": purposes, "summary": _one_row(rows_lost=abs(lost))}


def _tfrecord_shards(tables: Tables, config: PipelineConfig, published: Published) -> Frames:
    table, split = tables["tfrecord_shards"], tables["sample_split"]
    columns = ["purpose", "epoch", "shard", "position", "path", "content_id", "group", "label"]
    rows = table.select(columns).to_pandas()
    purpose = split.select(["path", "purpose"]).to_pandas().set_index("path")["purpose"]
    classes = {name for names in split["category"].to_pylist() for name in names}
    rows["purpose_of_split"] = rows["path"].map(purpose) == rows["purpose"]
    rows["place_unique"] = ~rows.duplicated(["purpose", "shard", "position"], keep=False)
    rows["label_known"] = rows["label"].between(0, len(classes) - 1)
    once = purpose[~_in(purpose, list(config.sampling.purposes))]
    shards = rows.groupby(["purpose", "shard"], as_index=False).size()
    spread = shards.groupby("purpose")["size"].agg(["min", "max"])
    return {
        "rows": rows,
        "groups": _groups(rows, tables["sampling_weights"]),
        "shards": spread.assign(spread=spread["max"] - spread["min"]).reset_index(),
        "summary": _one_row(never_recorded=int((~_in(once.index, table["path"])).sum())),
    }


def _groups(rows: "pd.DataFrame", weights: pa.Table) -> "pd.DataFrame":
    """Records of each group beside what its probability asks for, over all epochs."""
    wanted: pd.DataFrame = weights.select(["purpose", "group", "probability"]).to_pandas()
    counts = rows.groupby(["purpose", "group"], as_index=False).size()
    totals = rows.groupby("purpose").size()
    both = wanted.merge(counts, on=["purpose", "group"], how="outer").fillna({"size": 0, "probability": 0.0})
    both["records_wanted"] = both["probability"] * both["purpose"].map(totals).fillna(0)
    both["records_error"] = (both["size"] - both["records_wanted"]).abs()
    return both


def _difference(one: pa.ChunkedArray, other: pa.ChunkedArray) -> int:
    """How many distinct values stand in only one of the two columns."""
    import pyarrow.compute as pc

    values = [pc.unique(one), pc.unique(other)]
    return sum(int((~_in(own, others)).sum()) for own, others in (values, values[::-1]))


def _in(values: Any, wanted: Any) -> Any:
    """Whether each text is one of those wanted, as NumPy's truth values (pandas' ``isin`` walks through Python)."""
    import pyarrow.compute as pc

    own, others = (
        pa.chunked_array([one]) if isinstance(one, pa.Array) else one for one in map(_texts, (values, wanted))
    )
    return pc.is_in(own, value_set=others).to_numpy()


def _texts(values: Any) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    return pa.array(values, TEXT)


def _lengths(table: pa.Table, column: str) -> Any:
    import pyarrow.compute as pc

    return pc.list_value_length(table[column]).to_numpy()


def _with_category(table: pa.Table, columns: list[str]) -> "pd.DataFrame":

    keyed = table.select(columns).append_column("category_key", joined_names(table["category"], "\x1f"))
    frame: pd.DataFrame = keyed.to_pandas()
    return frame


def _one_row(**values: float) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([values])


_FRAMES: dict[str, Callable[[Tables, PipelineConfig, Published], Frames]] = {
    "raw_listing": _raw_listing,
    "sample_integrity": _sample_integrity,
    "prepared_images": _prepared_images,
    "sample_split": _sample_split,
    "sampling_weights": _sampling_weights,
    "tfrecord_shards": _tfrecord_shards,
}

"""What a materialization tells of itself in Dagster's UI: counts that plot over time, tables that people read."""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.orchestration.steps import PUBLISHED_IMAGES
from brev_pipeline.release.publishing import Release
from brev_pipeline.texts import TEXT, join_names

if TYPE_CHECKING:
    from brev_pipeline.config import PipelineConfig
    from brev_pipeline.recheck import Recheck
    from brev_pipeline.split import SplitReport
    from brev_pipeline.split.given_names import GivenMatches
    from brev_pipeline.split.known_assignments import KnownMatches
    from brev_pipeline.storage.fetcher import Fetcher
    from brev_pipeline.store import PipelineStore

_LOG = logging.getLogger(__name__)
SHOWN_ROWS = 20
PLOTTED_VALUES = 20
"""Classes or groups of which each has a number of its own, that plots over time."""


def count_rows(table: pa.Table, *columns: str) -> dg.MetadataValue:
    """How many rows have each combination of values, as a markdown table; lists are joined with commas."""
    flat = pa.table(
        {name: join_names(table[name], ", ") if pa.types.is_list(table[name].type) else table[name] for name in columns}
    )
    grouped = (
        flat.group_by(list(columns)).aggregate([([], "count_all")]).sort_by([(name, "ascending") for name in columns])
    )
    return markdown_table(grouped.rename_columns([*columns, "rows"]))


def markdown_table(table: pa.Table, limit: int = SHOWN_ROWS) -> dg.MetadataValue:
    """The first ``limit`` rows as a markdown table, with a note of how many more there are."""
    lines = ["| " + " | ".join(table.column_names) + " |", "|" + " --- |" * table.num_columns]
    lines += [
        "| " + " | ".join(_format_cell(value) for value in row.values()) + " |"
        for row in table.slice(0, limit).to_pylist()
    ]
    if table.num_rows > limit:
        lines.append(f"\n… and {table.num_rows - limit} more")
    return dg.MetadataValue.md("\n".join(lines))


def picture_metadata(title: str, draw: Callable[[], bytes]) -> dict[str, Any]:
    """A picture under ``title``, as a PNG inside of markdown.

    A picture that cannot be drawn is told of in its place and in the log; it never ends a run.
    """
    try:
        data = base64.b64encode(draw()).decode("ascii")
    # Whatever it is: the stage's result stands without its picture.
    except Exception as error:  # noqa: BLE001
        _LOG.warning("the picture %r could not be drawn: %s: %s", title, type(error).__name__, error)
        return {title: f"could not be drawn: {type(error).__name__}: {error}"}
    return {title: dg.MetadataValue.md(f"![{title}](data:image/png;base64,{data})")}


def listing_metadata(
    table: pa.Table,
    published: pa.Table | None,
    left_out: Sequence[pa.Table] = (),
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is there, what was left out, and what appeared, vanished, was replaced or renamed since ``published``.

    Images that were left out are as `list_datasets` tells them, the facts as `ListingFindings.build_summary` does.
    """
    from brev_pipeline.charts import class_balance
    from brev_pipeline.integrity import compare_listings
    from brev_pipeline.listing import listing_fingerprint

    shown: dict[str, Any] = {
        "fingerprint": listing_fingerprint(table),
        "bytes": int(pc.sum(table["size"]).as_py() or 0),
        "images by class": count_rows(table, "dataset", "category"),
        **picture_metadata("class balance", lambda: class_balance(table)),
        **_left_out_metadata(left_out),
        **_facts_metadata(facts or {}, sum(part.num_rows for part in left_out)),
    }
    if published is None:
        return shown
    changes = compare_listings(published, table)
    return shown | _table_if_any("changes", changes) | _count_values(changes["change"])


def _facts_metadata(facts: Mapping[str, Any], left_out: int) -> dict[str, Any]:
    """Files besides the images that are left out; and how many images each configured name matches, none first."""
    unlisted, names = facts.get("unlisted", []), facts.get("names", [])
    shown: dict[str, Any] = {"other files": sum(row["files"] for row in unlisted) - left_out}
    shown |= _table_if_any("not listed by ending and reason", pa.Table.from_pylist(unlisted))
    if names:
        matched = sum(row["images"] > 0 for row in names)
        by_name = pa.Table.from_pylist(sorted(names, key=lambda row: row["images"] > 0))
        shown |= {"names matched": matched, "names without a match": len(names) - matched}
        shown["images by configured name"] = markdown_table(by_name)
    return shown | _table_if_any("nearly the same names", pa.Table.from_pylist(facts.get("twins", [])))


def _left_out_metadata(parts: Sequence[pa.Table]) -> dict[str, Any]:
    """Images that the listing left out: how many by rule, and those that may not be read with the reason."""
    if not parts:
        return {"left out": 0}
    table = pa.concat_tables(parts)
    refused = table.filter(pc.not_equal(table["rule"], "class_filter")).select(["path", "rule", "reason"])
    counts = {"left out": table.num_rows, "left out by rule": count_rows(table, "rule")}
    return counts | _table_if_any("refused", refused)


def integrity_metadata(table: pa.Table, published: pa.Table | None = None) -> dict[str, Any]:
    """Copies and conflicts, counted and listed; and what was renamed, relabelled or is gone, by its bytes.

    ``published`` has columns `COMPARED_CONTENTS` of the newest published version's listing; None before the first.
    """
    from brev_pipeline.integrity import (
        compare_contents,
        find_gone_contents,
        list_duplicate_groups,
        list_label_conflicts,
    )

    conflicts = list_label_conflicts(table)
    shown: dict[str, Any] = {
        "byte copies": table.num_rows - table["duplicate_of"].null_count,
        "label conflicts": conflicts.num_rows,
        **_table_if_any("copies", list_duplicate_groups(table)),
        **_table_if_any("conflicts", conflicts),
    }
    if published is None:
        return shown
    changes = compare_contents(published, table)
    changes = changes.filter(pc.is_in(changes["change"], value_set=pa.array(["renamed", "relabelled"], TEXT)))
    shown |= _count_values(changes["change"])
    shown |= _table_if_any("renamed images", changes.select(["was", "path", "category_was", "category"]))
    return shown | {"contents gone": len(pc.unique(find_gone_contents(published, table)[0]["content_id"]))}


def prepared_metadata(table: pa.Table, samples: pa.Table, fetch: "Fetcher") -> dict[str, Any]:
    """What was decoded, and what is in quarantine and why; a few of those images are fetched, to show them."""
    from brev_pipeline.charts import quarantine_sheet

    quarantine = table.filter(pc.not_equal(table["status"], "ok"))
    pixels = table["pixel_id"].drop_null()
    shown: dict[str, Any] = {
        "quarantined": quarantine.num_rows,
        "pixel copies": len(pixels) - len(pc.unique(pixels)),
        "contents by status": count_rows(table, "status", "format"),
    }
    if quarantine.num_rows:
        shown["quarantine"] = markdown_table(quarantine.select(["source_path", "status", "reason"]))
        shown |= picture_metadata("quarantined images", lambda: quarantine_sheet(quarantine, samples, fetch))
    return shown


def recheck_metadata(done: "Recheck") -> dict[str, Any]:
    """How many of the remembered identities were read again; and which could not be."""
    passed_over = pa.table({"went or changed since it was listed": list(done.passed_over)})
    counts = {"remembered": done.remembered, "rechecked": done.identities, "pixels rechecked": done.pixels}
    return counts | _table_if_any("not rechecked", passed_over)


def split_metadata(
    table: pa.Table,
    excluded: pa.Table,
    report: "SplitReport",
    known: "KnownMatches | None" = None,
    given: Sequence["GivenMatches"] = (),
) -> dict[str, Any]:
    """The split per stratum, leak groups, what was left out, and what a person should look at.

    ``known`` is what became of the rows of the file of known assignments, ``given`` what `split.given`'s names mean.
    """
    from brev_pipeline.charts import split_shares

    shown: dict[str, Any] = {
        "leak groups": len(pc.unique(table["leak_group"])),
        "left out": excluded.num_rows,
        "moved by a copy": report.moved.num_rows,
        "images by stratum and purpose": markdown_table(
            report.shares.select(["stratum", "purpose", "images", "leak_groups", "share", "wanted_share"])
        ),
        **picture_metadata("split by stratum", lambda: split_shares(report.shares)),
        **_plotted_counts("images: ", table["purpose"]),
    }
    if known is not None:
        shown |= {"known rows": known.rows, "known rows matched": known.matched}
        shown |= {"known rows left out": known.left_out, "known rows unmatched": known.unmatched_count}
        shown |= _table_if_any("unmatched rows", known.unmatched)
    shown |= _table_if_any("given: images by purpose", report.given)
    if given:
        shown["given unmatched"] = sum(matches.unmatched_count for matches in given)
    for matches in given:
        shown[f"given: matched of {matches.key}"] = f"{matches.matched_count} of {matches.names}"
        shown |= _table_if_any(f"given: unmatched of {matches.key}", matches.unmatched)
    if report.warning_messages:
        shown["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in report.warning_messages))
    shown |= _table_if_any("moved", report.moved)
    return shown | _table_if_any("exclusions", excluded.select(["path", "rule", "reason"]))


def labels_metadata(
    table: pa.Table, classes: Sequence[str], earlier: Sequence[str], order: Sequence[str] | None
) -> dict[str, Any]:
    """Which number stands for which class, which numbers are new, and which class has no image any more.

    ``classes`` are in the order of the labels, ``earlier`` those of the newest version, ``order`` is `listing.classes`.
    """
    from brev_pipeline.split.label_map import count_labels, explain_class_order

    images = count_labels(table, classes)
    new = [""] * len(earlier) + ["new"] * (len(classes) - len(earlier))
    notes = [note if count else "no image any more" for note, count in zip(new, images, strict=True)]
    shown = pa.table({"label": range(len(classes)), "class": list(classes), "images": images, "": notes})
    note = explain_class_order(classes, order)
    return {"labels": markdown_table(shown)} | ({"order of the labels": dg.MetadataValue.md(note)} if note else {})


def weights_metadata(table: pa.Table) -> dict[str, Any]:
    """The whole table, as far as it fits, and the share of the draws of each group that is weighed."""
    from brev_pipeline.charts import drawn_shares

    shown = markdown_table(table.drop_columns([name for name in ("weight",) if name in table.column_names]))
    several = len(pc.unique(table["purpose"])) > 1
    largest = table.select(["purpose", "group", "probability", "samples"]).sort_by([("samples", "descending")])
    return {
        "weights": shown,
        **picture_metadata("drawn and natural frequency", lambda: drawn_shares(table)),
        **{
            f"drawn share: {row['purpose'] + ' / ' if several else ''}{row['group']}": round(row["probability"], 6)
            for row in largest.slice(0, PLOTTED_VALUES).to_pylist()
        },
    }


def shards_metadata(
    table: pa.Table, config: "PipelineConfig", store: "PipelineStore", *, split: pa.Table, prepared: pa.Table
) -> dict[str, Any]:
    """Records and files per purpose, the share of each class, and a sheet of augmented samples."""
    from brev_pipeline.augmentation import ImageAugmenter
    from brev_pipeline.charts import sample_sheet
    from brev_pipeline.images import PreparedPixels
    from brev_pipeline.split.label_map import read_split_classes

    names = read_split_classes(split)
    pixels, augmenter = PreparedPixels(store.prepared_pixels), ImageAugmenter(config.augmentation, border=config.border)
    # Labels out of range are for the checks to find.
    known = table.filter(pc.and_(table["augmented"], pc.is_in(table["label"], pa.array(range(len(names)), pa.int64()))))
    labels = pa.array(names, TEXT).take(known["label"])
    return {
        **picture_metadata(
            "augmented samples",
            lambda: sample_sheet(table, prepared, pixels=pixels, augmenter=augmenter, classes=names),
        ),
        **_plotted_counts("drawn share: ", labels, share=True),
        "shards": len(pc.unique(table["file"])),
        "record bytes": int(pc.sum(table["length"]).as_py() or 0),
        "records by purpose and group": count_rows(table, "purpose", "group"),
    }


def release_metadata(release: Release) -> dict[str, Any]:
    """Which version stands published, and where; its report and its Data Docs, where it has them."""
    folder = release.version.folder
    pages = {"report": "report/index.html", "data docs": "report/data_docs/index.html"}
    return {
        **{name: dg.MetadataValue.path(folder.file_url(page)) for name, page in pages.items() if folder.exists(page)},
        "version": release.version.id,
        "published": "new" if release.is_new else "nothing new: it was the newest one already",
        "publication": release.publication.number,
        PUBLISHED_IMAGES: release.version.read_manifest()["counts"]["listed"] if release.is_new else 0,
        "path": dg.MetadataValue.path(release.version.path),
    }


def _table_if_any(title: str, table: pa.Table) -> dict[str, Any]:
    return {title: markdown_table(table)} if table.num_rows else {}


def _count_values(column: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


def _plotted_counts(prefix: str, column: pa.ChunkedArray, *, share: bool = False) -> dict[str, Any]:
    """How often each value stands in a column, the most frequent of them, each as a number of its own."""
    counted = sorted(pc.value_counts(column).to_pylist(), key=lambda row: (-row["counts"], row["values"]))
    return {
        f"{prefix}{row['values']}": round(row["counts"] / len(column), 6) if share else row["counts"]
        for row in counted[:PLOTTED_VALUES]
    }


def _format_cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")

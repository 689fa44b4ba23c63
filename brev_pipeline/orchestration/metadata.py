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
    flat = pa.table({name: _join_lists(table[name]) for name in columns})
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
    """What is there, what was left out, and what appeared, vanished, was replaced or renamed.

    Args:
        table: of the stage.
        published: the listing of the newest published version; None before the first.
        left_out: images that the listing left out, as `list_datasets` tells them.
        facts: what else was found, see `ListingFindings.build_summary`.
    """
    from brev_pipeline.charts import class_balance
    from brev_pipeline.integrity import compare_listings
    from brev_pipeline.listing import listing_fingerprint

    found: dict[str, Any] = {
        "fingerprint": listing_fingerprint(table),
        "bytes": int(pc.sum(table["size"]).as_py() or 0),
        "images by class": count_rows(table, "dataset", "category"),
        **picture_metadata("class balance", lambda: class_balance(table)),
        **_left_out_metadata(left_out),
        **_facts_metadata(facts or {}, sum(part.num_rows for part in left_out)),
    }
    if published is None:
        return found
    changes = compare_listings(published, table)
    if changes.num_rows:
        found["changes"] = markdown_table(changes)
    for row in pc.value_counts(changes["change"]).to_pylist():
        found[row["values"]] = row["counts"]
    return found


def _facts_metadata(facts: Mapping[str, Any], left_out: int) -> dict[str, Any]:
    """Files besides the images that are left out; and how many images each configured name matches, none first."""
    unlisted, names = facts.get("unlisted", []), facts.get("names", [])
    found: dict[str, Any] = {"other files": sum(row["files"] for row in unlisted) - left_out}
    if unlisted:
        found["not listed by ending and reason"] = markdown_table(pa.Table.from_pylist(unlisted))
    if names:
        found["names matched"] = sum(row["images"] > 0 for row in names)
        found["names without a match"] = len(names) - found["names matched"]
        found["images by configured name"] = markdown_table(
            pa.Table.from_pylist(sorted(names, key=lambda row: row["images"] > 0))
        )
    if facts.get("twins"):
        found["nearly the same names"] = markdown_table(pa.Table.from_pylist(facts["twins"]))
    return found


def _left_out_metadata(parts: Sequence[pa.Table]) -> dict[str, Any]:
    """Images that the listing left out: how many by rule, and those that may not be read with the reason."""
    if not parts:
        return {"left out": 0}
    table = pa.concat_tables(parts)
    refused = table.filter(pc.not_equal(table["rule"], "class_filter"))
    found: dict[str, Any] = {"left out": table.num_rows, "left out by rule": count_rows(table, "rule")}
    return found | ({"refused": markdown_table(refused.select(["path", "rule", "reason"]))} if refused.num_rows else {})


def integrity_metadata(table: pa.Table, published: pa.Table | None = None) -> dict[str, Any]:
    """Copies and conflicts, counted and listed; and what was renamed, relabelled or is gone, by its bytes.

    Args:
        table: of the stage.
        published: columns `COMPARED_CONTENTS` of the newest published version's listing; None before the first.
    """
    from brev_pipeline.integrity import (
        compare_contents,
        find_gone_contents,
        list_duplicate_groups,
        list_label_conflicts,
    )

    copies, conflicts = list_duplicate_groups(table), list_label_conflicts(table)
    found: dict[str, Any] = {
        "byte copies": table.num_rows - table["duplicate_of"].null_count,
        "label conflicts": conflicts.num_rows,
    }
    if copies.num_rows:
        found["copies"] = markdown_table(copies)
    if conflicts.num_rows:
        found["conflicts"] = markdown_table(conflicts)
    if published is None:
        return found
    changes = compare_contents(published, table)
    changes = changes.filter(pc.is_in(changes["change"], value_set=pa.array(["renamed", "relabelled"], TEXT)))
    for row in pc.value_counts(changes["change"]).to_pylist():
        found[row["values"]] = row["counts"]
    if changes.num_rows:
        found["renamed images"] = markdown_table(changes.select(["was", "path", "category_was", "category"]))
    return found | {"contents gone": len(pc.unique(find_gone_contents(published, table)[0]["content_id"]))}


def prepared_metadata(table: pa.Table, samples: pa.Table, fetch: "Fetcher") -> dict[str, Any]:
    """What was decoded, and what is in quarantine and why.

    Args:
        table: of the stage.
        samples: of sample_integrity.
        fetch: reads a few of the images in quarantine, to show them.
    """
    from brev_pipeline.charts import quarantine_sheet

    quarantine = table.filter(pc.not_equal(table["status"], "ok"))
    pixels = table["pixel_id"].drop_null()
    found: dict[str, Any] = {
        "quarantined": quarantine.num_rows,
        "pixel copies": len(pixels) - len(pc.unique(pixels)),
        "contents by status": count_rows(table, "status", "format"),
    }
    if quarantine.num_rows:
        found["quarantine"] = markdown_table(quarantine.select(["source_path", "status", "reason"]))
        found |= picture_metadata("quarantined images", lambda: quarantine_sheet(quarantine, samples, fetch))
    return found


def recheck_metadata(done: "Recheck") -> dict[str, Any]:
    """How many of the remembered identities were read again; and which could not be."""
    found: dict[str, Any] = {
        "remembered": done.remembered,
        "rechecked": done.identities,
        "pixels rechecked": done.pixels,
    }
    if done.passed_over:
        rows = pa.table({"went or changed since it was listed": list(done.passed_over)})
        found["not rechecked"] = markdown_table(rows)
    return found


def split_metadata(
    table: pa.Table,
    excluded: pa.Table,
    report: "SplitReport",
    known: "KnownMatches | None" = None,
    given: Sequence["GivenMatches"] = (),
) -> dict[str, Any]:
    """The split per stratum, leak groups, what was left out, and what a person should look at.

    Args:
        table: of the stage.
        excluded: images that take no part.
        report: of the split.
        known: what became of the rows of the file of known assignments.
        given: what the names and words of `split.given` mean.
    """
    from brev_pipeline.charts import split_shares

    found: dict[str, Any] = {
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
        found |= {"known rows": known.rows, "known rows matched": known.matched}
        found |= {"known rows left out": known.left_out, "known rows unmatched": known.unmatched_count}
        if known.unmatched_count:
            found["unmatched rows"] = markdown_table(known.unmatched)
    if report.given.num_rows:
        found["given: images by purpose"] = markdown_table(report.given)
    if given:
        found["given unmatched"] = sum(one.unmatched_count for one in given)
    for one in given:
        found[f"given: matched of {one.key}"] = f"{one.matched_count} of {one.names}"
        if one.unmatched_count:
            found[f"given: unmatched of {one.key}"] = markdown_table(one.unmatched)
    if report.warning_messages:
        found["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in report.warning_messages))
    if report.moved.num_rows:
        found["moved"] = markdown_table(report.moved)
    if excluded.num_rows:
        found["exclusions"] = markdown_table(excluded.select(["path", "rule", "reason"]))
    return found


def labels_metadata(
    table: pa.Table, classes: Sequence[str], earlier: Sequence[str], order: Sequence[str] | None
) -> dict[str, Any]:
    """Which number stands for which class, which numbers are new, and which class has no image any more.

    Args:
        table: of sample_split.
        classes: class names in the order of the labels.
        earlier: those of the newest published version.
        order: ``listing.classes``.
    """
    from brev_pipeline.split.label_map import count_labels, explain_class_order

    images = count_labels(table, classes)
    new = [""] * len(earlier) + ["new"] * (len(classes) - len(earlier))
    said = [one if count else "no image any more" for one, count in zip(new, images, strict=True)]
    shown = pa.table({"label": range(len(classes)), "class": list(classes), "images": images, "": said})
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
    """Records and files per purpose, the share of each class, and a sheet of augmented samples.

    Args:
        table: of the stage.
        config: whose augmentation is shown.
        store: where the prepared pixels lie.
        split: of sample_split, for the names of the classes.
        prepared: of prepared_images.
    """
    from brev_pipeline.augmentation import ImageAugmenter
    from brev_pipeline.charts import sample_sheet
    from brev_pipeline.release.shards import PreparedPixels
    from brev_pipeline.split.label_map import read_split_classes

    names = read_split_classes(split)
    pixels, augmenter = PreparedPixels(store.prepared_pixels), ImageAugmenter(config.augmentation)
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


def _plotted_counts(prefix: str, column: pa.ChunkedArray, *, share: bool = False) -> dict[str, Any]:
    """How often each value stands in a column, the most frequent of them, each as a number of its own."""
    counted = sorted(pc.value_counts(column).to_pylist(), key=lambda row: (-row["counts"], row["values"]))
    return {
        f"{prefix}{row['values']}": round(row["counts"] / len(column), 6) if share else row["counts"]
        for row in counted[:PLOTTED_VALUES]
    }


def _join_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return join_names(column, ", ") if pa.types.is_list(column.type) else column


def _format_cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")

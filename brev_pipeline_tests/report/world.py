"""A version without a run: photos that exist as tables only, taken through the real stages that need no pixels.

Small and quick, of any size, with copies, conflicts and quarantined images where they are asked for.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations import SUITES
from brev_pipeline.records import plan_shards
from brev_pipeline.report import ReportInputs
from brev_pipeline.sampling import compute_sampling_weights, plan_draws
from brev_pipeline.split import assign_purposes, select_samples
from brev_pipeline.split.label_map import list_present_classes
from brev_pipeline.stages import package_versions
from brev_pipeline.store import Folder, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.store.versions import file_facts, to_json, version_id
from brev_pipeline.tables import PREPARED_IMAGES, SAMPLE_INTEGRITY, TFRECORD_SHARDS
from brev_pipeline_tests.held import held

BUCKET = "s3://plant/vials"


@dataclass(frozen=True)
class Painted:
    """Pictures made on the spot from the content's id: soft blobs with some grain, the same every time."""

    grain: int = 6

    def read(self, rows: pa.Table) -> Iterator[np.ndarray]:
        for row in rows.to_pylist():
            shape = (row["prepared_height"], row["prepared_width"], row["prepared_channels"])
            key = int(hashlib.md5(row["pixel_id"].encode()).hexdigest()[:8], 16)
            draw = np.random.Generator(np.random.Philox(key))
            rough = draw.integers(30, 226, (6, 6, shape[2]), np.uint8)
            soft = cv2.resize(rough, shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(shape).astype(np.int16)
            yield np.clip(soft + draw.integers(-self.grain, self.grain + 1, shape, np.int16), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Photo:
    """One listed image."""

    path: str
    category: str
    content: str
    pixels: str
    status: str = "ok"
    reason: str | None = None
    note: str | None = None


def photos(images: int, classes: list[str], *, bucket: str = BUCKET, per_item: int = 2) -> list[Photo]:
    """The k-th class is about half as frequent as the one before it, but none is rarer than one in 10 classes."""
    shares = np.maximum(0.5 ** np.arange(len(classes)), 0.1 / len(classes))
    counts = np.maximum(2, np.round(images * shares / shares.sum())).astype(int)
    counts[0] += images - counts.sum()
    return [
        Photo(f"{bucket}/{name}/{number // per_item}_{number}.png", name, f"{name}:{number}", f"{name}:{number}")
        for name, count in zip(classes, counts.tolist(), strict=True)
        for number in range(count)
    ]


def configuration(**sections: Any) -> PipelineConfig:
    base: dict[str, Any] = {
        "name": "vials",
        "store": "store",
        "datasets": [{"name": "Vials", "id": "vials", "bucket": BUCKET, "reference": "line 4"}],
        "image": {"target_size": [64, 64]},
        "integrity": {"label_conflicts": "quarantine"},
        "split": {
            "stratification": ["folder"],
            "uniqueness": r"/(\d+)_\d+\.\w+$",
            "uniqueness_scope": "stratum",
            "unmatched": "own_item",
            "purposes": {"train": 0.7, "test": 0.15},
        },
        "sampling": {"groupby": ["category"], "group_weighing": "logx+1"},
    }
    return PipelineConfig.model_validate(base | sections)


def listing_of(found: list[Photo], config: PipelineConfig) -> pa.Table:
    paths: dict[str, list[Photo]] = {}
    for photo in sorted(found, key=lambda one: one.path):
        paths.setdefault(photo.content, []).append(photo)
    rows = []
    for number, photo in enumerate(sorted(found, key=lambda one: one.path)):
        same = paths[photo.content]
        dataset = next(one for one in config.datasets if photo.path.startswith(one.bucket))
        content = hashlib.md5(photo.content.encode()).hexdigest()
        rows.append(
            {
                "category": [photo.category],
                "folder": photo.path.split("/")[-2],
                "path": photo.path,
                "etag": content,
                "bucket": dataset.bucket,
                "dataset": dataset.name,
                "dataset_id": dataset.id,
                "reference": dataset.reference,
                "url": photo.path,
                "size": 50_000 + number % 1000,
                "modified": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number % 30),
                "etag_source": "s3",
                "content_id": content,
                "content_source": "etag",
                "duplicate_of": same[0].path if photo.path != same[0].path else None,
                "copies": len(same),
                "label_conflict": len({one.category for one in same}) > 1,
            }
        )
    return pa.Table.from_pylist(rows, SAMPLE_INTEGRITY)


def images_of(found: list[Photo], side: tuple[int, int] = (64, 64)) -> pa.Table:
    rows = []
    for number, photo in enumerate({one.content: one for one in sorted(found, key=lambda one: one.path)}.values()):
        ok = photo.status == "ok"
        only = {"mean": 120.0, "std": 40.0, "sharpness": 90.0, "clipped": 0.0, "file": "pixels", "length": 1}
        only |= {"pixel_id": hashlib.md5(photo.pixels.encode()).hexdigest(), "offset": number}
        only |= {"prepared_height": side[0], "prepared_width": side[1], "prepared_channels": 3}
        header = {"format": "png", "height": 480, "width": 640, "channels": 3, "bit_depth": 8}
        rows.append(
            dict.fromkeys(PREPARED_IMAGES.names)
            | {"content_id": hashlib.md5(photo.content.encode()).hexdigest(), "status": photo.status}
            | {"reason": photo.reason, "source_path": photo.path, "note": photo.note}
            | header
            | (only if ok else {})
        )
    return pa.Table.from_pylist(rows, PREPARED_IMAGES).sort_by("content_id")


def records_of(config: PipelineConfig, split: pa.Table, weights: pa.Table, images: pa.Table) -> pa.Table:
    draws = plan_draws(split, weights, config.sampling, epochs=config.shards.epochs)
    plan = plan_shards(draws, images, config.shards, class_names=list_present_classes(split))
    count = plan.num_rows
    made = {
        "file": pa.array([f"{config.name}-{purpose}.tfrecord" for purpose in plan["purpose"].to_pylist()]),
        "offset": pa.array(range(count), pa.int64()),
        "length": pa.array([1] * count, pa.int64()),
        "crc": pa.array([1] * count, pa.uint32()),
    }
    return pa.table(
        [made.get(name, plan[name] if name in plan.column_names else None) for name in TFRECORD_SHARDS.names],
        TFRECORD_SHARDS,
    )


def checks_of(config: PipelineConfig, warned: tuple[str, ...] = (), failed: tuple[str, ...] = ()) -> dict[str, Any]:
    def one(rule: Any) -> dict[str, Any]:
        bad = rule.name in warned + failed
        severity = "error" if rule.name in failed else "warn" if rule.name in warned else rule.severity
        found = {"observed": None, "offending": 2 if bad else 0}
        return {"check": rule.name, "says": rule.says, "severity": severity, "passed": not bad} | found

    return {stage: [one(rule) for rule in suite(config)] for stage, suite in SUITES.items()}


def inputs_of(
    found: list[Photo],
    config: PipelineConfig | None = None,
    *,
    side: tuple[int, int] = (64, 64),
    checks: dict[str, Any] | None = None,
    grain: int = 6,
    **more: Any,
) -> ReportInputs:
    """Take photos through the stages."""
    config = config or configuration()
    listing, images = listing_of(found, config), images_of(found, side)
    policy = config.integrity
    usable, excluded = select_samples(
        listing, images, duplicates=policy.duplicates, label_conflicts=policy.label_conflicts
    )
    split = assign_purposes(usable, config.split)
    weights = compute_sampling_weights(split, config.sampling)
    records = records_of(config, split, weights, images)
    manifest = {
        "format": 1,
        "plan": "57e397501a1bbd16",
        "pipeline": config.name,
        "configuration": config.content_settings(),
        "classes": list_present_classes(split),
        "listing_fingerprint": "c9bbf52df6465205e7ed83f947d11223",
        "counts": {
            "listed": listing.num_rows,
            "excluded": 0,
            "images": _by_purpose(split),
            "records": _by_purpose(records),
        },
        "checks": checks_of(config) if checks is None else checks,
        "packages": package_versions(),
        "files": {"records.parquet": file_facts(b"records"), "weights.parquet": file_facts(b"weights")},
    }
    tables = {"listing": listing, "images": images, "split": split, "weights": weights, "records": records}
    out = _exclusions(excluded, split, records)
    given: dict[str, Any] = {"pixels": Painted(grain), "number": 3} | more
    version = version_id(to_json(manifest))
    return ReportInputs(manifest=manifest, version=version, **held(tables), exclusions=out, **given)


def published(folder: Path, inputs: ReportInputs) -> Version:
    """The version in a folder, as a parent of the next one."""
    manifest = to_json(inputs.manifest)
    version = Version(Folder(str(folder / version_id(manifest))), version_id(manifest))
    assignments = inputs.split.read().drop_columns(["assigned_by"])
    assignments = assignments.append_column("listed", pa.array([True] * assignments.num_rows))
    tables = {"assignments": assignments, "listing": inputs.listing.read().drop_columns(["modified"])}
    tables |= {name: getattr(inputs, name).read() for name in ("images", "weights", "records")}
    for name, table in {**tables, "exclusions": inputs.exclusions}.items():
        version.folder.write(f"{name}.parquet", to_parquet(table))
    version.folder.write("manifest.json", manifest)
    return version


def _exclusions(excluded: pa.Table, split: pa.Table, records: pa.Table) -> pa.Table:
    drawn = set(records["path"].to_pylist())
    rows = [row for row in split.select(["path", "content_id"]).to_pylist() if row["path"] not in drawn]
    rest = [row | {"rule": "not_drawn", "partner": None, "reason": "fewer draws than images"} for row in rows]
    return pa.concat_tables([excluded, pa.Table.from_pylist(rest, excluded.schema)]).sort_by("path")


def _by_purpose(table: pa.Table) -> dict[str, int]:
    return {one["values"]: one["counts"] for one in table["purpose"].value_counts().to_pylist()}

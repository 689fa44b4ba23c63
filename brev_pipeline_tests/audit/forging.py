"""A forger with the rights of the store's writer: changes what a version says, and recomputes all that hides it.

Shard records with their checksums, offsets, the record table, the files for other readers, counts, classes, lock and
fingerprint, hashes in the manifest, the version's id, the publication, the chain and its seals: nothing that can be
computed is left as it was. So the old checks find nothing, and what finds a forgery is that its claims do not follow.
"""

import gzip
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from brev_pipeline.audit.derivation import derive_plan
from brev_pipeline.audit.derived_rules import _find_broken_rows, _plain_value, _stage_tables
from brev_pipeline.audit.table_checks import select_listed
from brev_pipeline.audit.version_claims import KnownFiles, VersionClaims, read_configuration
from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations.frames import Baseline, build_frames
from brev_pipeline.expectations.suites import SUITES
from brev_pipeline.exporters import export_files
from brev_pipeline.images import ImagePipeline
from brev_pipeline.integrity.check import find_copies
from brev_pipeline.listing import listing_fingerprint
from brev_pipeline.provenance import record_recipe
from brev_pipeline.record_features import FeatureValue
from brev_pipeline.records import RecordBuilder
from brev_pipeline.records.example import decode_example, encode_example
from brev_pipeline.records.shard_plan import shard_name
from brev_pipeline.release.assignments import build_assignments, read_ledger
from brev_pipeline.release.exclusions import purpose_locks
from brev_pipeline.sampling import compute_sampling_weights
from brev_pipeline.split import PriorAssignments, assign_purposes, select_samples
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.store.parquet import to_parquet
from brev_pipeline.store.versions import file_facts, to_json, version_id
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.tables import TFRECORD_SHARDS
from brev_pipeline.tfrecord import frame_record, masked_crc
from brev_pipeline.tfrecord import iterate_frames as framed
from brev_pipeline_tests.pipelines import published_versions

TABLES = ("listing", "images", "assignments", "weights", "records", "exclusions")
Example = dict[str, list[bytes] | list[int]]


@dataclass
class Forgery:
    """A version taken apart, to be changed and put together again.

    Attributes:
        store: that holds it; on a local disk.
        manifest: of the version, without files.
        tables: of the version.
        examples: shard → its records in order.
    """

    store: PipelineStore
    manifest: dict[str, Any]
    tables: dict[str, pa.Table]
    examples: dict[str, list[Example]]
    _version: Version = field(repr=False)
    _gzip: bool

    @classmethod
    def of(cls, store: PipelineStore, version: Version | None = None) -> "Forgery":
        """The newest published version, or another one."""
        newest = store.newest_version()
        assert newest is not None
        own = version or newest[1]
        manifest = own.read_manifest()
        shards = [name for name in manifest["files"] if ".tfrecord-" in name]
        gz = manifest["configuration"]["shards"]["compression"] == "gzip"

        def read(name: str) -> list[Example]:
            data = own.folder.read(name)
            return [decode_example(record) for _, record, _ in framed(gzip.decompress(data) if gz else data, name)]

        tables = {name: own.read_table(name) for name in TABLES}
        return cls(store, manifest, tables, {name: read(name) for name in shards}, own, gz)

    def put(self, table: str, column: str, chosen: Callable[[dict[str, Any]], bool], value: Any) -> list[str]:
        """Set a column of the chosen rows to a value, or to what a function makes of the row; paths of the rows."""
        own = self.tables[table]
        rows = own.to_pylist()
        marks = [chosen(row) for row in rows]
        values = [
            (value(row) if callable(value) else value) if mark else row[column]
            for row, mark in zip(rows, marks, strict=True)
        ]
        place = own.schema.get_field_index(column)
        kind = own.schema.field(column)
        self.tables[table] = own.set_column(place, kind, pa.array(values, kind.type))
        return [str(row.get("path")) for row, mark in zip(rows, marks, strict=True) if mark]

    def everywhere(self, column: str, path: str, value: Any, *tables: str) -> None:
        """Set a column of one path's rows in several tables, and in the records where they have it."""
        for table in tables:
            self.put(table, column, lambda row: row["path"] == path, value)
        if "records" in tables:
            stored = [value.encode()] if isinstance(value, str) else [value]
            self.each(lambda example: example.update({column: stored}) if example["path"] == [path.encode()] else None)

    def drop(self, table: str, chosen: Callable[[dict[str, Any]], bool]) -> None:
        """Remove rows; of the record table with their records."""
        own = self.tables[table]
        marks = [chosen(row) for row in own.to_pylist()]
        if table == "records":
            for name, examples in self.examples.items():
                of = [mark for row, mark in zip(own.to_pylist(), marks, strict=True) if row["file"] == name]
                self.examples[name] = [one for one, mark in zip(examples, of, strict=True) if not mark]
        self.tables[table] = own.filter(pa.array([not mark for mark in marks]))

    def each(self, change: Callable[[Example], Any]) -> None:
        """Change records."""
        for examples in self.examples.values():
            for example in examples:
                change(example)

    def set(self, path: str, value: Any) -> None:
        """Change a setting of the manifest's configuration, by its YAML path."""
        *sections, name = path.split(".")
        place = self.manifest["configuration"]
        for section in sections:
            place = place[section]
        place[name] = value

    def call_old(self) -> None:
        """Say that a package of format 1 wrote the version, with nothing that speaks against it."""
        self.manifest["format"] = 1
        for key in ("purposes", "stages", "user_checks"):
            del self.manifest[key]
        for checks in self.manifest["checks"].values():
            for check in checks:
                check.pop("arguments")
                if check.pop("history", False):
                    check |= {"passed": True, "observed": None, "offending": 0}

    def redraw(self) -> None:
        """Weights, records, labels and what is not drawn, as assignments and configuration give them.

        A record keeps the pixels that its image had in any record; one that had none takes another image's.
        """
        config = read_configuration(self.manifest)
        split = select_listed(self.tables["assignments"])
        weights = compute_sampling_weights(split, config.sampling)
        plan = derive_plan(config, self.manifest["classes"], split, weights, self.tables["images"])
        pixels = {example["path"][0]: example for examples in self.examples.values() for example in examples}
        anything = next(iter(pixels.values()))
        shards = dict.fromkeys(pc.unique(plan["purpose"]).to_pylist(), 0)
        for row in plan.to_pylist():
            shards[row["purpose"]] = max(shards[row["purpose"]], row["shard"] + 1)
        rows, self.examples = [], {}
        for row in plan.to_pylist():
            file = shard_name(config.name, row["purpose"], row["shard"], shards[row["purpose"]])
            rows.append({**row, "file": file, "offset": 0, "length": 0, "crc": 0})
            seed = row["seed"] - 2**64 if row["seed"] >= 2**63 else row["seed"]
            said: Example = {"label": [row["label"]], "epoch": [row["epoch"]], "seed": [seed]}
            said |= {name: [row[name].encode()] for name in ("path", "content_id", "item")}
            if row["multi_hot"] is not None:
                said["label/multi_hot"] = row["multi_hot"]
            self.examples.setdefault(file, []).append(pixels.get(row["path"].encode(), anything) | said)
        self.tables["weights"] = weights
        self.tables["records"] = pa.Table.from_pylist(rows, TFRECORD_SHARDS)
        excluded = self.tables["exclusions"]
        kept = excluded.filter(pc.not_equal(excluded["rule"], "not_drawn")).to_pylist()
        drawn = {row["path"] for row in rows}
        undrawn = [row for row in split.to_pylist() if row["path"] not in drawn]
        reason = {"rule": "not_drawn", "reason": "its sampling group has fewer draws than images", "partner": None}
        kept += [{"path": row["path"], "content_id": row["content_id"], **reason} for row in undrawn]
        self.tables["exclusions"] = pa.Table.from_pylist(
            sorted(kept, key=lambda row: str(row["path"])), excluded.schema
        )

    def derive(self, photos: Path) -> None:
        """All that follows from listing and images: copies, who takes part, split, draws, verdicts, and the pixels.

        Args:
            photos: the folder that paths are relative to.
        """
        config = read_configuration(self.manifest)
        listing = self.tables["listing"]
        for name, column in find_copies(listing["content_id"], listing["path"], listing["category"])._asdict().items():
            place = listing.schema.get_field_index(name)
            listing = listing.set_column(place, listing.schema.field(name), column)
        self.tables["listing"] = listing
        held = pc.is_in(self.tables["images"]["content_id"], value_set=pc.unique(listing["content_id"]))
        self.tables["images"] = self.tables["images"].filter(held)
        usable, excluded = select_samples(
            listing,
            self.tables["images"],
            duplicates=config.integrity.duplicates,
            label_conflicts=config.integrity.label_conflicts,
        )
        schema = self.tables["exclusions"].schema
        left_out = pc.is_in(self.tables["exclusions"]["rule"], value_set=pa.array(LEFT_OUT_RULES, pa.large_string()))
        parts = [self.tables["exclusions"].filter(left_out), excluded.select(schema.names).cast(schema)]
        self.tables["exclusions"] = pa.concat_tables(parts)
        versions = published_versions(self.store)
        before = versions[-2] if len(versions) > 1 else None
        split = assign_purposes(usable, config.split, PriorAssignments(ledger=read_ledger(before) if before else None))
        schema = self.tables["assignments"].schema
        self.tables["assignments"] = build_assignments(config, before, split).select(schema.names).cast(schema)
        self.redraw()
        self._render(config, photos)
        self._judge(config)

    def _render(self, config: PipelineConfig, photos: Path) -> None:
        maker = RecordBuilder(config.shards, ImageAugmenter(config.augmentation))
        pipeline = ImagePipeline(config.image)
        for row in self.tables["records"].to_pylist():
            pixels = pipeline.prepare((photos / row["path"]).read_bytes())
            self.examples[row["file"]][row["position"]] = decode_example(maker({**row, "multi_hot": None}, pixels))

    def _judge(self, config: PipelineConfig) -> None:
        """What each check would have found of the tables."""
        stages = _stage_tables(VersionClaims(self.manifest, config, self.tables, KnownFiles()))
        for stage, suite in SUITES.items():
            views = build_frames(stage, stages, config, Baseline())
            for rule in suite(config):
                if rule.of_history:
                    continue
                told = next(one for one in self.manifest["checks"][stage] if one["check"] == rule.name)
                frame, is_summary = views[rule.frame], rule.frame == "summary"
                broken = int(_find_broken_rows(rule, frame).sum())
                observed = _plain_value(frame[rule.arguments["column"]].iloc[0]) if is_summary else None
                told.update(passed=not broken, observed=observed, offending=0 if is_summary else broken)

    def publish(self, *, consumers: bool = True, checksums: bool = False) -> Version:
        """Put it together in place of the old one, with everything that can be recomputed.

        Args:
            consumers: make the files for other readers again too.
            checksums: write Parquet with checksums of pages, whatever the format of the manifest.
        """
        folder = Path(self._version.path)
        report = folder / "report"
        new = folder.parent / "forged"
        new.mkdir()
        shards = self._shards(new)
        written = to_parquet if checksums or self.manifest["format"] > 1 else _as_of_old
        tables = {f"{name}.parquet": written(table) for name, table in self.tables.items()}
        self._recount()
        files = shards | {name: file_facts(data) for name, data in tables.items()}
        others = {
            name: self._version.folder.read(name)
            for name in self.manifest["files"]
            if ".tfrecord-" not in name and name not in tables
        }
        if consumers:
            others = export_files(
                read_configuration(self.manifest),
                classes=self.manifest["classes"],
                split=select_listed(self.tables["assignments"]),
                images=self.tables["images"],
                records=self.tables["records"],
                files=files,
            )
        self.manifest["files"] = files | {name: file_facts(data) for name, data in others.items()}
        manifest = to_json(self.manifest)
        for name, data in (tables | others | {"manifest.json": manifest}).items():
            (new / name).write_bytes(data)
        if report.exists():
            shutil.copytree(report, new / "report")
        shutil.rmtree(folder)
        own = version_id(manifest)
        new.rename(folder.parent / own)
        rewrite_log(
            Path(self.store.folder.url),
            self._version.id,
            {"version": own, "manifest_sha256": hashlib.sha256(manifest).hexdigest()},
        )
        return Version(self.store.versions / own, own)

    def _shards(self, new: Path) -> dict[str, dict[str, Any]]:
        """Write the shards; offsets, lengths and checksums go into the record table."""
        places: dict[tuple[str, int], tuple[int, int, int]] = {}
        facts = {}
        for name, examples in self.examples.items():
            data = b""
            for position, example in enumerate(examples):
                record = encode_example({key: _whole(values) for key, values in example.items()})
                crc = masked_crc(record)
                places[name, position] = (len(data), len(record), crc)
                head, foot = frame_record(record, crc)
                data += head + record + foot
            data = gzip.compress(data, mtime=0) if self._gzip else data
            (new / name).write_bytes(data)
            facts[name] = file_facts(data)
        for number, column in enumerate(("offset", "length", "crc")):
            self.put(
                "records",
                column,
                lambda row: (row["file"], row["position"]) in places,
                lambda row, number=number: places[row["file"], row["position"]][number],
            )
        return facts

    def _recount(self) -> None:
        """Counts, fingerprint and lock of the manifest; classes are the forger's own affair."""
        split, excluded = select_listed(self.tables["assignments"]), self.tables["exclusions"]
        left_out = pc.sum(pc.is_in(excluded["rule"], value_set=pa.array(LEFT_OUT_RULES, pa.large_string()))).as_py()
        self.manifest["counts"] = {
            "listed": self.tables["listing"].num_rows + (left_out or 0),
            "excluded": excluded.num_rows,
            "images": _by_purpose(split),
            "records": _by_purpose(self.tables["records"]),
        }
        self.manifest["listing_fingerprint"] = listing_fingerprint(self.tables["listing"])
        self._lock(split)
        self.manifest["recipe"] = record_recipe(read_configuration(self.manifest))

    def _lock(self, split: pa.Table) -> None:
        self.manifest["test_lock"] = purpose_locks(split, read_configuration(self.manifest).split)


def _as_of_old(table: pa.Table) -> bytes:
    """Parquet as packages of format 1 wrote it: without checksums of pages."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def rewrite_log(root: Path, version: str, said: Mapping[str, Any], log: str = "publications") -> None:
    """Rewrite the entries that name a version, and chain and seals of all."""
    parent = "0" * 64
    seals = root / "seals" / log
    for file in sorted((root / log).glob("*.json")):
        entry = json.loads(file.read_bytes())
        if entry["version"] == version:
            entry |= said
        entry["parent"] = parent
        data = (json.dumps(entry, indent=2, ensure_ascii=False) + "\n").encode()
        parent = hashlib.sha256(data).hexdigest()
        file.write_bytes(data)
        for seal in seals.glob(f"{file.stem}-*.json"):
            seal.unlink()
        (seals / f"{file.stem}-{parent}.json").write_bytes(data)


def _whole(values: list[bytes] | list[int]) -> FeatureValue:
    return values[0] if len(values) == 1 and isinstance(values[0], bytes) else [int(one) for one in values]


def _by_purpose(table: pa.Table) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(table["purpose"]).to_pylist()}

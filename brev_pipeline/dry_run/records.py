"""Records: which of those that a run would want stand in the newest version, and about how large all would be."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig, ShardSettings
from brev_pipeline.config.load import build_settings
from brev_pipeline.diff.sides import by_name, count
from brev_pipeline.diff.versions import shard_bytes
from brev_pipeline.provenance import record_recipe
from brev_pipeline.records.shard_plan import mean_record_bytes
from brev_pipeline.records.write import list_shards, shard_files
from brev_pipeline.release.shards import PlannedRecords, earlier_records, find_made_version
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.tables import part_names

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Records:
    """What would become of each record of the plan.

    Args:
        stands: whether the newest version was made by this very plan, so that nothing is written.
        finished: (records,) it stands in a shard that a run which was stopped had finished.
        copied: (records,) it would be copied from the newest version.
        lengths: (records,) bytes of those that the newest version holds; 0 of others.
    """

    stands: bool
    finished: Bools
    copied: Bools
    lengths: npt.NDArray[np.int64]

    @property
    def written(self) -> Bools:
        """(records,) it would be made anew."""
        found: Bools = ~(self.copied | self.finished) & (not self.stands)
        return found


def foresee_records(config: PipelineConfig, store: PipelineStore, planned: PlannedRecords, classes: int) -> Records:
    """Find what a run would copy.

    Args:
        config: the pipeline's configuration.
        store: its store.
        planned: the records that a run would want.
        classes: of the version that would come of it.

    Raises:
        StoreError: the store cannot be read.
    """
    count = planned.plan.num_rows
    none, no_lengths = np.zeros(count, np.bool_), np.zeros(count, np.int64)
    if find_made_version(store, planned.digest) is not None:
        return Records(True, none, none, no_lengths)
    finished = _finished(config, store, planned)
    earlier = earlier_records(store, record_recipe(config), planned.facts)
    if earlier is None or _has_other_labels(store, planned.plan, classes):
        return Records(False, finished, none, no_lengths)
    places = earlier.find_matches(planned.plan)
    copied = places["file"].is_valid().to_numpy() & ~finished
    return Records(False, finished, copied, pc.fill_null(places["length"], 0).to_numpy())


def describe_records(
    planned: PlannedRecords, found: Records, newest: Version | None, order: list[str]
) -> dict[str, Any]:
    """The records as JSON: ``was``, ``now``; how many of those now stand, are finished, copied, written."""
    was = {} if newest is None else dict(newest.read_manifest()["counts"]["records"])
    now = count(part_names(planned.plan))
    return {
        "was": sum(was.values()),
        "now": planned.plan.num_rows,
        "stand": planned.plan.num_rows if found.stands else 0,
        "finished": int(found.finished.sum()),
        "copied": int(found.copied.sum()),
        "written": int(found.written.sum()),
        "by_part": by_name("part", {"was": was, "now": now}, order),
    }


def estimate_bytes(
    config: PipelineConfig, planned: PlannedRecords, found: Records, prepared: pa.Table, newest: Version | None
) -> dict[str, Any]:
    """About how large the shards would be: ``shards`` and ``written`` (None: the images' sizes are open), and ``from``.

    A record that stands is as large as it is. Of the others the size is reckoned from their pixels, and by how much
    that was wrong of the newest version's records, where the encoding is the same.
    """
    if found.stands and newest is not None:
        return {"shards": shard_bytes(newest.read_manifest()), "written": 0, "from": newest.id}
    plan, known = planned.plan, found.lengths > 0
    new = plan.filter(pa.array(~known))
    share, factor, of = 1.0, 1.0, None
    if newest is not None and (told := _measured(config, newest)) is not None:
        factor, share, of = *told, newest.id
    each = _estimate(config.shards, new, prepared)
    if new.num_rows and each is None:
        return {"shards": None, "written": None, "from": None}
    whole = float(found.lengths.sum()) + new.num_rows * (each or 0.0) * factor
    made = int(found.written.sum()) * (each or 0.0) * factor
    return {"shards": round(whole * share), "written": round(made * share), "from": of}


def _estimate(settings: ShardSettings, rows: pa.Table, prepared: pa.Table) -> float | None:
    """Mean bytes of records as the settings let expect; None where a shape is not known, or there is none."""
    if not rows.num_rows:
        return None
    own = prepared.filter(pc.is_in(prepared["content_id"], value_set=rows["content_id"].combine_chunks()))
    if any(own[f"prepared_{side}"].null_count for side in ("height", "width", "channels")):
        return None
    return mean_record_bytes(rows, prepared, settings)


def _measured(config: PipelineConfig, newest: Version) -> tuple[float, float] | None:
    """By what the newest version's records are larger than expected, and its shards than its records; None: no rule."""
    manifest = newest.read_manifest()
    then = build_settings(ShardSettings, manifest["configuration"]["shards"])
    same = ("encoding", "jpeg_quality", "compression")
    if any(getattr(then, name) != getattr(config.shards, name) for name in same):
        return None
    records = newest.read_table("records", ["content_id", "length"])
    expected = _estimate(then, records, newest.read_table("images"))
    actual = pc.mean(records["length"]).as_py()
    if not expected or not actual:
        return None
    return actual / expected, shard_bytes(manifest) / (actual * records.num_rows)


def _finished(config: PipelineConfig, store: PipelineStore, planned: PlannedRecords) -> Bools:
    """(records,) whether its shard lies finished in the staging."""
    there = set(shard_files(store.staging_area / planned.digest)["file"].to_pylist())
    starts, names = list_shards(planned.plan, config.name)
    return np.repeat(np.array([name in there for name in names], np.bool_), np.diff(starts))


def _has_other_labels(store: PipelineStore, plan: pa.Table, classes: int) -> bool:
    """Whether the records of the newest version hold vectors of other classes, or one of both holds none: no copies."""
    newest = store.newest_version()
    if newest is None or not plan.num_rows:
        return False
    version, has_vectors = newest[1], not plan["multi_hot"].null_count
    return has_vectors != _had_vectors(version) or (has_vectors and len(version.read_manifest()["classes"]) != classes)


def _had_vectors(version: Version) -> bool:
    """Whether some image of several classes stands in a version's records."""
    listing = version.read_table("listing", ["path", "category"])
    several = listing["path"].filter(pc.greater(pc.list_value_length(listing["category"]), 1))
    drawn = pc.is_in(several, value_set=version.read_table("records", ["path"])["path"].combine_chunks())
    return bool(pc.any(drawn, min_count=0).as_py())

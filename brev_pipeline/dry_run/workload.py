"""What a run would have to write, about how large that would be, and about how long it would take.

What a dry run does itself as a run does it was timed just now. Decoding, writing, publishing and the checks go by
the pace of earlier runs: of those that are remembered, the one that did most of the kind of work in question, for a
run that decoded three images tells little of a thousand. Dagster's own time is no part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig, ShardSettings
from brev_pipeline.config.load import build_settings
from brev_pipeline.diff.versions import count_shard_bytes, list_counts_by_name
from brev_pipeline.provenance import record_recipe
from brev_pipeline.records.shard_plan import mean_record_bytes
from brev_pipeline.records.write import list_shards, shard_files
from brev_pipeline.release.shards import PlannedRecords, earlier_records, find_made_version
from brev_pipeline.stages import VERSION, table_stages
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.store.timing_log import StepTiming
from brev_pipeline.tables import count_values, part_names

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RecordForecast:
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
    def needs_writing(self) -> Bools:
        """(records,) it would be made anew."""
        return np.asarray(~(self.copied | self.finished) & (not self.stands))


def forecast_records(
    config: PipelineConfig, store: PipelineStore, planned: PlannedRecords, classes: int
) -> RecordForecast:
    """Find what a run would copy, and make; ``classes`` is how many the version that would come of it has.

    Raises:
        StoreError: the store cannot be read.
    """
    count = planned.plan.num_rows
    none, no_lengths = np.zeros(count, np.bool_), np.zeros(count, np.int64)
    # As a run asks: first whether there is anything to make, then what lies finished, then what can be copied.
    if find_made_version(store, planned.digest) is not None:
        return RecordForecast(True, none, none, no_lengths)
    finished = _find_finished(config, store, planned)
    earlier = earlier_records(store, record_recipe(config), planned.facts)
    if earlier is None or _has_other_labels(store, planned.plan, classes):
        return RecordForecast(False, finished, none, no_lengths)
    matches = earlier.find_matches(planned.plan)
    copied = matches["file"].is_valid().to_numpy() & ~finished
    return RecordForecast(False, finished, copied, pc.fill_null(matches["length"], 0).to_numpy())


def describe_records(
    planned: PlannedRecords, forecast: RecordForecast, newest: Version | None, order: list[str]
) -> dict[str, Any]:
    """The records as JSON: ``was``, ``now``; how many of those now stand, are finished, copied, written."""
    was = {} if newest is None else dict(newest.read_manifest()["counts"]["records"])
    now = count_values(part_names(planned.plan))
    return {
        "was": sum(was.values()),
        "now": planned.plan.num_rows,
        "stand": planned.plan.num_rows if forecast.stands else 0,
        "finished": int(forecast.finished.sum()),
        "copied": int(forecast.copied.sum()),
        "written": int(forecast.needs_writing.sum()),
        "by_part": list_counts_by_name("part", {"was": was, "now": now}, order),
    }


def estimate_bytes(
    config: PipelineConfig,
    planned: PlannedRecords,
    forecast: RecordForecast,
    prepared: pa.Table,
    newest: Version | None,
) -> dict[str, Any]:
    """About how large the shards would be: ``shards`` and ``written`` (None: the images' sizes are open), and ``from``.

    A record that stands is as large as it is. Of the others the size is reckoned from their pixels, and by how much
    that was wrong of the newest version's records, where the encoding is the same.
    """
    if forecast.stands and newest is not None:
        return {"shards": count_shard_bytes(newest.read_manifest()), "written": 0, "from": newest.id}
    new = planned.plan.filter(pa.array(forecast.lengths == 0))
    factor, share, of = 1.0, 1.0, None
    if newest is not None and (measured := _measure_newest(config, newest)) is not None:
        factor, share, of = *measured, newest.id
    expected = _estimate_record_bytes(config.shards, new, prepared)
    if new.num_rows and expected is None:
        return {"shards": None, "written": None, "from": None}
    each = (expected or 0.0) * factor
    whole, written = float(forecast.lengths.sum()) + new.num_rows * each, int(forecast.needs_writing.sum()) * each
    return {"shards": round(whole * share), "written": round(written * share), "from": of}


def _estimate_record_bytes(settings: ShardSettings, rows: pa.Table, prepared: pa.Table) -> float | None:
    """Mean bytes of records as the settings let expect; None where a shape is not known, or there is none."""
    drawn = prepared.filter(pc.is_in(prepared["content_id"], value_set=rows["content_id"].combine_chunks()))
    unknown = any(drawn[f"prepared_{side}"].null_count for side in ("height", "width", "channels"))
    return None if unknown or not rows.num_rows else mean_record_bytes(rows, prepared, settings)


def _measure_newest(config: PipelineConfig, newest: Version) -> tuple[float, float] | None:
    """By what the newest version's records are larger than expected, and its shards than its records; None: no rule."""
    manifest = newest.read_manifest()
    then = build_settings(ShardSettings, manifest["configuration"]["shards"])
    same = ("encoding", "jpeg_quality", "compression")
    if any(getattr(then, name) != getattr(config.shards, name) for name in same):
        return None
    records = newest.read_table("records", ["content_id", "length"])
    expected = _estimate_record_bytes(then, records, newest.read_table("images"))
    actual = pc.mean(records["length"]).as_py()
    if not expected or not actual:
        return None
    return actual / expected, count_shard_bytes(manifest) / (actual * records.num_rows)


def _find_finished(config: PipelineConfig, store: PipelineStore, planned: PlannedRecords) -> Bools:
    """(records,) whether its shard lies finished in the staging."""
    finished = set(shard_files(store.staging_area / planned.digest)["file"].to_pylist())
    starts, names = list_shards(planned.plan, config.name)
    return np.repeat(np.array([name in finished for name in names], np.bool_), np.diff(starts))


def _has_other_labels(store: PipelineStore, plan: pa.Table, classes: int) -> bool:
    """Whether the records of the newest version hold vectors of other classes, or one of both holds none: no copies."""
    newest = store.newest_version()
    if newest is None or not plan.num_rows:
        return False
    version, has_vectors = newest[1], not plan["multi_hot"].null_count
    listing = version.read_table("listing", ["path", "category"])
    several = listing["path"].filter(pc.greater(pc.list_value_length(listing["category"]), 1))
    drawn = pc.is_in(several, value_set=version.read_table("records", ["path"])["path"].combine_chunks())
    # Records hold vectors as soon as one image of several classes is drawn.
    held_vectors = bool(pc.any(drawn, min_count=0).as_py())
    return has_vectors != held_vectors or (has_vectors and len(version.read_manifest()["classes"]) != classes)


CHECKS = "checks"
"""What the time of all suites stands under."""


def estimate_time(
    measured: Mapping[str, float], work: Mapping[str, int], paces: Mapping[str, Sequence[StepTiming]]
) -> dict[str, Any]:
    """About how long a run would take, JSON-safe.

    ``measured`` is stage → seconds that it took just now; ``work`` stage → how much it would have to do, of stages that
    were not measured; ``paces`` step → paces of earlier runs, the newest first.

    Returns:
        ``seconds`` (None where no run was timed yet that did such work) and ``stages``: stage, seconds, and by what
        (``now``, or the id of a run; None: not known).
    """
    stages: list[dict[str, Any]] = []
    for stage in (*table_stages(), VERSION):
        if stage in measured:
            stages.append({"stage": stage, "seconds": round(measured[stage], 2), "by": "now"})
        elif stage in work:
            stages.append({"stage": stage, **_estimate_by_pace(work[stage], paces.get(stage, ()))})
    stages.append({"stage": CHECKS, **_estimate_checks(paces)})
    seconds = [stage["seconds"] for stage in stages]
    return {"seconds": None if None in seconds else round(sum(seconds), 1), "stages": stages}


def _estimate_by_pace(work: int, paces: Sequence[StepTiming]) -> dict[str, Any]:
    """Seconds for some work: what a run without any takes, and what each piece of it took in the run that did most."""
    idle = min((pace.seconds for pace in paces if not pace.work), default=0.0)
    most = max((pace for pace in paces if pace.work), key=lambda pace: pace.work, default=None)
    if not work:
        known = [pace for pace in paces if not pace.work] or ([most] if most else [])
        # A run that had work took as long as that at least for what is not work.
        return {"seconds": round(idle, 2), "by": known[0].run} if known else {"seconds": None, "by": None}
    if most is None:
        return {"seconds": None, "by": None}
    each = max(0.0, most.seconds - idle) / most.work
    return {"seconds": round(idle + work * each, 2), "by": most.run}


def _estimate_checks(paces: Mapping[str, Sequence[StepTiming]]) -> dict[str, Any]:
    """Seconds of all suites, as the newest run had them that came so far."""
    newest = [paces.get(f"{stage}.{CHECKS}", ()) for stage in table_stages()]
    if not all(newest):
        return {"seconds": None, "by": None}
    return {"seconds": round(sum(timings[0].seconds for timings in newest), 2), "by": newest[-1][0].run}

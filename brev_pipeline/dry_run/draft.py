"""A draft of a run: every stage's own computation, one after the other, as far as it goes without a new pixel."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.dry_run.images import ListedImages, PixelForecast, forecast_pixels, identify_images
from brev_pipeline.dry_run.workload import RecordForecast, forecast_records
from brev_pipeline.errors import BrevPipelineError, StoreError
from brev_pipeline.expectations import SUITES
from brev_pipeline.expectations.rules import describe_finding
from brev_pipeline.release.assignments import (
    Division,
    divide_samples,
    foresee_faults,
    read_baseline,
    refuse_foreign_store,
)
from brev_pipeline.release.exclusions import list_exclusions
from brev_pipeline.release.shards import PlannedRecords, plan_records
from brev_pipeline.stages import inputs_of
from brev_pipeline.storage import Sources
from brev_pipeline.store import PipelineStore, Publication, Version
from brev_pipeline.tables import InMemoryTable


@dataclass
class Draft:
    """What is known so far."""

    config: PipelineConfig
    store: PipelineStore
    sources: Sources
    newest: tuple[Publication, Version] | None
    most_bytes: int
    images: ListedImages | None = None
    pixels: PixelForecast | None = None
    excluded: pa.Table | None = None
    division: Division | None = None
    planned: PlannedRecords | None = None
    records: RecordForecast | None = None
    tables: dict[str, InMemoryTable] = field(default_factory=dict)
    """Stage → its table."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage → how long that took."""
    stops: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def newest_version(self) -> Version | None:
        """The newest published version."""
        return self.newest[1] if self.newest else None


def make_draft(config: PipelineConfig, most_bytes: int) -> Draft:
    """Go through the stages, as far as they come: an error of ours is a stop, as it would be in a run.

    Raises:
        StoreError: the store cannot be reached.
    """
    store = PipelineStore.from_config(config)
    draft = Draft(config, store, Sources.from_config(config), store.newest_version(), most_bytes)
    for stage, step in _STEPS.items():
        began = time.perf_counter()
        try:
            step(draft)
        except BrevPipelineError as error:
            # A store that cannot be reached just now tells nothing of the run.
            if isinstance(error, StoreError) and error.may_pass:
                raise
            draft.stops.append(_describe_check(stage, None, f"{type(error).__name__}: {error}"))
            break
        draft.seconds[stage] = time.perf_counter() - began
        _run_checks(draft, stage)
    return draft


def _list_images(draft: Draft) -> None:
    refuse_foreign_store(draft.config, draft.store)
    draft.images = identify_images(
        draft.config, draft.sources, draft.store.identity_cache.load_newest(), draft.most_bytes
    )
    # One table for both: that of sample_integrity has the columns of the listing too.
    draft.tables["raw_listing"] = draft.tables["sample_integrity"] = InMemoryTable(draft.images.integrity)
    foresee_faults(draft.images.integrity, draft.config, draft.newest_version)


def _prepare_images(draft: Draft) -> None:
    assert draft.images is not None
    draft.pixels = forecast_pixels(draft.config, draft.store, draft.newest_version, draft.images.integrity)
    prepared = draft.pixels.prepared
    if draft.config.has_labels:
        from brev_pipeline.images.prepare_labels import LABEL_COLUMNS, foresee_labels

        samples = InMemoryTable(draft.images.integrity).read(LABEL_COLUMNS)
        folder = draft.store.prepared_pixels
        prepared = foresee_labels(samples, prepared, draft.config.datasets, draft.config.image, folder)
    draft.tables["prepared_images"] = InMemoryTable(prepared)


def _split_samples(draft: Draft) -> None:
    tables = draft.tables
    draft.division = divide_samples(draft.config, draft.store, tables["sample_integrity"], tables["prepared_images"])
    tables["sample_split"] = InMemoryTable(draft.division.split)


def _weigh_groups(draft: Draft) -> None:
    from brev_pipeline.sampling import compute_sampling_weights

    split = draft.tables["sample_split"].read(["path", "purpose", *draft.config.sampling.groupby])
    draft.tables["sampling_weights"] = InMemoryTable(compute_sampling_weights(split, draft.config.sampling))


def _plan_shards(draft: Draft) -> None:
    tables, weights = draft.tables, draft.tables["sampling_weights"].read()
    draft.planned = plan_records(draft.config, tables["sample_split"], weights, tables["prepared_images"])
    draft.records = forecast_records(draft.config, draft.store, draft.planned, len(list_classes(draft)))
    tables["tfrecord_shards"] = InMemoryTable(draft.planned.plan)
    assert draft.images is not None
    draft.excluded = list_exclusions(draft.config, tables, draft.images.left_out)


# Stage → what is foreseen of it.
_STEPS: Final[dict[str, Callable[[Draft], None]]] = {
    "raw_listing": _list_images,
    "sample_integrity": lambda _: None,  # what the listing needs to know of contents, it has found already
    "prepared_images": _prepare_images,
    "sample_split": _split_samples,
    "sampling_weights": _weigh_groups,
    "tfrecord_shards": _plan_shards,
}


def _run_checks(draft: Draft, stage: str) -> None:
    """Ask the stage's suite, as far as its tables are known."""
    from brev_pipeline.expectations.frames import build_frames
    from brev_pipeline.expectations.validate import evaluate_frames

    if stage not in draft.tables:
        return
    tables = {name: draft.tables[name] for name in (stage, *inputs_of(stage))}
    frames = build_frames(stage, tables, draft.config, read_baseline(draft.config, stage))
    for finding in evaluate_frames(SUITES[stage](draft.config), frames):
        if not finding.passed:
            problems = draft.stops if finding.rule.severity == "error" else draft.warnings
            problems.append(
                _describe_check(stage, finding.rule.name, describe_finding(finding), finding.rows, finding.offending)
            )


def _describe_check(
    stage: str, check: str | None, says: str, examples: Sequence[Mapping[str, Any]] = (), offending: int = 0
) -> dict[str, Any]:
    return {"stage": stage, "check": check, "says": says, "offending": offending, "examples": list(examples)}


def list_classes(draft: Draft) -> list[str]:
    """The class names of the version that would come of the draft, in label order."""
    from brev_pipeline.split.label_map import read_split_classes

    return read_split_classes(draft.tables["sample_split"].read([]))

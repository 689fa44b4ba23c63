"""The plan: every stage's own computation, one after the other, as far as it can be had without a new pixel."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from brev_pipeline.config import PipelineConfig
from brev_pipeline.diff.facts import (
    OF_EXCLUSIONS,
    compare_code,
    compare_exclusions,
    compare_labels,
    compare_packages,
    compare_settings,
)
from brev_pipeline.diff.images import COMPARED, ImageChanges, compare_images
from brev_pipeline.diff.sides import OF_SPLIT, compare_sides
from brev_pipeline.diff.versions import listed_split, purposes_of
from brev_pipeline.dry_run.groups import find_joined
from brev_pipeline.dry_run.held import Held
from brev_pipeline.dry_run.look import Look, look
from brev_pipeline.dry_run.pixels import Pixels, foresee_pixels, open_images
from brev_pipeline.dry_run.records import Records, describe_records, estimate_bytes, foresee_records
from brev_pipeline.dry_run.timing import estimate_time
from brev_pipeline.errors import BrevPipelineError, StoreError
from brev_pipeline.expectations import SUITES
from brev_pipeline.expectations.rules import describe_finding
from brev_pipeline.release.assignments import Division, divide_samples, foresee_faults
from brev_pipeline.release.exclusions import list_exclusions
from brev_pipeline.release.shards import PlannedRecords, plan_records
from brev_pipeline.stages import SPECS, VERSION, inputs_of, package_versions
from brev_pipeline.storage import Sources
from brev_pipeline.store import PipelineStore, Publication, Version
from brev_pipeline.table_metadata import given_sha256, known_sha256

READ_MB: Final = 1000
"""Million bytes of new images that are read for their contents, unless something else is asked for."""
_AGAIN: Final = 3  # times that the draft begins anew, because a version was published while it was made
PUBLISH, NOTHING, STOP = "publish", "nothing", "stop"
"""What a run would do: publish a version, find nothing new, or stop before."""


@dataclass
class Draft:
    """What is known so far."""

    config: PipelineConfig
    store: PipelineStore
    sources: Sources
    newest: tuple[Publication, Version] | None
    most_bytes: int
    look: Look | None = None
    pixels: Pixels | None = None
    excluded: pa.Table | None = None
    division: Division | None = None
    planned: PlannedRecords | None = None
    records: Records | None = None
    tables: dict[str, Held] = field(default_factory=dict)
    """Stage → its table."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage → how long that took."""
    stops: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def version(self) -> Version | None:
        """The newest published version."""
        return self.newest[1] if self.newest else None


def plan_run(config: PipelineConfig, *, most_bytes: int = READ_MB * 1_000_000) -> dict[str, Any]:
    """Say what a run would do now, writing nothing; JSON-safe.

    Args:
        config: the pipeline's configuration.
        most_bytes: of new images that may be read to know their contents; where they are more, none is read, and
            what that leaves open is said.

    Returns:
        ``pipeline``, ``store``, ``compared_with`` (the newest version; None: nothing was published yet), ``would``
        (publish, nothing, stop), ``because`` (why another version would be published than the newest; empty else),
        ``stops`` and ``warnings`` (stage, check, says, offending, examples), ``read``, ``images``, ``left_out``,
        ``groups``, ``sides``, ``labels``, ``decode``, ``records``, ``bytes``, ``time``, ``settings``, ``packages``,
        ``code``, ``open``. A section that the run would not come to is None.

    Raises:
        StoreError: the store cannot be reached.
    """
    draft = _draft(config, most_bytes)
    # What a run published meanwhile stands in one half of the draft only.
    for _ in range(_AGAIN):
        if draft.store.publications.read_newest() == (draft.newest and draft.newest[0]):
            break
        draft = _draft(config, most_bytes)
    return _document(draft)


def _draft(config: PipelineConfig, most_bytes: int) -> Draft:
    """Go through the stages, as far as they come."""
    store = PipelineStore.from_config(config)
    draft = Draft(config, store, Sources.from_config(config), store.newest_version(), most_bytes)
    for stage, step in _STEPS.items():
        began = time.perf_counter()
        try:
            step(draft)
        except BrevPipelineError as error:
            if isinstance(error, StoreError) and error.may_pass:
                raise
            draft.stops.append(_stop(stage, None, f"{type(error).__name__}: {error}"))
            break
        draft.seconds[stage] = time.perf_counter() - began
        _judge(draft, stage)
    return draft


def _list(draft: Draft) -> None:
    from brev_pipeline.release.baseline import refuse_foreign_store

    refuse_foreign_store(draft.config, draft.store)
    draft.look = look(draft.config, draft.sources, draft.store.identity_cache.load_newest(), draft.most_bytes)
    draft.tables["raw_listing"] = draft.tables["sample_integrity"] = Held(draft.look.integrity)
    foresee_faults(draft.look.integrity, draft.config, draft.version)


def _identify(draft: Draft) -> None:
    """Nothing: what the listing needs to know of contents, it has found already."""


def _prepare(draft: Draft) -> None:
    assert draft.look is not None
    draft.pixels = foresee_pixels(draft.config, draft.store, draft.version, draft.look.integrity)
    draft.tables["prepared_images"] = Held(draft.pixels.prepared)


def _split(draft: Draft) -> None:
    tables = draft.tables
    draft.division = divide_samples(draft.config, draft.store, tables["sample_integrity"], tables["prepared_images"])
    tables["sample_split"] = Held(draft.division.split)


def _weigh(draft: Draft) -> None:
    from brev_pipeline.sampling import compute_sampling_weights

    split = draft.tables["sample_split"].read(["path", "purpose", *draft.config.sampling.groupby])
    draft.tables["sampling_weights"] = Held(compute_sampling_weights(split, draft.config.sampling))


def _write(draft: Draft) -> None:
    tables, weights = draft.tables, draft.tables["sampling_weights"].read()
    draft.planned = plan_records(draft.config, tables["sample_split"], weights, tables["prepared_images"])
    draft.records = foresee_records(draft.config, draft.store, draft.planned, len(_classes(draft)))
    tables["tfrecord_shards"] = Held(draft.planned.plan)
    assert draft.look is not None
    draft.excluded = list_exclusions(draft.config, tables, draft.look.left_out)


_STEPS: Final[dict[str, Callable[[Draft], None]]] = {
    "raw_listing": _list,
    "sample_integrity": _identify,
    "prepared_images": _prepare,
    "sample_split": _split,
    "sampling_weights": _weigh,
    "tfrecord_shards": _write,
}
"""Stage → what is foreseen of it."""


def _judge(draft: Draft, stage: str) -> None:
    """Ask the stage's suite, as far as its tables are known."""
    from brev_pipeline.expectations.frames import build_frames
    from brev_pipeline.expectations.validate import evaluate_frames
    from brev_pipeline.release.baseline import read_baseline

    if stage not in draft.tables:
        return
    tables = {name: draft.tables[name] for name in (stage, *inputs_of(stage))}
    found = evaluate_frames(
        SUITES[stage](draft.config), build_frames(stage, tables, draft.config, read_baseline(draft.config, stage))
    )
    for finding in found:
        if not finding.passed:
            kept = draft.stops if finding.rule.severity == "error" else draft.warnings
            kept.append(_stop(stage, finding.rule.name, describe_finding(finding), finding.rows, finding.offending))


def _stop(
    stage: str, check: str | None, says: str, examples: Sequence[Mapping[str, Any]] = (), offending: int = 0
) -> dict[str, Any]:
    return {"stage": stage, "check": check, "says": says, "offending": offending, "examples": list(examples)}


def _document(draft: Draft) -> dict[str, Any]:
    config, manifest = draft.config, draft.version.read_manifest() if draft.version else None
    changes = _changes(draft)
    because = _find_reasons(draft, manifest) if manifest and not draft.stops else []
    document = {
        "pipeline": config.name,
        "store": draft.store.folder.url,
        "compared_with": _compared_with(draft),
        "would": STOP if draft.stops else NOTHING if manifest and not because else PUBLISH,
        "because": because,
        "stops": draft.stops,
        "warnings": draft.warnings,
        "read": draft.look
        and {"images": draft.look.read, "bytes": draft.look.read_bytes, "unread_bytes": draft.look.unread_bytes},
        "images": changes and changes.document(),
        **dict.fromkeys(("left_out", "groups", "sides", "labels", "decode", "records", "bytes", "time")),
        "settings": compare_settings(manifest["configuration"], config.content_settings()) if manifest else [],
        "packages": compare_packages(manifest.get("packages", {}), package_versions()) if manifest else [],
        "code": compare_code(manifest.get("stages", {}), _code()) if manifest else [],
        "open": _open(draft),
    }
    if changes and "sample_split" in draft.tables:
        document |= _divided(draft, changes, manifest)
    if draft.pixels:
        document["decode"] = {"contents": draft.pixels.decode, "bytes": draft.pixels.bytes}
    if draft.records:
        document |= _recorded(draft)
    return document


def _compared_with(draft: Draft) -> dict[str, Any] | None:
    if draft.newest is None:
        return None
    entry, version = draft.newest
    return {"version": version.id, "number": entry.number, "published_at": entry.published_at}


def _changes(draft: Draft) -> ImageChanges | None:
    if draft.look is None:
        return None
    now = draft.look.integrity.select(COMPARED)
    before = draft.version.read_table("listing", COMPARED) if draft.version else now.slice(0, 0)
    return compare_images(before, now, draft.look.unread)


def _divided(draft: Draft, changes: ImageChanges, manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the split tells."""
    split = draft.tables["sample_split"].read()
    of_split = split.select(OF_SPLIT)
    before = listed_split(draft.version) if draft.version else of_split.slice(0, 0)
    groups: dict[str, Any] = {"joined": 0, "examples": []}
    ledger = draft.division.history.ledger if draft.division else None
    if draft.version and ledger is not None:
        groups = find_joined(draft.version, ledger, split, draft.config.split)
    return {
        "groups": groups,
        "sides": compare_sides(changes, before, of_split, draft.config.split.names),
        "labels": compare_labels(manifest["classes"] if manifest else [], _classes(draft)),
    }


def _recorded(draft: Draft) -> dict[str, Any]:
    """What the plan of the records tells."""
    assert draft.planned is not None
    assert draft.records is not None
    assert draft.pixels is not None
    assert draft.excluded is not None
    excluded = draft.excluded.select(OF_EXCLUSIONS)
    before = draft.version.read_table("exclusions", OF_EXCLUSIONS) if draft.version else excluded.slice(0, 0)
    order = [*draft.config.split.names, *(purposes_of(draft.version.read_manifest()) if draft.version else [])]
    described = describe_records(draft.planned, draft.records, draft.version, list(dict.fromkeys(order)))
    work = {
        "prepared_images": draft.pixels.decode,
        "tfrecord_shards": described["written"],
        VERSION: draft.look.integrity.num_rows if draft.look else 0,
    }
    measured = {stage: seconds for stage, seconds in draft.seconds.items() if stage not in work}
    return {
        "left_out": compare_exclusions(before, excluded),
        "records": described,
        "bytes": estimate_bytes(draft.config, draft.planned, draft.records, draft.pixels.prepared, draft.version),
        "time": estimate_time(measured, work, draft.store.timing_log.read_timings()),
    }


def _classes(draft: Draft) -> list[str]:
    from brev_pipeline.split.label_map import read_split_classes

    return read_split_classes(draft.tables["sample_split"].read([]))


def _open(draft: Draft) -> list[dict[str, Any]]:
    """What only a run finds out: of how many images, and in words."""
    if draft.look is None:
        return []
    found = []
    if unread := int(draft.look.unread.sum()):
        size = f"{draft.look.unread_bytes / 1e6:,.0f} MB"
        found.append(
            _unknown(
                "contents",
                unread,
                f"their bytes ({size}) were not read: whether they are new, renamed, changed, or copies of others",
            )
        )
    if draft.pixels:
        looked = draft.look.integrity
        opened = open_images(looked, draft.pixels) & ~draft.look.unread
        if count := int(opened.sum()):
            says = "never decoded: whether they are damaged, copies by their pixels, blank, or of another size"
            found.append(_unknown("pixels", count, says))
    return found


def _unknown(what: str, images: int, says: str) -> dict[str, Any]:
    return {"what": what, "images": images, "says": says}


def _code() -> dict[str, dict[str, str]]:
    """Stage → the versions of its code, as a manifest has them."""
    from brev_pipeline.provenance import code_of

    return {stage: code_of(stage) for stage in SPECS}


def _find_reasons(draft: Draft, manifest: Mapping[str, Any]) -> list[str]:
    """Why the version that would be made is not the newest one: what of that is otherwise; nothing: it is the same."""
    from brev_pipeline.config.differences import find_differences
    from brev_pipeline.listing import listing_fingerprint

    assert draft.look is not None
    assert draft.records is not None
    assert draft.pixels is not None
    assert draft.version is not None
    assert draft.excluded is not None
    split = draft.tables["sample_split"].read([])
    before = draft.version.read_table("exclusions")
    fingerprint = listing_fingerprint(draft.look.integrity.select(["path", "etag"]))
    same = {
        "images that nobody has read": not draft.look.unread.any(),
        "images that were never decoded": not draft.pixels.open,
        "the paths of the images, or their entity tags": manifest["listing_fingerprint"] == fingerprint,
        "the images that are left out, or why": before.equals(
            draft.excluded.replace_schema_metadata(None).cast(before.schema)
        ),
        "the settings": not any(find_differences(manifest["configuration"], draft.config.content_settings())),
        "the order of split.purposes": list(manifest.get("purposes", [])) == draft.config.split.names,
        "what the file of split.ledger_csv holds": manifest.get("known_assignments_sha256") == known_sha256(split),
        "what the files of split.given hold": manifest.get("given_sha256", {}) == given_sha256(split),
        "the versions of packages": manifest.get("packages") == package_versions(),
        "the code of stages": manifest.get("stages") == _code(),
        "the records": draft.records.stands,
    }
    return [what for what, is_so in same.items() if not is_so]

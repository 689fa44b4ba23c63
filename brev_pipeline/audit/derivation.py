"""Derivation: what a version claims, derived anew from what it holds.

A version whose hashes are all right can still be wrong: made with another configuration than its manifest names, or
rewritten from end to end by somebody who recomputed every hash. So everything that follows from something else in the
version is derived again, by the code that made it, and each contradiction is named with its path. Listing, images,
split and checks have modules of their own; here are the manifest's configuration and recipe, the files for other
readers, the label map, which goes on from that of the version before, and weights and draws. These are made again
from a version's own assignments and configuration, seeds included: each is computed anew from what the draw is for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.derived_listing import (
    SIDES,
    identity_contradictions,
    image_contradictions,
    left_out_contradictions,
    listing_contradictions,
)
from brev_pipeline.audit.derived_rules import rule_contradictions
from brev_pipeline.audit.derived_split import ledger_contradictions, ledger_file_contradictions, split_contradictions
from brev_pipeline.audit.table_checks import TABLES, Tables, describe_difference, select_listed
from brev_pipeline.audit.version_claims import (
    DERIVATION_ERRORS,
    CodeDependent,
    Finding,
    KnownFiles,
    VersionClaims,
    depend_on_code,
    read_configuration,
)
from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.differences import list_differences
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.record_features import LABEL_FEATURES, parse_features
from brev_pipeline.split.label_map import build_label_map, list_present_classes
from brev_pipeline.stages import SPECS, VERSION, package_versions
from brev_pipeline.store.versions import DERIVED, MANIFEST, file_facts
from brev_pipeline.tables import LABEL_ID, part_names

# Columns of the record table that follow from the plan, in versions of format 1, and of those derived anew.
_PLANNED: Final = ("purpose", "epoch", "shard", "position", "path", "content_id", "group", "label", "ordinal", "seed")
_PLANNED_DERIVED: Final = (*_PLANNED, "item", "augmented")
# The stages whose code gives the files for other readers.
_EXPORTING_STAGES: Final = ("tfrecord_shards", VERSION)
_SHOWN: Final = 3  # classes of another number


def derive_claims(manifest: Mapping[str, Any], tables: Tables, known: KnownFiles) -> Iterator[Finding]:
    """Everything that a version (of format `DERIVED` or newer) claims and that does not follow from what it holds.

    And what is left open, because it rests on something outside of the version that is not at hand.
    """
    try:
        config = read_configuration(manifest)
    except DERIVATION_ERRORS as error:
        yield f"{MANIFEST}: its configuration cannot be used, so nothing was derived from it: {error}"
        return
    claims = VersionClaims(manifest, config, tables, known)
    for what, derive in _DERIVATIONS.items():
        try:
            yield from derive(claims)
        except BrevPipelineError as error:
            yield f"{what} cannot be derived from tables and configuration: {error}"
        except DERIVATION_ERRORS as error:
            yield f"{what} cannot be derived: {type(error).__name__}: {error}"


def list_unchecked(known: KnownFiles) -> Iterator[str]:
    """What cannot be derived of any version, where the one before it is not at hand."""
    if known.ledger is None and not known.is_first:
        parent = f"version {known.parent}, the one before," if known.parent else "the version before"
        yield f"continuity with {parent} whose assignments are not at hand; nor could purposes be drawn again"


def plan_contradictions(manifest: Mapping[str, Any], tables: Tables) -> Iterator[Finding]:
    """Weights and records that are not what assignments and configuration give."""
    from brev_pipeline.sampling import compute_sampling_weights

    derived = manifest["format"] >= DERIVED
    try:
        config = read_configuration(manifest)
        split = select_listed(tables["assignments"])
        weights = compute_sampling_weights(split, config.sampling)
        wrong = list(_compare_weights(config, tables["weights"], weights, derived=derived))
        yield from depend_on_code(wrong, "sampling_weights")
        # Older code of the weights explains other draws only where it gave other weights.
        stages = ("tfrecord_shards", *(["sampling_weights"] if wrong else []))
        plan = derive_plan(config, manifest["classes"], split, weights, tables["images"])
        columns = _PLANNED_DERIVED if derived else _PLANNED
        yield from depend_on_code(_compare_plan(plan, tables["records"], columns), *stages)
        if derived:
            yield from depend_on_code(_compare_shard_names(config.name, tables["records"]), *stages)
    except DERIVATION_ERRORS as error:
        yield f"records.parquet: the draws cannot be made again: {error}"


def _configuration_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """A configuration that is not written as this package writes it, or of another pipeline."""
    manifest, config = claims.manifest, claims.config
    for line in list_differences(manifest["configuration"], config.content_settings()):
        key = re.split(r"[:\[]", line)[0]
        said = f"{MANIFEST}: configuration.{line} when it is read as a configuration"
        yield CodeDependent(said, _list_stages_of(key))
    if manifest["purposes"] != config.split.names:
        yield f"{MANIFEST}: purposes is {manifest['purposes']}, the configuration has {config.split.names}"
    if manifest["pipeline"] != config.name:
        yield f"{MANIFEST}: pipeline is {manifest['pipeline']!r}, configuration.name {config.name!r}"


def _list_stages_of(key: str) -> frozenset[str]:
    """The stages that a key of the configuration is of; the published version's, where no stage has it."""
    section, _, rest = key.partition(".")
    if section == "validation":
        return frozenset({rest.partition(".")[0]} & SPECS.keys())
    stages = {
        stage
        for stage, spec in SPECS.items()
        if any(f"{key}.".startswith(f"{own}.") or f"{own}.".startswith(f"{key}.") for own in spec.settings)
    }
    return frozenset(stages or {VERSION})


def _label_contradictions(claims: VersionClaims) -> Iterator[Finding]:
    """Classes that changed their number, were lost, or that nothing gives."""
    known, classes = claims.known, list(claims.manifest["classes"])
    earlier = [] if known.is_first else known.classes
    if earlier is None:
        return
    wanted = build_label_map(list_present_classes(claims.split_table), earlier, claims.config.listing.classes)
    if classes != wanted:
        # Older code sorted the classes of each version anew.
        yield from depend_on_code(_compare_labels(classes, wanted, known.parent), "sample_split")


def _compare_labels(classes: list[str], wanted: list[str], parent: str | None) -> Iterator[str]:
    whence = f"version {parent}, the one before, and the images give" if parent else "images and listing.classes give"
    # Reversed, so that of a class that stands there twice the first number counts.
    numbers = {name: number for number, name in reversed(list(enumerate(classes)))}
    wrong = [(name, number) for number, name in enumerate(wanted) if numbers.get(name) != number]
    for name, number in wrong[:_SHOWN]:
        label = f"has the label {numbers[name]}" if name in numbers else "has no label"
        yield f"{MANIFEST}: classes: {name!r} {label}, {whence} it {number}"
    if strange := [name for name in classes if name not in wanted]:
        yield f"{MANIFEST}: classes: neither an image nor the version before has {strange[:_SHOWN]}"
    if len(wrong) > _SHOWN:
        yield f"{MANIFEST}: classes: and {len(wrong) - _SHOWN} more have another label"


def _recipe_contradictions(claims: VersionClaims) -> Iterator[str]:
    """A recipe of the records that configuration, code and packages do not give, where those are the present ones."""
    from brev_pipeline.provenance import code_of, record_recipe

    manifest = claims.manifest
    if manifest["packages"] != package_versions() or manifest["stages"] != {stage: code_of(stage) for stage in SPECS}:
        return
    if manifest["recipe"] != (derived := record_recipe(claims.config)):
        yield f"{MANIFEST}: recipe is {manifest['recipe']}, configuration, code and packages give {derived}"


def _export_contradictions(claims: VersionClaims) -> Iterator[str]:
    """Files for tfds, TensorFlow and Croissant that are missing, too many, or otherwise than the tables give."""
    from brev_pipeline.exporters import export_files

    files: Mapping[str, Mapping[str, Any]] = claims.manifest["files"]
    tables = [f"{name}.parquet" for name in TABLES]
    sources = {name: facts for name, facts in files.items() if ".tfrecord-" in name or name in tables}
    exported = export_files(
        claims.config,
        classes=claims.manifest["classes"],
        split=claims.split_table,
        images=claims.tables["images"],
        records=claims.tables["records"],
        files=sources,
        label_features=parse_features(claims.manifest.get(LABEL_FEATURES, ())),
    )
    for name in sorted(set(files) - set(sources) | set(exported)):
        if name not in exported:
            yield f"{name}: the version holds it, and nothing gives it"
        elif name not in files:
            yield f"{name}: missing: every such version has it"
        elif file_facts(exported[name]) != files[name]:
            yield f"{name}: it is not what tables and configuration give"


def _compare_weights(config: PipelineConfig, found: pa.Table, weights: pa.Table, *, derived: bool) -> Iterator[str]:
    if derived and found.column_names != weights.column_names:
        yield (
            f"weights.parquet: its columns are {', '.join(found.column_names)}; sampling.groupby is "
            f"{', '.join(config.sampling.groupby)}"
        )
    elif not weights.equals(found.cast(weights.schema)):
        said = "weights.parquet: it is not what the assignments and sampling's settings give"
        yield said + (_first_group(found, weights) if derived else "")


def derive_plan(
    config: PipelineConfig, classes: Sequence[str], split: pa.Table, weights: pa.Table, images: pa.Table
) -> pa.Table:
    """The plan of a version's records, schema `records.SHARD_PLAN`, from its assignments."""
    from brev_pipeline.records import plan_shards
    from brev_pipeline.sampling import plan_draws

    folds = config.split.fold_names
    draws = plan_draws(split, weights, config.sampling, epochs=config.shards.epochs, folds=folds)
    # That every drawn image has its pixels was seen to when the version was made.
    contents = pc.unique(draws["content_id"])
    sides = images.select(SIDES).take(pc.index_in(contents, value_set=images["content_id"].combine_chunks()))
    prepared = {"content_id": contents, "status": ["ok"] * len(contents), "file": [""] * len(contents)}
    prepared |= {side: sides[side] for side in SIDES}
    return plan_shards(draws, pa.table(prepared), config.shards, class_names=classes)


def _compare_plan(plan: pa.Table, records: pa.Table, columns: Sequence[str]) -> Iterator[str]:
    if plan.num_rows != records.num_rows:
        yield f"records.parquet: it has {records.num_rows} records, the assignments give {plan.num_rows} draws"
        return
    labelled = [LABEL_ID.name] if LABEL_ID.name in plan.column_names else []
    if lacking := set(labelled) - set(records.column_names):
        yield f"records.parquet: it has no column {', '.join(lacking)}, and the assignments have"
        return
    for name in (*columns, *labelled):
        yield from describe_difference(name, records, plan[name], "what the plan gives", with_path=True)


def _compare_shard_names(pipeline: str, records: pa.Table) -> Iterator[str]:
    """Records that stand in another file than their part and shard say."""
    from brev_pipeline.records.shard_plan import shard_name

    named = records.select(["shard", "file"]).append_column("part", part_names(records))
    shards = named.group_by(["part", "shard", "file"]).aggregate([]).to_pylist()
    count: dict[str, int] = {}
    for row in shards:
        count[row["part"]] = max(count.get(row["part"], 0), row["shard"] + 1)
    for row in shards:
        wanted = shard_name(pipeline, row["part"], row["shard"], count[row["part"]])
        if row["file"] != wanted:
            yield f"records.parquet: file of shard {row['shard']} of {row['part']} is {row['file']}, not {wanted}"


def _first_group(found: pa.Table, derived: pa.Table) -> str:
    """The first row that is otherwise, in words."""
    rows = [{f"{row['purpose']} / {row['group']}": row for row in table.to_pylist()} for table in (found, derived)]
    for name in sorted(rows[0].keys() | rows[1].keys()):
        one, other = (side.get(name) for side in rows)
        if one != other:
            return f"; the first: {name}: {_describe_values(one, other)} instead of {_describe_values(other, one)}"
    return "; the groups are in another order"


def _describe_values(row: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    if row is None:
        return "no such group"
    return ", ".join(f"{key} {value!r}" for key, value in row.items() if other is None or other.get(key) != value)


_DERIVATIONS: Final[Mapping[str, Callable[[VersionClaims], Iterator[Finding]]]] = {
    "the configuration": _configuration_contradictions,
    "the listing": listing_contradictions,
    "identities and copies": identity_contradictions,
    "what the listing left out": left_out_contradictions,
    "the images": image_contradictions,
    "the file of known assignments": ledger_file_contradictions,
    "the split": split_contradictions,
    "the ledger": ledger_contradictions,
    "the label map": _label_contradictions,
    "the checks": rule_contradictions,
    "the recipe of the records": _recipe_contradictions,
    "the files for other readers": lambda claims: depend_on_code(_export_contradictions(claims), *_EXPORTING_STAGES),
}

"""What else is derived anew: the manifest's configuration and recipe, files for other readers, and the label map,
which goes on from that of the version before.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from brev_pipeline.audit.table_checks import TABLES
from brev_pipeline.audit.version_claims import Contradiction, VersionClaims, depend_on_code
from brev_pipeline.config.differences import list_differences
from brev_pipeline.split.label_map import build_label_map, list_present_classes
from brev_pipeline.stages import SPECS, VERSION, package_versions
from brev_pipeline.store.versions import file_facts

_MANIFEST: Final = "manifest.json"
_WRITERS: Final = frozenset({"tfrecord_shards", VERSION})  # the stages whose code gives the files for other readers


def configuration_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """A configuration that is not written as this package writes it, or of another pipeline."""
    said = claims.manifest["configuration"]
    for line in list_differences(said, claims.config.content_settings()):
        yield Contradiction(
            f"{_MANIFEST}: configuration.{line} when it is read as a configuration",
            _writing_stages(re.split(r"[:\[]", line)[0]),
        )
    if claims.manifest["purposes"] != claims.config.split.names:
        yield Contradiction(
            f"{_MANIFEST}: purposes is {claims.manifest['purposes']}, the configuration has {claims.config.split.names}"
        )
    if claims.manifest["pipeline"] != claims.config.name:
        yield Contradiction(
            f"{_MANIFEST}: pipeline is {claims.manifest['pipeline']!r}, configuration.name {claims.config.name!r}"
        )


def recipe_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """A recipe of the records that configuration, code and packages do not give, where those are the present ones."""
    from brev_pipeline.provenance import code_of, record_recipe

    said, made_by = claims.manifest["recipe"], {stage: code_of(stage) for stage in SPECS}
    if claims.manifest["packages"] != package_versions() or claims.manifest["stages"] != made_by:
        return
    if said != (derived := record_recipe(claims.config)):
        yield Contradiction(f"{_MANIFEST}: recipe is {said}, configuration, code and packages give {derived}")


def consumer_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
    """Files for tfds, TensorFlow and Croissant that are missing, too many, or otherwise than the tables give."""
    from brev_pipeline.exporters import export_files

    files: Mapping[str, Mapping[str, Any]] = claims.manifest["files"]
    tables = [f"{name}.parquet" for name in TABLES]
    told = {name: facts for name, facts in files.items() if ".tfrecord-" in name or name in tables}
    made = export_files(
        claims.config,
        classes=claims.manifest["classes"],
        split=claims.split_table,
        images=claims.tables["images"],
        records=claims.tables["records"],
        files=told,
    )
    for name in sorted(set(files) - set(told) | set(made)):
        if name not in made:
            yield Contradiction(f"{name}: the version holds it, and nothing gives it", _WRITERS)
        elif name not in files:
            yield Contradiction(f"{name}: missing: every such version has it", _WRITERS)
        elif file_facts(made[name]) != files[name]:
            yield Contradiction(f"{name}: it is not what tables and configuration give", _WRITERS)


def _writing_stages(key: str) -> frozenset[str]:
    """The stages that a key of the configuration is of; the published version's, where no stage has it."""
    section, _, rest = key.partition(".")
    if section == "validation":
        return frozenset({rest.partition(".")[0]} & SPECS.keys())
    found = {
        stage
        for stage, spec in SPECS.items()
        if any(f"{key}.".startswith(f"{own}.") or f"{own}.".startswith(f"{key}.") for own in spec.settings)
    }
    return frozenset(found or {VERSION})


_SHOWN = 3


def label_contradictions(claims: VersionClaims) -> Iterator[Contradiction]:
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
    numbers = {name: number for number, name in reversed(list(enumerate(classes)))}
    wrong = [(name, number) for number, name in enumerate(wanted) if numbers.get(name) != number]
    for name, number in wrong[:_SHOWN]:
        found = f"has the label {numbers[name]}" if name in numbers else "has no label"
        yield f"manifest.json: classes: {name!r} {found}, {whence} it {number}"
    if strange := [name for name in classes if name not in wanted]:
        yield f"manifest.json: classes: neither an image nor the version before has {strange[:_SHOWN]}"
    if len(wrong) > _SHOWN:
        yield f"manifest.json: classes: and {len(wrong) - _SHOWN} more have another label"

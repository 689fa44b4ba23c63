"""What else is derived anew: the manifest's configuration, files for other readers, and names of the shards."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from brev_pipeline.audit.claims import Claims, Contradiction
from brev_pipeline.audit.tables import TABLES
from brev_pipeline.config.differences import list_differences
from brev_pipeline.stages import SPECS, VERSION, package_versions
from brev_pipeline.store.versions import file_facts

_MANIFEST: Final = "manifest.json"
_WRITERS: Final = frozenset({"tfrecord_shards", VERSION})
"""The stages whose code gives the files for other readers."""


def configuration_contradictions(claims: Claims) -> Iterator[Contradiction]:
    """A configuration that is not written as this package writes it, or of another pipeline."""
    said = claims.manifest["configuration"]
    for line in list_differences(said, claims.config.contents()):
        yield Contradiction(
            f"{_MANIFEST}: configuration.{line} when it is read as a configuration",
            _stages_of(re.split(r"[:\[]", line)[0]),
        )
    if claims.manifest["purposes"] != claims.config.split.names:
        yield Contradiction(
            f"{_MANIFEST}: purposes is {claims.manifest['purposes']}, the configuration has {claims.config.split.names}"
        )
    if claims.manifest["pipeline"] != claims.config.name:
        yield Contradiction(
            f"{_MANIFEST}: pipeline is {claims.manifest['pipeline']!r}, configuration.name {claims.config.name!r}"
        )


def recipe_contradictions(claims: Claims) -> Iterator[Contradiction]:
    """A recipe of the records that configuration, code and packages do not give, where those are the present ones."""
    from brev_pipeline.provenance import code_of, record_recipe

    said, made_by = claims.manifest["recipe"], {stage: code_of(stage) for stage in SPECS}
    if claims.manifest["packages"] != package_versions() or claims.manifest["stages"] != made_by:
        return
    if said != (derived := record_recipe(claims.config)):
        yield Contradiction(f"{_MANIFEST}: recipe is {said}, configuration, code and packages give {derived}")


def consumer_contradictions(claims: Claims) -> Iterator[Contradiction]:
    """Files for tfds, TensorFlow and Croissant that are missing, too many, or otherwise than the tables give."""
    from brev_pipeline.exporters import export_files

    files: Mapping[str, Mapping[str, Any]] = claims.manifest["files"]
    tables = [f"{name}.parquet" for name in TABLES]
    told = {name: facts for name, facts in files.items() if ".tfrecord-" in name or name in tables}
    made = export_files(
        claims.config,
        classes=claims.manifest["classes"],
        split=claims.split,
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


def _stages_of(key: str) -> frozenset[str]:
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

"""Provenance: what the version was made from and with, and how anyone can check it."""

import json
from dataclasses import dataclass
from typing import Any, Final

from brev_pipeline.config import PipelineConfig
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.text import counted, size

_FILES: Final = 400


@dataclass(frozen=True)
class File:
    """A file of the version."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """The section."""

    opening: Opening
    facts: list[tuple[str, str]]
    configuration: str
    """YAML."""
    packages: list[tuple[str, str]]
    files: list[File]
    more_files: int
    command: str


def provenance(ground: Ground) -> Provenance:
    """The manifest, told."""
    manifest, inputs = ground.inputs.manifest, ground.inputs
    files = [File(name, facts["bytes"], facts["sha256"]) for name, facts in sorted(manifest["files"].items())]
    facts = [
        ("Version", inputs.version),
        ("Publication", f"number {inputs.number}" if inputs.number is not None else ""),
        ("Published", inputs.published_at or ""),
        ("Published by", inputs.published_by or ""),
        ("Run", inputs.run_id or ""),
        ("Version before", inputs.parent.id if inputs.parent else "none"),
        ("Fingerprint of the listing", manifest["listing_fingerprint"]),
        ("Fingerprint of the plan", manifest.get("plan", "")),
    ]
    return Provenance(
        _opening(inputs.version, files),
        [(name, value) for name, value in facts if value],
        _yaml(dict(ground.configuration)),
        sorted(manifest.get("packages", {}).items()),
        files[:_FILES],
        max(0, len(files) - _FILES),
        f"brev-pipeline verify {manifest['pipeline']}.yaml {inputs.version}",
    )


def _yaml(configuration: dict[str, Any]) -> str:
    """Sections in the order of the documentation; keys in them sorted, as a manifest that was read has them."""
    import yaml

    order = [name for name in PipelineConfig.model_fields if name in configuration]
    sections = [*order, *sorted(set(configuration) - set(order))]
    # A way through JSON makes lists of tuples.
    plain = json.loads(json.dumps(configuration, sort_keys=True))
    text: str = yaml.safe_dump(
        {name: plain[name] for name in sections},
        allow_unicode=True,
        sort_keys=False,
        width=100,
        default_flow_style=None,
    )
    return text


def _opening(version: str, files: list[File]) -> Opening:
    said = (
        f"{counted(len(files), 'file')} ({size(sum(one.bytes for one in files))}) and the manifest make up this "
        f"version; its name, {version}, begins the manifest's checksum, so nothing in it can change unnoticed."
    )
    return Opening("provenance", "Where it comes from", "good", said)

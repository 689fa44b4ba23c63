"""The first configuration as YAML, with a line of explanation where a person will want to change something."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from brev_pipeline.config import StorageSettings


@dataclass(frozen=True)
class ConfigurationAnswers:
    """What a person decided."""

    name: str  # of the pipeline
    bucket: str  # local folder or s3://bucket/prefix, as it shall stand in the file
    uniqueness: str  # regular expression that finds the item in a path
    scope: str = "global"  # ``global``, or ``stratum``: item numbers begin anew in each class
    listing: Mapping[str, Any] = field(default_factory=dict)  # section ``listing``
    given: Mapping[str, Any] | None = None  # section ``split.given``
    purposes: Mapping[str, float] = field(default_factory=lambda: {"train": 0.8})
    store: str = "../data/store"
    storage: StorageSettings = field(default_factory=StorageSettings)
    schema: str = "schema.json"  # where the schema lies, from the file


def make_pipeline_name(bucket: str) -> str:
    """A pipeline's name made from the last part of a place: letters, digits and underscores."""
    last = bucket.rstrip("/").replace("\\", "/").rpartition("/")[2]
    name = re.sub(r"\W+", "_", last.lower(), flags=re.ASCII).strip("_")
    return name if re.match(r"[a-z]", name) else f"photos_{name}".rstrip("_")


def format_configuration(answers: ConfigurationAnswers) -> str:
    """The YAML of a configuration: it loads, and it runs."""
    scopes = {"global": "the same item in two classes is one item", "stratum": "item numbers begin anew in each class"}
    return "".join(
        f"{line}\n"
        for line in [
            f"# yaml-language-server: $schema={answers.schema}",
            f"name: {answers.name}",
            f"store: {_format_scalar(answers.store)} # or s3://my-bucket/store",
            "",
            "datasets:",
            f"  - name: {_format_scalar(answers.name.replace('_', ' '))}",
            f"    id: {_format_scalar(answers.name)}",
            f"    bucket: {_format_scalar(answers.bucket)}",
            *_format_storage(answers.storage),
            *_format_listing(answers.listing),
            "",
            "image:",
            "  target_size: [128, 128] # height, width; keep_aspect_ratio: true pads, else it stretches",
            "  strict_jpeg: true # refuse what decoders only warn of",
            "",
            "split:",
            "  stratification: [category] # each class is divided by itself",
            "  # What names the physical item in the path: all its photos stand on one side.",
            f"  uniqueness: {_format_scalar(answers.uniqueness)}",
            f"  uniqueness_scope: {answers.scope} # {scopes[answers.scope]}",
            *_format_given(answers.given),
            "  seed: 42",
            *_format_purposes(answers.purposes),
            "",
            "sampling:",
            "  groupby: [category]",
            "  group_weighing: logx+1 # rare classes more often; uniform: all images alike",
            "  seed: 3",
        ]
    )


def _format_listing(listing: Mapping[str, Any]) -> Iterator[str]:
    if not listing:
        return
    yield from ("", "listing:")
    if "sample_filter" in listing:
        yield "  # Names of the files that are photos; searched in any case."
        yield f"  sample_filter: {_format_scalar(listing['sample_filter'])}"
    if "category" in listing:
        yield "  # What says the class: here the level of a folder (-1 holds the photo), or a part of the path."
        yield f"  category: {_format_scalar(listing['category'])}"
    if "class_mapping" in listing:
        yield "  # No path says a class: all photos are one."
        yield f"  class_mapping: {_format_scalar(listing['class_mapping'])}"
    if "classes" in listing:
        yield (
            "  # Only these: so masks in folders of their own are left out. Add new classes here."
            if "category" in listing
            else "  # One class is meant, so that a run does not warn of it."
        )
        yield f"  classes: {_format_scalar(listing['classes'])}"


def _format_given(given: Mapping[str, Any] | None) -> Iterator[str]:
    if not given:
        return
    yield "  # The split that is there already; null: divided by the shares below."
    yield "  given:"
    for key, value in given.items():
        yield f"    {key}: {_format_scalar(value)}"


def _format_purposes(purposes: Mapping[str, float]) -> Iterator[str]:
    hint = "" if "test" in purposes else " # for a test set as well: { train: 0.7, test: 0.15 }"
    hint = " # test holds only what is given" if purposes.get("test") == 0 else hint
    yield f"  purposes: {_format_scalar(dict(purposes))}{hint}"
    yield "  remainder: devel"


def _format_storage(storage: StorageSettings) -> list[str]:
    given = storage.model_dump(exclude_defaults=True)
    return ["    storage:", *(f"      {key}: {_format_scalar(value)}" for key, value in given.items())] if given else []


def _format_scalar(value: object) -> str:
    """A YAML scalar, list or mapping on one line that is read back as this value."""
    import yaml

    text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False)
    return str(text).strip()[1:-1]

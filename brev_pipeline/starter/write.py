"""The first configuration as YAML, with a line of explanation where a person will want to change something."""

import re
from dataclasses import dataclass, field

from brev_pipeline.config import StorageSettings

_SCHEMA_LINE = "# yaml-language-server: $schema={schema}\n"


@dataclass(frozen=True)
class Answers:
    """What a person decided."""

    name: str
    """Of the pipeline."""
    bucket: str
    """Local folder or s3://bucket/prefix, as it shall stand in the file."""
    uniqueness: str
    """Regular expression that finds the item in a path."""
    per_folder: bool
    """Item numbers begin anew in each class folder."""
    store: str = "../data/store"
    target_size: tuple[int, int] = (128, 128)
    """Height and width, px."""
    storage: StorageSettings = field(default_factory=StorageSettings)
    schema: str = "schema.json"
    """Where the schema lies, from the file."""


def name_from(bucket: str) -> str:
    """A pipeline's name made from the last part of a place: letters, digits and underscores."""
    last = bucket.rstrip("/").replace("\\", "/").rpartition("/")[2]
    name = re.sub(r"\W+", "_", last.lower(), flags=re.ASCII).strip("_")
    return name if re.match(r"[a-z]", name) else f"photos_{name}".rstrip("_")


def configuration(answers: Answers) -> str:
    """The YAML of a configuration: it loads, and it runs."""
    scope = "stratum # item numbers begin anew in each class folder" if answers.per_folder else "global"
    height, width = answers.target_size
    return _SCHEMA_LINE.format(schema=answers.schema) + "".join(
        f"{line}\n"
        for line in [
            f"name: {answers.name}",
            f"store: {_scalar(answers.store)} # or s3://my-bucket/store",
            "",
            "datasets:",
            f"  - name: {_scalar(answers.name.replace('_', ' '))}",
            f"    id: {_scalar(answers.name)}",
            f"    bucket: {_scalar(answers.bucket)}",
            *_storage(answers.storage),
            "",
            "image:",
            f"  target_size: [{height}, {width}] # height, width; keep_aspect_ratio: true pads, else it stretches",
            "  strict_jpeg: true # refuse what decoders only warn of",
            "",
            "split:",
            "  stratification: [folder] # each class is divided by itself",
            f"  uniqueness: {_scalar(answers.uniqueness)} # what names the physical item in the path",
            f"  uniqueness_scope: {scope}",
            "  seed: 42",
            "  purposes: { train: 0.8 } # for a test set as well: { train: 0.7, test: 0.15 }",
            "  remainder: devel",
            "",
            "sampling:",
            "  groupby: [folder]",
            "  group_weighing: logx+1 # rare classes more often; uniform: all images alike",
            "  seed: 3",
        ]
    )


def _storage(storage: StorageSettings) -> list[str]:
    given = storage.model_dump(exclude_defaults=True)
    return ["    storage:", *(f"      {key}: {_scalar(value)}" for key, value in given.items())] if given else []


def _scalar(value: object) -> str:
    """A YAML scalar that is read back as this value."""
    import yaml

    text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=float("inf"))
    return str(text).strip()[1:-1]

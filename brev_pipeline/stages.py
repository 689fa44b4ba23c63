"""Stages: the one table of what a pipeline consists of.

Everything descriptive that is asked of a stage (its title, what it reads, which settings its rows depend on, what a
row is, what Dagster's UI shows) is answered here and nowhere else. The code of a stage stays in its own room and is
keyed by the stage's name: what it computes in `orchestration.assets`, its rules in `expectations.suites`, what these
look at in `expectations.frames`. To add a stage is to add an entry there, one here, and the stage's own package.

Nothing of ours is imported here: the code location loads this module, and so does every stage that asks for its code
number.
"""

import functools
from dataclasses import dataclass
from typing import Final

VERSION: Final = "dataset_version"
"""The asset that stands for the published version; the others make a table each."""


@dataclass(frozen=True)
class StageSpec:
    """What there is to say of a stage.

    Attributes:
        name: of the asset, of the table in the store, and of the suite.
        title: what it does, in a few words for people who know no Dagster.
        about: what it is about, as the report says it.
        description: of the asset, in Dagster's UI.
        inputs: stages whose tables it reads; its suite compares the result with the same ones.
        settings: keys of the configuration (``split.seed``, or ``image`` for all keys of that section) by which its
            rows are made. A key that only says when a check is red is none of them: it belongs to the rules.
        code: number of the stage's code; raised whenever the same inputs and settings give another result.
        packages: distributions whose versions show in the result.
        files: keys of the configuration, or of sections, that name files which are read besides the tables.
        unit: what one row is, where rows per second mean something.
        run_columns: columns that tell of a run (times, places of work, how an assignment came about), which differ
            between runs over the same images and are no part of the table's identity.
        shown: counts of its metadata that the closing table of a run shows.
        kinds: tags of the asset in Dagster's UI: what really works there.
    """

    name: str
    title: str
    about: str
    description: str
    inputs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    code: str = "1"
    packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unit: str | None = None
    run_columns: frozenset[str] = frozenset()
    shown: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()


_ALL: Final = (
    StageSpec(
        "raw_listing",
        title="Finding the images",
        about="what lies in the bucket",
        description="What is there: one row per image object of the datasets, with its class from its path.",
        settings=("datasets", "listing"),
        code="2",
        unit="images",
        run_columns=frozenset({"modified", "file_stamp"}),
        shown=(
            "left out",
            "other files",
            "names without a match",
            "appeared",
            "vanished",
            "replaced",
            "renamed",
            "relabelled",
        ),
        kinds=frozenset({"pyarrow"}),
    ),
    StageSpec(
        "sample_integrity",
        title="Knowing each image",
        about="who is a copy of whom, by checksum",
        description="Who is a copy of whom: each image's content by checksum, copies and label conflicts.",
        inputs=("raw_listing",),
        unit="images",
        run_columns=frozenset({"modified", "file_stamp"}),
        shown=("byte copies", "label conflicts", "renamed", "relabelled", "contents gone"),
        kinds=frozenset({"pyarrow"}),
    ),
    StageSpec(
        "prepared_images",
        title="Preparing the images",
        about="from files to pixels of one size",
        description="Bytes to pixels, once per content: decoded, cropped, resized, or in quarantine with a reason.",
        inputs=("sample_integrity",),
        settings=("image",),
        code="2",
        packages=("imagecodecs", "numpy", "opencv-python-headless", "Pillow", "simplejpeg", "xxhash"),
        unit="images",
        run_columns=frozenset({"file", "offset", "length"}),
        shown=("quarantined", "pixel copies", "rechecked"),
        kinds=frozenset({"opencv"}),
    ),
    StageSpec(
        "sample_split",
        title="Dividing the images",
        about="who trains and who tests",
        description="Who trains and who tests: leak groups kept whole, strata balanced, old assignments kept.",
        inputs=("sample_integrity", "prepared_images"),
        settings=(
            "listing.classes",
            "integrity.duplicates",
            "integrity.label_conflicts",
            "split.stratification",
            "split.uniqueness",
            "split.uniqueness_scope",
            "split.unmatched",
            "split.method",
            "split.seed",
            "split.purposes",
            "split.remainder",
            "split.folds",
            "split.given",
            "split.locked",
            "split.allow_additions",
            "split.ledger_csv",
        ),
        code="2",
        packages=("mmh3", "numpy", "scipy"),
        files=("split.ledger_csv", "split.given"),
        unit="images",
        run_columns=frozenset({"assigned_by"}),
        shown=(
            "leak groups",
            "left out",
            "moved by a copy",
            "known rows",
            "known rows matched",
            "known rows unmatched",
            "given unmatched",
        ),
        kinds=frozenset({"numpy"}),
    ),
    StageSpec(
        "sampling_weights",
        title="Weighing the groups",
        about="how often each group is drawn",
        description="How often each group of images is drawn for training.",
        inputs=("sample_split",),
        settings=("sampling.groupby", "sampling.group_weighing", "sampling.max_epoch_samples", "sampling.purposes"),
        packages=("numpy",),
        kinds=frozenset({"numpy"}),
    ),
    StageSpec(
        "tfrecord_shards",
        title="Writing the training files",
        about="the drawn and augmented records",
        description="The drawn, augmented records as TFRecord shards, byte for byte reproducible.",
        inputs=("sample_split", "sampling_weights", "prepared_images"),
        settings=("name", "sampling", "augmentation", "shards"),
        packages=("google-crc32c", "numpy", "opencv-python-headless", "Pillow", "simplejpeg"),
        unit="records",
        shown=("shards",),
        kinds=frozenset({"tfrecord"}),
    ),
    StageSpec(
        VERSION,
        title="Publishing the version",
        about="all checks passed: what training reads",
        description="The published version: shards, tables, and a manifest that accounts for every byte.",
        settings=("card", "split.access_log"),
        packages=("pyarrow",),
        shown=("publication",),
        kinds=frozenset({"parquet", "tfrecord"}),
    ),
)

SPECS: Final[dict[str, StageSpec]] = {spec.name: spec for spec in _ALL}
"""Stage → what there is to say of it, in the order of the flow."""


def table_stages() -> tuple[str, ...]:
    """The stages that make a table, in the order of the flow."""
    return tuple(name for name in SPECS if name != VERSION)


def inputs_of(stage: str) -> tuple[str, ...]:
    """The stages whose tables a stage reads; the published version reads them all."""
    return table_stages() if stage == VERSION else SPECS[stage].inputs


PACKAGES: Final = ("brev-pipeline", *sorted({package for spec in _ALL for package in spec.packages}, key=str.casefold))
"""Distributions whose version may show in a version's bytes."""


def package_versions() -> dict[str, str]:
    """Versions of `PACKAGES`."""
    return {name: installed_version(name) for name in PACKAGES}


@functools.cache
def installed_version(package: str) -> str:
    """Version of a distribution, or that there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"

"""Record labels: which labels the records of a version hold, and where those of each record lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings, PipelineConfig
from brev_pipeline.errors import ShardError
from brev_pipeline.labels.prepared import PREPARED_LABELS, find_prepared_labels
from brev_pipeline.record_features import LABEL_FEATURES, parse_features
from brev_pipeline.store import Folder, Version
from brev_pipeline.tables import LABEL_ID, Columns

if TYPE_CHECKING:
    from brev_pipeline.records.label_encoder import LabelSource


@dataclass(frozen=True)
class RecordLabels:
    """The labels of the records of a plan."""

    source: "LabelSource"
    columns: pa.Table
    """(records,) where the labels of each lie, or what they are: see `images.label_reader`."""


def locate_labels(
    config: PipelineConfig, plan: pa.Table, split: Columns, prepared: Columns, folder: Folder, newest: Version | None
) -> RecordLabels | None:
    """The labels of a plan's records; None where records hold none.

    Args:
        config: of the pipeline.
        plan: schema `records.SHARD_PLAN`, with `LABEL_ID`.
        split: ``sample_split``, with the columns of numbers and texts.
        prepared: ``prepared_images``, with `PREPARED_LABELS`.
        folder: the store's prepared pixels.
        newest: the newest published version: its classes of objects keep their numbers.

    Raises:
        ShardError: a record has labels that are not prepared.
    """
    from brev_pipeline.images.label_reader import MASK_COLUMNS, OBJECTS_COLUMN, PreparedLabels
    from brev_pipeline.labels import KINDS
    from brev_pipeline.labels.photo_masks import number_mask_classes
    from brev_pipeline.records.label_encoder import LabelEncoder, LabelSource

    kinds, (numbers, texts) = _name_kinds(config.datasets), _name_values(config.datasets)
    if not (kinds or numbers or texts):
        return None
    columns: dict[str, pa.ChunkedArray] = {}
    classes: dict[str, tuple[str, ...]] = {}
    if kinds:
        images = prepared.read(["content_id", PREPARED_LABELS])
        flat, at = find_prepared_labels(images, plan["content_id"], plan[LABEL_ID.name])
        if lost := pc.sum(pc.and_(pc.is_valid(plan[LABEL_ID.name]), pc.is_null(at))).as_py():
            raise ShardError(f"{lost} records have labels that are not prepared: materialize prepared_images again")
        drawn = flat.take(at).combine_chunks()
    if "mask" in kinds:
        mask = drawn["mask"].combine_chunks()
        columns |= {name: pa.chunked_array([pc.struct_field(mask, own)]) for own, name in MASK_COLUMNS.items()}
        classes["mask"] = ("background", *number_mask_classes(config.datasets))
    if "objects" in kinds:
        columns[OBJECTS_COLUMN] = drawn["objects"]
        classes["objects"] = _name_object_classes(flat, newest)
    if numbers or texts:
        own = split.read(["path", *numbers, *texts])
        rows = pc.index_in(plan["path"], value_set=own["path"].combine_chunks())
        columns |= {name: own[name].take(rows) for name in (*numbers, *texts)}
    encoder = LabelEncoder(tuple(KINDS[name] for name in kinds), classes, tuple(numbers), tuple(texts))
    reader = PreparedLabels(folder, tuple(numbers), tuple(texts))
    return RecordLabels(LabelSource(reader, encoder), pa.table(columns))


def _name_kinds(datasets: Sequence[DatasetSettings]) -> list[str]:
    from brev_pipeline.labels.read import label_schema

    schema = label_schema([source for dataset in datasets for source in dataset.labels])
    return [name for name in ("mask", "objects") if name in schema.names]


def _name_values(datasets: Sequence[DatasetSettings]) -> tuple[list[str], list[str]]:
    """Names of numbers and of texts, each once, sorted."""
    found: Mapping[str, set[str]] = {"numbers": set(), "texts": set()}
    for source in (source for dataset in datasets for source in dataset.labels):
        for what, names in found.items():
            names.update(getattr(source, what, ()))
    return sorted(found["numbers"]), sorted(found["texts"])


def _name_object_classes(prepared: pa.Table, newest: Version | None) -> tuple[str, ...]:
    """The classes of objects by number: those of the newest version keep theirs, new ones follow by name."""
    objects = prepared["objects"].combine_chunks().flatten()
    present = pc.unique(pc.struct_field(objects, "label")).to_pylist()
    described = newest.read_manifest().get(LABEL_FEATURES, ()) if newest else ()
    earlier = [name for one in parse_features(described) if one.name == "objects/label" for name in one.classes]
    return (*earlier, *sorted(set(present) - set(earlier)))

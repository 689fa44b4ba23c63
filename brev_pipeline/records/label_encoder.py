"""Labels of records: which kinds a version has, and how those of one record move with its pixels and are encoded.

A label kind knows how its values look; here stands only that each record has the features of all of them, and that what
was augmented moved. Numbers and texts, which hang on no place, need no kind: they are a feature each.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from brev_pipeline.labels import KINDS
from brev_pipeline.labels.base import LabelKind, Movement
from brev_pipeline.record_features import FeatureValue, RecordFeature
from brev_pipeline.record_features import PhotoLabels as PhotoLabels


class LabelReader(Protocol):
    """Reads prepared labels; picklable."""

    def read(self, rows: pa.Table) -> Iterable[PhotoLabels]:
        """One per row of the plan, in order."""
        ...


@dataclass(frozen=True)
class LabelEncoder:
    """Makes the features of labels. Picklable, and small."""

    kinds: tuple[LabelKind[Any, Any, Any], ...] = ()
    """Those that the version has."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind → class names, by number."""
    numbers: tuple[str, ...] = ()
    """Names of numbers."""
    texts: tuple[str, ...] = ()
    """Names of texts."""

    def features(self, *, is_time_series: bool) -> tuple[RecordFeature, ...]:
        """The features that it makes."""
        described = [
            feature
            for kind in self.kinds
            for feature in kind.features(self.classes.get(kind.name, ()), is_time_series=is_time_series)
        ]
        described += [
            RecordFeature(f"target/{name}", "float32", f"{name}; NaN where it is not known", "labels", "Scalar")
            for name in self.numbers
        ]
        described += [
            RecordFeature(f"text/{name}", "text", f"{name}; empty where it is not known", "labels")
            for name in self.texts
        ]
        return tuple(described)

    def encode(
        self, labels: PhotoLabels, size: tuple[int, ...], movement: Movement | None = None
    ) -> dict[str, FeatureValue]:
        """All features of one record.

        Args:
            labels: of its photo.
            size: ([frames,] height, width) of the image in the record, px.
            movement: what the record's augmentation does to places; None: it is not augmented.
        """
        features: dict[str, FeatureValue] = {}
        for kind in self.kinds:
            value = labels.values.get(kind.name)
            if movement is not None and value is not None:
                value = kind.move(value, movement)
            numbers = {name: number for number, name in enumerate(self.classes.get(kind.name, ()))}
            features |= kind.encode(value, size, numbers)
        for name in self.numbers:
            number = labels.numbers.get(name)
            features[f"target/{name}"] = math.nan if number is None else float(number)
        for name in self.texts:
            features[f"text/{name}"] = (labels.texts.get(name) or "").encode()
        return features


@dataclass(frozen=True)
class LabelSource:
    """Where the labels of records come from, and how they are stored."""

    reader: LabelReader
    encoder: LabelEncoder


def build_label_encoder(features: Sequence[RecordFeature]) -> LabelEncoder | None:
    """The encoder that made these features of labels, as a manifest describes them; None without any."""
    if not features:
        return None
    first = {feature.name.partition("/")[0]: feature for feature in reversed(features)}
    classes = {feature.name.partition("/")[0]: feature.classes for feature in features if feature.classes}
    named = [feature.name.partition("/") for feature in features]
    names = {kind: tuple(name for what, _, name in named if what == kind) for kind in ("target", "text")}
    kinds = tuple(kind for name, kind in KINDS.items() if name in first)
    return LabelEncoder(kinds, classes, names["target"], names["text"])

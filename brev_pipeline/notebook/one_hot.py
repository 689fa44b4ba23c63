"""`OneHotEncoder`: class names as the vector that a classifier is trained on."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import SamplingError


class OneHotEncoder:
    """Adds a vector with a 1 for the sample's class (or each of its classes), and 0 elsewhere.

    Args:
        classes: names, in the order of the vector.
        input_key: the sample's column with its class: a name, or a tuple of names.
        output_key: the column that a call adds.
        unknown: a class that is not among ``classes``: an ``error``, or ``zeros`` in its place.

    Raises:
        SamplingError: there are no classes, or one of them twice.
    """

    def __init__(
        self,
        classes: Iterable[str],
        input_key: str = "category",
        output_key: str = "onehot",
        unknown: Literal["error", "zeros"] = "error",
    ) -> None:
        self.classes = [str(name) for name in classes]
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise SamplingError(f"OneHotEncoder: classes are at least one name, each once; got {self.classes}")
        if unknown not in ("error", "zeros"):
            raise SamplingError(f"OneHotEncoder: unknown is 'error' or 'zeros', got {unknown!r}")
        self.input_key, self.output_key, self.unknown = input_key, output_key, unknown
        self._places = {name: place for place, name in enumerate(self.classes)}

    def __repr__(self) -> str:
        return f"OneHotEncoder(classes={self.classes!r})"

    def encode(self, names: str | Iterable[str]) -> npt.NDArray[np.float32]:
        """float32 (classes,): 1 for each of the names, 0 elsewhere.

        Raises:
            SamplingError: a name is not among the classes, unless ``unknown`` is ``zeros``.
        """
        own = [names] if isinstance(names, str) else list(names)
        places = [self._places.get(name) for name in own]
        if self.unknown == "error" and (None in places or not own):
            raise SamplingError(
                f"OneHotEncoder: the classes {own} are not all among {self.classes}; map or leave out such samples, "
                "or use unknown='zeros'"
            )
        vector = np.zeros(len(self.classes), dtype=np.float32)
        vector[[place for place in places if place is not None]] = 1
        return vector

    def __call__(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the sample with ``output_key`` added."""
        if self.input_key not in sample:
            raise SamplingError(f"OneHotEncoder: samples have no {self.input_key!r}: {', '.join(sample)}")
        return {**sample, self.output_key: self.encode(sample[self.input_key] or ())}

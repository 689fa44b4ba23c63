"""The chain of `map`: callables that each take a sample and give a sample, with a seed for those that want one.

`OneHotEncoder` is such a callable.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import SamplingError
from brev_pipeline.seeds import seed64

Sample = dict[str, Any]
MapFunction = Callable[..., Mapping[str, Any]]


class Step(NamedTuple):
    """A callable of the chain, and which of a draw's seeds it gets."""

    call: MapFunction
    salt: str | None
    """``""``: the draw's own seed; other text: a seed hashed from it; None: no seed."""

    def seed_arguments(self, seed: int) -> dict[str, int]:
        """Keyword arguments of the call."""
        if self.salt is None:
            return {}
        return {"seed": seed64(0, "map", self.salt, seed) if self.salt else seed}


def add_step(steps: Sequence[Step], call: MapFunction) -> tuple[Step, ...]:
    """The chain with one more callable.

    The first callable with a parameter ``seed`` gets the draw's own seed: an `ImageAugmenter` there does what the
    pipeline's does. Each further one gets a seed of its own, so that two of them do not throw the same coins.
    """
    if not callable(call):
        raise SamplingError(f"map takes callables, or a list of callables; got {call!r}")
    try:
        parameters = inspect.signature(call).parameters
    except ValueError:  # NumPy's functions do not tell
        return (*steps, Step(call, None))
    taken = [step.salt for step in steps if step.salt is not None]
    if "seed" in parameters:
        # Those that only take any keyword do not count: they take nobody's own seed away.
        before = sum(not salt.startswith("any") for salt in taken)
        return (*steps, Step(call, str(before) if before else ""))
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return (*steps, Step(call, f"any {len(taken)}"))
    return (*steps, Step(call, None))


def run_steps(steps: Sequence[Step], sample: Sample, seed: int) -> Sample:
    """A sample after the whole chain; an error of a callable gets a note that names the sample."""
    for step in steps:
        try:
            mapped = step.call(sample, **step.seed_arguments(seed))
        except Exception as error:
            plain = {name: value for name, value in sample.items() if isinstance(value, str | int)}
            which = repr(sample.get("path", plain))
            error.add_note(f"in {step.call!r} of the generator's map, with the sample {which} and seed {seed}")
            raise
        if not isinstance(mapped, Mapping):
            raise SamplingError(f"{step.call!r} gave a {type(mapped).__name__}: map's callables return the sample")
        sample = dict(mapped)
    return {name: _to_plain(value) for name, value in sample.items()}


def _to_plain(value: Any) -> Any:
    """TensorFlow's tensors as arrays, lists as arrays; all else as it is."""
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        value = value.numpy()
    if isinstance(value, bytes):
        return value.decode()
    return np.asarray(value) if isinstance(value, list) else value


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
        wanted = [names] if isinstance(names, str) else list(names)
        places = [self._places.get(name) for name in wanted]
        if self.unknown == "error" and (None in places or not wanted):
            raise SamplingError(
                f"OneHotEncoder: the classes {wanted} are not all among {self.classes}; map or leave out such samples, "
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

"""The chain of `map`: callables that each take a sample and give a sample, with a seed for those that want one."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

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
    except ValueError:
        return (*steps, Step(call, None))
    taken = [step.salt for step in steps if step.salt is not None]
    if "seed" in parameters:
        own = sum(not salt.startswith("any") for salt in taken)
        return (*steps, Step(call, str(own) if own else ""))
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return (*steps, Step(call, f"any {len(taken)}"))
    return (*steps, Step(call, None))


def run_steps(steps: Sequence[Step], sample: Sample, seed: int) -> Sample:
    """A sample after the whole chain; an error of a callable gets a note that names the sample."""
    for step in steps:
        try:
            mapped = step.call(sample, **step.seed_arguments(seed))
        except Exception as error:
            error.add_note(f"in {step.call!r} of the generator's map, with the sample {_name(sample)} and seed {seed}")
            raise
        if not isinstance(mapped, Mapping):
            raise SamplingError(f"{step.call!r} gave a {type(mapped).__name__}: map's callables return the sample")
        sample = dict(mapped)
    return {name: _plain(value) for name, value in sample.items()}


def _plain(value: Any) -> Any:
    """TensorFlow's tensors as arrays, lists as arrays; all else as it is."""
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        value = value.numpy()
    if isinstance(value, bytes):
        return value.decode()
    return np.asarray(value) if isinstance(value, list) else value


def _name(sample: Sample) -> str:
    return repr(sample.get("path", {name: value for name, value in sample.items() if isinstance(value, str | int)}))

"""Weights of the groups: a preset of the pipeline, or any function of a group's size."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, get_args

from brev_pipeline.config.models import Weighing
from brev_pipeline.errors import SamplingError
from brev_pipeline.sampling import group_weights

GroupWeighing = Weighing | Callable[..., float]


def weigh(names: Sequence[str], counts: Sequence[int], weighing: GroupWeighing) -> list[float]:
    """One weight per group, each finite and above 0: no group is left undrawn.

    Args:
        names: of the groups.
        counts: samples in each, at least 1.
        weighing: a preset, or a callable of a group's size, or of its size and its name.

    Raises:
        SamplingError: there is no such preset, or a group would weigh nothing.
    """
    if isinstance(weighing, str):
        if weighing not in get_args(Weighing):
            raise SamplingError(
                f"group_weighing is one of {', '.join(get_args(Weighing))}, or a callable; got {weighing!r}"
            )
        weights = group_weights(counts, weighing)
    else:
        named = _takes_name(weighing)
        pairs = zip(counts, names, strict=True)
        weights = [float(weighing(count, name) if named else weighing(count)) for count, name in pairs]
    _demand_positive(names, counts, weights, weighing)
    return weights


def _takes_name(weighing: Callable[..., Any]) -> bool:
    """Whether a callable needs the group's name too, as the reference's may."""
    try:
        parameters = inspect.signature(weighing).parameters.values()
    except ValueError:  # NumPy's functions of numbers do not tell
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters) == 2


def _demand_positive(names: Sequence[str], counts: Sequence[int], weights: list[float], weighing: Any) -> None:
    bad = [i for i, weight in enumerate(weights) if not (math.isfinite(weight) and weight > 0)]
    if bad:
        said = ", ".join(f"{names[i]} ({counts[i]} samples: {weights[i]})" for i in bad[:10])
        raise SamplingError(
            f"group_weighing {weighing!r} gives groups a weight that is not above 0, so they would never be drawn: "
            f"{said}. Use 'logx+1', or leave these samples out"
        )

"""The fields of a sample: what a reader can ask for of each record, whatever library it is read with."""

from collections.abc import Sequence
from typing import Final

from brev_pipeline.errors import ReadError

PIXELS: Final = "image"
SEVERAL: Final = "label/multi_hot"
"""These two stand in the record alone; all others in the record table too."""

FIELDS: Final = (PIXELS, "label", SEVERAL, "path", "content_id", "item", "epoch", "seed")
"""Every field: the decoded pixels, then the record's features under the names that they are stored under."""


def demand_fields(fields: Sequence[str] | None, *, several: bool) -> tuple[str, ...]:
    """The fields that are meant; None means all that the records have.

    Args:
        fields: names out of `FIELDS`.
        several: whether the records have multi-hot labels.

    Raises:
        ReadError: a name is unknown, or the records do not have it.
    """
    there = FIELDS if several else tuple(name for name in FIELDS if name != SEVERAL)
    if fields is None:
        return there
    if isinstance(fields, str) or not fields:
        raise ReadError(f"fields is a sequence of names such as ('image', 'label'), not {fields!r}")
    if unknown := [name for name in fields if name not in there]:
        raise ReadError(f"the records have no field {', '.join(map(repr, unknown))}; they have {', '.join(there)}")
    return tuple(fields)

"""Label map: which number stands for which class, kept like the ledger.

A label in a record is an index into the class names of its version. A model learns these numbers, so a class keeps its
number for good: new classes are appended, one whose images have all gone keeps its place, and finds it again when it
comes back. Only classes that have an image get a number, so that no label ever means a thing that never was:
``listing.classes`` orders the new ones, and says nothing of those that have numbers.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import SplitError
from brev_pipeline.table_metadata import add_notes
from brev_pipeline.texts import TEXT, normalize_unicode

CLASSES_KEY: Final = b"brev_pipeline.classes"
"""Schema metadata of sample_split: the class names in the order of the labels, a JSON list."""


def build_label_map(present: Sequence[str], earlier: Sequence[str], order: Sequence[str] | None) -> list[str]:
    """The class names of a version, in the order of the labels: ``earlier``, then the new ones.

    Names are compared in Unicode's normal form C. What stands in ``earlier`` stays as it is spelled there.

    Args:
        present: classes that have an image, each at least once, in any order.
        earlier: class names of the newest published version, in the order of the labels; empty before the first.
        order: ``listing.classes``: in which order new classes come; others follow by code point.
    """
    new = set(_index_names(present)) - set(_index_names(earlier))
    places = _index_names(order or ())
    return [*earlier, *sorted(new, key=lambda name: (places.get(name, len(places)), name))]


def list_present_classes(split: pa.Table) -> list[str]:
    """The classes of all images of a split (column category), each once, by code point."""
    return sorted(pc.unique(pc.list_flatten(split["category"])).to_pylist())


def attach_classes(split: pa.Table, classes: Sequence[str]) -> pa.Table:
    """The split, its schema's metadata holding the class names."""
    return add_notes(split, {CLASSES_KEY: json.dumps(list(classes), ensure_ascii=False)})


def read_split_classes(split: pa.Table) -> list[str]:
    """The class names that a split carries.

    Raises:
        SplitError: it carries none, as tables of older releases do.
    """
    return read_classes(split.schema.metadata)


def read_classes(metadata: Mapping[bytes, bytes] | None) -> list[str]:
    """The class names in the metadata of a split's schema; raises as `read_split_classes`."""
    data = (metadata or {}).get(CLASSES_KEY)
    if data is None:
        raise SplitError(
            "the split does not say which number stands for which class, as tables of an older release do not: "
            "materialize sample_split and everything after it, or launch the whole job"
        )
    names: list[str] = json.loads(data)
    return names


def number_classes(names: pa.Array | pa.ChunkedArray, classes: Sequence[str]) -> pa.Array | pa.ChunkedArray:
    """The label of each name; null for one that is no class."""
    return pc.index_in(normalize_unicode(names), value_set=normalize_unicode(pa.array(classes, TEXT)))


def explain_class_order(classes: Sequence[str], order: Sequence[str] | None) -> str | None:
    """That ``listing.classes`` stands in another order than the labels, where it does; None where it does not."""
    places = _index_names(classes)
    wanted = [name for name in _index_names(order or ()) if name in places]
    actual = sorted(wanted, key=places.__getitem__)
    if wanted == actual:
        return None
    first, labels = (", ".join(names[:5]) + (", …" if len(names) > 5 else "") for names in (wanted, actual))
    return (
        f"listing.classes begins {first}, and the labels stand in the order {labels}: a class keeps its "
        "number for good, so the order in the configuration counts for new classes only"
    )


def count_labels(split: pa.Table, classes: Sequence[str]) -> list[int]:
    """Images of each class (column category), in the order of the labels; one of several classes counts in each."""
    numbers = number_classes(pc.list_flatten(split["category"]), classes).drop_null().to_numpy()
    counts: list[int] = np.bincount(numbers, minlength=len(classes)).tolist()
    return counts


def _index_names(names: Sequence[str]) -> dict[str, int]:
    """Name in normal form C → its number among the different ones, in their order."""
    return {name: number for number, name in enumerate(dict.fromkeys(normalize("NFC", name) for name in names))}

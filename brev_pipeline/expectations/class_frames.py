"""What the suites look at of classes, strata and purposes: which class stands where, which stratum is one, its shares.

An image of several classes counts in each of them. Rows become numbers at once: what walks through Python afterwards
is as long as the classes, the strata or the purposes.
"""

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig, SplitSettings
from brev_pipeline.texts import TEXT, join_names, normalize_unicode, number_values

if TYPE_CHECKING:
    import pandas as pd

Numbers = npt.NDArray[np.int64]
_NAMED = 5  # classes of a stratum, in a row


def build_class_frames(
    split: pa.Table, group: Numbers, settings: SplitSettings, earlier: Sequence[str], outside: npt.NDArray[np.bool_]
) -> dict[str, "pd.DataFrame"]:
    """Frames of the split: ``labels``, ``purposes``, ``classes`` and ``class_strata``.

    Args:
        split: path, category, item, stratum, purpose; the class names in its schema's metadata.
        group: (rows,) number of each row's leak group.
        settings: of the split.
        earlier: class names of the newest published version.
        outside: (rows,) which rows a given split keeps out of the shares.
    """
    from brev_pipeline.split.label_map import read_split_classes

    held = ClassMembership(split)
    purpose = _encode(split["purpose"], settings.names)
    return {
        "labels": _build_labels(read_split_classes(split), earlier),
        "purposes": _build_purposes(purpose, group, settings, outside),
        "classes": _build_classes(held, purpose, group, settings, outside),
        "class_strata": _build_class_strata(held, split["stratum"], group, settings),
    }


def build_strata(split: pa.Table, group: Numbers, settings: SplitSettings) -> "pd.DataFrame":
    """One row per stratum.

    Args:
        split: table of the stage, without what is given.
        group: (rows,) number of each row's leak group.
        settings: of the split.
    """
    import pandas as pd

    wanted = settings.shares
    names = sorted(pc.unique(split["stratum"]).to_pylist())
    stratum = pc.index_in(split["stratum"], value_set=pa.array(names, TEXT)).to_numpy()
    purpose = pc.index_in(split["purpose"], value_set=pa.array(wanted, TEXT)).fill_null(len(wanted)).to_numpy()
    shape = (len(names), len(wanted) + 1)
    images = _count_pairs(stratum, purpose, shape)
    bound = int(group.max(initial=0)) + 1
    pairs, sizes = np.unique(stratum.astype(np.int64) * bound + group, return_counts=True)
    groups, largest = np.bincount(pairs // bound, minlength=shape[0]), np.zeros(shape[0], np.int64)
    np.maximum.at(largest, pairs // bound, sizes)
    # Divided by all images of the stratum, those of unknown purposes included.
    totals = images.sum(axis=1)
    shares = images[:, :-1] / totals[:, None]
    error = np.abs(shares - list(wanted.values())).max(axis=1)
    has_share = np.array(list(wanted.values())) > 0
    return pd.DataFrame(
        {
            "stratum": names,
            "images": totals,
            "leak_groups": groups,
            **{f"share_{purpose}": shares[:, place] for place, purpose in enumerate(wanted)},
            "excess_error": np.maximum(0.0, error - largest / totals),
            "on_every_side": (groups < has_share.sum()) | (shares[:, has_share] > 0).all(axis=1),
        }
    )


def build_drawn_classes(records: pa.Table, split: pa.Table, config: PipelineConfig) -> "pd.DataFrame":
    """A row for each class of a sampled purpose and each epoch: how many of its images the epoch's draws hold.

    Args:
        records: purpose, epoch, path, ordinal (-1: no draw, but the image as it is).
        split: path, purpose, category.
        config: says what is sampled, and how many epochs there are.
    """
    import pandas as pd

    held, epochs, names = ClassMembership(split), config.shards.epochs, list(config.sampling.purposes)
    drawn = records.filter(pc.greater_equal(records["ordinal"], 0))
    at = pc.fill_null(pc.index_in(drawn["path"], value_set=split["path"].combine_chunks()), -1).to_numpy()
    side, epoch = _encode(drawn["purpose"], names), drawn["epoch"].to_numpy()
    known = (at >= 0) & (side >= 0) & (epoch >= 0) & (epoch < epochs)
    # An image counts once in an epoch, however often it is drawn.
    pairs = np.unique((side * epochs + epoch)[known] * max(len(split), 1) + at[known])
    shown = held.count_rows(*np.divmod(pairs, max(len(split), 1)), len(names) * epochs)
    sides = _encode(split["purpose"], names)
    rows = np.flatnonzero(sides >= 0)
    there = held.count_rows(sides[rows], rows, len(names))
    number, place = (np.repeat(numbers, epochs) for numbers in np.nonzero(there))
    epoch = np.tile(np.arange(epochs), len(number) // epochs)
    drawn_images = shown[number * epochs + epoch, place]
    return pd.DataFrame(
        {
            "purpose": np.array(names, object)[number],
            "class": np.array(held.classes, object)[place],
            "epoch": epoch,
            "images": there[number, place],
            "drawn_images": drawn_images,
            "drawn": drawn_images > 0,
        }
    )


class ClassMembership:
    """Which classes each row has: by its combination of them, of which there are few.

    Args:
        table: with the column category.
    """

    def __init__(self, table: pa.Table) -> None:
        self.combinations, self.combination_names = number_values(
            normalize_unicode(join_names(table["category"], "\x1f"))
        )
        """(rows,) number of each row's combination; and (combinations,) their names, joined."""
        several = pc.split_pattern(self.combination_names, "\x1f")
        names = pc.unique(several.flatten()).sort()
        self.classes: list[str] = names.to_pylist()
        self.matrix = np.zeros((len(self.combination_names), len(names)), np.int64)
        """(combinations, classes) 1 where a combination has a class."""
        of = np.repeat(np.arange(len(self.combination_names)), pc.list_value_length(several).to_numpy())
        self.matrix[of, pc.index_in(several.flatten(), value_set=names).to_numpy()] = 1

    def count_rows(self, part: Numbers, rows: Numbers, parts: int) -> Numbers:
        """(parts, classes) how many of some rows, each in a part, have each class."""
        return _count_pairs(part, self.combinations[rows], (parts, len(self.combination_names))) @ self.matrix

    def count_groups(self, group: Numbers) -> Numbers:
        """(classes,) how many groups have a row of each class."""
        bound = int(group.max(initial=0)) + 1
        pairs = np.unique(self.combinations.astype(np.int64) * bound + group)
        combination, group_of_pair = np.divmod(pairs, bound)
        at, name = np.nonzero(self.matrix[combination])
        return count_groups(name, group_of_pair[at], len(self.classes))


def count_groups(part: Numbers, group: Numbers, parts: int) -> Numbers:
    """(parts,) how many different groups the rows of each part have; rows of part -1 are in none."""
    part, group = part[part >= 0], group[part >= 0]
    bound = int(group.max(initial=0)) + 1
    counts: Numbers = np.bincount(np.unique(part.astype(np.int64) * bound + group) // bound, minlength=parts)
    return counts


def _build_labels(classes: Sequence[str], earlier: Sequence[str]) -> "pd.DataFrame":
    """A row for each class of the version before: the number that it had, and that it has."""
    import pandas as pd

    rows = []
    for number, name in enumerate(earlier):
        # A version of an older release may hold two spellings of one name: each keeps its own place.
        keeps = classes[number : number + 1] == [name]
        now = number if keeps else classes.index(name) if name in classes else None
        rows.append({"class": name, "was": number, "now": now, "kept": now == number})
    return pd.DataFrame(rows, columns=["class", "was", "now", "kept"])


def _build_purposes(
    purpose: Numbers, group: Numbers, settings: SplitSettings, outside: npt.NDArray[np.bool_]
) -> "pd.DataFrame":
    """A row for each purpose: its images, and whether it is filled, where there are leak groups enough for it."""
    import pandas as pd

    names, shares = settings.names, settings.shares
    named = settings.given.named_purposes if settings.given else set()
    images = np.bincount(purpose[purpose >= 0], minlength=len(names))
    groups = count_groups(purpose, group, len(names))
    # What is given cannot go where the shares would have it. Of all strata together: a purpose that each of them alone
    # is too small for, as where the class was taken for the item, is missing from the version all the same.
    left = int(count_groups(np.where(outside | (purpose < 0), -1, 0), group, 1)[0])
    drawn = {name for name in names if shares[name] > 0}
    enough = {name for name in drawn if left >= len(drawn)}
    enough |= {name for name in named if groups.sum() >= len(drawn | named)}
    return pd.DataFrame(
        {
            "purpose": names,
            "share": [shares[name] for name in names],
            "images": images,
            "leak_groups": groups,
            "filled": (images > 0) | [name not in enough for name in names],
        }
    )


def _build_classes(
    held: ClassMembership, purpose: Numbers, group: Numbers, settings: SplitSettings, outside: npt.NDArray[np.bool_]
) -> "pd.DataFrame":
    """A row for each class: how many leak groups it has, on which sides, and on which it is missing.

    A class whose images are all given is missing nowhere: somebody has divided it.
    """
    import pandas as pd

    names = settings.names
    rows = np.flatnonzero(purpose >= 0)
    images = held.count_rows(purpose[rows], rows, len(names))
    free = np.flatnonzero((purpose >= 0) & ~outside)
    is_shared = held.count_rows(np.zeros(len(free), np.int64), free, 1)[0] > 0
    has_share = np.array([settings.shares[name] > 0 for name in names])
    missing = (images == 0) & has_share[:, None] & is_shared
    return pd.DataFrame(
        {
            "class": held.classes,
            "images": images.sum(axis=0),
            "items": held.count_groups(group),
            "sides": [", ".join(compress(names, sides)) for sides in (images > 0).T],
            "missing": [", ".join(compress(names, sides)) for sides in missing.T],
            "divided": ~missing.any(axis=0),
        }
    )


def _build_class_strata(
    held: ClassMembership, strata: pa.ChunkedArray, group: Numbers, settings: SplitSettings
) -> "pd.DataFrame":
    """A row for each stratum: whether the shares that hold in it hold of a class.

    They do where a stratum's images all have the same classes, and it is either all there is of these, or large enough
    to be divided by itself, as with ``[dataset, category]``. Who names the category among the columns has decided how
    classes are cut; without stratification all images are one stratum, by choice.
    """
    import pandas as pd

    columns = ["stratum", "images", "leak_groups", "classes", "of_one_class"]
    if settings.stratification is None:
        return pd.DataFrame({name: [] for name in columns})
    number, names = number_values(strata)
    stratum = number.astype(np.int64)
    images = _count_pairs(stratum, held.combinations, (len(names), len(held.combination_names)))
    groups = count_groups(stratum, group, len(names))
    pure, whole = (images > 0).sum(axis=1) == 1, ((images > 0).sum(axis=0) == 1)[images.argmax(axis=1)]
    sides = sum(share > 0 for share in settings.shares.values())
    cut_on_purpose = not isinstance(settings.stratification, str) and "category" in settings.stratification
    fine = pure & (whole | (groups >= sides) | cut_on_purpose)
    classes = [_join_names(held.combination_names.filter(pa.array(row > 0)).to_pylist()) for row in images]
    return pd.DataFrame(dict(zip(columns, (names.to_pylist(), images.sum(axis=1), groups, classes, fine), strict=True)))


def _count_pairs(first: Any, second: Any, shape: tuple[int, int]) -> Numbers:
    """``shape`` how many rows have each pair of numbers."""
    flat = np.bincount(np.asarray(first, np.int64) * shape[1] + second, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.int64)


def _encode(column: pa.ChunkedArray, names: Sequence[str]) -> Numbers:
    """(rows,) the place of each text among some names; -1 for none."""
    codes: Numbers = pc.index_in(column, value_set=pa.array(names, TEXT)).fill_null(-1).to_numpy().astype(np.int64)
    return codes


def _join_names(names: list[str]) -> str:
    shown = [name.replace("\x1f", " + ") for name in sorted(names)]
    return ", ".join(shown[:_NAMED]) + (f", and {len(shown) - _NAMED} more" if len(shown) > _NAMED else "")

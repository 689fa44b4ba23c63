"""Report: what a person, or a check, has to know of a split; found again from the tables, not taken from the draw.

`find_divided` is the one check of the pipeline that nothing leaks: the split's report, the expectations and the page of
a version call it. The audit has its own, which shares no code with the split.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.repeated_ids import number_repeated_ids
from brev_pipeline.split.encoding import (
    Bools,
    Ints,
    Key,
    encode_column,
    find_first_rows,
    find_minima,
    number_values,
    sum_weights,
)
from brev_pipeline.split.leak_groups import LeakGroups, assign_leak_groups, build_grouping_rules, find_group_purposes
from brev_pipeline.split.prior import NO_ASSIGNMENTS, PriorAssignments, StatedPurposes, find_stated_purposes
from brev_pipeline.split.purposes import (
    OPEN,
    build_share_array,
    find_closed_purposes,
    find_given_groups,
    number_ledger_purposes,
    number_purposes,
)
from brev_pipeline.texts import NAMES, TEXT

_SLACK = 1e-9  # images; below it, a difference is rounding


@dataclass(frozen=True)
class SplitReport:
    """What there is to say of a split.

    Attributes:
        shares: per stratum and purpose: images, leak_groups, wanted (images), share, wanted_share, error (images),
            largest_group (images of the stratum's largest leak group, whatever its purpose).
        missing_sides: strata without an image of a purpose that has a share: stratum, purpose, leak_groups (of the
            stratum), enough (whether it has at least as many as there are sides).
        oversize: leak groups with more images in a stratum than their purpose's whole quota there: leak_group,
            stratum, purpose, images, quota.
        moved: images of the ledger (or of the known assignments) whose purpose is now another: path, item, was, now,
            present (still in the listing).
        overruled: images whose purpose is not the one that `split.given` gives: path, item, given, stands_in, because
            (the ledger, or the image of the same leak group that decides).
        locked_additions: images of a locked purpose whose content its ledger did not hold: path, item, purpose.
        leaks: ids with images on more than one side: kind (item, leak_group, content_id, pixel_id), id, purposes.
            Empty unless the tables were changed by hand.
        given: per purpose, the images that `split.given` keeps out of the shares, copies of its items included:
            purpose, images; empty without any.
        outside: (rows of the split,) which images those are.
        absent: images of the ledger that are not in the listing.
        moves_allowed: as configured.
        additions_allowed: as configured.
    """

    shares: pa.Table
    missing_sides: pa.Table
    oversize: pa.Table
    moved: pa.Table
    overruled: pa.Table
    locked_additions: pa.Table
    leaks: pa.Table
    given: pa.Table
    outside: Bools = field(compare=False)
    absent: int
    moves_allowed: bool
    additions_allowed: bool

    @property
    def failure_messages(self) -> list[str]:
        """What must stop a run, one sentence each; empty if all is well."""
        messages = []
        if len(self.leaks):
            messages.append(f"{len(self.leaks)} ids stand on more than one side: {_list_some(self.leaks, 'id')}")
        if len(self.moved) and not self.moves_allowed:
            messages.append(
                f"{len(self.moved)} images changed their side, because a new copy joins two leak groups: "
                f"{_list_some(self.moved, 'path')}; remove the copy, or set split.allow_moves: true for one run"
            )
        if len(self.overruled) and not self.moves_allowed:
            messages.append(
                f"{len(self.overruled)} images do not stand where split.given puts them: "
                f"{_list_some(self.overruled, 'path')}; correct what is given, or set split.allow_moves: true"
            )
        if len(self.locked_additions) and not self.additions_allowed:
            messages.append(
                f"{len(self.locked_additions)} new images belong to items of a locked purpose: "
                f"{_list_some(self.locked_additions, 'path')}; remove them, or set split.allow_additions: true for "
                "one run"
            )
        return messages

    @property
    def warning_messages(self) -> list[str]:
        """What a person should look at, one sentence each."""
        messages = [
            f"stratum {row['stratum']!r} has no image of {row['purpose']} ({row['leak_groups']} leak groups)"
            for row in self.missing_sides.to_pylist()
        ]
        return messages + [
            f"leak group {row['leak_group']!r} has {row['images']} images in stratum {row['stratum']!r}, more than the "
            f"{row['quota']:g} that {row['purpose']} is to have there"
            for row in self.oversize.to_pylist()
        ]


def build_split_report(
    split: pa.Table, settings: SplitSettings, prior: PriorAssignments = NO_ASSIGNMENTS
) -> SplitReport:
    """Check a split against its settings and what was known before; errors as of `assign_purposes`.

    Args:
        split: schema `tables.SAMPLE_SPLIT`, as `assign_purposes` gave it.
        settings: that it was made by.
        prior: likewise.
    """
    names, ledger = settings.names, prior.ledger
    purpose = number_purposes(split["purpose"], names, "the split")
    stratum, group = encode_column(split["stratum"]), encode_column(split["leak_group"])
    leak_groups = assign_leak_groups(split, build_grouping_rules(settings), ledger)
    stated = find_stated_purposes(split, leak_groups, settings, prior)
    known, given = stated.reduce_to_images(stated.known), stated.reduce_to_images(stated.given)
    past = number_ledger_purposes(ledger, names)
    outside = find_given_groups(given, group.codes, len(group))[group.codes]
    if outside.any():  # given: divided by nobody's shares
        rest = split.filter(pa.array(~outside))
        stratum, group, divided = encode_column(rest["stratum"]), encode_column(rest["leak_group"]), purpose[~outside]
    else:
        divided = purpose
    shares = _build_shares(settings, stratum, group, divided)
    oversize = _find_oversize(settings, stratum, group, divided)
    moved = [_find_changes(stated.path, stated.item, stated.known, purpose[stated.row], stated.path, names)]
    if ledger is not None:
        now = find_group_purposes(leak_groups, split, ledger, names)[leak_groups.ledger_group]
        moved.append(_find_changes(ledger["path"], ledger["item"], past, now, split["path"], names))
    overruled = find_overruled(leak_groups, stated, past, purpose)
    over_strata = leak_groups.over_strata
    del stratum, group, leak_groups  # each as long as the listing
    # Additions to locked purposes are found in any case; whether they may be is for the check.
    closed = find_closed_purposes(settings.model_copy(update={"allow_additions": False}), np.concatenate([known, past]))
    added = closed[purpose] & (known == OPEN)
    if ledger is not None:
        added &= ~_is_in(split["content_id"], ledger["content_id"]).to_numpy()
    counts = np.bincount(purpose[outside], minlength=len(names))
    return SplitReport(
        shares=shares,
        missing_sides=_find_missing_sides(shares, int((build_share_array(settings) > _SLACK).sum())),
        oversize=oversize,
        moved=pa.concat_tables(moved).sort_by("path"),
        overruled=overruled,
        locked_additions=split.select(["path", "item", "purpose"]).filter(pa.array(added)),
        leaks=find_leaks(split, purpose, names, over_strata),
        given=pa.table({"purpose": pa.array(names, TEXT), "images": counts}).filter(pa.array(counts > 0)),
        outside=outside,
        absent=0 if ledger is None else len(ledger) - int(pc.sum(_is_in(ledger["path"], split["path"])).as_py() or 0),
        moves_allowed=settings.allow_moves,
        additions_allowed=settings.allow_additions,
    )


def _build_shares(settings: SplitSettings, stratum: Key, group: Key, purpose: Ints) -> pa.Table:
    shape = (len(stratum), len(settings.names))
    number, parts = number_values(group.codes * shape[0] + stratum.codes, len(group) * shape[0])
    sizes, strata = np.bincount(number), parts % shape[0]
    largest = np.zeros(shape[0], np.int64)
    np.maximum.at(largest, strata, sizes)
    sides = purpose[find_first_rows(group.codes, len(group))][parts // shape[0]]
    images = sum_weights(stratum.codes, purpose, np.ones(len(purpose), np.int64), shape)
    total = images.sum(axis=1, keepdims=True)
    wanted = total * build_share_array(settings)
    return pa.table(
        {
            "stratum": np.repeat(stratum.labels.to_numpy(zero_copy_only=False), shape[1]),
            "purpose": settings.names * shape[0],
            "images": images.ravel().astype(np.int64),
            "leak_groups": sum_weights(strata, sides, np.ones(len(parts), np.int64), shape).ravel().astype(np.int64),
            "wanted": wanted.ravel(),
            "share": (images / total).ravel(),
            "wanted_share": np.tile(build_share_array(settings), shape[0]),
            "error": np.abs(images - wanted).ravel(),
            "largest_group": np.repeat(largest, shape[1]),
        }
    )


def _find_missing_sides(shares: pa.Table, sides: int) -> pa.Table:
    groups = shares.group_by("stratum").aggregate([("leak_groups", "sum")])
    missing = shares.filter((pc.field("images") == 0) & (pc.field("wanted_share") > _SLACK))
    at = pc.index_in(missing["stratum"], value_set=groups["stratum"].combine_chunks())
    count = groups["leak_groups_sum"].take(at)
    return pa.table(
        {
            "stratum": missing["stratum"],
            "purpose": missing["purpose"],
            "leak_groups": count,
            "enough": pc.greater_equal(count, sides),
        }
    )


def _find_oversize(settings: SplitSettings, stratum: Key, group: Key, purpose: Ints) -> pa.Table:
    strata = len(stratum)
    number, parts = number_values(group.codes * strata + stratum.codes, len(group) * strata)
    images = np.bincount(number)
    side = purpose[find_first_rows(number, len(parts))]
    quota = np.bincount(stratum.codes)[parts % strata] * build_share_array(settings)[side]
    # A quota of 0.8 images lets one image in.
    large = np.flatnonzero(images > np.ceil(quota - _SLACK))
    return pa.table(
        {
            "leak_group": group.labels.take(pa.array(parts[large] // strata)),
            "stratum": stratum.labels.take(pa.array(parts[large] % strata)),
            "purpose": pa.array(settings.names, TEXT).take(pa.array(side[large])),
            "images": images[large],
            "quota": quota[large],
        }
    )


def find_overruled(leak_groups: LeakGroups, stated: StatedPurposes, past: Ints, purpose: Ints) -> pa.Table:
    """What `split.given` says and does not hold, and whose word does: as `SplitReport.overruled`.

    ``past`` (ledger rows,) and ``purpose`` (images,) are numbers of purposes.
    """
    now, group = purpose[stated.row], leak_groups.row_group[stated.row]
    rows = np.flatnonzero((stated.given != OPEN) & (stated.given != now))
    side = np.full(leak_groups.all_groups, OPEN, np.int64)
    side[group[rows]] = now[rows]
    by_ledger = set(leak_groups.ledger_group[past == side[leak_groups.ledger_group]].tolist()) if len(rows) else set()
    deciders: list[dict[int, int]] = []
    for purposes in (stated.known, stated.given):
        # From behind: the first image of a group is the one that is named.
        agreeing = np.flatnonzero((purposes != OPEN) & (purposes == side[group]))[::-1]
        deciders.append(dict(zip(group[agreeing].tolist(), agreeing.tolist(), strict=True)))
    because = []
    for number in group[rows].tolist():
        known, given = (first_images.get(number) for first_images in deciders)
        if number in by_ledger:
            because.append("the ledger: an earlier version has it so")
        elif known is not None:
            because.append(f"split.ledger_csv, of {stated.path[known].as_py()}")
        else:
            because.append("unknown" if given is None else f"{stated.path[given].as_py()}: of one item, or a copy")
    texts, at = pa.array(stated.names, TEXT), pa.array(rows)
    return pa.table(
        {
            "path": stated.path.take(at).cast(TEXT),
            "item": stated.item.take(at).cast(TEXT),
            "given": texts.take(pa.array(stated.given[rows])),
            "stands_in": texts.take(pa.array(now[rows])),
            "because": pa.array(because, TEXT),
        }
    ).sort_by("path")


def _find_changes(
    path: pa.ChunkedArray, item: pa.ChunkedArray, was: Ints, now: Ints, there: pa.ChunkedArray, names: list[str]
) -> pa.Table:
    rows = np.flatnonzero((was != OPEN) & (was != now))
    texts, at = pa.array(names, TEXT), pa.array(rows)
    return pa.table(
        {
            "path": path.take(at).cast(TEXT),
            "item": item.take(at).cast(TEXT),
            "was": texts.take(pa.array(was[rows])),
            "now": texts.take(pa.array(now[rows])),
            "present": _is_in(path.take(at), there) if len(rows) else pa.array([], pa.bool_()),
        }
    )


def find_leaks(split: pa.Table, purpose: Ints, names: list[str], over_strata: bool) -> pa.Table:
    """Items, leak groups, contents and pixels with images on more than one side; ``purpose`` (rows,) by its number.

    Returns:
        kind, id, and purposes (list of text); no rows if all is well.
    """
    rows: list[dict[str, object]] = []
    for kind in ("item", "leak_group", "content_id", "pixel_id"):
        codes = _number_kind(split, kind, over_strata)
        divided = find_divided(codes, purpose)
        for at in find_first_rows(codes, len(divided))[divided]:
            sides = [names[side] for side in np.unique(purpose[codes == codes[at]])]
            rows.append({"kind": kind, "id": split[kind][int(at)].as_py(), "purposes": sides})
    return pa.Table.from_pylist(rows, pa.schema({"kind": TEXT, "id": TEXT, "purposes": NAMES}))


def _number_kind(split: pa.Table, kind: str, over_strata: bool) -> Ints:
    """(rows,) a number that rows share which may not be divided; −1 for none."""
    if kind in ("content_id", "pixel_id"):
        return number_repeated_ids(split[kind])
    key = encode_column(split[kind])
    if kind == "leak_group" or over_strata:
        return key.codes
    stratum = encode_column(split["stratum"])
    return number_values(stratum.codes * len(key) + key.codes, len(stratum) * len(key))[0]


def find_divided(numbers: npt.NDArray[Any], purposes: npt.NDArray[Any]) -> Bools:
    """(count,) which of the numbers 0 … count − 1 stand on more than one side.

    Args:
        numbers: (rows,) what may not be divided has one number; −1 for none.
        purposes: (rows,) number of each row's purpose, −1 for none.
    """
    rows = np.flatnonzero(numbers >= 0)
    count = int(numbers.max(initial=-1)) + 1
    codes, sides = numbers[rows], purposes[rows].astype(np.int64)
    low = find_minima(codes, sides, count, np.iinfo(np.int64).max)
    high = -find_minima(codes, -sides, count, np.iinfo(np.int64).max)
    # A number without a row keeps both starts: the greatest and the least.
    return np.asarray(low < high)


def _is_in(values: pa.ChunkedArray, among: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=among.cast(values.type).combine_chunks())


def _list_some(table: pa.Table, column: str) -> str:
    names = table[column].to_pylist()
    return ", ".join(names[:5]) + (f", and {len(names) - 5} more" if len(names) > 5 else "")

"""Report: what a person, or a check, has to know of a split; found again from the tables, not taken from the draw."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.split.arrays import Bools, Ints, compress, first_of, table
from brev_pipeline.split.draw import OPEN
from brev_pipeline.split.encode import Key, encode
from brev_pipeline.split.given import groups_given
from brev_pipeline.split.given_names import GivenFiles
from brev_pipeline.split.layout import Layout, lay_out
from brev_pipeline.split.leaks import find_leaks
from brev_pipeline.split.ledger import closed_purposes, group_purposes, purpose_codes, rules_of
from brev_pipeline.split.said import Said, find_said
from brev_pipeline.split.samples import shares_of
from brev_pipeline.texts import TEXT

_TEXT: Final = TEXT
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
    def failures(self) -> list[str]:
        """What must stop a run, one sentence each; empty if all is well."""
        found = []
        if len(self.leaks):
            found.append(f"{len(self.leaks)} ids stand on more than one side: {_some(self.leaks, 'id')}")
        if len(self.moved) and not self.moves_allowed:
            found.append(
                f"{len(self.moved)} images changed their side, because a new copy joins two leak groups: "
                f"{_some(self.moved, 'path')}; remove the copy, or set split.allow_moves: true for one run"
            )
        if len(self.overruled) and not self.moves_allowed:
            found.append(
                f"{len(self.overruled)} images do not stand where split.given puts them: "
                f"{_some(self.overruled, 'path')}; correct what is given, or set split.allow_moves: true"
            )
        if len(self.locked_additions) and not self.additions_allowed:
            found.append(
                f"{len(self.locked_additions)} new images belong to items of a locked purpose: "
                f"{_some(self.locked_additions, 'path')}; remove them, or set split.allow_additions: true for one run"
            )
        return found

    @property
    def warnings(self) -> list[str]:
        """What a person should look at, one sentence each."""
        found = [
            f"stratum {row['stratum']!r} has no image of {row['purpose']} ({row['leak_groups']} leak groups)"
            for row in self.missing_sides.to_pylist()
        ]
        return found + [
            f"leak group {row['leak_group']!r} has {row['images']} images in stratum {row['stratum']!r}, more than the "
            f"{row['quota']:g} that {row['purpose']} is to have there"
            for row in self.oversize.to_pylist()
        ]


def split_report(
    split: pa.Table,
    settings: SplitSettings,
    ledger: pa.Table | None = None,
    known: pa.Table | None = None,
    given: GivenFiles | None = None,
    listed: pa.Table | None = None,
) -> SplitReport:
    """Check a split against its settings and what was known before.

    Args:
        split: `tables.SAMPLE_SPLIT`, as `split_samples` gave it.
        settings: of the split.
        ledger: as given to `split_samples`.
        known: as given to `split_samples`.
        given: as given to `split_samples`.
        listed: as given to `split_samples`.

    Raises:
        SplitError: as `split_samples`.
    """
    names = settings.names
    purpose = purpose_codes(split["purpose"], names, "the split")
    stratum, group = encode(split["stratum"]), encode(split["leak_group"])
    layout = lay_out(split, rules_of(settings), ledger)
    said = find_said(split, layout, settings, ledger, known, given, listed)
    was, told = said.of_images(said.known), said.of_images(said.given)
    past = np.zeros(0, np.int64) if ledger is None else purpose_codes(ledger["purpose"], names, "the ledger")
    closed = closed_purposes(settings.model_copy(update={"allow_additions": False}), np.concatenate([was, past]))
    outside = groups_given(told, group.codes, len(group))[group.codes]
    if outside.any():  # given: divided by nobody's shares
        rest = split.filter(pa.array(~outside))
        stratum, group, own = encode(rest["stratum"]), encode(rest["leak_group"]), purpose[~outside]
    else:
        own = purpose
    shares = _shares(settings, stratum, group, own)
    oversize = _oversize(settings, stratum, group, own)
    moved = _moved(split, layout, names, ledger, past, said, purpose)
    overruled = find_overruled(layout, said, past, purpose)
    over_strata = layout.over_strata
    del stratum, group, layout  # each as long as the listing
    return SplitReport(
        shares=shares,
        missing_sides=_missing_sides(shares, int((shares_of(settings) > _SLACK).sum())),
        oversize=oversize,
        moved=moved,
        overruled=overruled,
        locked_additions=_additions(split, ledger, was, purpose, closed),
        leaks=find_leaks(split, purpose, names, over_strata),
        given=_by_purpose(purpose[outside], names),
        outside=outside,
        absent=0 if ledger is None else len(ledger) - int(pc.sum(_is_in(ledger["path"], split["path"])).as_py() or 0),
        moves_allowed=settings.allow_moves,
        additions_allowed=settings.allow_additions,
    )


def _by_purpose(purpose: Ints, names: list[str]) -> pa.Table:
    counts = np.bincount(purpose, minlength=len(names))
    there = np.flatnonzero(counts)
    return pa.table({"purpose": pa.array(names, _TEXT).take(pa.array(there)), "images": counts[there]})


def _shares(settings: SplitSettings, stratum: Key, group: Key, purpose: Ints) -> pa.Table:
    shape = (len(stratum), len(settings.names))
    number, parts = compress(group.codes * shape[0] + stratum.codes, len(group) * shape[0])
    sizes, strata = np.bincount(number), parts % shape[0]
    largest = np.zeros(shape[0], np.int64)
    np.maximum.at(largest, strata, sizes)
    sides = purpose[first_of(group.codes, len(group))][parts // shape[0]]
    images = table(stratum.codes, purpose, np.ones(len(purpose), np.int64), shape)
    total = images.sum(axis=1, keepdims=True)
    wanted = total * shares_of(settings)
    return pa.table(
        {
            "stratum": np.repeat(stratum.labels.to_numpy(zero_copy_only=False), shape[1]),
            "purpose": settings.names * shape[0],
            "images": images.ravel().astype(np.int64),
            "leak_groups": table(strata, sides, np.ones(len(parts), np.int64), shape).ravel().astype(np.int64),
            "wanted": wanted.ravel(),
            "share": (images / total).ravel(),
            "wanted_share": np.tile(shares_of(settings), shape[0]),
            "error": np.abs(images - wanted).ravel(),
            "largest_group": np.repeat(largest, shape[1]),
        }
    )


def _missing_sides(shares: pa.Table, sides: int) -> pa.Table:
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


def _oversize(settings: SplitSettings, stratum: Key, group: Key, purpose: Ints) -> pa.Table:
    strata = len(stratum)
    number, parts = compress(group.codes * strata + stratum.codes, len(group) * strata)
    images = np.bincount(number)
    side = purpose[first_of(number, len(parts))]
    quota = np.bincount(stratum.codes)[parts % strata] * shares_of(settings)[side]
    # A quota of 0.8 images lets one image in.
    large = np.flatnonzero(images > np.ceil(quota - _SLACK))
    return pa.table(
        {
            "leak_group": group.labels.take(pa.array(parts[large] // strata)),
            "stratum": stratum.labels.take(pa.array(parts[large] % strata)),
            "purpose": pa.array(settings.names, _TEXT).take(pa.array(side[large])),
            "images": images[large],
            "quota": quota[large],
        }
    )


def _moved(
    split: pa.Table,
    layout: Layout,
    names: list[str],
    ledger: pa.Table | None,
    past: Ints,
    said: Said,
    purpose: Ints,
) -> pa.Table:
    tables = [_changes(said.path, said.item, said.known, purpose[said.row], said.path, names)]
    if ledger is not None:
        now = group_purposes(layout, split, ledger, names)[layout.past_group]
        tables.append(_changes(ledger["path"], ledger["item"], past, now, split["path"], names))
    return pa.concat_tables(tables).sort_by("path")


def find_overruled(layout: Layout, said: Said, past: Ints, purpose: Ints) -> pa.Table:
    """What `split.given` says and does not hold, and whose word does: as `SplitReport.overruled`.

    Args:
        layout: of the images.
        said: of them.
        past: (ledger rows,) purpose in the ledger.
        purpose: (images,) purpose of each.
    """
    now, group = purpose[said.row], layout.row_group[said.row]
    rows = np.flatnonzero((said.given != OPEN) & (said.given != now))
    side = np.full(layout.all_groups, OPEN, np.int64)
    side[group[rows]] = now[rows]
    by_ledger = set(layout.past_group[past == side[layout.past_group]].tolist()) if len(rows) else set()
    deciders: list[dict[int, int]] = []
    for told in (said.known, said.given):
        there = np.flatnonzero((told != OPEN) & (told == side[group]))[::-1]
        deciders.append(dict(zip(group[there].tolist(), there.tolist(), strict=True)))
    because = []
    for number in group[rows].tolist():
        known, given = (found.get(number) for found in deciders)
        if number in by_ledger:
            because.append("the ledger: an earlier version has it so")
        elif known is not None:
            because.append(f"split.ledger_csv, of {said.path[known].as_py()}")
        else:
            because.append("unknown" if given is None else f"{said.path[given].as_py()}: of one item, or a copy")
    texts, at = pa.array(said.names, _TEXT), pa.array(rows)
    return pa.table(
        {
            "path": said.path.take(at).cast(_TEXT),
            "item": said.item.take(at).cast(_TEXT),
            "given": texts.take(pa.array(said.given[rows])),
            "stands_in": texts.take(pa.array(now[rows])),
            "because": pa.array(because, _TEXT),
        }
    ).sort_by("path")


def _changes(
    path: pa.ChunkedArray, item: pa.ChunkedArray, was: Ints, now: Ints, there: pa.ChunkedArray, names: list[str]
) -> pa.Table:
    rows = np.flatnonzero((was != OPEN) & (was != now))
    texts, at = pa.array(names, _TEXT), pa.array(rows)
    return pa.table(
        {
            "path": path.take(at).cast(_TEXT),
            "item": item.take(at).cast(_TEXT),
            "was": texts.take(pa.array(was[rows])),
            "now": texts.take(pa.array(now[rows])),
            "present": _is_in(path.take(at), there) if len(rows) else pa.array([], pa.bool_()),
        }
    )


def _additions(split: pa.Table, ledger: pa.Table | None, given: Ints, purpose: Ints, closed: Bools) -> pa.Table:
    new = closed[purpose] & (given == OPEN)
    if ledger is not None:
        new &= ~_is_in(split["content_id"], ledger["content_id"]).to_numpy()
    return split.select(["path", "item", "purpose"]).filter(pa.array(new))


def _is_in(values: pa.ChunkedArray, among: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=among.cast(values.type).combine_chunks())


def _some(found: pa.Table, column: str) -> str:
    names = found[column].to_pylist()
    return ", ".join(names[:5]) + (f", and {len(names) - 5} more" if len(names) > 5 else "")

"""Ledger: what was decided before, and stays so.

The ledger of a pipeline is the assignments of its newest published version; a CSV of known assignments, such as the
reference's sample identification file, can stand beside it. An image that has left the listing keeps its line, so
that it returns to its old side.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools, Ints
from brev_pipeline.split.draw import OPEN
from brev_pipeline.split.layout import GroupingRules, LeakGroups, assign_leak_groups
from brev_pipeline.split.match_rows import BASE_FOLDER, Keyed, RowMatch, match_rows
from brev_pipeline.split.tables import read_text_table
from brev_pipeline.tables import SAMPLE_SPLIT, conform_table
from brev_pipeline.texts import TEXT


def build_grouping_rules(settings: SplitSettings) -> GroupingRules:
    """How a pipeline cuts its listing: without ``uniqueness`` each content is an item."""
    return GroupingRules(
        stratification=settings.stratification,
        uniqueness=settings.uniqueness or ["content_id"],
        over_strata=settings.uniqueness_scope == "global",
        unmatched=settings.unmatched,
        copies=("content_id", "pixel_id"),
    )


def list_key_columns(settings: SplitSettings) -> list[str]:
    """The columns of a split that `split.stratification` and `split.uniqueness` name, where they are no patterns."""
    specs = (settings.stratification, settings.uniqueness)
    named = [name for spec in specs if spec and not isinstance(spec, str) for name in spec]
    return [name for name in dict.fromkeys(named) if name in SAMPLE_SPLIT.names]


def list_ledger_columns(settings: SplitSettings) -> list[str]:
    """The columns of a ledger that `assign_purposes` and `build_split_report` read."""
    usual = ["path", "content_id", "pixel_id", "item", "stratum", "purpose"]
    return list(dict.fromkeys([*usual, *list_key_columns(settings)]))


def are_in_split(rows: pa.Table, split: pa.Table) -> pa.ChunkedArray:
    """(rows,) whether the split has an image of the same path and content; its paths are unique."""
    at = pc.index_in(rows["path"], value_set=split["path"])
    return pc.fill_null(pc.equal(split["content_id"].take(at), rows["content_id"]), False)


def number_purposes(column: pa.ChunkedArray, names: list[str], where: str) -> Ints:
    """(rows,) number of each purpose in ``names``; −1 for none. Raises `SplitError` for one that is not there."""
    found = pc.index_in(column.cast(TEXT), value_set=pa.array(names, TEXT))
    codes: Ints = found.fill_null(OPEN).to_numpy().astype(np.int64)
    unknown = (codes == OPEN) & column.is_valid().to_numpy()
    if unknown.any():
        other = sorted(set(column.filter(pa.array(unknown)).to_pylist()))
        raise SplitError(
            f"{where} holds the purposes {other}, but the configuration has only {names}: images keep their purpose "
            "for good, so name it under split.purposes or split.remainder (a share of 0 adds nothing to it)"
        )
    return codes


def find_closed_purposes(settings: SplitSettings, given: Ints) -> Bools:
    """(purposes,) whether each is locked: it takes nothing new as soon as something stands there.

    Args:
        settings: of the split.
        given: purposes that stand in the ledger, −1 for none.
    """
    names = settings.names
    out = np.zeros(len(names), np.bool_)
    if not settings.allow_additions:
        held = np.bincount(given[given != OPEN], minlength=len(names)) > 0
        out[:] = held & np.isin(names, settings.locked)
    return out


def read_known_assignments(data: bytes, name: str, base: str | None = None) -> pa.Table:
    """Read a CSV of known assignments.

    Args:
        data: the file's bytes: a head line, key columns, and ``purpose``; see `read_text_table`. Empty fields are no
            value.
        name: the file's place, for messages.
        base: folder that relative paths in it may be meant from.

    Returns:
        Its columns, all text; the schema's metadata has ``base`` as `BASE_FOLDER`.

    Raises:
        SplitError: it is no CSV, lacks ``purpose`` or any other column, or has no purpose in any row.
    """
    table = read_text_table(data, name)
    if "purpose" not in table.column_names or table.num_columns < 2:
        raise SplitError(
            f"{name}: a file of known assignments has the columns of a key, such as etag or path, and 'purpose'; this "
            f"one has {', '.join(table.column_names)}"
        )
    if len(table) and not table["purpose"].is_valid().to_numpy().any():
        raise SplitError(f"{name}: none of its {len(table)} rows has a purpose: fill the column 'purpose'")
    return table.replace_schema_metadata({BASE_FOLDER: base} if base else None)


@dataclass(frozen=True)
class KnownAssignments:
    """What a file of known assignments says of a listing.

    Attributes:
        purposes: (images,) the purpose that it gives each image, −1 for none.
        match: which of its rows, of those with a purpose, mean which images.
    """

    purposes: Ints
    match: RowMatch

    @property
    def row_count(self) -> int:
        """Rows with a purpose."""
        return len(self.match.found)

    @property
    def matched_count(self) -> int:
        """Those of them that mean an image."""
        return int(self.match.found.sum())


def match_known_purposes(
    known: pa.Table | None, samples: pa.Table, keyed: Keyed, names: list[str], ledger: pa.Table | None = None
) -> Ints:
    """(rows,) the purpose that ``known`` gives each image, or −1; see `match_known_assignments`.

    Raises:
        SplitError: as `match_known_assignments`.
    """
    found = match_known_assignments(known, samples, keyed, names, ledger)
    return np.full(len(samples), OPEN) if found is None else found.purposes


def match_known_assignments(
    known: pa.Table | None, samples: pa.Table, keyed: Keyed, names: list[str], ledger: pa.Table | None = None
) -> KnownAssignments | None:
    """What a file of known assignments says of a listing; None where it says nothing at all.

    Args:
        known: as from `read_known_assignments`.
        samples: the images.
        keyed: of them.
        names: the purposes.
        ledger: what it remembers may have left the listing: a file that means only such images is no mistake.

    Raises:
        SplitError: a key column is not known, a key stands there with two purposes, a purpose is unknown, or no row
            means an image.
    """
    if known is None or not len(known):
        return None
    keys = [column for column in known.column_names if column != "purpose"]
    known = known.filter(known["purpose"].is_valid())
    purposes = number_purposes(known["purpose"], names, "the file of known assignments")
    match = match_rows(known, keys, samples, keyed, "the file of known assignments")
    _refuse_contradictions(match.texts, known["purpose"])
    if len(known) and not match.found.any() and not _is_remembered(known, keys, ledger):
        _refuse_no_match(match, keys)
    return KnownAssignments(np.append(purposes, OPEN)[match.row], match)


def build_next_ledger(split: pa.Table, ledger: pa.Table | None, settings: SplitSettings) -> pa.Table:
    """What the next run has to remember: this split, and the ledger's images that are not in it.

    Args:
        split: `tables.SAMPLE_SPLIT`, as `assign_purposes` gave it.
        ledger: what `assign_purposes` was given; columns of `tables.SAMPLE_SPLIT`.
        settings: of the split.

    Returns:
        `tables.SAMPLE_SPLIT`, sorted by path, then content. An absent image keeps its purpose, or takes that of its
        leak group. A path stands there twice if its bytes have changed since.
    """
    if ledger is None or not len(ledger):
        return split
    gone = pc.invert(are_in_split(ledger, split))
    if not pc.any(gone).as_py():
        return split
    leak_groups = assign_leak_groups(split, build_grouping_rules(settings), ledger)
    purposes = find_group_purposes(leak_groups, split, ledger, settings.names)
    moved = pa.array(settings.names, TEXT).take(pa.array(purposes[leak_groups.ledger_group]))
    absent = ledger.set_column(ledger.column_names.index("purpose"), "purpose", moved).filter(gone)
    both = pa.concat_tables([conform_table(table, SAMPLE_SPLIT, "ledger") for table in (split, absent)])
    return both.sort_by([("path", "ascending"), ("content_id", "ascending")])


def find_group_purposes(leak_groups: LeakGroups, split: pa.Table, ledger: pa.Table | None, names: list[str]) -> Ints:
    """(all groups,) the purpose that each leak group has now: from the split, or else the ledger's strictest."""
    past = np.zeros(0, np.int64) if ledger is None else number_purposes(ledger["purpose"], names, "the ledger")
    now = leak_groups.find_strictest_purposes(
        names, number_purposes(split["purpose"], names, "the split"), np.full(len(past), OPEN)
    )
    return np.where(now == OPEN, leak_groups.find_strictest_purposes(names, np.full(len(split), OPEN), past), now)


def _is_remembered(known: pa.Table, keys: list[str], ledger: pa.Table | None) -> bool:
    """Whether a row means an image of the ledger, as far as the ledger's columns tell."""
    if ledger is None or not len(ledger):
        return False
    if not set(keys) <= set(ledger.column_names):
        return True
    return bool(match_rows(known, keys, ledger, None, "the file of known assignments").found.any())


def _refuse_no_match(match: RowMatch, keys: list[str]) -> None:
    own, other = (
        ", ".join(pc.unique(texts).drop_null().slice(0, 3).to_pylist()).replace("\x1f", " / ")
        for texts in (match.texts, match.names)
    )
    raise SplitError(
        f"the file of known assignments (split.ledger_csv): none of its {len(match.found)} rows means an image. By "
        f"{', '.join(keys)}, its rows are: {own}; the images are: {other}. Its keys may be path (as listed, within the "
        "dataset, from the configuration's folder, or whole), etag, content_id, item, or any column of uniqueness"
    )


def _refuse_contradictions(texts: pa.ChunkedArray, purposes: pa.ChunkedArray) -> None:
    # A row without a key means nothing.
    texts, purposes = texts.drop_null(), purposes.filter(texts.is_valid())
    pairs = pa.table({"key": texts, "purpose": purposes}).group_by(["key", "purpose"]).aggregate([])
    counts = pairs.group_by("key").aggregate([("purpose", "count")])
    twice = counts.filter(pc.greater(counts["purpose_count"], 1))["key"]
    if len(twice):
        some = ", ".join(sorted(twice.to_pylist())[:5]).replace("\x1f", " / ")
        raise SplitError(
            f"the file of known assignments gives {len(twice)} keys more than one purpose: {some}; keep one line of "
            "each"
        )

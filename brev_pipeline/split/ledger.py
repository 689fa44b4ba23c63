"""Ledger: what was decided before, and stays so.

The ledger of a pipeline is the assignments of its newest published version; a CSV of known assignments, such as the
reference's sample identification file, can stand beside it. An image that has left the listing keeps its line, so
that it returns to its old side.
"""

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split.arrays import Bools, Ints
from brev_pipeline.split.draw import OPEN
from brev_pipeline.split.encode import encode
from brev_pipeline.split.layout import Layout, Rules, lay_out
from brev_pipeline.tables import SAMPLE_SPLIT, conform
from brev_pipeline.texts import TEXT, joined


def rules_of(settings: SplitSettings) -> Rules:
    """How a pipeline cuts its listing: without ``uniqueness`` each content is an item."""
    return Rules(
        stratification=settings.stratification,
        uniqueness=settings.uniqueness or ["content_id"],
        over_strata=settings.uniqueness_scope == "global",
        unmatched=settings.unmatched,
        copies=("content_id", "pixel_id"),
    )


def key_columns(settings: SplitSettings) -> list[str]:
    """The columns of a split that `split.stratification` and `split.uniqueness` name, where they are no patterns."""
    specs = (settings.stratification, settings.uniqueness)
    named = [name for spec in specs if spec and not isinstance(spec, str) for name in spec]
    return [name for name in dict.fromkeys(named) if name in SAMPLE_SPLIT.names]


def ledger_columns(settings: SplitSettings) -> list[str]:
    """The columns of a ledger that `split_samples` and `split_report` read."""
    usual = ["path", "content_id", "pixel_id", "item", "stratum", "purpose"]
    return list(dict.fromkeys([*usual, *key_columns(settings)]))


def stands_in(rows: pa.Table, split: pa.Table) -> pa.ChunkedArray:
    """(rows,) whether the split has an image of the same path and content; its paths are unique."""
    at = pc.index_in(rows["path"], value_set=split["path"])
    return pc.fill_null(pc.equal(split["content_id"].take(at), rows["content_id"]), False)


def purpose_codes(column: pa.ChunkedArray, names: list[str], where: str) -> Ints:
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


def closed_purposes(settings: SplitSettings, given: Ints) -> Bools:
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


def read_known_assignments(data: bytes, name: str) -> pa.Table:
    """Read a CSV of known assignments.

    Args:
        data: the file's bytes: a head line, key columns, and ``purpose``. Empty fields are no value.
        name: the file's place, for messages.

    Returns:
        Its columns, all text.

    Raises:
        SplitError: it is no CSV, or lacks ``purpose`` or any other column.
    """
    from pyarrow import csv

    head = data.partition(b"\n")[0].decode("utf-8", "replace").strip().split(",")
    options = csv.ConvertOptions(
        column_types={column.strip('"'): TEXT for column in head}, strings_can_be_null=True, null_values=[""]
    )
    try:
        table = csv.read_csv(io.BytesIO(data), convert_options=options)
    except pa.ArrowInvalid as error:
        raise SplitError(f"{name}: not a CSV of known assignments: {error}") from error
    if "purpose" not in table.column_names or table.num_columns < 2:
        raise SplitError(
            f"{name}: a file of known assignments has the columns of a key, such as etag or path, and 'purpose'; this "
            f"one has {', '.join(table.column_names)}"
        )
    return table


def match_known(known: pa.Table | None, samples: pa.Table, layout: Layout, names: list[str]) -> Ints:
    """(rows,) the purpose that ``known`` gives each image, or −1.

    Raises:
        SplitError: a key column is not known, a key stands there with two purposes, or a purpose is unknown.
    """
    if known is None or not len(known):
        return np.full(len(samples), OPEN)
    keys = [column for column in known.column_names if column != "purpose"]
    known = known.filter(known["purpose"].is_valid()).select([*keys, "purpose"])
    purposes = purpose_codes(known["purpose"], names, "the file of known assignments")
    texts = _joined([known[column] for column in keys])
    _refuse_contradictions(texts, known["purpose"])
    at = pc.index_in(_joined([_known_column(samples, layout, column) for column in keys]), value_set=texts)
    found = at.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(np.append(purposes, OPEN)[found], np.int64)


def next_ledger(split: pa.Table, ledger: pa.Table | None, settings: SplitSettings) -> pa.Table:
    """What the next run has to remember: this split, and the ledger's images that are not in it.

    Args:
        split: `tables.SAMPLE_SPLIT`, as `split_samples` gave it.
        ledger: what `split_samples` was given; columns of `tables.SAMPLE_SPLIT`.
        settings: of the split.

    Returns:
        `tables.SAMPLE_SPLIT`, sorted by path, then content. An absent image keeps its purpose, or takes that of its
        leak group. A path stands there twice if its bytes have changed since.
    """
    if ledger is None or not len(ledger):
        return split
    gone = pc.invert(stands_in(ledger, split))
    if not pc.any(gone).as_py():
        return split
    layout = lay_out(split, rules_of(settings), ledger)
    purposes = group_purposes(layout, split, ledger, settings.names)
    moved = pa.array(settings.names, TEXT).take(pa.array(purposes[layout.past_group]))
    absent = ledger.set_column(ledger.column_names.index("purpose"), "purpose", moved).filter(gone)
    both = pa.concat_tables([conform(table, SAMPLE_SPLIT, "ledger") for table in (split, absent)])
    return both.sort_by([("path", "ascending"), ("content_id", "ascending")])


def group_purposes(layout: Layout, split: pa.Table, ledger: pa.Table | None, names: list[str]) -> Ints:
    """(all groups,) the purpose that each leak group has now: from the split, or else the ledger's strictest."""
    past = np.zeros(0, np.int64) if ledger is None else purpose_codes(ledger["purpose"], names, "the ledger")
    now = layout.given(names, purpose_codes(split["purpose"], names, "the split"), np.full(len(past), OPEN))
    return np.where(now == OPEN, layout.given(names, np.full(len(split), OPEN), past), now)


def _known_column(samples: pa.Table, layout: Layout, column: str) -> pa.ChunkedArray:
    if column in ("item", "stratum"):
        return pa.chunked_array([getattr(layout, column).texts()])
    if column not in samples.column_names:
        raise SplitError(
            f"the file of known assignments has the column {column!r}, which is neither item nor stratum nor one of "
            f"the samples': {', '.join(samples.column_names)}"
        )
    return pa.chunked_array([encode(samples[column]).texts()])


def _joined(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    texts = [column.cast(TEXT) for column in columns]
    return texts[0] if len(texts) == 1 else joined(*texts, by="\x1f")


def _refuse_contradictions(texts: pa.ChunkedArray, purposes: pa.ChunkedArray) -> None:
    pairs = pa.table({"key": texts, "purpose": purposes}).group_by(["key", "purpose"]).aggregate([])
    counts = pairs.group_by("key").aggregate([("purpose", "count")])
    twice = counts.filter(pc.greater(counts["purpose_count"], 1))["key"]
    if len(twice):
        some = ", ".join(sorted(twice.to_pylist())[:5]).replace("\x1f", " / ")
        raise SplitError(
            f"the file of known assignments gives {len(twice)} keys more than one purpose: {some}; keep one line of "
            "each"
        )

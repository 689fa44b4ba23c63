"""Purposes: by number, in the order of `SplitSettings.names`; which are locked, which wins where two of them meet."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split.encoding import Bools, Floats, Ints, find_minima
from brev_pipeline.texts import TEXT

OPEN = -1  # no purpose yet


def find_strictest(groups: Ints, purposes: Ints, strictness: Ints, count: int) -> Ints:
    """(groups,) the strictest of the purposes given to each of ``count`` groups' rows; −1 where none is.

    ``groups`` and ``purposes`` are (rows,), −1 for no purpose; ``strictness`` (purposes,) are distinct ranks, the
    lowest wins.
    """
    given = purposes >= 0
    best = find_minima(groups[given], strictness[purposes[given]], count, len(strictness))
    back = np.full(len(strictness) + 1, OPEN, np.int64)
    back[strictness] = np.arange(len(strictness))
    return np.asarray(back[best])


def rank_strictness(names: list[str]) -> Ints:
    """(purposes,) rank of each purpose where two of them meet in one leak group; 0 wins.

    ``test`` comes first: what a model is judged by must not shrink, nor be trained on. Then come all others in
    their order, and ``train`` last.
    """
    rank = sorted(range(len(names)), key=lambda at: (names[at] != "test", names[at] == "train", at))
    out = np.empty(len(names), np.int64)
    out[rank] = np.arange(len(names))
    return out


def number_purposes(column: pa.ChunkedArray, names: list[str], where: str) -> Ints:
    """(rows,) number of each purpose in ``names``; −1 for none. Raises `SplitError` for one that is not there."""
    number = pc.index_in(column.cast(TEXT), value_set=pa.array(names, TEXT))
    codes: Ints = number.fill_null(OPEN).to_numpy().astype(np.int64)
    unknown = (codes == OPEN) & column.is_valid().to_numpy()
    if unknown.any():
        other = sorted(set(column.filter(pa.array(unknown)).to_pylist()))
        raise SplitError(
            f"{where} holds the purposes {other}, but the configuration has only {names}: images keep their purpose "
            "for good, so name it under split.purposes or split.remainder (a share of 0 adds nothing to it)"
        )
    return codes


def number_ledger_purposes(ledger: pa.Table | None, names: list[str]) -> Ints:
    """(ledger rows,) number of each row's purpose; empty without a ledger. Raises `SplitError` as `number_purposes`."""
    return np.zeros(0, np.int64) if ledger is None else number_purposes(ledger["purpose"], names, "the ledger")


def find_closed_purposes(settings: SplitSettings, known: Ints) -> Bools:
    """(purposes,) whether each is locked: it takes nothing new as soon as something stands there.

    ``known`` are the purposes that stand in the ledger, −1 for none.
    """
    if settings.allow_additions:
        return np.zeros(len(settings.names), np.bool_)
    held = np.bincount(known[known != OPEN], minlength=len(settings.names)) > 0
    return held & np.isin(settings.names, settings.locked)


def build_share_array(settings: SplitSettings) -> Floats:
    """(purposes,) the wanted share of each purpose, in the order of `SplitSettings.names`."""
    return np.array(list(settings.shares.values()))


def find_given_groups(given: Ints, groups: Ints, count: int) -> Bools:
    """(groups,) which of ``count`` leak groups have a given image: they are out of all shares.

    ``given`` (images,) is as of `find_given_purposes`, ``groups`` (images,) the leak group of each.
    """
    out = np.zeros(count, np.bool_)
    out[groups[given != OPEN]] = True
    return out

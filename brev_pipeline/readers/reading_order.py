"""In which order records are read, and who reads which: pure functions of numbers.

Shuffling is made for shards. Their records were mixed by hash when they were written; so the files are read in
random order, each from begin to end, and the records of what lies in memory at once are mixed. Every order hangs on
(seed, epoch) alone.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from brev_pipeline.errors import ReadError
from brev_pipeline.seeds import seed64, seeds64

Rows = npt.NDArray[np.int64]


def reading_order(names: Sequence[str], file: npt.NDArray[np.int32], seed: int, epoch: int) -> Rows:
    """All rows, file by file, the files in random order.

    Args:
        names: of the files.
        file: index into ``names`` of each row; shape (rows,).
        seed: 0 ≤ seed < 2**63.
        epoch: the order of another epoch is unrelated.
    """
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(np.array(seeds64(seed, ("read", epoch), names), np.uint64), kind="stable")] = np.arange(len(names))
    return np.argsort(rank[file], kind="stable")


def shuffle_rows(rows: Rows, seed: int, epoch: int) -> Rows:
    """``rows`` in random order: each possible order for one seed or another, none for good reason."""
    key = seed64(seed, "mix", epoch, int(rows[0]) if len(rows) else 0)
    # Philox' raw integers are the same with every version of NumPy; ties have no chance among 64 bits.
    return rows[np.argsort(np.random.Philox(key=key).random_raw(len(rows)), kind="stable")]


def worker_share(
    rows: int, *, rank: int = 0, ranks: int = 1, worker: int = 0, workers: int = 1, even: bool = False
) -> range:
    """The part of ``rows`` that one worker of one rank reads: together all of them, and none twice.

    Args:
        rows: how many there are.
        rank: 0 ≤ rank < ranks, the process of a distributed training.
        ranks: how many of those.
        worker: 0 ≤ worker < workers, the loader's process below the rank.
        workers: how many of those.
        even: leave out the last ``rows % ranks``, so that each rank reads the same number.

    Returns:
        Positions in the order of reading. Without ``even`` the ranks' numbers differ by at most one, and so do
        the workers' of one rank.

    Raises:
        ReadError: there is no such rank or worker.
    """
    if not 0 <= rank < ranks or not 0 <= worker < workers:
        raise ReadError(f"rank {rank} of {ranks}, worker {worker} of {workers}: they count from 0")
    if even:
        rows -= rows % ranks
    begin, end = rows * rank // ranks, rows * (rank + 1) // ranks
    return range(begin + (end - begin) * worker // workers, begin + (end - begin) * (worker + 1) // workers)


def cut_windows(lengths: npt.NDArray[np.int64], most: int) -> Iterator[slice]:
    """Cut a sequence of records into parts that need at most ``most`` bytes (one record, if it is larger).

    Args:
        lengths: bytes of each record, shape (records,).
        most: bytes.
    """
    ends = np.cumsum(lengths)
    begin = 0
    while begin < len(lengths):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(begin, end)
        begin = end

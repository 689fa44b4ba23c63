"""Records as PyTorch data sets: one with random access, one that is read in order and shared out.

The only module that imports PyTorch. Both data sets are picklable and open their files where they are used, so they
serve loaders with worker processes, forked or spawned.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.samples import PIXELS, SampleReader, reading_order, worker_share


class RecordDataset(Dataset[Any]):  # type: ignore[misc]
    """The records of one epoch, each by its number.

    Args:
        samples: of the epoch.
        layout: CHW or HWC.
    """

    def __init__(self, samples: SampleReader, layout: str) -> None:
        self._samples, self._layout = samples, layout

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Any:
        row = self._row(index)
        return _make_sample(self._samples, self._layout, row, self._samples.stored.read_record(row))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Samples of several numbers at once; from a store elsewhere they are fetched together."""
        if self._samples.stored.is_direct:
            return [self[index] for index in indices]
        rows = [self._row(index) for index in indices]
        records = self._samples.stored.read_records(rows)
        return [_make_sample(self._samples, self._layout, *pair) for pair in zip(rows, records, strict=True)]

    def _row(self, index: int) -> int:
        if -len(self) <= index < len(self):
            return int(index % len(self))
        raise IndexError(f"record {index} of {len(self)}")


class RecordStream(IterableDataset[Any]):  # type: ignore[misc]
    """The records of an epoch in order, each read by exactly one worker of one rank.

    Args:
        by_epoch: samples of each written epoch.
        epoch: 0-based.
        layout: CHW or HWC.
        seed: of the shuffling; None: written order.
        share: rank and number of ranks; None: as torch.distributed or torchrun says.
        even: leave out the last few records, so that all ranks read the same number.
    """

    def __init__(
        self,
        by_epoch: list[SampleReader],
        epoch: int,
        layout: str,
        *,
        seed: int | None,
        share: tuple[int, int] | None,
        even: bool,
    ) -> None:
        self._by_epoch, self._layout, self._seed, self._even = by_epoch, layout, seed, even
        # In shared memory: a loader's persistent workers hear of another epoch too.
        self._shared_epoch = torch.tensor(epoch).share_memory_()
        # Asked here: a spawned worker does not know it.
        self._rank, self._ranks = share or _ask_rank()
        worker_share(0, rank=self._rank, ranks=self._ranks)  # refuses a rank that there is not

    def __len__(self) -> int:
        """Records that this rank reads in an epoch."""
        return len(worker_share(len(self._samples), rank=self._rank, ranks=self._ranks, even=self._even))

    def set_epoch(self, epoch: int) -> None:
        """Read another epoch from the next iteration on: the written epochs in turn, shuffled otherwise each time."""
        if epoch < 0:
            raise ReadError(f"epochs count from 0, got {epoch}")
        self._shared_epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Any]:
        samples, epoch = self._samples, int(self._shared_epoch)
        order = np.arange(len(samples))
        if self._seed is not None:
            order = reading_order(samples.stored.file_names, samples.stored.file_index, self._seed, epoch)
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        part = worker_share(
            len(order), rank=self._rank, ranks=self._ranks, worker=worker, workers=workers, even=self._even
        )
        for row, record in samples.iterate_records(order[part.start : part.stop], seed=self._seed, epoch=epoch):
            yield _make_sample(samples, self._layout, row, record)

    @property
    def _samples(self) -> SampleReader:
        """Of the epoch that is read now."""
        return self._by_epoch[int(self._shared_epoch) % len(self._by_epoch)]


def _ask_rank() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    # What torchrun sets, for a data set that is made before the process group is.
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _make_sample(samples: SampleReader, layout: str, row: int, record: bytes) -> Any:
    values = samples.read_fields(row, record)
    for at, name in enumerate(samples.fields):
        if name == PIXELS:
            pixels = torch.from_numpy(values[at])
            values[at] = pixels.movedim(-1, -3) if layout == "CHW" else pixels
        elif isinstance(values[at], np.ndarray):
            values[at] = torch.from_numpy(values[at])
        elif isinstance(values[at], dict):
            values[at] = {
                part: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
                for part, value in values[at].items()
            }
        elif name == "seed" and values[at] >= 2**63:
            # torch has no arithmetic for uint64: the same 64 bits as int64, as the record holds them.
            values[at] -= 2**64
    return samples.pack_sample(values)

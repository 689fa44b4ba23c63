"""Records for PyTorch, whether it is installed or not: what can be said before it is imported."""

from typing import Any, Literal, TypeAlias

from brev_pipeline.errors import ReadError
from brev_pipeline.readers.samples import SampleReader

Layout: TypeAlias = Literal["CHW", "HWC"]


def make_torch_dataset(
    by_epoch: list[SampleReader],
    epoch: int,
    *,
    layout: Layout,
    iterable: bool,
    shuffle: bool,
    seed: int,
    rank: int | None,
    ranks: int | None,
    drop_remainder: bool,
) -> Any:
    """A map-style data set of one epoch, or an iterable one; see `Records.to_torch`.

    Raises:
        ReadError: PyTorch is not installed, or an option does not go with the others.
    """
    if layout not in ("CHW", "HWC"):
        raise ReadError(f"layout is 'CHW' or 'HWC', not {layout!r}")
    if not iterable and (shuffle or drop_remainder or rank is not None or ranks is not None):
        raise ReadError(
            "shuffle, drop_remainder, rank and ranks go with iterable=True; a data set with random access leaves them "
            "to torch: DataLoader(shuffle=True, drop_last=True), DistributedSampler"
        )
    if (rank is None) != (ranks is None):
        raise ReadError("give both rank and ranks, or neither")
    torch_datasets = _import_torch_datasets()
    if not iterable:
        return torch_datasets.RecordDataset(by_epoch[epoch], layout)
    place = None if rank is None or ranks is None else (rank, ranks)
    return torch_datasets.RecordStream(
        by_epoch, epoch, layout, seed=seed if shuffle else None, place=place, even=drop_remainder
    )


def _import_torch_datasets() -> Any:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ReadError(
            "to_torch needs PyTorch, which is not installed here: pip install torch (to_numpy and to_tf do without it)"
        ) from error
    from brev_pipeline.readers import torch_datasets

    return torch_datasets

"""What PyTorch gets. The package does without it: ``make test-torch`` runs these in an environment that has it."""

import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.errors import ReadError, ShardError
from brev_pipeline.readers import Records
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.readers.test_records import WORLDS
from brev_pipeline_tests.readers.worlds import World

torch = pytest.importorskip("torch", reason="PyTorch is not installed here: make test-torch")
pytestmark = pytest.mark.torch
loaders = torch.utils.data


@pytest.fixture(scope="module")
def records(world: World) -> Records:
    return read(world.store, "train")


def written(records: Records, epoch: int = 0) -> list[int]:
    return [signed(seed) for seed in records.to_numpy(epoch, fields=["seed"])[0].tolist()]


def signed(seed: int) -> int:
    return seed - 2**64 if seed >= 2**63 else seed


def seeds(data: Any, **options: Any) -> list[int]:
    return [int(seed) for batch in loaders.DataLoader(data, **options) for seed in batch[0]]


@pytest.mark.parametrize("name", [*WORLDS, "jpeg"])
@pytest.mark.parametrize("iterable", [False, True])
def test_samples_hold_what_single_records_hold(name: str, iterable: bool, tmp_path: Path) -> None:
    world = World(tmp_path, **WORLDS.get(name, {"shards": {"encoding": "jpeg"}}))
    records = read(world.publish(), "train")
    data = records.to_torch(fields=None, as_dict=True, layout="HWC", iterable=iterable)
    assert len(data) == 23
    samples = list(data) if iterable else [data[i] for i in range(len(data))]
    for expected, sample in zip(records, samples, strict=True):
        assert list(sample) == list(expected)
        np.testing.assert_array_equal(sample["image"].numpy(), expected["image"])
        assert sample["seed"] == signed(expected["seed"])
        for field in ("label", "path", "content_id", "item", "epoch"):
            assert sample[field] == expected[field]
        if "label/multi_hot" in expected:
            assert sample["label/multi_hot"].tolist() == expected["label/multi_hot"].tolist()


def test_pixels_have_their_channels_first_and_labels_make_a_batch(records: Records) -> None:
    images, labels = next(iter(loaders.DataLoader(records.to_torch(), batch_size=23)))
    expected = records.to_numpy()
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    np.testing.assert_array_equal(images.numpy(), expected[0].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(labels.numpy(), expected[1])


def test_a_time_series_has_its_channels_before_its_sides(tmp_path: Path) -> None:
    records = read(World(tmp_path, **WORLDS["series"]).publish(), "train")
    assert records.to_torch()[0][0].shape == (3, 3, 12, 16)
    assert records.to_torch(layout="HWC")[0][0].shape == (3, 12, 16, 3)


def test_rescaled_pixels_are_those_that_numpy_reads(records: Records) -> None:
    image, _ = records.to_torch(rescale="imagenet_stats")[7]
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), records.to_numpy(rescale="imagenet_stats")[0][7])


def test_records_are_read_by_number_also_from_behind_and_no_further(records: Records) -> None:
    data = records.to_torch(1, fields=["seed"])
    assert len(data) == 20
    assert data[-1] == data[19] == (written(records, 1)[-1],)
    assert data.__getitems__([3, 0, 3]) == [data[3], data[0], data[3]]
    for outside in (20, -21):
        with pytest.raises(IndexError):
            data[outside]


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_loaders_with_workers_read_every_record_once(records: Records, context: str) -> None:
    data = records.to_torch(fields=["seed"])
    _ = data[0]  # a file is open when the workers begin
    options = {"batch_size": 4, "num_workers": 2, "multiprocessing_context": context}
    assert sorted(seeds(data, shuffle=True, **options)) == sorted(written(records))
    for shuffle in (False, True):
        stream = records.to_torch(fields=["seed"], iterable=True, shuffle=shuffle)
        next(iter(stream))
        assert sorted(seeds(stream, **options)) == sorted(written(records))


def test_a_stream_keeps_the_written_order_and_shuffles_by_seed_and_epoch(records: Records) -> None:
    def order(seed: int, epoch: int = 0) -> list[int]:
        data = records.to_torch(fields=["seed"], iterable=True, shuffle=True, seed=seed)
        data.set_epoch(epoch)
        return seeds(data, batch_size=4)

    assert seeds(records.to_torch(fields=["seed"], iterable=True), batch_size=4) == written(records)
    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == sorted(written(records))
    assert sorted(order(1, 1)) == sorted(written(records, 1))
    assert sorted(order(1, 2)) == sorted(order(1))
    assert order(1, 2) != order(1)


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_persistent_workers_hear_of_another_epoch(records: Records, context: str) -> None:
    data = records.to_torch(fields=["seed"], iterable=True, shuffle=True)
    options = {"batch_size": 4, "num_workers": 2, "persistent_workers": True, "multiprocessing_context": context}
    loader = loaders.DataLoader(data, **options)
    orders = []
    for epoch in range(3):
        data.set_epoch(epoch)
        orders.append([int(seed) for batch in loader for seed in batch[0]])
    assert [sorted(order) for order in orders] == [sorted(written(records, epoch)) for epoch in (0, 1, 0)]
    assert orders[0] != orders[2]


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("even", [False, True])
def test_ranks_and_workers_share_the_records_exactly(records: Records, workers: int, even: bool) -> None:
    def part(rank: int) -> list[int]:
        data = records.to_torch(fields=["seed"], iterable=True, shuffle=True, rank=rank, ranks=3, drop_remainder=even)
        found = seeds(data, batch_size=2, num_workers=workers)
        assert len(found) == len(data)
        return found

    parts = [part(rank) for rank in range(3)]
    every = [seed for one in parts for seed in one]
    assert len(every) == len(set(every)) == (21 if even else 23)
    assert set(every) <= set(written(records))
    assert {len(one) for one in parts} == ({7} if even else {7, 8})


def test_torchruns_environment_says_the_rank(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        found += seeds(records.to_torch(fields=["seed"], iterable=True))
    assert found == written(records)


def of_rank(rank: int, place: str, store: str, queue: Any) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    records = read(store, "train")
    queue.put(seeds(records.to_torch(fields=["seed"], iterable=True), num_workers=2, multiprocessing_context="spawn"))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_of_a_distributed_training_share_the_records(world: World, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    arguments = (str(tmp_path / "meeting"), world.store.folder.url, queue)
    processes = [context.Process(target=of_rank, args=(rank, *arguments)) for rank in range(2)]
    for process in processes:
        process.start()
    found = [seed for _ in processes for seed in queue.get(timeout=240)]
    for process in processes:
        process.join(60)
    assert sorted(found) == sorted(written(read(world.store, "train")))


def test_data_sets_travel_to_other_processes_without_their_open_files(records: Records) -> None:
    for data in (records.to_torch(), records.to_torch(iterable=True)):
        first = next(iter(data))
        assert len(pickle.dumps(data)) < 20_000
        torch.testing.assert_close(next(iter(pickle.loads(pickle.dumps(data)))), first)


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_read_from_s3_after_their_parent_did(s3_store: PipelineStore, context: str) -> None:
    records = read(s3_store, "train")
    options = {"batch_size": 4, "num_workers": 2, "multiprocessing_context": context, "timeout": 60}
    for iterable in (False, True):
        data = records.to_torch(fields=["seed"], iterable=iterable)
        assert next(iter(data)) == (written(records)[0],)
        assert sorted(seeds(data, **options)) == sorted(written(records))


@pytest.mark.parametrize("read_all", [lambda data: data[0], lambda data: list(data)])
def test_damage_is_found(tmp_path: Path, read_all: Callable[[Any], Any]) -> None:
    version = World(tmp_path).publish()
    records = read(version, "train")
    file = Path(version.path) / records.records["file"][0].as_py()
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    os.utime(file)
    with pytest.raises(ShardError, match="is damaged: the record at byte 0"):
        read_all(records.to_torch(iterable=read_all.__code__.co_names == ("list",)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layout": "WHC"}, "layout is 'CHW' or 'HWC'"),
        ({"shuffle": True}, r"DataLoader\(shuffle=True"),
        ({"rank": 0, "ranks": 2}, "DistributedSampler"),
        ({"rank": 0, "iterable": True}, "both rank and ranks"),
        ({"rank": 2, "ranks": 2, "iterable": True}, "rank 2 of 2"),
        ({"epoch": 2}, "there is no epoch 2"),
        ({"fields": ["colour"]}, "no field 'colour'"),
        ({"rescale": "half"}, "not 'half'"),
    ],
)
def test_options_that_make_no_sense_are_refused(records: Records, asked: dict, said: str) -> None:
    with pytest.raises(ReadError, match=said):
        records.to_torch(**asked)


def test_epochs_count_from_zero(records: Records) -> None:
    with pytest.raises(ReadError, match="count from 0"):
        records.to_torch(iterable=True).set_epoch(-1)

"""Cross-validation from one version: folds beside a test set, from photos to the readers, and what may not change."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brev_pipeline import read
from brev_pipeline.cli.audit import verify_versions
from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ReadError
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, run

pytestmark = pytest.mark.slow

FOLDS = ["fold0", "fold1", "fold2"]
TEXT = SETTINGS.replace("purposes: {train: 0.6, test: 0.2}", "purposes: {test: 0.2}\n  folds: 3").replace(
    "shards: {records_per_shard: 8}", "shards: {records_per_shard: 8, epochs: 2}"
)


def configured(folder: Path, **split: Any) -> PipelineConfig:
    config = configure(folder, TEXT)
    return configure(folder, TEXT, split=config.split.model_dump() | {"access_log": ["test"]} | split)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published once; with a byte copy of one photo in its own item."""
    folder = tmp_path_factory.mktemp("folds")
    draw_photos(folder / "photos", {"good": 12, "bad": 8})
    shutil.copy(folder / "photos/good/1_0.png", folder / "photos/good/1_7.png")
    done = run(configured(folder))
    assert done.success, done.failures
    assert not [name for name in done.failed_checks if not name.endswith("groups_fit")]
    return folder


def photos(folder: Path) -> set[str]:
    return {f"photos/{file.relative_to(folder / 'photos')}" for file in (folder / "photos").rglob("*.png")}


def items(paths: list[str]) -> set[str]:
    return {path.rpartition("_")[0] for path in paths}


def test_each_photo_is_held_out_exactly_once(folder: Path) -> None:
    where = str(folder / "store/parts")
    tested = read(where, "test", why="the test of a test").records["path"].to_pylist()
    held: Counter[str] = Counter()
    for fold in FOLDS:
        out = read(where, fold, augmented=False)
        train = read(where, [name for name in FOLDS if name != fold], augmented=True)
        mine = out.records["path"].to_pylist()
        held.update(mine)
        assert not items(mine) & items(train.records["path"].to_pylist())
        assert not items(mine) & items(tested)
        assert out.epochs == 1
        assert train.epochs == 2
        images, labels = train.to_numpy(epoch=1)
        assert len(images) == len(labels) == sum(epoch == 1 for epoch in train.records["epoch"].to_pylist())
        assert set(out.records["ordinal"].to_pylist()) <= {-1, -2}
    assert set(held.values()) == {1}
    assert set(held) | set(tested) == photos(folder)
    assert not set(held) & set(tested)


def test_seeds_are_those_of_the_documented_formula(folder: Path) -> None:
    rows = read(str(folder / "store/parts"), FOLDS, augmented=False).records.to_pylist()
    for row in rows:
        message = f"{row['epoch']}\xff{row['content_id']}\xff{row['ordinal']}".encode("latin-1")
        digest = hashlib.blake2b(message, digest_size=8, key=(3).to_bytes(8, "big")).digest()
        assert row["seed"] == int.from_bytes(digest, "big")
    assert len({row["seed"] for row in rows}) == len(rows)


def test_photos_as_they_are_are_not_changed(folder: Path) -> None:
    import cv2

    out = read(str(folder / "store/parts"), "fold0", augmented=False)
    for record in (out[number] for number in range(len(out))):
        photo = cv2.cvtColor(cv2.imread(str(folder / record["path"])), cv2.COLOR_BGR2RGB)
        wanted = cv2.resize(photo, (32, 24), interpolation=cv2.INTER_LINEAR)
        assert np.abs(record["image"].astype(int) - wanted).max() <= 1


def test_folds_ask_which_and_lists_read_ordinary_purposes_too(folder: Path) -> None:
    where = str(folder / "store/parts")
    with pytest.raises(ReadError, match=r"augmented=True .* augmented=False"):
        read(where, "fold0")
    with pytest.raises(ReadError, match=r"no records of purpose 'fold7'; it has .*fold0"):
        read(where, ["fold0", "fold7"], augmented=True)
    with pytest.raises(ReadError, match=r"test.*logged"):
        read(where, ["fold0", "test"], augmented=False)
    both = read(where, ["fold0", "test"], augmented=False, why="final figures")
    assert set(both.records["purpose"].to_pylist()) == {"fold0", "test"}
    assert both.to_numpy()[0].shape[0] == len(both)


def test_tensorflow_reads_several_folds(folder: Path) -> None:
    pytest.importorskip("tensorflow")
    train = read(str(folder / "store/parts"), ["fold0", "fold2"], augmented=True)
    shown = [
        int(seed) & (2**64 - 1)
        for batch in train.to_tf(fields=["seed"], batch_size=4, as_dict=True)
        for seed in batch["seed"]
    ]
    wanted = [row["seed"] for row in train.records.to_pylist() if row["epoch"] == 0]
    assert sorted(shown) == sorted(wanted)


def test_tfds_opens_both_parts(folder: Path) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    where = str(folder / "store/parts")
    builder = tfds.builder_from_directory(read(where, "fold1", augmented=False).path)
    assert set(builder.info.splits) == {"test", *FOLDS, *(f"{fold}_augmented" for fold in FOLDS)}
    for part, augmented in (("fold1", False), ("fold1_augmented", True)):
        config = tfds.ReadConfig(interleave_cycle_length=1)
        data = list(tfds.as_numpy(builder.as_dataset(split=part, read_config=config)))
        ours = read(where, "fold1", augmented=augmented)
        assert [row["path"].decode() for row in data] == ours.records["path"].to_pylist()
        assert (data[0]["image/encoded"] == ours[0]["image"]).all()


def test_verify_finds_nothing_and_makes_the_records_again(folder: Path) -> None:
    found, made = verify_versions(configured(folder), None, deep=None)
    (version,) = found.versions
    assert not version.problems
    assert not version.unchecked
    (again,) = made
    assert again.is_whole, again
    assert again.same == again.records


def test_more_photos_copy_what_is_there_and_other_folds_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    before = {
        row["path"]: row["purpose"]
        for row in read(str(copy / "store/parts"), FOLDS, augmented=False).records.to_pylist()
    }
    draw_photos(copy / "photos", {"bad": 10})
    done = run(configured(copy))
    assert done.success, done.failures
    after = {
        row["path"]: row["purpose"]
        for row in read(str(copy / "store/parts"), FOLDS, augmented=False).records.to_pylist()
    }
    assert before.items() <= after.items()
    assert len(PipelineStore.from_config(configured(copy)).publications.read_all()) == 2
    assert not verify_versions(configured(copy), None, every=True)[0].versions[0].problems
    for folds, said in ((4, "has 3 folds, the configuration now has 4 folds"), (None, "now has no folds")):
        other = {"folds": folds} if folds else {"folds": None, "purposes": {"train": 0.5, "test": 0.2}}
        names = [f"fold{number}" for number in range(folds)] if folds else ["train"]
        config = configure(
            copy,
            TEXT,
            split=configured(copy).split.model_dump() | other,
            sampling=configured(copy).sampling.model_dump() | {"purposes": names},
        )
        refused = run(config)
        assert not refused.success
        assert said in refused.failures
        assert "name" in refused.failures

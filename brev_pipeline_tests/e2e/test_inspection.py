"""The whole chain on real photos: 278 ball screws, a byte copy among them, items that stand in both classes."""

from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pytest

from brev_pipeline.config import PipelineConfig, parse_config
from brev_pipeline_tests.pipelines import Run, hashes, run

SETTINGS = r"""
name: ball_screws
store: store
datasets:
  - {name: BSData, id: bsdata, bucket: inspection, reference: 2Obe/BSData}
listing:
  class_mapping: {pitting: pitting, no_pitting: no_pitting}
image: {target_size: [128, 128]}
split:
  stratification: [category]
  uniqueness: '(?:\d{2}_\d{12}_(\d{6}_\d{3})|(KGT\d-[SV]-\d{3}-A\d{2}))_crop_\d\.jpg$'
  uniqueness_scope: global
  seed: 42
  purposes: {train: 0.7, test: 0.15}
sampling: {groupby: [category], group_weighing: square root, seed: 3}
shards: {records_per_shard: 50, epochs: 2}
"""


def configure(shared: Path, store: Path) -> PipelineConfig:
    return (
        parse_config(SETTINGS, base=shared / "data").model_copy(update={"store": str(store)}).with_base(shared / "data")
    )


@pytest.fixture(scope="module")
def ran(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(configure(shared, tmp_path_factory.mktemp("store")))


def test_the_run_publishes_a_version(ran: Run) -> None:
    assert ran.success, ran.failures
    # At most a warning: some places were photographed so often that one of them fills a quota of 15 %.
    assert set(ran.failed_checks) <= {"sample_split.groups_fit"}
    assert len(ran.store.publications.read_all()) == 1


def test_every_photo_is_listed_and_the_copy_is_found(ran: Run) -> None:
    _, version = ran.store.newest_version()
    listing = version.read_table("listing")
    assert listing.num_rows == 278
    copies = listing.filter(pc.is_valid(listing["duplicate_of"]))
    assert [Path(path).parent.name for path in copies["path"].to_pylist()] == ["recheck"]
    assert version.read_manifest()["counts"]["excluded"] == 0


def test_no_leak_group_stands_on_two_sides(ran: Run) -> None:
    split = ran.store.newest_version()[1].read_table("assignments").to_pandas()
    assert len(split) == 278
    assert set(split["purpose"]) == {"train", "test", "devel"}
    for column in ("leak_group", "content_id", "pixel_id", "item"):
        assert split.groupby(column)["purpose"].nunique().max() == 1
    # Wear progresses: most places that were photographed many times stand in both classes.
    assert split.groupby("item")["stratum"].nunique().max() == 2


def test_the_drawn_class_frequencies_are_the_weight_tables(ran: Run) -> None:
    _, version = ran.store.newest_version()
    weights = version.read_table("weights").to_pylist()
    records = version.read_table("records")
    for epoch in range(2):
        drawn = Counter(
            records.filter(pc.equal(records["epoch"], epoch))
            .filter(pc.field("purpose") == "train")["group"]
            .to_pylist()
        )
        total = sum(drawn.values())
        for row in weights:
            if row["purpose"] == "train":
                assert abs(drawn[row["group"]] - row["probability"] * total) <= 1
    once = records.filter(pc.is_in(records["purpose"], value_set=pc.cast(["test", "devel"], "string")))
    assert not any(once["augmented"].to_pylist())


def test_tensorflow_reads_every_record_with_its_own_crc_check(ran: Run) -> None:
    import tensorflow as tf

    _, version = ran.store.newest_version()
    records = version.read_table("records")
    files = sorted(set(records["file"].to_pylist()))
    read = Counter()
    for file in files:
        for raw in tf.data.TFRecordDataset(version.folder.file_url(file)):
            example = tf.train.Example.FromString(raw.numpy())
            read[file] += 1
            pixels = tf.io.decode_png(example.features.feature["image/encoded"].bytes_list.value[0])
            assert pixels.shape == (128, 128, 3)
    assert read == Counter(records["file"].to_pylist())


@pytest.mark.slow
def test_two_runs_into_two_stores_are_byte_identical(ran: Run, shared: Path, tmp_path: Path) -> None:
    again = run(configure(shared, tmp_path))
    assert again.success, again.failures
    one, two = Path(ran.store.versions.url), Path(again.store.versions.url)
    assert hashes(one) == hashes(two)
    assert hashes(one)


def test_a_second_run_publishes_nothing_new(ran: Run, shared: Path) -> None:
    store = Path(ran.store.folder.url).parent
    again = run(configure(shared, store))
    assert again.success, again.failures
    assert len(ran.store.publications.read_all()) == 1
    assert ran.store.staging_area.list_names() == []

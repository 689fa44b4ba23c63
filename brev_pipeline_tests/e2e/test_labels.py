"""Labels over a pipeline's life: classes come, go and come back, and every number means what it meant."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import brev_pipeline
from brev_pipeline.audit import trace_image, verify_store
from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ReadError
from brev_pipeline.release.assignments import read_history
from brev_pipeline.store import PipelineStore
from brev_pipeline.store.versions import MANIFEST
from brev_pipeline_tests.audit.forging import Forgery
from brev_pipeline_tests.pipelines import configure, draw_photos, hashes, published_versions, run

pytestmark = pytest.mark.slow

TOLERANT = {"raw_listing": {"max_shrinkage": 1.0}, "sample_split": {"max_fraction_error": 1.0}}


def configured(folder: Path, classes: list[str] | None = None, **sections: Any) -> PipelineConfig:
    return configure(folder, listing={"classes": classes}, validation=TOLERANT, **sections)


def publish(folder: Path, classes: list[str] | None = None, **sections: Any) -> dict[str, Any]:
    """The manifest that a run publishes."""
    done = run(configured(folder, classes, **sections))
    assert done.success, done.failures
    newest = done.store.newest_version()
    assert newest is not None
    return newest[1].read_manifest()


@pytest.fixture
def pair(tmp_path: Path, published: Callable[..., Path]) -> Path:
    """A pipeline that has published two classes, the good ones first."""
    return published(tmp_path, {"good": 6, "bad": 6}, listing={"classes": ["good", "bad"]}, validation=TOLERANT)


def labels(store: PipelineStore) -> dict[str, int]:
    """Class folder → label, of every record of the newest version: one each."""
    newest = store.newest_version()
    assert newest is not None
    records = newest[1].read_table("records").select(["path", "label"]).to_pylist()
    pairs = {(row["path"].split("/")[1], row["label"]) for row in records}
    assert len(pairs) == len({name for name, _ in pairs})
    return dict(pairs)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], list[dict[str, int]]]:
    """Five versions: two classes; one more, that sorts first; the first class gone; the same again; back."""
    folder = tmp_path_factory.mktemp("life")
    photos, away = folder / "photos", folder / "away"
    store = PipelineStore.from_config(configured(folder))
    manifests, found = [], []

    def note(classes: list[str] | None = None) -> None:
        manifests.append(publish(folder, classes))
        found.append(labels(store))

    draw_photos(photos, {"good": 6, "bad": 6})
    note(["good", "bad", "not yet"])
    draw_photos(photos, {"ajar": 6})
    note(["bad", "good", "ajar"])
    shutil.move(photos / "good", away)
    note()
    note()
    shutil.move(away, photos / "good")
    note()
    return folder, manifests, found


Life = tuple[Path, list[dict[str, Any]], list[dict[str, int]]]


def test_a_class_keeps_its_number_through_all_versions(life: Life) -> None:
    _, manifests, found = life
    assert [one["classes"] for one in manifests] == [["good", "bad"], *([["good", "bad", "ajar"]] * 4)]
    assert found[0] == {"good": 0, "bad": 1}
    assert found[1] == found[4] == {"good": 0, "bad": 1, "ajar": 2}
    assert found[2] == {"bad": 1, "ajar": 2}


def test_the_same_images_give_the_same_version(life: Life) -> None:
    _, manifests, _ = life
    assert manifests[2] == manifests[3]
    assert manifests[4]["files"]["records.parquet"] == manifests[1]["files"]["records.parquet"]


def test_every_version_verifies(life: Life) -> None:
    found = verify_store(PipelineStore.from_config(configured(life[0])), every=True)
    assert found.is_well, [*found.problems, *(one.problems for one in found.versions)]


def test_tfds_opens_a_version_with_a_class_that_has_gone(life: Life) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = life[0]
    store = PipelineStore.from_config(configured(folder))
    without = published_versions(store)[2]
    builder = tfds.builder_from_directory(without.path)
    assert builder.info.features["label"].names == ["good", "bad", "ajar"]
    read = tfds.ReadConfig(interleave_cycle_length=1)
    seen = [
        (example["path"].decode().split("/")[1], int(example["label"]))
        for example in tfds.as_numpy(builder.as_dataset(split="train", read_config=read))
    ]
    assert set(seen) == {("bad", 1), ("ajar", 2)}
    told = json.loads(without.folder.read("metadata.json"))["purposes"]["train"]["records_of_each_class"]
    counted = Counter(name for name, _ in seen)
    assert told == {"good": 0, "bad": counted["bad"], "ajar": counted["ajar"]}
    assert brev_pipeline.read(without, "train").classes == ["good", "bad", "ajar"]


def test_multi_hot_vectors_count_the_class_that_has_gone(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 4, "bad": 4, "worn": 4})
    both = {"bad": ["bad", "defect"]}
    listing = {"class_mapping": both, "classes": ["worn", "good", "bad", "defect"]}
    done = run(configure(tmp_path, listing=listing, validation=TOLERANT))
    assert done.success, done.failures
    shutil.rmtree(tmp_path / "photos/worn")
    done = run(configure(tmp_path, listing={"class_mapping": both}, validation=TOLERANT))
    assert done.success, done.failures
    records = brev_pipeline.read(tmp_path / "store/parts", "train")
    assert records.classes == ["worn", "good", "bad", "defect"]
    found = {
        (one["path"].split("/")[1], one["label"], tuple(one["label/multi_hot"]))
        for one in map(records.__getitem__, range(len(records)))
    }
    assert found == {("good", 1, (0, 1, 0, 0)), ("bad", 2, (0, 0, 1, 1))}
    assert verify_store(done.store, every=True).is_well


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (["bad", "good", "ajar"], "'good' has the label 1, version"),
        (["good", "bad", "ajar", "never was"], "neither an image nor the version before has ['never was']"),
        (["good", "bad", "ajar", "good"], "classes holds ['good'] twice"),
        (["bad", "ajar"], "'good' has no label, version"),
    ],
)
def test_a_forged_map_is_named(life: Life, tmp_path: Path, forged: list[str], said: str) -> None:
    """Rewritten from end to end: labels, shards and all hashes follow the forged map; only the history knows better."""
    folder = tmp_path / "copy"
    shutil.copytree(life[0], folder)
    store = PipelineStore.from_config(configured(folder))
    if "good" not in forged:
        shutil.rmtree(folder / "photos/good")
        publish(folder)
    forgery = Forgery.of(store)
    forgery.manifest["classes"] = forged
    if len(set(forged)) == len(forged):
        forgery.redraw()
    forgery.publish()
    found = verify_store(store)
    problems = [*found.problems, *(line for one in found.versions for line in one.problems)]
    assert any(said in line for line in problems), problems


def test_a_manifest_that_was_altered_gives_no_labels(pair: Path) -> None:
    config = configured(pair)
    store = PipelineStore.from_config(config)
    assert read_history(store, config).classes == ("good", "bad")
    newest = store.newest_version()
    assert newest is not None
    file = Path(newest[1].folder.file_url(MANIFEST))
    file.chmod(0o644)
    file.write_text(file.read_text().replace('"good",\n  "bad"', '"bad",\n  "good"'))
    assert newest[1].read_manifest()["classes"] == ["bad", "good"]
    with pytest.raises(Exception, match="altered: its hash does not begin with"):
        read_history(store, config)
    done = run(config)
    assert not done.success
    assert "altered" in done.failures


def test_a_run_whose_map_is_not_the_newest_ones_fails_its_check(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(pair / "photos", {"ajar": 6})
    with monkeypatch.context() as patched:
        # As the code before did: the classes of each version sorted anew.
        patched.setattr(
            "brev_pipeline.split.label_map.build_label_map", lambda present, _earlier, _order: sorted(present)
        )
        done = run(configured(pair))
    assert not done.success
    assert "sample_split.labels_kept" in done.failed_checks
    check = next(one for one in done.checks if one.check_name == "labels_kept")
    rows = check.metadata["examples"].records
    assert [dict(row.data) for row in rows] == [{"class": "good", "was": 0, "now": 2}]
    assert publish(pair)["classes"] == ["good", "bad", "ajar"]


def test_the_labels_are_told_and_a_changed_order_too(pair: Path) -> None:
    done = run(configured(pair, ["bad", "good"]))
    assert done.success, done.failures
    (event,) = [
        one for one in done.result.get_asset_materialization_events() if one.asset_key.path[-1] == "sample_split"
    ]
    metadata = event.materialization.metadata
    assert "| 0 | good | 12 |" in metadata["labels"].value
    assert "a class keeps its number for good" in metadata["order of the labels"].value


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and configuration in ``first``, the store beside it in ``results``; not to be changed."""
    folder = tmp_path_factory.mktemp("apart")
    draw_photos(folder / "first/photos", {"good": 6, "bad": 6})
    publish(folder / "first", store="../results")
    return folder


def test_the_photo_behind_a_record_opens_wherever_the_checkout_went(apart: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(apart, moved)
    records = brev_pipeline.read(moved / "results/parts", "train")
    for number in range(len(records)):
        path = records[number]["path"]
        file = moved / "first" / path
        assert records.place(number) == str(file)
        with records.open(number) as photo:
            assert photo.read() == file.read_bytes()
    with pytest.raises(IndexError, match=f"record {len(records)} of {len(records)}"):
        records.open(len(records))
    version = moved / "results/parts/versions" / records.version
    assert str(apart) not in (version / MANIFEST).read_text()


def test_a_copied_version_asks_for_the_folder_and_other_bytes_are_refused(pair: Path) -> None:
    newest = PipelineStore.from_config(configured(pair)).newest_version()
    assert newest is not None
    copy = pair / "elsewhere" / "copy"
    shutil.copytree(newest[1].path, copy)
    records = brev_pipeline.read(copy, "devel")
    with pytest.raises(ReadError, match="give base=, the folder of the configuration"):
        records.open(0)
    place = Path(records.place(0, base=pair))
    before = place.read_bytes()
    assert records.open(0, base=pair).read() == before
    place.write_bytes(before + b"more")
    with pytest.raises(ReadError, match=r"was changed since version .* verify=False gives what is there now"):
        records.open(0, base=pair)
    assert records.open(0, base=pair, verify=False).read() == before + b"more"
    place.unlink()
    with pytest.raises(ReadError, match="was deleted after it was listed"):
        records.open(0, base=pair)


def test_a_store_copied_away_from_its_photos_says_where_they_are_missing(apart: Path, tmp_path: Path) -> None:
    first, copy = apart / "first", tmp_path / "elsewhere" / "deep" / "results"
    shutil.copytree(apart / "results", copy)
    records = brev_pipeline.read(copy / "parts", "devel")
    gone = re.escape(str(copy.parent / "first/photos"))
    said = f"the dataset photos of version .* is not there: the store says the folder {gone}.*; give as base="
    for ask in (records.place, records.open):
        with pytest.raises(ReadError, match=said):
            ask(0)
        with pytest.raises(ReadError, match=rf"seen from base={re.escape(str(copy))} it would be the folder"):
            ask(0, base=copy)
    assert records.place(0, base=first) == str(first / records[0]["path"])
    store = PipelineStore.from_config(configured(first, store=str(copy)))
    newest = store.newest_version()
    assert newest is not None
    place = trace_image(store, newest[1], path=records[0]["path"])["place"]
    assert place["address"] is None
    assert re.search(said, place["note"])


def test_two_stores_hold_the_same_bytes_of_the_same_images(pair: Path) -> None:
    publish(pair, ["good", "bad"], store="other")
    one, two = (hashes(pair / name / "parts/versions") for name in ("store", "other"))
    assert one
    assert one == two


def test_vectors_go_when_no_image_has_several_classes_any_more(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 5, "bad": 5, "both": 2})
    listing = {"class_mapping": {"both": ["bad", "good"], "good": "good"}}
    first = run(configure(tmp_path, listing=listing, validation=TOLERANT))
    assert first.success, first.failures
    shutil.rmtree(tmp_path / "photos/both")
    done = run(configure(tmp_path, listing=listing, validation=TOLERANT))
    assert done.success, done.failures
    found = verify_store(done.store)
    assert found.is_well, found.versions[0].problems

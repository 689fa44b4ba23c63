"""What stands in the files for other readers, and that it hangs on content alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ShardError
from brev_pipeline.exporters import export_files
from brev_pipeline.records import RECORD_VERSION, decode_example
from brev_pipeline_tests.conftest import REPOSITORY
from brev_pipeline_tests.exporters.folders import arguments, made, parsed
from brev_pipeline_tests.readers.worlds import World

FOR_TFDS = {"dataset_info.json", "features.json", "label.labels.txt"}
PLAIN = {"metadata.json", "croissant.json"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    counts = {("train", 0): 23, ("train", 1): 20, ("devel", 0): 5}
    return World(tmp_path_factory.mktemp("world"), counts, several=True)


@pytest.fixture(scope="module")
def given_(world: World) -> dict:
    return arguments(world, world.publish())


def tfds_feature(files: dict[str, bytes], name: str) -> dict:
    feature: dict = parsed(files, "features.json")["featuresDict"]["features"][name]
    return feature


@pytest.mark.parametrize(
    ("encoding", "shape", "name", "kind", "sides"),
    [
        ("png", (12, 16, 3), "image/encoded", "image", ["12", "16", "3"]),
        ("jpeg", (12, 16, 1), "image/encoded", "image", ["12", "16", "1"]),
        ("raw", (12, 16, 3), "image/raw", "tensor", ["12", "16", "3"]),
        ("png", (4, 6, 8, 1), "image/encoded", "image", ["24", "8", "1"]),
        ("raw", (4, 6, 8, 3), "image/raw", "tensor", ["24", "8", "3"]),
    ],
)
def test_pixels_are_described_in_the_shape_in_which_they_are_stored(
    tmp_path: Path, encoding: str, shape: tuple[int, ...], name: str, kind: str, sides: list[str]
) -> None:
    files = made(World(tmp_path, shapes=(shape,), shards={"encoding": encoding}))
    pixels = tfds_feature(files, name)[kind]
    assert (pixels["shape"]["dimensions"], pixels["dtype"]) == (sides, "uint8")
    assert pixels.get("encodingFormat") == (None if encoding == "raw" else encoding)
    assert pixels.get("encoding") == ("bytes" if encoding == "raw" else None)
    assert ("image/frames" in parsed(files, "features.json")["featuresDict"]["features"]) == (len(shape) == 4)


def test_a_side_in_which_images_differ_is_open(tmp_path: Path) -> None:
    files = made(World(tmp_path, shapes=((12, 16, 3), (9, 16, 3))))
    assert tfds_feature(files, "image/encoded")["image"]["shape"]["dimensions"] == ["-1", "16", "3"]
    image = parsed(files, "metadata.json")["image"]
    assert (image["height"], image["width"], image["channels"], image["frames"]) == (None, 16, 3, None)


def test_raw_pixels_without_a_common_size_are_not_shown_to_tfds_which_is_said(tmp_path: Path) -> None:
    files = made(World(tmp_path, shapes=((12, 16, 3), (9, 16, 3)), shards={"encoding": "raw"}))
    assert "image/raw" not in parsed(files, "features.json")["featuresDict"]["features"]
    assert "supervisedKeys" not in parsed(files, "dataset_info.json")
    assert "image/raw" in parsed(files, "metadata.json")["tfds"]["notes"][1]


def test_several_categories_are_a_vector_of_all_classes(given_: dict) -> None:
    files = export_files(**given_)
    assert tfds_feature(files, "label/multi_hot")["tensor"]["shape"]["dimensions"] == ["3"]
    assert tfds_feature(files, "label")["classLabel"]["numClasses"] == "3"


def test_a_category_of_an_image_that_was_not_drawn_adds_no_feature(tmp_path: Path) -> None:
    world = World(tmp_path)
    drawn = world.draws.select(["path", "category"])
    undrawn = pa.table({"path": ["photos/x.bmp"], "category": [["good", "bad"]]}, drawn.schema)
    split = pa.concat_tables([drawn, undrawn])
    assert "label/multi_hot" not in parsed(made(world, split=split), "features.json")["featuresDict"]["features"]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("encoding", ["png", "jpeg", "raw"])
@pytest.mark.parametrize("shape", [(12, 16, 3), (4, 6, 8, 1)])
def test_the_listed_features_are_those_of_each_record(
    tmp_path: Path, shape: tuple[int, ...], encoding: str, several: bool
) -> None:
    world = World(tmp_path, shapes=(shape,), several=several, shards={"encoding": encoding})
    version = world.publish()
    listed = parsed(export_files(**arguments(world, version)), "metadata.json")["record_schema"]["features"]
    for row in version.read_table("records").to_pylist():
        features = decode_example(version.folder.read(row["file"], row["offset"] + 12, row["length"]))
        assert list(features) == [feature["name"] for feature in listed]
        for feature in listed:
            values = features[feature["name"]]
            assert len(values) == feature["values"]
            assert isinstance(values[0], bytes) == (feature["stored"] == "bytes_list")


@given(data=st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_bytes_do_not_hang_on_the_order_of_rows(given_: dict, data: st.DataObject) -> None:
    tables = {name: given_[name] for name in ("split", "images", "records")}
    orders = {name: data.draw(st.permutations(range(table.num_rows))) for name, table in tables.items()}
    mixed = {name: table.take(pa.array(orders[name], pa.int64())) for name, table in tables.items()}
    files = dict(sorted(given_["files"].items(), reverse=True))
    assert export_files(**given_ | mixed | {"files": files}) == export_files(**given_)


def test_the_bytes_do_not_hang_on_places_people_or_machinery(given_: dict, tmp_path: Path) -> None:
    config: PipelineConfig = given_["config"]
    elsewhere = {
        "store": "s3://elsewhere/store",
        "description": "x",
        "owners": ["team:x"],
        "engine": {"workers": 7},
        "schedule": {"cron": "1 2 3 4 5"},
    }
    other = PipelineConfig.model_validate(config.model_dump(mode="json") | elsewhere).with_base(tmp_path)
    made_here = export_files(**given_)
    assert export_files(**given_ | {"config": other}) == made_here
    assert not [name for name, data in made_here.items() if str(config.base_folder).encode() in data]


def test_counts_are_those_of_the_record_table(given_: dict) -> None:
    files = export_files(**given_)
    records: pa.Table = given_["records"]
    splits = {split["name"]: split for split in parsed(files, "dataset_info.json")["splits"]}
    told = parsed(files, "metadata.json")["purposes"]
    assert set(splits) == {"train", "devel"}
    for name, split in splits.items():
        own = records.filter(pc.equal(records["purpose"], name))
        lengths = [own.filter(pc.equal(own["shard"], n)).num_rows for n in range(len(split["shardLengths"]))]
        assert [int(length) for length in split["shardLengths"]] == lengths
        assert int(split["numBytes"]) == sum(given_["files"][f]["bytes"] for f in own["file"].unique().to_pylist())
        assert told[name]["records"] == own.num_rows == sum(lengths)
        assert told[name]["augmented"] == pc.sum(own["augmented"]).as_py()
        assert list(told[name]["records_of_each_class"].values()) == [
            own.filter(pc.equal(own["label"], label)).num_rows for label in range(3)
        ]
    assert told["train"]["records_of_each_epoch"] == [23, 20]
    # The shards of an epoch stand together: the slice [23:] of train is its second epoch.
    epochs = records.filter(pc.equal(records["purpose"], "train"))["epoch"].to_numpy()
    np.testing.assert_array_equal(epochs, np.repeat([0, 1], [23, 20]))


def test_a_purpose_without_records_is_told_of_but_no_split(given_: dict) -> None:
    files = export_files(**given_)
    told = parsed(files, "metadata.json")
    assert told["purposes"]["test"]["records"] == told["purposes"]["test"]["shards"] == 0
    assert told["tfds"]["opens"] is True
    assert told["tfds"]["notes"][1:] == ["no split test: there are no records of it"]
    assert "test-shards" not in {node["@id"] for node in parsed(files, "croissant.json")["distribution"]}


def test_gzip_shards_get_no_files_for_tfds_and_the_reason_is_given(tmp_path: Path) -> None:
    files = made(World(tmp_path, shards={"compression": "gzip"}))
    assert set(files) == PLAIN
    told = parsed(files, "metadata.json")["tfds"]
    assert told["opens"] is False
    assert "shards.compression" in told["because"]
    assert "compressed with gzip" in parsed(files, "croissant.json")["distribution"][-1]["description"]


def test_a_version_without_records_gets_no_files_for_tfds_and_the_reason_is_given(given_: dict) -> None:
    files = export_files(**given_ | {"records": given_["records"].slice(0, 0)})
    assert set(files) == PLAIN
    assert parsed(files, "metadata.json")["tfds"] == {"opens": False, "because": "the version has no records"}


@pytest.mark.parametrize("changes", [{"name": "ümlaut"}, {"split": {"purposes": {"train": 0.5, "All": 0.1}}}])
def test_names_that_tfds_refuses_get_no_files_for_it(given_: dict, changes: dict) -> None:
    # No configuration has such a name of a pipeline; "all" is allowed as a purpose.
    config: PipelineConfig = given_["config"]
    parts = {key: value if key == "name" else config.split.model_validate(value) for key, value in changes.items()}
    assert set(export_files(**given_ | {"config": config.model_copy(update=parts)})) == PLAIN


@pytest.mark.parametrize("odd", ["two\nlines", " space", "", "thin\u2009"])
def test_class_names_that_tfds_would_read_otherwise_get_no_file_of_names(given_: dict, odd: str) -> None:
    files = export_files(**given_ | {"classes": [odd, "good", "x"]})
    assert set(files) == PLAIN | FOR_TFDS - {"label.labels.txt"}
    assert "label.labels.txt" in parsed(files, "metadata.json")["tfds"]["notes"][1]
    assert parsed(files, "metadata.json")["classes"] == [odd, "good", "x"]


def test_labels_are_named_one_per_line_in_utf8(given_: dict) -> None:
    files = export_files(**given_ | {"classes": ["größe", "good", "x y"]})
    assert files["label.labels.txt"] == "größe\ngood\nx y\n".encode()


def test_croissant_lists_every_file_with_its_hash(given_: dict) -> None:
    nodes = parsed(export_files(**given_), "croissant.json")["distribution"]
    found = {node["@id"]: node["sha256"] for node in nodes if node["@type"] == "cr:FileObject"}
    assert found == {name: known["sha256"] for name, known in given_["files"].items()}


def test_nothing_is_said_of_licence_and_date_where_the_configuration_is_silent(given_: dict) -> None:
    files = export_files(**given_)
    assert not {"license", "datePublished"} & set(parsed(files, "croissant.json"))
    assert "redistributionInfo" not in parsed(files, "dataset_info.json")


def test_the_card_of_the_configuration_is_shown(given_: dict) -> None:
    config: PipelineConfig = given_["config"]
    card = {"license": "https://spdx.org/licenses/CC-BY-4.0.html", "citation": "A, B", "published": "2026-11-30"}
    changed = PipelineConfig.model_validate(config.model_dump(mode="json") | {"card": card})
    files = export_files(**given_ | {"config": changed})
    croissant, info = parsed(files, "croissant.json"), parsed(files, "dataset_info.json")
    assert (croissant["license"], croissant["citeAs"], croissant["datePublished"]) == tuple(card.values())
    assert (info["redistributionInfo"]["license"], info["citation"]) == (card["license"], "A, B")


def test_the_version_is_the_record_schemas_and_in_croissant_the_contents_too(given_: dict) -> None:
    files = export_files(**given_)
    assert parsed(files, "dataset_info.json")["version"] == RECORD_VERSION
    digest = given_["files"]["records.parquet"]["sha256"]
    assert parsed(files, "croissant.json")["version"] == f"{RECORD_VERSION}+{digest[:16]}"


@pytest.mark.parametrize("file", ["records.parquet", "parts-train.tfrecord-00001-of-00008"])
def test_a_file_that_is_not_accounted_for_is_an_error(given_: dict, file: str) -> None:
    files = {name: known for name, known in given_["files"].items() if name != file}
    with pytest.raises(ShardError, match=file):
        export_files(**given_ | {"files": files})


def test_a_label_without_a_name_is_an_error(given_: dict) -> None:
    with pytest.raises(ShardError, match="label 2, and there are 2 class names"):
        export_files(**given_ | {"classes": ["bad", "good"]})


def test_images_of_different_channels_are_an_error(given_: dict) -> None:
    images: pa.Table = given_["images"]
    at = images.schema.get_field_index("prepared_channels")
    mixed = pa.array([1] + [3] * (images.num_rows - 1), pa.int32())
    with pytest.raises(ShardError, match="channels"):
        export_files(**given_ | {"images": images.set_column(at, images.field(at), mixed)})


def test_the_files_are_made_without_tensorflow_or_the_writer() -> None:
    code = "import sys\nimport brev_pipeline.exporters\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    heavy = {"tensorflow", "tensorflow_datasets", "mlcroissant", "cv2", "pandas", "brev_pipeline.records.write"}
    assert not heavy & set(done.stdout.split())

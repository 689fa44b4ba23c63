"""Masks, boxes, numbers and texts of photos, from their files to the records of a published version.

What stands in a record is compared with the files as Pillow and the standard library read them.
"""

import csv
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import brev_pipeline
from brev_pipeline.audit import remake, verify_version
from brev_pipeline.config import PipelineConfig
from brev_pipeline.dry_run import plan_run
from brev_pipeline.engine import SerialEngine
from brev_pipeline_tests.pipelines import Run, configure, draw_photos, run

SIZE = (48, 40)
"""Width and height of the photos, px."""
TARGET = (24, 32)
"""Height and width of the prepared ones, px."""
SOURCES = [
    {"kind": "masks", "path": "{folder}/../masks/{stem}.png", "values": {"128": "scratch", "255": "dent"}},
    {"kind": "coco", "file": "boxes.json", "match": "path"},
    {"kind": "table", "file": "table.csv", "numbers": ["depth"], "texts": ["line"]},
]


def corners(number: int) -> tuple[int, int, int, int]:
    """Where the defect of a photo is: left, top, right, bottom."""
    return 3 + number % 7, 5 + number % 11, 20 + number % 5, 30 + number % 3


class Parts:
    """A folder of photos with all kinds of labels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        draw_photos(folder / "photos", {"good": 6, "bad": 5})
        self.photos = sorted(path.relative_to(folder / "photos").as_posix() for path in folder.glob("photos/*/*.png"))
        (folder / "photos/masks").mkdir()
        self.boxes = {photo: [corners(number)] for number, photo in enumerate(self.photos) if photo.startswith("bad")}
        self.depths = {photo: number / 8 for number, photo in enumerate(self.photos)}
        for number, photo in enumerate(self.photos):
            self.draw_mask(number, photo)
        self.write()

    def draw_mask(self, number: int, photo: str, size: tuple[int, int] = SIZE) -> None:
        mask = Image.new("L", size)
        if photo.startswith("bad"):
            left, top, right, bottom = corners(number)
            ImageDraw.Draw(mask).rectangle((left, top, right - 1, bottom - 1), fill=255 if number % 2 else 128)
        mask.save(self.mask_of(photo))

    def mask_of(self, photo: str) -> Path:
        folder, name = photo.split("/")
        return self.folder / "photos/masks" / f"{folder}_{name}"

    def write(self) -> None:
        images = [
            {"id": number, "file_name": photo, "width": 48, "height": 40} for number, photo in enumerate(self.photos)
        ]
        annotations = [
            {"id": len(self.photos) * number + at, "image_id": number, "category_id": 3, "iscrowd": 0,
             "bbox": [left, top, right - left, bottom - top]}
            for number, photo in enumerate(self.photos)
            for at, (left, top, right, bottom) in enumerate(self.boxes.get(photo, []))
        ]  # fmt: skip
        coco = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "defect"}]}
        (self.folder / "photos/boxes.json").write_text(json.dumps(coco))
        with (self.folder / "photos/table.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file_name", "depth", "line"])
            table.writerows([photo, self.depths[photo], f"line {photo[0]}"] for photo in self.photos)

    def configure(self, **sections: Any) -> PipelineConfig:
        sources = [SOURCES[0] | {"path": "masks/{group}_{name}", "photos": "(?P<group>good|bad)/[^/]+$"}, *SOURCES[1:]]
        dataset = {"name": "Parts", "id": "parts", "bucket": "photos", "labels": sources}
        listing = {"sample_filter": r"^\d+_\d+\.png$"}
        return configure(self.folder, datasets=[dataset], listing=listing, **sections)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return Parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def done(parts: Parts) -> Run:
    done = run(parts.configure())
    assert done.success, done.failures
    return done


def newest(done: Run) -> Any:
    found = done.store.newest_version()
    assert found is not None
    return found[1]


def examples(version: Any) -> list[dict[str, Any]]:
    """The records of a version as TensorFlow reads them, each with its row of the table."""
    import tensorflow as tf

    found = []
    for file, rows in version.read_table("records").to_pandas().groupby("file"):
        records = tf.data.TFRecordDataset(f"{version.folder.url.removeprefix('file://')}/{file}").as_numpy_iterator()
        for row, record in zip(rows.to_dict("records"), records, strict=True):
            features = tf.train.Example.FromString(record).features.feature
            values = {name: list(getattr(value, value.WhichOneof("kind")).value) for name, value in features.items()}
            found.append({"row": row, **values})
    return found


def test_every_record_has_every_feature(done: Run) -> None:
    (names,) = {frozenset(one) for one in examples(newest(done))}
    objects = {"objects/bbox", "objects/label", "objects/area"}
    assert names >= {"mask/encoded", "mask/labelled", "target/depth", "text/line"} | objects


def test_unaugmented_records_have_the_labels_of_their_files(done: Run, parts: Parts) -> None:
    plain = [one for one in examples(newest(done)) if not one["row"]["augmented"]]
    assert {one["row"]["purpose"] for one in plain} == {"devel", "test"}
    for one in plain:
        photo = one["path"][0].decode().removeprefix("photos/")
        drawn = np.asarray(Image.open(parts.mask_of(photo)).resize(TARGET[::-1], Image.Resampling.NEAREST))
        wanted = np.select([drawn == 128, drawn == 255], [1, 2], 0)
        mask = np.asarray(Image.open(BytesIO(one["mask/encoded"][0])))
        np.testing.assert_array_equal(mask, wanted)
        boxes = [
            (top / 40, left / 48, bottom / 40, right / 48) for left, top, right, bottom in parts.boxes.get(photo, [])
        ]
        # Corners lie on a grid of 1/256 px.
        np.testing.assert_allclose(
            np.reshape(one["objects/bbox"], (-1, 4)), np.reshape(boxes, (-1, 4)), atol=1 / 256 / 24
        )
        assert one["objects/label"] == [0] * len(boxes)
        assert one["target/depth"] == [parts.depths[photo]]
        assert one["text/line"] == [f"line {photo[0]}".encode()]


def test_readers_give_masks(done: Run) -> None:
    records = brev_pipeline.read(done.store.folder.url, "train")
    images, masks = records.to_numpy(fields=("img", "mask"))
    assert images.shape[:3] == masks.shape[:3] == (len(records), *TARGET)
    assert set(np.unique(masks)) == {0, 1, 2}


def test_the_version_is_whole_and_is_made_again_bit_for_bit(done: Run, parts: Parts) -> None:
    assert verify_version(done.store).problems == []
    again = remake(parts.configure(), newest(done), records=None, engine=SerialEngine())
    assert again.is_whole


@pytest.mark.slow
def test_one_edited_box_remakes_the_records_of_its_photo_alone(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    first = run(parts.configure())
    assert first.success, first.failures
    before = {(one["path"], one["seed"]): one["crc"] for one in newest(first).read_table("records").to_pylist()}
    edited = next(photo for photo in parts.photos if photo.startswith("bad"))
    parts.boxes[edited] = [(1, 1, 40, 30)]
    parts.write()
    second = run(parts.configure())
    assert second.success, second.failures
    after = {(one["path"], one["seed"]): one["crc"] for one in newest(second).read_table("records").to_pylist()}
    assert before.keys() == after.keys()
    assert {path for (path, seed), crc in after.items() if before[path, seed] != crc} == {f"photos/{edited}"}


@pytest.mark.slow
def test_a_mask_of_another_size_puts_its_photo_into_quarantine_with_both_sizes(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    photo = parts.photos[0]
    parts.draw_mask(0, photo, (30, 20))
    done = run(parts.configure(validation={"prepared_images": {"max_quarantined": 0.5}}))
    assert done.success, done.failures
    version = newest(done)
    assert f"photos/{photo}" not in version.read_table("assignments")["path"].to_pylist()
    (row,) = [row for row in version.read_table("exclusions").to_pylist() if row["path"] == f"photos/{photo}"]
    assert row["rule"] == "label_quarantined"
    assert "30×20 px, its photo of 48×40 px" in row["reason"]


def test_plan_foresees_what_labels_change(done: Run, parts: Parts, tmp_path: Path) -> None:
    config = parts.configure()
    assert plan_run(config)["would"] == "nothing"
    fresh = config.model_copy(update={"store": str(tmp_path / "store")})
    first = plan_run(fresh)
    assert (first["would"], first["stops"]) == ("publish", [])
    assert not (tmp_path / "store").exists()

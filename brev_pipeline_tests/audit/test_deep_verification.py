"""Records are made again from the raw images to the same bytes; where they cannot be, it is said why."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.audit import Remade, remake
from brev_pipeline.audit.record_remaker import Content, Listed, RecordRemaker
from brev_pipeline.engine import LocalEngine
from brev_pipeline.errors import SourceError, StoreError
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline_tests.audit.worlds import World, flip
from brev_pipeline_tests.pipelines import draw_photos

ALL = 10_000


def again(world: World, records: int = ALL, seed: int = 0) -> Remade:
    return remake(world.config, world.newest, records=records, seed=seed)


def test_every_record_is_made_again_to_the_same_bytes(world: World) -> None:
    count = world.newest.read_table("records").num_rows
    found = again(world)
    assert (found.asked, found.same, found.packages, found.is_whole) == (count, count, {}, True)
    # The listing, quarantined photo and copy included; the filtered class is no matter of the photos themselves.
    images = world.newest.read_table("listing").num_rows
    assert (found.images, found.images_asked, found.images_same) == (images, images, images)
    said = json.loads(json.dumps(found.contents()))
    assert (said["same"], said["records"], said["chance_to_miss_one"]) == (count, count, 0.0)
    assert (said["images"], said["chance_to_miss_one_image"]) == (images, 0.0)
    assert remake(world.config, world.newest, records=None) == found


def test_a_sample_says_how_likely_it_misses_a_single_bad_record(world: World) -> None:
    found = again(world, 4)
    count = world.newest.read_table("records").num_rows
    assert (found.asked, found.records) == (4, count)
    assert found.chance_to_miss_one == pytest.approx((count - 4) / count)
    images = world.newest.read_table("listing").num_rows
    assert found.chance_to_miss_one_image == pytest.approx((images - 4) / images)
    assert 4 <= found.images_asked <= 8
    assert found.is_whole


def test_as_many_as_asked_are_chosen_by_the_seed_and_by_nothing_else(copy: World) -> None:
    shutil.rmtree(copy.folder / "photos")
    first, same, other = (again(copy, 5, seed) for seed in (1, 1, 2))
    assert 5 <= len(first.gone) == first.images_asked <= 10
    assert first.gone == same.gone != other.gone


def test_worker_processes_find_the_same(world: World) -> None:
    assert remake(world.config, world.newest, records=ALL, engine=LocalEngine(2)) == again(world)


def test_raw_images_that_have_gone_or_changed_are_named_and_no_problem_of_the_version(copy: World) -> None:
    rows = copy.newest.read_table("records").to_pylist()
    gone, changed = sorted({row["path"] for row in rows if "1_" not in row["path"]})[:2]
    (copy.folder / gone).unlink()
    flip(copy.folder / changed, 2000)
    found = again(copy)
    lost = [row for row in rows if row["path"] in (gone, changed)]
    assert (found.problems, found.changed, found.is_whole) == ([], [], False)
    assert found.same == len(rows) - len(lost)
    assert found.images_same == found.images - 2
    (line,) = found.gone
    assert f"({gone})" in line
    assert "deleted after it was listed" in line
    (line,) = found.other_bytes
    md5 = hashlib.md5((copy.folder / changed).read_bytes()).hexdigest()
    assert f"({changed}): {changed}: the object at this path has the MD5 {md5}" in line
    assert line.endswith("changed since, or never were what the version says")


def test_a_copy_stands_in_for_a_raw_image_that_has_gone_and_the_line_says_so(copy: World) -> None:
    # Photo 1_7 is a copy of 1_0.
    (copy.folder / "photos/good/1_0.png").unlink()
    found = again(copy)
    assert (found.gone, found.problems, found.same) == ([], [], found.asked)
    (line,) = found.by_copy
    assert ": photos/good/1_0.png was deleted" in line
    assert line.endswith("made from its copy photos/good/1_7.png")


def test_a_copy_with_other_bytes_stands_in_for_nothing(copy: World) -> None:
    (copy.folder / "photos/good/1_0.png").unlink()
    flip(copy.folder / "photos/good/1_7.png", 2000)
    found = again(copy)
    assert found.by_copy == []
    assert any("(photos/good/1_0.png)" in line for line in found.gone)


def test_a_copy_does_not_stand_in_for_an_image_that_has_other_bytes_now(copy: World) -> None:
    flip(copy.folder / "photos/good/1_0.png", 2000)
    found = again(copy)
    assert found.by_copy == []
    (line,) = found.other_bytes
    assert "photos/good/1_0.png: the object at this path has the MD5" in line


class Bucket:
    """A bucket on S3 that answers to the listed entity tags: with what it is told, else that the object has gone."""

    def __init__(self, objects: dict[str, bytes | SourceError]) -> None:
        self.objects = objects

    def fetch_many(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, bytes | SourceError]]:
        for row in rows:
            assert row.etag is not None, "an object is asked for by the entity tag that was listed"
            yield row, self.objects.get(row.path, SourceError("missing", f"{row.path} has gone"))


@pytest.mark.parametrize(
    ("there", "kind", "said"),
    [
        (b"other bytes", "different", "has the MD5 6eff3450105497cc2ce22ea267f564ba, the version says "),
        (SourceError("changed", "it has another entity tag"), "changed", "it has another entity tag"),
        (SourceError("missing", "it has gone"), "gone", "it has gone"),
    ],
)
def test_an_object_with_the_listed_entity_tag_and_other_bytes_is_a_contradiction(
    world: World, there: bytes | SourceError, kind: str, said: str
) -> None:
    row = world.newest.read_table("records").to_pylist()[0]
    path = f"s3://bucket/{row['path']}"
    source = SourceRow(path, "s3://bucket", "some-tag-3", "s3", row["content_id"])
    config = world.config
    maker = RecordRemaker(world.newest.folder, config, Bucket({path: there}))  # type: ignore[arg-type]
    record = {**row, "path": path, "multi_hot": None}
    (finding,) = maker([Content(row["content_id"], (Listed(source, 11),), None, (record,))])
    assert finding.kind == kind
    assert said in finding.line
    assert path in finding.line
    if kind == "different":
        assert finding.line.endswith("and its entity tag is still the one that was listed (some-tag-3)")


def test_records_that_come_out_otherwise_are_named_with_what_differs(copy: World) -> None:
    configuration = copy.newest.read_manifest()["configuration"]
    configuration["augmentation"]["transform"] = None
    copy.republish({}, configuration=configuration)
    found = again(copy)
    records = copy.newest.read_table("records").to_pylist()
    assert len(found.problems) + found.same == len(records)
    assert found.problems
    assert all("made again, it differs in image/encoded" in line for line in found.problems)
    assert all("parts-train" in line for line in found.problems)


def test_a_raw_image_that_is_refused_now_is_a_problem(copy: World) -> None:
    configuration = copy.newest.read_manifest()["configuration"]
    configuration["image"]["max_pixels"] = 10
    copy.republish({}, configuration=configuration)
    found = again(copy, 3)
    refused = [line for line in found.problems if "the raw image is what it was, and is refused now: " in line]
    told = [line for line in found.problems if line.startswith("images.parquet: ")]
    assert len(refused) == 3
    assert len(told) == len(found.problems) - 3 >= 1
    assert "status is 'ok' on record, and 'too_large' by its bytes" in told[0]
    assert found.images_same < found.images_asked


def test_a_damaged_shard_is_named_and_a_damaged_table_refused(copy: World) -> None:
    version = Path(copy.newest.path)
    flip(version / copy.newest.read_table("records")["file"][0].as_py(), 1000)
    assert len(again(copy).problems) == 1
    flip(version / "listing.parquet", 100)
    with pytest.raises(StoreError, match=r"listing.*is not the file that was published"):
        again(copy)


def images_with(world: World, path: str, **facts: object) -> pa.Table:
    """The newest version's images, with other facts of the content at a path."""
    version = world.newest
    content = next(row["content_id"] for row in version.read_table("listing").to_pylist() if row["path"] == path)
    images = version.read_table("images")
    rows = [row | facts if row["content_id"] == content else row for row in images.to_pylist()]
    return pa.Table.from_pylist(rows, images.schema)


def test_what_other_decoders_may_explain_is_told_apart_and_is_not_well(copy: World) -> None:
    packages = copy.newest.read_manifest()["packages"]
    copy.republish({"images": images_with(copy, "photos/good/2_0.png", sharpness=1.5)})
    (line,) = again(copy).problems
    assert line.startswith("images.parquet: photos/good/2_0.png: sharpness is 1.5 on record, and ")
    maker = RecordRemaker(
        copy.newest.folder, copy.config, Sources.from_config(copy.config), "other decoders: Pillow 1.0 → 12.0"
    )
    row = next(row for row in copy.newest.read_table("listing").to_pylist() if row["path"] == "photos/good/2_0.png")
    image = next(one for one in copy.newest.read_table("images").to_pylist() if one["content_id"] == row["content_id"])
    source = SourceRow(*(row[name] for name in SourceRow._fields))
    (found,) = maker([Content(row["content_id"], (Listed(source, row["size"]),), image)])
    assert found.kind == "explained"
    assert found.line.endswith("(other decoders: Pillow 1.0 → 12.0)")
    assert packages["Pillow"] != "1.0"
    (size,) = maker([Content(row["content_id"], (Listed(source, 3),), None)])[:1]
    assert size.line == f"photos/good/2_0.png: size is 3 in listing.parquet, its bytes are {row['size']}"


def test_a_good_photo_on_which_a_decoder_is_said_to_have_died_is_decoded_in_a_process_of_its_own(copy: World) -> None:
    facts = dict.fromkeys(copy.newest.read_table("images").column_names[4:])
    own = {"status": "stopped", "reason": "the decoder crashed on it (SIGSEGV)"}
    copy.republish({"images": images_with(copy, "photos/good/2_0.png", **facts | own)})
    told = [line for line in again(copy).problems if line.startswith("images.parquet: photos/good/2_0.png: ")]
    assert len(told) == 1
    assert "status is 'stopped' on record, and 'ok' by its bytes" in told[0]


def test_an_image_that_could_not_be_read_then_and_can_be_read_now_is_told_apart(copy: World) -> None:
    facts = dict.fromkeys(copy.newest.read_table("images").column_names[4:])
    own = {"status": "missing", "reason": "permission denied"}
    copy.republish({"images": images_with(copy, "photos/bad/2_1.png", **facts | own)})
    found = again(copy)
    assert found.problems == []
    (line,) = found.changed
    assert line.startswith(
        "photos/bad/2_1.png: the version says that it could not be read (missing: permission denied)"
    )
    assert line.endswith("; it can be read now")
    (copy.folder / "photos/bad/2_1.png").unlink()
    assert again(copy).is_whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shards", "image", "listing"),
    [
        ({"encoding": "jpeg", "compression": "gzip"}, {"target_size": [20, 20]}, {}),
        (
            {"encoding": "raw"},
            {"color_mode": "greyscale", "target_size": [9, 30]},
            {"class_mapping": {"bad": ["b", "x"]}},
        ),
        ({"epochs": 2}, {"rois": [[[0, 0], [20, 20]], [[20, 0], [40, 20]]], "roi_mode": "as_timeseries"}, {}),
    ],
)
def test_every_encoding_is_made_again(
    tmp_path: Path, shards: dict[str, object], image: dict[str, object], listing: dict[str, object]
) -> None:
    world = World(tmp_path)
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
    world.run(shards={"records_per_shard": 5} | shards, image=image, listing=listing)
    found = again(world)
    assert (found.problems, found.gone) == ([], [])
    assert found.same == world.newest.read_table("records").num_rows

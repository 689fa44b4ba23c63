"""297 odd and damaged files of seven decoders' own test suites: what must be read is read, what must not is not."""

from collections import Counter

import numpy as np
import pytest

from brev_pipeline.config import ImageSettings, StorageSettings
from brev_pipeline.engine import LocalEngine
from brev_pipeline.errors import DecodeError
from brev_pipeline.images import decode, prepare_images, read_prepared
from brev_pipeline.source import Sources
from brev_pipeline.source.places import place_of
from brev_pipeline.store import Folder
from brev_pipeline_tests.images import corpus, worlds

SETTINGS = ImageSettings()
REFUSALS = {"corrupt", "unsupported", "too_large"}


@pytest.fixture(scope="module")
def entries(shared):
    return corpus.entries(shared)


def of_kind(entries, expected):
    return [entry for entry in entries if entry["expected"] == expected]


def test_every_corrupt_file_is_refused_with_a_reason_for_people(entries):
    reasons = []
    for entry in of_kind(entries, "corrupt"):
        with pytest.raises(DecodeError) as caught:
            decode(entry["place"].read_bytes(), SETTINGS)
        assert caught.value.status in REFUSALS, entry["file"]
        reasons.append(str(caught.value))
    assert len(reasons) == 68
    for reason in reasons:
        assert len(reason.split()) >= 4
        assert "object at 0x" not in reason
        assert "Traceback" not in reason


def test_every_decodable_file_decodes_to_pillows_pixels(entries):
    # 5 and 16 bits: Pillow cuts off, we round; that is at most one grey level. All else is equal,
    # JPEG included: both decoders are libjpeg-turbo.
    checked = Counter()
    for entry in of_kind(entries, "decodable"):
        data = entry["place"].read_bytes()
        decoded = decode(data, SETTINGS)
        expected = corpus.pillows_pixels(data)
        assert (str(decoded.width), str(decoded.height)) == (entry["width"], entry["height"]), entry["file"]
        if expected is None:
            checked["deep grey"] += 1
            continue
        tolerance = 1 if decoded.bit_depth in (5, 16) else 0
        assert decoded.pixels.shape == expected.shape, entry["file"]
        if tolerance:
            assert np.abs(decoded.pixels.astype(int) - expected).max() <= tolerance, entry["file"]
        else:
            assert np.array_equal(decoded.pixels, expected), entry["file"]
        checked[tolerance] += 1
    assert checked == {0: 124, 1: 11, "deep grey": 12}


def test_files_on_which_decoders_disagree_are_whole_or_refused(entries):
    # What Pillow accepts although it is damaged: a wrong checksum, no end, codes that leave their row.
    half = {
        "pillow/broken_data_stream.png",
        "pillow/truncated_end_chunk.png",
        "pngsuite/xcsn0g01.png",
        "pillow/bmp/b/badrle.bmp",
        "imagers/images/bmp/images/lenient/badrle.bmp",
    }
    refused = set()
    for entry in [*of_kind(entries, "disagree"), *of_kind(entries, "unsupported")]:
        try:
            decoded = decode(entry["place"].read_bytes(), SETTINGS)
        except DecodeError:
            refused.add(entry["file"])
            continue
        assert not entry["pillow"].startswith(("OSError", "Unidentified")), entry["file"]
        assert decoded.pixels.shape[2] == 3
    assert half <= refused
    assert {entry["file"] for entry in entries if "truncated" in entry["tags"]} <= refused | {
        entry["file"] for entry in of_kind(entries, "corrupt")
    }


def test_with_strict_jpeg_damaged_but_readable_jpegs_are_refused_too(entries):
    damaged = {
        entry["file"].rpartition("/")[2]
        for entry in of_kind(entries, "decodable")
        if refuses(entry["place"].read_bytes(), ImageSettings(strict_jpeg=True))
    }
    assert damaged == {
        "dc-predictor-overflow.jpg",
        "subtract-with-overflow.jpg",
        "clusterfuzz-testcase-minimized-fuzzer_script_tiff-5026894169374720.tif",
    }


def refuses(data, settings):
    try:
        decode(data, settings)
    except DecodeError:
        return True
    return False


def test_what_was_overlooked_on_purpose_stands_in_the_note(entries):
    notes = {
        entry["file"].rpartition("/")[2]: decode(entry["place"].read_bytes(), SETTINGS).note
        for entry in of_kind(entries, "decodable")
    }
    assert notes["g4-multi.tiff"] == "first page of 3"
    assert notes["delay.png"] == "first frame of an animation"
    assert notes["iss634.webp"] == "first frame of an animation"
    assert notes["dispose_bgnd.gif"] == "first frame of an animation"
    assert notes["frozenpond.mpo"] == "first picture of several"
    assert "premature end of data segment" in notes["dc-predictor-overflow.jpg"]
    assert notes["rgb24.bmp"] is None


def test_the_whole_stage_takes_them_all_in_worker_processes(entries, tmp_path, shared):
    folder = shared / "data" / "corrupt_formats"
    samples = worlds.table(
        [worlds.sample(f"odd/{entry['file']}", entry["place"].read_bytes(), "odd") for entry in entries]
    )
    sources = Sources({"odd": place_of("odd", str(folder), StorageSettings())})
    settings = ImageSettings(target_size=(32, 32))
    table = prepare_images(samples, settings, fetch=sources, folder=Folder(str(tmp_path)), engine=LocalEngine(2))
    status = dict(zip(table["content_id"].to_pylist(), table["status"].to_pylist(), strict=True))
    reasons = dict(zip(table["content_id"].to_pylist(), table["reason"].to_pylist(), strict=True))
    assert len(status) == len({entry["md5"] for entry in entries})
    for entry in entries:
        if entry["expected"] in ("corrupt", "decodable"):
            assert (status[entry["md5"]] == "ok") == (entry["expected"] == "decodable"), entry["file"]
        assert (reasons[entry["md5"]] is None) == (status[entry["md5"]] == "ok")
        assert "died" not in (reasons[entry["md5"]] or "")
    usable = table.filter([value == "ok" for value in table["status"].to_pylist()])
    assert {image.shape for image in read_prepared(Folder(str(tmp_path)), usable)} == {(32, 32, 3)}


def test_real_photos_decode_as_pillow_decodes_them(shared):
    photos = sorted((shared / "data" / "inspection").rglob("*.jpg"))
    assert len(photos) == 278
    for photo in photos[::8]:
        data = photo.read_bytes()
        assert np.array_equal(decode(data, SETTINGS).pixels, corpus.pillows_pixels(data)), photo.name

"""297 odd and damaged files of seven decoders' own test suites: what must be read is read, what must not is not."""

import re
from collections import Counter

import numpy as np
import pytest
import tifffile

from brev_pipeline.config import ImageSettings, StorageSettings
from brev_pipeline.engine import LocalEngine
from brev_pipeline.errors import DecodeError
from brev_pipeline.images import decode_image, prepare_images, read_prepared_pixels
from brev_pipeline.storage import Sources
from brev_pipeline.storage.places import parse_place
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
            decode_image(entry["place"].read_bytes(), SETTINGS)
        assert caught.value.status in REFUSALS, entry["file"]
        reasons.append(str(caught.value))
    assert len(reasons) == 68
    for reason in reasons:
        assert len(reason.split()) >= 4
        assert "object at 0x" not in reason
        assert "Traceback" not in reason


# Where Pillow is wrong: signed samples taken for unsigned, and an alpha plane of its own that is read as 0 everywhere.
MISREAD = {"int8.tif", "minisblack-1c-i8b.tiff", "minisblack-2c-8b-alpha.tiff"}
# What Pillow refuses, and is read here: 3 to 7 and 12 bits, signed RGB, BigTIFF of the other byte order, BMP's masks.
BEYOND = {
    "BigTIFFMotorola.tif",
    "flower-minisblack-06.tif",
    "flower-minisblack-12.tif",
    "flower-rgb-contig-04.tif",
    "int16_rgb.tif",
    "int8_rgb.tif",
    "minisblack-1c-3b.tiff",
    "minisblack-1c-5b.tiff",
    "minisblack-1c-7b.tiff",
    "rgb16-231.bmp",
    "rgb32-111110.bmp",
    "rgb32bf.bmp",
    "rgba16-4444.bmp",
}


def test_every_decodable_file_decodes_to_pillows_pixels(entries):
    # 5, 6 and 16 bits: Pillow cuts off, we round; that is at most one grey level, or two where it divides by alpha
    # besides. All else is equal, JPEG included: both decoders are libjpeg-turbo.
    checked = Counter()
    for entry in of_kind(entries, "decodable"):
        data, name = entry["place"].read_bytes(), entry["file"].rpartition("/")[2]
        decoded = decode_image(data, SETTINGS)
        expected = corpus.pillows_pixels(data)
        assert (str(decoded.header.width), str(decoded.header.height)) == (entry["width"], entry["height"]), entry[
            "file"
        ]
        if expected is None:
            checked["deep grey"] += 1
            continue
        tolerance = 2 if name == "tiff_16bit_RGBa.tiff" else 1 if decoded.header.bit_depth in (5, 6, 16) else 0
        assert decoded.pixels.shape == expected.shape, entry["file"]
        most = np.abs(decoded.pixels.astype(int) - expected).max()
        assert most > 100 if name in MISREAD else most <= tolerance, entry["file"]
        checked["misread" if name in MISREAD else tolerance] += 1
    assert checked == {0: 117, 1: 14, 2: 1, "misread": 3, "deep grey": 12}


def test_what_pillow_refuses_or_misreads_is_as_tifffile_has_it(entries):
    names = {name for name in MISREAD | BEYOND if "tif" in name}
    found = {}
    for entry in entries:
        if (name := entry["file"].rpartition("/")[2]) in names:
            stored, pixels = (
                tifffile.imread(entry["place"], key=0),
                decode_image(entry["place"].read_bytes(), SETTINGS).pixels,
            )
            found[name] = stored, pixels.astype(int)
    assert set(found) == names
    for name, (stored, pixels) in found.items():
        if name == "minisblack-2c-8b-alpha.tiff":
            expected = stored[0].astype(int)  # grey that is multiplied by its alpha already
            pixels = np.where(np.abs(pixels - expected[:, :, None]) <= 1, expected[:, :, None], pixels)
        else:
            bits = {"int8": 8, "int16": 16}.get(stored.dtype.name) or int(next(iter(re.findall(r"(\d+)b?\.", name)), 8))
            samples = stored.astype(int) + (1 << bits - 1) * (stored.dtype.kind == "i")
            expected = (2 * 255 * samples + (1 << bits) - 1) // (2 * ((1 << bits) - 1))
        assert np.array_equal(pixels, expected if expected.ndim == 3 else np.repeat(expected[:, :, None], 3, 2)), name


def test_bmps_with_masks_that_pillow_refuses_show_the_picture_of_their_siblings(entries):
    # The files of the BMP suite show one picture.
    places = {entry["file"]: entry["place"] for entry in entries}
    shown = {
        name: decode_image(places[f"pillow/bmp/{name}.bmp"].read_bytes(), SETTINGS).pixels.astype(int)
        for name in ("g/rgb24", "g/rgb32bf", "q/rgb32-111110", "q/rgb16-231", "q/rgba32", "q/rgba16-4444")
    }
    assert np.array_equal(shown["g/rgb32bf"], shown["g/rgb24"])
    assert np.abs(shown["q/rgb32-111110"] - shown["g/rgb24"]).max() <= 1
    assert np.abs(shown["q/rgba16-4444"] - shown["q/rgba32"]).max() <= 17


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
            decoded = decode_image(entry["place"].read_bytes(), SETTINGS)
        except DecodeError:
            refused.add(entry["file"])
            continue
        beyond = entry["file"].rpartition("/")[2] in BEYOND
        assert beyond or not entry["pillow"].startswith(("OSError", "Unidentified")), entry["file"]
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
        decode_image(data, settings)
    except DecodeError:
        return True
    return False


def test_what_was_overlooked_on_purpose_stands_in_the_note(entries):
    notes = {
        entry["file"].rpartition("/")[2]: decode_image(entry["place"].read_bytes(), SETTINGS).note
        for entry in of_kind(entries, "decodable")
    }
    assert notes["g4-multi.tiff"] == "first page of 3"
    assert notes["delay.png"] == "first frame of an animation"
    assert notes["iss634.webp"] == "first frame of an animation"
    assert notes["dispose_bgnd.gif"] == "first frame of an animation"
    assert notes["frozenpond.mpo"] == "first picture of several"
    assert "premature end of data segment" in notes["dc-predictor-overflow.jpg"]
    assert notes["rgb24.bmp"] is None


@pytest.mark.slow
def test_the_whole_stage_takes_them_all_in_worker_processes(entries, tmp_path, shared):
    folder = shared / "data" / "corrupt_formats"
    samples = worlds.table(
        [worlds.sample(f"odd/{entry['file']}", entry["place"].read_bytes(), "odd") for entry in entries]
    )
    sources = Sources({"odd": parse_place("odd", str(folder), StorageSettings())})
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
    assert {image.shape for image in read_prepared_pixels(Folder(str(tmp_path)), usable)} == {(32, 32, 3)}


def test_real_photos_decode_as_pillow_decodes_them(shared):
    photos = sorted((shared / "data" / "inspection").rglob("*.jpg"))
    assert len(photos) == 278
    for photo in photos[::8]:
        data = photo.read_bytes()
        assert np.array_equal(decode_image(data, SETTINGS).pixels, corpus.pillows_pixels(data)), photo.name

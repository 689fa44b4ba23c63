"""The preview sheet: which photos, which pixels, what it looks like at its edges."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.charts.figure import measure_text, plain_text, wrap_text
from brev_pipeline.charts.preview import draw_sheet, gather_exhibits
from brev_pipeline.charts.preview.describe import describe_augmentation
from brev_pipeline.cli import main
from brev_pipeline.config import parse_config
from brev_pipeline.errors import ListingError
from brev_pipeline.images import ImagePipeline
from brev_pipeline.seeds import seed64
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_photos(tmp_path / "photos", {"good": 3, "bad": 2})
    return tmp_path


def test_every_class_shows_so_many_photos_the_same_ones_each_time(folder: Path) -> None:
    first, again = (gather_exhibits(configure(folder), images=2) for _ in range(2))
    assert first.counts == {"bad": 4, "good": 6}
    assert {name: len(shown) for name, shown in first.exhibits.items()} == {"bad": 2, "good": 2}
    for name, shown in first.exhibits.items():
        assert [one.path for one in shown] == [one.path for one in again.exhibits[name]]


def test_the_augmented_pixels_are_those_of_the_plans_draws(folder: Path) -> None:
    config = configure(folder)
    shown = [one for some in gather_exhibits(config).exhibits.values() for one in some]
    contents = [hashlib.md5((folder / one.path).read_bytes()).hexdigest() for one in shown]
    augmenter = ImageAugmenter(config.augmentation)
    for one, content in zip(shown, contents, strict=True):
        assert np.array_equal(one.prepared, ImagePipeline(config.image).prepare((folder / one.path).read_bytes()))
        for ordinal, image in enumerate(one.augmented):
            seed = seed64(config.sampling.seed, 0, content, ordinal)
            assert np.array_equal(image, augmenter.augment(one.prepared, seed))


@pytest.mark.slow
def test_the_augmented_pixels_are_those_of_a_runs_records(folder: Path) -> None:
    config = configure(folder, split={"uniqueness": ["path"], "purposes": {"train": 1.0}})
    made = run(config)
    assert made.success, made.failures
    seeds: dict[str, list[int]] = {}
    for row in made.store.newest_version()[1].read_table("records").to_pylist():
        seeds.setdefault(row["path"], []).append(row["seed"])
    augmenter = ImageAugmenter(config.augmentation)
    compared = 0
    for one in (one for some in gather_exhibits(config).exhibits.values() for one in some):
        for seed in seeds.get(one.path, []):
            assert any(np.array_equal(augmenter.augment(one.prepared, seed), image) for image in one.augmented)
            compared += 1
    assert compared >= 2


def test_photos_that_cannot_be_used_are_left_out_and_named(folder: Path) -> None:
    for file in sorted((folder / "photos" / "bad").iterdir())[:3]:
        file.write_bytes(file.read_bytes()[:500])
    preview = gather_exhibits(configure(folder))
    assert len(preview.exhibits["bad"]) == 1
    assert 1 <= len(preview.refused) <= 3
    assert all("photos/bad/" in reason for reason in preview.refused)
    for file in (folder / "photos" / "bad").iterdir():
        file.write_bytes(b"")
    assert gather_exhibits(configure(folder)).exhibits["bad"] == []
    assert draw_sheet(gather_exhibits(configure(folder))).width > 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    "image",
    [
        {},
        {"target_size": [7, 5]},
        {"target_size": [300, 40]},
        {"color_mode": "greyscale"},
        {"target_size": [16, 16], "rois": [[[0, 0], [20, 20]], [[10, 10], [30, 30]]], "roi_mode": "as_timeseries"},
    ],
)
def test_any_image_settings_make_a_sheet(folder: Path, image: dict[str, Any]) -> None:
    sheet = np.asarray(draw_sheet(gather_exhibits(configure(folder, image=image), images=1)))
    assert sheet.shape[2] == 3
    assert sheet.std() > 5


def test_class_names_in_any_script_and_of_any_length_make_a_sheet(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"Fläche – 缺陷 ×": 1, "n" * 200: 1})
    assert draw_sheet(gather_exhibits(configure(tmp_path))).height > 500


NAMES = {
    "line feed": "two\nlines",
    "controls": "bell\x07 tab\t return\r escape\x1b[31m delete\x7f",
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u0633\u0644\u0627\u0645",
    "marks of direction": "gpj.\u202egood\u2066x\u2069",
    "other scripts": "\u7f3a\u9677 \u0e14\u0e35 \u0939\u093f\u0928\u094d\u0926\u0940 \U0001f600",
    "combining marks": "e" + "\u0301" * 40,
    "line separators": "a\u2028b\u2029c\x85d",
    "half of a character": "\udcff\ud800",
    "very long": "n" * 20_000,
    "very wide": "\ufdfd" * 300,
    "only spaces": "   ",
}


@pytest.mark.slow
@pytest.mark.parametrize("odd", NAMES.values(), ids=NAMES)
def test_any_name_of_a_class_or_photo_is_drawn_in_its_place(folder: Path, odd: str) -> None:
    usual = gather_exhibits(configure(folder), images=1)
    (exhibit,) = usual.exhibits["bad"]
    named = replace(exhibit, path=f"photos/{odd}/{odd}.png")
    others = {"good": usual.exhibits["good"]}
    preview = replace(
        usual,
        counts={odd: 6, "good": 6},
        exhibits={odd: [named], **others},
        refused=[f"photos/{odd}.png: damaged"],
    )
    sheet = draw_sheet(preview)
    assert sheet.size == draw_sheet(usual).size  # no name moves what stands below it
    edge = np.asarray(sheet)[:, -15:]
    assert (edge == edge[0, 0]).all()  # and none runs out of the sheet
    assert plain_text(odd).isprintable()


@pytest.mark.parametrize("name", ["line feed", "controls", "right to left", "marks of direction", "other scripts"])
def test_the_command_takes_names_that_a_folder_can_have(tmp_path: Path, name: str) -> None:
    odd = NAMES[name]
    draw_photos(tmp_path / "photos", {odd: 1, "good": 1})
    next((tmp_path / "photos" / odd).iterdir()).rename(tmp_path / "photos" / odd / f"0_{odd}.png")
    (tmp_path / "photos" / odd / f"1_{odd}.png").write_bytes(b"no photo")
    (tmp_path / "parts.yaml").write_text(SETTINGS, encoding="utf-8")
    out = tmp_path / "sheet.png"
    done = CliRunner().invoke(main, ["preview", str(tmp_path / "parts.yaml"), "--out", str(out), "--images", "2"])
    assert done.exit_code == 0, done.output
    assert plain_text(odd) in "".join(done.output.splitlines())
    assert Image.open(out).height > 500


def test_the_command_writes_a_png_and_says_what_is_on_it(folder: Path) -> None:
    (folder / "parts.yaml").write_text(SETTINGS, encoding="utf-8")
    out = folder / "sheet.png"
    done = CliRunner().invoke(main, ["preview", str(folder / "parts.yaml"), "--out", str(out), "--images", "1"])
    assert done.exit_code == 0, done.output
    assert "bad 1, good 1" in done.output
    assert Image.open(out).format == "PNG"
    assert not (folder / "store").exists()


def write_deep(folder: Path) -> None:
    """The photos anew, as 12 bits in files of 16: the samples of the values v are 16·v."""
    for file in folder.rglob("*.png"):
        samples = np.asarray(Image.open(file).convert("L")).astype(np.uint16) * 16
        cv2.imwrite(str(file), samples)


@pytest.mark.slow
def test_deep_photos_are_shown_by_the_intensity_and_the_window_that_would_fit_is_told(folder: Path) -> None:
    write_deep(folder / "photos")
    runner, out = CliRunner(), folder / "sheet.png"
    heights, shown = [], []
    for number, image in enumerate(("", "image: {target_size: [24, 32], intensity: {window: [0, 4095]}}")):
        text = re.sub(r"^image: .*$", image or r"\g<0>", SETTINGS, flags=re.M)
        (folder / "parts.yaml").write_text(text, encoding="utf-8")
        command = ["preview", str(folder / "parts.yaml"), "--out", str(out), "--images", "1"]
        done = runner.invoke(main, command)
        assert done.exit_code == 0, done.output
        said = " ".join(done.output.split())
        used = ["full_range they use", "window [0, 4095] they use"][number]
        assert f"2 of 2 photos here have more than 8 bits. With image.intensity {used}" in said
        advice = "write image: {intensity: {window: ["
        assert (advice in said) == (number == 0)
        assert ("which fits" in said) == (number == 1)
        assert ("window: [0, 4095] for all that 12 bits can hold" in said) == (number == 0)
        facts = json.loads(runner.invoke(main, [*command, "--json"]).output)["depth"]
        assert facts["photos"] == 2
        assert 0 <= facts["window"][0] < facts["window"][1] <= 16 * 255
        assert (max(facts["range_used"]) < 0.07) == (number == 0)
        heights.append(np.asarray(Image.open(out)).shape[0])
        shown += [gather_exhibits(parse_config(text, base=folder), images=1)]
    dark, bright = ([one for some in preview.exhibits.values() for one in some] for preview in shown)
    for one, other in zip(dark, bright, strict=True):
        assert one.source.max() <= 16
        samples = cv2.imread(str(folder / one.path), cv2.IMREAD_UNCHANGED).astype(int)
        assert np.array_equal(other.source[..., 0], (2 * 255 * samples + 4095) // (2 * 4095))
        assert other.prepared.mean() > 8 * one.prepared.mean()
    assert heights[0] == heights[1]


def test_photos_of_8_bits_have_no_panel(folder: Path) -> None:
    preview = gather_exhibits(configure(folder), images=1)
    before = draw_sheet(preview).height
    assert preview.depths == []
    (folder / "parts.yaml").write_text(SETTINGS, encoding="utf-8")
    command = ["preview", str(folder / "parts.yaml"), "--out", str(folder / "sheet.png"), "--images", "1"]
    done = CliRunner().invoke(main, command)
    assert "more than 8 bits" not in done.output
    write_deep(folder / "photos")
    assert draw_sheet(gather_exhibits(configure(folder), images=1)).height > before + 150


@pytest.mark.slow
@pytest.mark.parametrize(
    "intensity", ["min_max", {"window": [-50, 70]}, {"window": [50_000, 65_535]}, {"percentile": [1, 99]}]
)
def test_any_intensity_makes_a_panel(folder: Path, intensity: Any) -> None:
    write_deep(folder / "photos")
    flat = next((folder / "photos" / "bad").iterdir())
    cv2.imwrite(str(flat), np.full((40, 48), 65_535, np.uint16))
    preview = gather_exhibits(configure(folder, image={"intensity": intensity}), images=4)
    assert len(preview.depths) == 8
    assert draw_sheet(preview).height > 500


def test_a_sheet_that_cannot_be_written_is_a_clear_error(folder: Path) -> None:
    (folder / "parts.yaml").write_text(SETTINGS, encoding="utf-8")
    done = CliRunner().invoke(main, ["preview", str(folder / "parts.yaml"), "--out", str(folder / "no" / "sheet.png")])
    assert done.exit_code == 1
    assert "cannot be written: No such file or directory" in done.output


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ListingError, match="photos"):
        gather_exhibits(configure(tmp_path))


def test_the_words_tell_what_is_applied_and_nothing_else() -> None:
    augmenter = ImageAugmenter(noise=None, filtering=None)
    said = [describe_augmentation(augmenter.parameters(seed, 8, 8)) for seed in range(300)]
    assert "unchanged" in said
    assert any("mirrored" in one and "turned" not in one for one in said)
    assert not any("noise" in one or "-0%" in one or "blur" in one for one in said)
    elastic = ImageAugmenter(deformation={"chance": 1}, salt_and_pepper={"chance": 1})
    assert all(
        word in describe_augmentation(elastic.parameters(1, 8, 8)) for word in ("deformation", "salt and pepper")
    )


def test_lines_fit_their_width() -> None:
    for line in wrap_text(", ".join(["brightness +12%", "x" * 90, "sheared"] * 3), 100, 11, 4, separator=", "):
        assert measure_text(line, 11) <= 100
    assert len(wrap_text("a, " * 200, 100, 11, 4, separator=", ")) == 4


def test_the_room_is_cheap_to_import() -> None:
    heavy = "{'cv2', 'PIL', 'dagster', 'matplotlib', 'tensorflow'}"
    script = f"import sys, brev_pipeline.charts.preview; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

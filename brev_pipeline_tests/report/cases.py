"""The configurations whose reports are counted again: what is drawn, what is configured, and what is unusual about it.

A case is one version, or a version after another one in the same store. Photos are tiny noise, the same on every call.
"""

import hashlib
import itertools
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

Draw = Callable[[Path], None]
SECTIONS: Final[dict[str, Any]] = {
    "name": "parts",
    "store": "store",
    "datasets": [{"name": "Parts", "id": "parts", "bucket": "photos"}],
    "image": {"target_size": [12, 16]},
    "integrity": {"label_conflicts": "quarantine"},
    "split": {
        "stratification": ["folder"],
        "uniqueness": r"/(\d+)_\d+\.\w+$",
        "uniqueness_scope": "stratum",
        "unmatched": "own_item",
        "seed": 42,
        "purposes": {"train": 0.6, "test": 0.2},
    },
    "sampling": {"groupby": ["category"], "group_weighing": "logx+1", "seed": 3},
    "shards": {"records_per_shard": 8},
    "engine": {"workers": 1},
    "validation": {
        "raw_listing": {"max_shrinkage": 0.5},
        "prepared_images": {"max_quarantined": 0.5},
        "sample_split": {"max_fraction_error": 1.0},
    },
}
PARTS: Final = {"good": 8, "scratch": 4, "dent": 3}


def leaf(path: str) -> tuple[str, ...]:
    """The folder that holds the photo."""
    return (path.split("/")[-2] if "/" in path else "__root__",)


@dataclass(frozen=True)
class Case:
    """A configuration that is counted.

    Args:
        name: of the case.
        unusual: what is special about it, in words.
        draw: makes the photos.
        sections: keys laid over `SECTIONS`, section by section.
        classes: path within a dataset → classes.
        before: what was published before it, in the same store.
        quick: whether it is run with the quick tests.
    """

    name: str
    unusual: str
    draw: Draw
    sections: dict[str, Any] = field(default_factory=dict)
    classes: Callable[[str], tuple[str, ...]] = leaf
    before: "Case | None" = None
    quick: bool = False

    def settings(self) -> dict[str, Any]:
        """The whole configuration."""
        merged = dict(SECTIONS)
        for name, section in self.sections.items():
            merged[name] = {**merged.get(name, {}), **section} if isinstance(section, dict) else section
        return merged


def pixels(key: str, shape: tuple[int, ...] = (20, 24, 3), kind: type = np.uint8) -> np.ndarray:
    """Noise that hangs on a name."""
    draw = np.random.Generator(np.random.Philox(int(hashlib.sha256(key.encode()).hexdigest()[:8], 16)))
    return draw.integers(1, np.iinfo(kind).max, shape, kind)


def write(file: Path, image: np.ndarray) -> None:
    """Encode by the file's suffix; names need not be ASCII."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(file.suffix, image)
    assert ok
    file.write_bytes(data.tobytes())


def draw(
    classes: dict[str, int] = PARTS, bucket: str = "photos", *then: Draw, each: int = 2, suffix: str = "png"
) -> Draw:
    """Photos ``<class>/<item>_<number>.png``, and what else is done."""

    def make(folder: Path) -> None:
        for name, items in classes.items():
            for item in range(items):
                for number in range(each):
                    write(
                        folder / bucket / name / f"{item}_{number}.{suffix}", pixels(f"{bucket}/{name}/{item}/{number}")
                    )
        for one in then:
            one(folder)

    return make


def copy(old: str, new: str) -> Draw:
    """The same bytes under another name."""

    def make(folder: Path) -> None:
        (folder / "photos" / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "photos" / old, folder / "photos" / new)

    return make


def repaint(old: str, new: str) -> Draw:
    """The same pixels in other bytes."""

    def make(folder: Path) -> None:
        image = cv2.imread(str(folder / "photos" / old))
        assert image is not None
        write(folder / "photos" / new, image)

    return make


def cut(*names: str) -> Draw:
    """Only the first bytes of some files; all of them the same ones."""

    def make(folder: Path) -> None:
        data = (folder / "photos" / names[0]).read_bytes()[:-200]
        for name in names:
            (folder / "photos" / name).write_bytes(data)

    return make


def remove(*names: str) -> Draw:
    """Files that are gone."""

    def make(folder: Path) -> None:
        for name in names:
            (folder / "photos" / name).unlink()

    return make


def link_out(name: str) -> Draw:
    """A link that leaves the dataset."""

    def make(folder: Path) -> None:
        write(folder / "elsewhere" / "x.png", pixels("elsewhere"))
        (folder / "photos" / name).symlink_to(folder / "elsewhere" / "x.png")

    return make


def other_files(folder: Path) -> None:
    """What is no image, and what is hidden."""
    for name in ("good/readme.txt", "good/.hidden.png", ".cache/0_0.png", "good/0_0.json"):
        (folder / "photos" / name).parent.mkdir(exist_ok=True)
        (folder / "photos" / name).write_bytes(b"{}")


def on_days(folder: Path) -> None:
    """Photos of six days."""
    for number, file in enumerate(sorted((folder / "photos").rglob("*.png"))):
        os.utime(file, (1_767_225_600 + 86_400 * (number % 6),) * 2)


def deep(folder: Path) -> None:
    """Grey, 16 bits, and other formats."""
    write(folder / "photos/good/90_0.png", pixels("grey", (20, 24)))
    write(folder / "photos/good/91_0.png", pixels("deep", (30, 24), np.uint16))
    write(folder / "photos/dent/92_0.bmp", pixels("bmp"))
    write(folder / "photos/dent/93_0.jpg", pixels("jpg", (20, 40, 3)))


def blank(folder: Path) -> None:
    """A photo without anything on it."""
    write(folder / "photos/good/80_0.png", np.zeros((20, 24, 3), np.uint8))


def ledger(folder: Path) -> None:
    """Known assignments of some photos."""
    rows = [f"photos/good/{item}_{number}.png,test" for item in (0, 1) for number in (0, 1)]
    (folder / "known.csv").write_text("\n".join(["path,purpose", *rows]) + "\n")


def several(path: str) -> tuple[str, ...]:
    """As `MAPPED` maps folders."""
    (name,) = leaf(path)
    return {"scratch": ("bad", "scratch"), "dent": ("bad",)}.get(name, (name,))


MAPPED: Final = {"listing": {"class_mapping": {"scratch": ["bad", "scratch"], "dent": ["bad"]}}}
ODD: Final = {"<b>good</b> & <i>9</i>": 4, "Größe 10 µm": 3, "裂紋": 3, "a'b\"c": 3}


def datasets(count: int) -> list[dict[str, str]]:
    """Datasets in folders of their own."""
    return [
        {"name": f"Line {one}", "id": f"line{one}", "bucket": f"line{one}", "reference": "hall"} for one in range(count)
    ]


def lines(count: int) -> Draw:
    """Photos for `datasets`."""
    every = [draw({"good": 3 + one, "dent": 2}, f"line{one}") for one in range(count)]

    def make(folder: Path) -> None:
        for one in every:
            one(folder)

    return make


def draw_at(pattern: str, *values: list[str]) -> Draw:
    """A photo for each combination of some values, filled into the pattern of a path."""

    def make(folder: Path) -> None:
        for one in itertools.product(*values):
            write(folder / "photos" / pattern.format(*one), pixels(repr(one)))

    return make


def numbers(count: int) -> list[str]:
    """0, 1, … as texts."""
    return [str(one) for one in range(count)]


def named(*groups: str) -> Callable[[str], tuple[str, ...]]:
    """Classes by parts of a path, each a pattern with one group."""
    return lambda path: tuple(found[1] for group in groups if (found := re.search(group, f"/{path}")))


FOLDS: Final = {"split": {"purposes": {"test": 0.2}, "folds": 3}}
PLAIN: Final = Case("plain", "nothing", draw())
CONFLICT: Final = draw(PARTS, "photos", copy("scratch/0_0.png", "good/77_0.png"))
HIDDEN: Final = Case(
    "class_filter", "listing.classes names two of three classes", draw(), {"listing": {"classes": ["good", "dent"]}}
)

CASES: Final = [
    PLAIN,
    HIDDEN,
    Case(
        "one_class_kept",
        "listing.classes names one class, which is all strata",
        draw(),
        {"listing": {"classes": ["good"]}},
    ),
    Case(
        "filter_and_damage",
        "a class not wanted, damaged files, a conflict and few draws at once",
        draw(PARTS, "photos", cut("good/0_0.png"), copy("scratch/0_0.png", "dent/77_0.png"), cut("scratch/1_0.png")),
        {"listing": {"classes": ["good", "dent"]}, "sampling": {"max_epoch_samples": 5}},
        quick=True,
    ),
    Case(
        "links_outside",
        "links that leave the dataset",
        draw(PARTS, "photos", link_out("good/70_0.png"), link_out("dent/70_0.png")),
    ),
    Case(
        "links_followed",
        "the same, followed",
        draw(PARTS, "photos", link_out("good/70_0.png")),
        {"listing": {"follow_links": True}},
    ),
    Case(
        "too_large",
        "an object above max_object_mb",
        draw(PARTS, "photos", lambda folder: write(folder / "photos/good/70_0.png", pixels("large", (60, 60, 3)))),
        {"listing": {"max_object_mb": 0.005}},
    ),
    Case("other_files", "files that are no images, hidden ones", draw(PARTS, "photos", other_files)),
    Case("damaged", "a damaged file", draw(PARTS, "photos", cut("good/0_0.png"))),
    Case(
        "damaged_copies",
        "a damaged file in three copies: contents are not images",
        draw(PARTS, "photos", cut("good/0_0.png", "good/1_0.png", "good/2_0.png"), cut("dent/0_0.png")),
    ),
    Case(
        "damaged_conflict",
        "copies of a damaged file under two classes",
        draw(PARTS, "photos", cut("good/0_0.png", "dent/0_0.png")),
    ),
    Case("conflict_bytes", "the same bytes under two classes, left out", CONFLICT),
    Case(
        "conflict_pixels",
        "the same pixels under two classes, in other bytes",
        draw(PARTS, "photos", repaint("scratch/0_0.png", "good/77_0.bmp")),
    ),
    Case("conflict_kept", "label_conflicts: keep", CONFLICT, {"integrity": {"label_conflicts": "keep"}}),
    Case(
        "keep_first",
        "duplicates: keep_first",
        draw(PARTS, "photos", copy("good/0_0.png", "good/60_0.png"), copy("good/0_0.png", "good/61_0.png")),
        {"integrity": {"duplicates": "keep_first"}},
    ),
    Case(
        "keep_all",
        "copies join items to one group of more than six images",
        draw(
            PARTS,
            "photos",
            *[copy("good/0_0.png", f"good/{item}_9.png") for item in (1, 2, 3)],
            copy("dent/0_0.png", "dent/1_9.png"),
        ),
    ),
    Case(
        "pixel_copies",
        "the same pixels in PNG and BMP",
        draw(PARTS, "photos", repaint("good/0_0.png", "good/60_0.bmp")),
    ),
    Case("few_draws", "max_epoch_samples leaves photos undrawn", draw(), {"sampling": {"max_epoch_samples": 6}}),
    Case("epochs", "three epochs", draw(), {"shards": {"epochs": 3}}),
    Case(
        "epochs_of_few",
        "two epochs of few draws",
        draw(),
        {"shards": {"epochs": 2}, "sampling": {"max_epoch_samples": 4}},
    ),
    Case(
        "many_epochs",
        "twelve epochs: more records of an image than are shown",
        draw({"good": 3, "dent": 3}),
        {"shards": {"epochs": 12}},
    ),
    Case("two_datasets", "two datasets with references", lines(2), {"datasets": datasets(2)}),
    Case("seven_datasets", "more datasets than columns", lines(7), {"datasets": datasets(7)}),
    Case(
        "two_datasets_filtered",
        "two datasets, a class not wanted, grouped by folder and dataset",
        lines(2),
        {
            "datasets": datasets(2),
            "listing": {"classes": ["good"]},
            "sampling": {"groupby": ["folder", "dataset_id"], "group_weighing": "uniform"},
            "split": {"stratification": ["dataset_id", "folder"]},
        },
    ),
    Case("several_classes", "images of two classes each", draw(), MAPPED, several, quick=True),
    Case(
        "several_filtered",
        "of images of two classes one class is wanted",
        draw(),
        {"listing": {**MAPPED["listing"], "classes": ["scratch", "good"]}},
        several,
    ),
    Case(
        "five_purposes",
        "purposes beyond train, devel, test",
        draw({"good": 20, "dent": 12}),
        {"split": {"purposes": {"train": 0.4, "test": 0.1, "holdout": 0.2, "calib": 0.1}}},
    ),
    Case(
        "eight_purposes",
        "more purposes than a sentence names",
        draw({"good": 24}),
        {"split": {"purposes": {f"p{one}": 0.125 for one in range(7)}}, "sampling": {"purposes": ["p0"]}},
    ),
    Case("none_sampled", "sampling.purposes is empty", draw(), {"sampling": {"purposes": []}}),
    Case("two_sampled", "train and devel are drawn by weight", draw(), {"sampling": {"purposes": ["train", "devel"]}}),
    Case("gzip", "gzip shards", draw(), {"shards": {"compression": "gzip"}}),
    Case("jpeg", "JPEG records, three to a shard", draw(), {"shards": {"encoding": "jpeg", "records_per_shard": 3}}),
    Case("raw", "raw records", draw(), {"shards": {"encoding": "raw"}}),
    Case(
        "locked",
        "test is locked, its readings are logged",
        draw(),
        {"split": {"locked": ["test"], "access_log": ["test"]}},
    ),
    Case("one_stratum", "no stratification", draw(), {"split": {"stratification": None}}),
    Case("own_items", "every image is an item of its own", draw(), {"split": {"uniqueness": None}}),
    Case(
        "by_content",
        "uniqueness by the bytes",
        CONFLICT,
        {"split": {"uniqueness": ["etag"], "uniqueness_scope": "global"}},
    ),
    Case(
        "by_pattern",
        "strata and items by patterns with digits",
        draw(),
        {"split": {"stratification": r"/(\w)\w{1,}/\d", "uniqueness_scope": "global"}},
    ),
    Case(
        "one_image", "one image", draw({"good": 1}, each=1), {"split": {"purposes": {"train": 1.0}}, "validation": {}}
    ),
    Case("one_class", "one class", draw({"good": 8})),
    Case("odd_names", "names of HTML, other scripts and digits", draw(ODD)),
    Case(
        "many_classes",
        "more classes than a list shows",
        draw({f"c{one:02d}": 1 for one in range(64)}, each=1),
        {"split": {"stratification": None, "uniqueness": None}},
    ),
    Case(
        "many_left_out",
        "more images left out than a list shows",
        draw({"good": 4, "dent": 40}),
        {"listing": {"classes": ["good"]}},
    ),
    Case("share_of_none", "a purpose with share 0", draw(), {"split": {"purposes": {"train": 0.7, "test": 0.0}}}),
    Case("murmurhash3", "the method murmurhash3", draw({"good": 30, "dent": 20}), {"split": {"method": "murmurhash3"}}),
    Case(
        "permutation",
        "the method sorted_permutation",
        draw({"good": 30, "dent": 20}),
        {"split": {"method": "sorted_permutation"}},
    ),
    Case("known", "assignments from a CSV", draw(PARTS, "photos", ledger), {"split": {"ledger_csv": "known.csv"}}),
    Case("weighed_by_count", "groups weighed by count", draw(), {"sampling": {"group_weighing": "count"}}),
    Case("weighed_by_root", "groups weighed by square root", draw(), {"sampling": {"group_weighing": "square root"}}),
    Case("six_days", "photos of six days: a timeline", draw(PARTS, "photos", on_days)),
    Case("kinds", "grey, 16 bits, BMP, JPEG", draw(PARTS, "photos", deep)),
    Case("warned", "a blank photo: a check warns", draw(PARTS, "photos", blank)),
    Case(
        "grown",
        "after another version: new, gone, replaced and damaged images",
        draw(
            PARTS,
            "photos",
            remove("good/0_0.png"),
            copy("good/1_0.png", "dent/50_0.png"),
            lambda folder: write(folder / "photos/scratch/0_0.png", pixels("other")),
            lambda folder: write(folder / "photos/new/0_0.png", pixels("new")),
            cut("good/3_0.png"),
        ),
        before=PLAIN,
        quick=True,
    ),
    Case(
        "hidden_since",
        "after another version: a class is not wanted any more, and one of its images is gone",
        draw(
            PARTS,
            "photos",
            remove("scratch/0_0.png"),
            lambda folder: write(folder / "photos/scratch/9_0.png", pixels("n")),
        ),
        HIDDEN.sections,
        before=PLAIN,
    ),
    Case(
        "wanted_again",
        "after another version: a class is wanted again",
        draw(PARTS, "photos", remove("scratch/0_0.png")),
        before=HIDDEN,
    ),
    Case(
        "relabelled",
        "after another version: classes are mapped, weights are others",
        draw(),
        {**MAPPED, "sampling": {"group_weighing": "uniform"}},
        several,
        before=PLAIN,
    ),
    Case(
        "same_again",
        "after another version: only a tolerance is another",
        draw(),
        {"validation": {"prepared_images": {"max_quarantined": 0.25}}},
        before=PLAIN,
    ),
    Case(
        "folder_renamed",
        "after another version: a folder has another name, and so has a class; a copy came",
        draw(
            PARTS,
            "photos",
            lambda folder: os.rename(folder / "photos/scratch", folder / "photos/kratzer"),
            copy("dent/0_0.png", "dent/60_0.png"),
        ),
        before=PLAIN,
    ),
    Case(
        "class_above",
        "the class is the first folder, items are the second",
        draw_at("{}/{}/{}.png", ["ok", "defect"], numbers(6), numbers(2)),
        {
            "listing": {"category": {"folder": 0}},
            "split": {"stratification": ["category"], "uniqueness": r"/(\d+)/\d+\.png$"},
        },
        named(r"^/(\w+)/"),
    ),
    Case(
        "class_in_name",
        "the class is in the file's name, by a pattern",
        draw_at("shots/{1}_{0}.png", ["ok", "ng9"], numbers(8)),
        {
            "listing": {"category": r"_(?P<category>\w+)\.png$"},
            "split": {"stratification": ["category"], "uniqueness": r"/(\d+)_"},
        },
        named(r"_(\w+)\.png$"),
    ),
    Case(
        "classes_of_two_levels",
        "folders of two levels are both classes",
        draw_at("{}/{}/{}_0.png", ["steel", "glass"], ["ok", "ng"], numbers(4)),
        {"listing": {"category": {"folder": [0, -1]}}, "split": {"stratification": ["category"], "uniqueness": None}},
        named(r"^/(\w+)/", r"/(\w+)/[^/]*$"),
    ),
    Case(
        "classes_of_two_groups",
        "two groups of a pattern, and one class of them is wanted",
        draw_at("{}/{}_{}.png", ["steel", "glass"], ["ok", "ng"], numbers(4)),
        {
            "listing": {
                "category": r"^/(?P<category>\w+)/(?P<category_2>[a-z]+)_",
                "classes": ["ok", "glass"],
            },
            "split": {"stratification": ["category"], "uniqueness": None},
        },
        named(r"^/(\w+)/", r"/([a-z]+)_\d"),
    ),
    Case(
        "given",
        "purposes are given by a folder, some are divided; one word is nowhere",
        draw_at("{}/{}/{}_{}.png", ["training", "testing", "rest"], ["ok", "ng"], numbers(6), numbers(2)),
        {
            "split": {
                "given": {"folder": 0, "words": {"training": "train", "testing": "test", "rest": None, "tst": "test"}},
                "uniqueness": r"/(\w+/\w+/\d+)_\d\.png$",
                "uniqueness_scope": "global",
                "stratification": ["category"],
            }
        },
    ),
    Case("folds", "three folds and a test set", draw({"good": 12, "dent": 8}), FOLDS, quick=True),
    Case(
        "folds_of_few",
        "folds of which not every photo is drawn, in two epochs",
        draw({"good": 12, "dent": 8}),
        {**FOLDS, "sampling": {"max_epoch_samples": 3}, "shards": {"epochs": 2}},
    ),
    Case(
        "folds_grown",
        "folds after another version",
        draw({"good": 13, "dent": 8, "new": 4}),
        FOLDS,
        before=Case("", "", draw({"good": 12, "dent": 8}), FOLDS),
    ),
    Case(
        "twelve_folds",
        "more folds than digits, in their order",
        draw({"good": 30}),
        {"split": {"purposes": {}, "folds": 12}},
    ),
    Case(
        "twins",
        "two names that people take for one",
        draw({"OK": 4, "ok": 4, "dent": 4}),
        {"split": {"uniqueness_scope": "stratum"}},
    ),
    Case(
        "names_unmatched",
        "names of classes and of the mapping that match nothing",
        draw(),
        {"listing": {"classes": ["good", "dent", "sratch"], "class_mapping": {"dent": ["dent"], "nothing9": ["x"]}}},
    ),
    Case(
        "class_added",
        "after another version: a class came, whose name sorts before the others",
        draw({**PARTS, "a9": 4}),
        before=PLAIN,
    ),
    Case(
        "class_gone",
        "after another version: a class has no image any more",
        draw({"good": 8, "scratch": 4}),
        before=PLAIN,
    ),
]

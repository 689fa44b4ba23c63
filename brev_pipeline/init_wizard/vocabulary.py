"""What people call folders and parts of file names that say a purpose, a mask, a camera, a thing.

Each set is compared in small letters. A word alone decides nothing that counts of files do not bear out.
"""

import re
from functools import cache
from typing import Final

_PURPOSES: Final = {
    "train": ("train", "training", "trn", "trainset", "traindata"),
    "devel": ("val", "valid", "validation", "dev", "devel", "development", "valset", "validationset"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "holdout", "testset", "testdata"),
}
# Their word for a side of a split → ours.
_PURPOSE_OF_WORD: Final = {word: purpose for purpose, words in _PURPOSES.items() for word in words}
_GENERIC_AFFIXES: Final = re.compile(
    r"(?i)^(images?|imgs?|photos?|data|set)[_-]?|[_-]?(images?|imgs?|photos?|data|set|\d{4})$"
)


def _split_words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Folders that say nothing of what is on the photos.
GENERIC: Final = _split_words(
    "image images img imgs photo photos picture pictures pic pics data dataset datasets jpegimages jpgs jpg jpeg "
    "jpegs png pngs bmp bmps tif tiff raw original originals source src input inputs files all samples sample frames "
    "crops imagesets color colour rgb grey gray export exports upload uploads"
)
# Folders and endings of names of images that say where on a photo something is.
MASKS: Final = _split_words(
    "mask masks gt ground_truth groundtruth ground-truth label labels annotation annotations anno annos seg segs "
    "segmentation segmentations segmentationclass segmentationobject lesion binary mask_images masks_png labelcol "
    "gt_masks maskimages overlay overlays heatmap heatmaps"
)
# Words before the number of a part of a cross-validation.
FOLDS: Final = _split_words("fold folds kfold cv crossval")
# Words before the number of a class: Class1, Class2.
CLASS: Final = _split_words("class category cat label type defect grade kind")
# Words before the number of a thing (or of a person) that is photographed more than once.
ITEM: Final = _split_words(
    "person patient pat subject subj case study vial part item sample specimen board pcb product piece unit serial sn "
    "slide video vid clip sequence seq scene device component tray coil strip wafer panel module pid id kos"
)
# Words before the number of a place, a time or a setting: many things share it.
SESSION: Final = _split_words(
    "cam camera line station site plant machine exp experiment session run batch lot day week month year shift lane "
    "track sensor head light exposure zoom mag magnification view side angle channel level block group folder dir "
    "round"
)
# Words before the number of a group of things, one group each; in the next one their numbers may begin anew.
LOT: Final = _split_words("lot batch tray magazine day date week shift run session")
# Words before a number that counts photos.
PHOTO: Final = _split_words(
    "img image photo pic picture shot dsc dscn dscf dji crop patch idx index no nr num number x y row col copy rot "
    "aug page"
)
FRAMES: Final = _split_words("frame frames")
# Words for how a photo of a thing was taken.
VIEWS: Final = _split_words(
    "top bottom left right front back side inner outer a b c d e f l r t n s w o v h ref flash dark bright red green "
    "blue ir uv low high up down close far before after temp template test golden reference north south east west "
    "morning noon evening night"
)
# Words for a photo of how a thing should look, beside the photo of the thing.
TEMPLATES: Final = _split_words("temp template golden reference ref tmpl")


def is_setting(word: str) -> bool:
    """Whether a word in small letters says how or where a photo was taken: left, cam, camL."""
    return word in VIEWS | SESSION or any(
        word.startswith(one) and (word[len(one) :] in VIEWS or len(word) == len(one) + 1) for one in SESSION
    )


def purpose_of(word: str) -> str | None:
    """Our purpose for their word: train, devel or test; None for any other word. ``train2017``: train."""
    small = word.casefold()
    return _PURPOSE_OF_WORD.get(small) or _PURPOSE_OF_WORD.get(_GENERIC_AFFIXES.sub("", small))


@cache
def is_mask_folder(name: str) -> bool:
    """Whether a folder's name says that masks are in it, wholly or, as ``crack_masks``, by one of its words."""
    words = re.split(r"[\W_]+", name.casefold())
    return name.casefold() in MASKS or any(word in ("mask", "masks", "gt", "groundtruth") for word in words)


def is_trainval(word: str) -> bool:
    """Whether a word says what is for training and validation, both: ``trainval``, ``train_val``."""
    return re.sub(r"[\W_]+", "", word.casefold()) in ("trainval", "trainvalid", "traindev")


_SHARD_FOLDER: Final = re.compile(r"(?P<word>[^\W\d_]+)[_\-. ]?(?P<part>parts?|shards?|chunks?)?[_\-. ]?\d+")


def is_shard(name: str) -> bool | None:
    """Whether a folder is a part of all photos, as ``images_part_1`` is; None: it may be, as ``images_001``."""
    found = _SHARD_FOLDER.fullmatch(
        re.split(r"[_\-. ]+(?=(?:images?|photos?|data|dataset)[_\-. ])", name.casefold())[-1]
    )
    if not found or found["word"] not in GENERIC - ITEM:
        return False
    return True if found["part"] else None


# Classes that inspection and medicine have everywhere.
QUALITY: Final = _split_words(
    "ok nok ng good bad normal abnormal anomaly anomalous defect defective defects faulty fault pass fail passed "
    "failed positive negative healthy sick benign malignant accept reject"
)
# Words for what inspection finds, by which words in the middle of names are known to be classes.
DEFECTS: Final = _split_words(
    "crack cracks cracked scratch scratches scratched dent dents dented stain stains stained hole holes chip chips "
    "chipped burr burrs pit pits pitting pitted rust corrosion scale inclusion inclusions crazing blowhole porosity "
    "patches spot spots bent broken missing contamination spall bubble bubbles wrinkle tear lesion tumor tumour"
)

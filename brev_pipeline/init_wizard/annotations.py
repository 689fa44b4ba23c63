r"""What lies beside the photos and is none: masks, labels in files, lists of a split, pictures of the data set.

A mask is an image whose name or folder says so and that has a photo of the same name; or the lossless one of two
files of one name, if it has a few colours only. What holds labels is told, for labels are not read yet.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from brev_pipeline.init_wizard.path_structure import escape_readably, stem_of
from brev_pipeline.init_wizard.survey import FileSurvey
from brev_pipeline.init_wizard.vocabulary import MASKS, is_mask_folder, is_trainval, purpose_of

_SUFFIX: Final = re.compile(
    r"(?i)(?P<sep>[_\-. ]?)(?P<word>" + "|".join(sorted(map(re.escape, MASKS), key=len, reverse=True)) + r")"
    r"(?P<more>[_\- ]?\d{1,3})?$"
)
_PHOTO_ENDINGS: Final = ("jpg", "jpeg")
_MAX_MASK_COLOURS: Final = 32
_MIN_PAIRED: Final = 0.8  # of the masks have a photo of the same name
_MAX_STRAYS: Final = 5
_FOR_ALL_PHOTOS: Final = ("(COCO)", "(a JSON line for each photo)", "(a table that names photos)")
_MIN_NAMED_LINES: Final = 0.9  # of a list name a photo here
_GIVEN_HINT: Final = "split.given.lists reads one name a line, split.given.table a table with a column for the side"
_MAX_JSON_BYTES: Final = 1 << 26  # bytes
_TABLES: Final = ("csv", "tsv")


@dataclass(frozen=True)
class SurveyedImages:
    """What was found beside the photos."""

    photos: list[str]  # the images that are photos, sorted
    masks: list[str] = field(default_factory=list)
    why_masks: str = ""  # by what they are known, in words
    strays: list[str] = field(default_factory=list)
    """Images outside of the folders that hold all others: pictures about the data set."""
    # Regular expression on the file name that lets all photos pass, no mask, no stray; None: needless, or none does.
    filter: str | None = None
    folders: list[str] = field(default_factory=list)
    """Names of the folders of masks, where only the folder tells them from photos."""
    labels: list[str] = field(default_factory=list)  # what files hold labels, in words, one line each
    lists: dict[str, str] = field(default_factory=dict)  # their word for a side → file that lists its images
    splits: list[str] = field(default_factory=list)
    """What may say a split, and is not proposed, in words, one line each."""
    notes: list[str] = field(default_factory=list)  # what else to tell, one line each

    @property
    def tables(self) -> list[str]:
        """Those of the labels that stand in one file for all photos: a table, JSON lines, COCO."""
        return [label for label in self.labels if label.endswith(_FOR_ALL_PHOTOS)]


def separate_photos(found: FileSurvey) -> SurveyedImages:
    """Tell photos from what lies beside them."""
    masks, why, filters = _find_masks(found)
    photos = [path for path in found.images if path not in masks]
    strays = _find_strays(photos)
    photos = [path for path in photos if path not in strays]
    chosen = _choose_filter(photos, sorted([*masks, *strays]), filters)
    folders = {part for path in masks for part in path.split("/")[:-1] if chosen is None and is_mask_folder(part)}
    beside = SurveyedImages(photos, sorted(masks), why, strays, chosen, sorted(folders))
    _add_labels(beside, found)
    _add_lists(beside, found)
    return beside


def count_colours(data: bytes) -> int | None:
    """Different pixels in an image, at most 33; None where it cannot be decoded."""
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        return None
    pixels = image.reshape(image.shape[0] * image.shape[1], -1)
    # One more than masks have is enough to know; some of a large image's pixels are, too.
    return min(len(np.unique(pixels[:: max(1, len(pixels) // 65536)], axis=0)), _MAX_MASK_COLOURS + 1)


def _ending(path: str) -> str:
    return path.rpartition(".")[2].casefold()


def _find_masks(found: FileSurvey) -> tuple[set[str], str, list[str]]:
    """The masks, how they are known, and patterns that might keep them out."""
    suffixed = {path: match for path in found.images if (match := _SUFFIX.search(stem_of(path))) and match.start()}
    in_folders = {path for path in found.images if any(map(is_mask_folder, path.split("/")[:-1]))}
    others = {stem_of(path) for path in found.images if path not in suffixed and path not in in_folders}
    by_name = {path for path, match in suffixed.items() if stem_of(path)[: match.start()] in others}
    named = by_name if len(by_name) >= _MIN_PAIRED * len(suffixed) else set[str]()
    known = {stem_of(path) for path in in_folders if stem_of(path) in others}
    paired = {path for path in in_folders if path in named or stem_of(path) in known}
    placed = in_folders if paired and len(paired) >= _MIN_PAIRED * len(in_folders) else set[str]()
    by_whole_name = any(part.casefold() in MASKS for path in placed for part in path.split("/")[:-1])
    if not by_whole_name and _have_many_colours(found, sorted(placed - named)):
        placed = set()  # with_mask, a class of photos
    plain = sorted({suffixed[path]["sep"] + suffixed[path]["word"] for path in named})
    why = [f"their names end in {' or '.join(plain)}"] if named else []
    numbers = r"[_\- ]?\d{0,3}" if any(suffixed[path]["more"] for path in named) else ""
    filters = [rf"^(?!.*({'|'.join(map(escape_readably, plain))}){numbers}\.[^.]+$)"] if named else []
    if placed - named:
        names = sorted({part for path in placed for part in path.split("/")[:-1] if is_mask_folder(part)})
        why.append(f"they lie in {' and '.join(names)}, under the names of photos")
    doubles = _find_doubles(found, named | placed)
    if doubles:
        of_masks, of_photos = (sorted({_ending(path) for path in group}) for group in doubles)
        why.append(f"they lie beside a photo of the same name, as .{' or .'.join(of_masks)} beside .{of_photos[0]}")
    return named | placed | (doubles[0] if doubles else set()), "; ".join(why), filters


def _find_doubles(found: FileSurvey, known: set[str]) -> tuple[set[str], set[str]] | None:
    """Masks and photos that differ in the ending only."""
    same: dict[str, list[str]] = defaultdict(list)
    for path in found.images:
        if path not in known:
            same[path.rpartition(".")[0]].append(path)
    twos = [paths for paths in same.values() if len(paths) == 2]
    pairs = [sorted(paths, key=lambda path: _ending(path) in _PHOTO_ENDINGS) for paths in twos]
    pairs = [pair for pair in pairs if _ending(pair[1]) in _PHOTO_ENDINGS and _ending(pair[0]) not in _PHOTO_ENDINGS]
    lossless = [path for path in found.images if _ending(path) not in _PHOTO_ENDINGS and path not in known]
    if not pairs or len(pairs) < _MIN_PAIRED * len(lossless):
        return None
    if _have_many_colours(found, [pair[0] for pair in pairs]):
        return None
    return {pair[0] for pair in pairs}, {pair[1] for pair in pairs}


def _have_many_colours(found: FileSurvey, paths: Sequence[str]) -> bool:
    """Whether most of some images have more colours than masks have."""
    some = paths[:: max(1, len(paths) // 6)][:6]
    seen = [count for path in some if (count := count_colours(found.read_head(path))) is not None]
    return 2 * sum(one > _MAX_MASK_COLOURS for one in seen) > len(seen)


def _find_strays(photos: Sequence[str]) -> list[str]:
    """A few images in the root (or in a folder of docs) where hundreds lie deeper."""
    top = [path for path in photos if "/" not in path]
    side = [path for path in photos if path.split("/")[0].casefold() in ("doc", "docs", "figures", "assets", "readme")]
    few = sorted({*top, *side})
    return few if 0 < len(few) <= _MAX_STRAYS and len(few) * 20 <= len(photos) else []


def _match_endings(photos: Sequence[str]) -> str:
    endings = {"jpe?g" if _ending(path) in _PHOTO_ENDINGS else _ending(path) for path in photos}
    ends = sorted(endings, key=lambda end: (end != "jpe?g", end))
    return rf"\.({'|'.join(ends)})$" if len(ends) > 1 else rf"\.{ends[0]}$"


def _choose_filter(photos: Sequence[str], out: Sequence[str], before: Sequence[str]) -> str | None:
    """The simplest pattern on file names that keeps ``out`` out and lets ``photos`` pass."""
    if not out or not photos:
        return None
    endings = _match_endings(photos)
    names, unwanted = ({path.rpartition("/")[2] for path in paths} for paths in (photos, out))
    tried = [endings, *(f"{one}.*{endings}" for one in before)]
    for pattern in list(tried):
        left = sorted(name for name in unwanted if re.search(pattern, name, re.IGNORECASE))
        if left and len(left) <= _MAX_STRAYS:
            head = rf"^(?!({'|'.join(re.escape(name) for name in left)})$)"
            tried.append(head + (pattern if pattern.startswith("^") else f".*{pattern}"))
    for pattern in tried:
        search = re.compile(pattern, re.IGNORECASE).search
        if all(map(search, names)) and not any(map(search, unwanted)):
            return pattern
    return None


def _add_labels(beside: SurveyedImages, found: FileSurvey) -> None:
    """Tell what holds labels, what may, and what may say a split."""
    photos, out, notes, splits = beside.photos, beside.labels, beside.notes, beside.splits
    stems = {stem_of(path) for path in photos}
    stems |= {stem.rpartition("_")[0] for stem in stems if "_" in stem}  # 17_test.jpg and 17.txt
    by_ending: dict[str, list[str]] = defaultdict(list)
    for path in found.others:
        by_ending[_ending(path)].append(path)
    for ending, kind in (
        ("xml", "an XML file (Pascal VOC)"),
        ("txt", "a text file (YOLO or boxes)"),
        ("json", "a JSON file"),
    ):
        about_photos = [path for path in by_ending[ending] if _described_stem(path) in stems]
        if len(about_photos) >= max(2, 0.2 * len(photos)):
            out.append(f"{kind} beside {len(about_photos)} photos, such as {about_photos[0]}")
    for path in by_ending["json"][:50]:
        head = found.read_head(path) if _described_stem(path) not in stems else b""
        # In a large file the images stand before the others.
        if b'"annotations"' in head or b'"categories"' in head or (b'"images"' in head and b'"file_name"' in head):
            out.append(f"{path} {_FOR_ALL_PHOTOS[0]}")
        elif (
            len(_find_purposes(head))
            and len(_find_purposes(whole := found.read_head(path, _MAX_JSON_BYTES))) > 1
            and _count_named(whole, photos)
        ):
            splits.append(f"{path} may say a split; {_GIVEN_HINT}")
    for path in [*by_ending["jsonl"], *by_ending["ndjson"]][:50]:
        if b"file_name" in (head := found.read_head(path)) or _count_named(head, photos):
            out.append(f"{path} {_FOR_ALL_PHOTOS[1]}")
    for path in [path for ending in _TABLES for path in by_ending[ending]][:50]:
        head = found.read_head(path)
        if _count_named(head, photos):
            out.append(f"{path} {_FOR_ALL_PHOTOS[2]}")
            columns = head.split(b"\n")[0].decode("utf-8-sig", "replace").strip()
            if re.search(r"(?i)\b(split|subset|set|fold|partition|purpose)\b", columns):
                splits.append(f"{path} has the columns {columns[:80]}: does one of them say a split? split.given.table")
        elif head and len(notes) < 3:
            notes.append(f"{path} names none of the photos: not used")
    of_all = [line.rpartition(" (")[0] for line in beside.tables]
    sides = {side: path for path in of_all if (side := _find_purpose(path))}
    if len(sides) > 1:
        splits.append(f"{' and '.join(sides.values())} may be lists of a split; {_GIVEN_HINT}")
    for path in by_ending["yaml"] + by_ending["yml"]:
        if b"names:" in (head := found.read_head(path)) and (b"train:" in head or b"nc:" in head):
            out.append(f"{path} (the classes of YOLO)")


def _find_purposes(data: bytes) -> set[str]:
    """The purposes that keys of a JSON file are words for."""
    words = re.findall(rb'"(\w+)"\s*:\s*[\[{]', data)
    return {purpose for word in set(words) if (purpose := purpose_of(word.decode()))}


def _find_purpose(path: str) -> str | None:
    """The purpose that a word of a file's name says: ``instances_val2017.json``."""
    words = re.split(r"[\W\d_]+", stem_of(path))
    return next((purpose for word in words if (purpose := purpose_of(word))), None)


def _described_stem(path: str) -> str:
    """The stem of the photo that a file beside it is about: ``a.xml``, or ``a.jpg.json``."""
    stem = stem_of(path)
    return stem.rpartition(".")[0] if re.search(r"(?i)\.(jpe?g|png|bmp|tiff?)$", stem) else stem


def _count_named(head: bytes, photos: Sequence[str]) -> int:
    """How many of some photos a text names."""
    words = set(re.split(r"[\s,;\t\"'/\\]+", head.decode("utf-8-sig", "replace")))
    words |= {word.rpartition(".")[0] for word in words if "." in word}
    return len(words & {stem_of(path) for path in photos})


def _add_lists(beside: SurveyedImages, found: FileSurvey) -> None:
    """Tell which text files say which images are on which side, and which of them a run cannot read."""
    names = {name for path in beside.photos for name in (stem_of(path), path.rpartition("/")[2])}
    lists, unread, wordy = dict[str, str](), list[str](), list[str]()
    for path in found.others:
        # train_list.txt is the list of train.
        word = re.sub(r"(?i)[_-]?(list|files?|images?|split|ids?|names?)$", "", stem_of(path))
        if _ending(path) not in ("txt", "lst", "list") or (purpose_of(word) is None and not is_trainval(word)):
            continue
        lines, whole = found.read_lines(path)
        if not whole:
            beside.notes.append(f"{path} is very large: counted here are its first {len(lines)} lines, a run reads all")
        if lines and _count_known(lines, names) >= _MIN_NAMED_LINES * len(lines):
            lists.setdefault(word, path)
        elif lines and _count_known([line.split()[0] for line in lines], names) >= _MIN_NAMED_LINES * len(lines):
            wordy.append(path)
        else:
            unread.append(path)
    if {"train", "val"} <= {word.casefold() for word in lists}:
        lists = {word: path for word, path in lists.items() if not is_trainval(word)}
    if unread and not lists:
        some = ", ".join(unread[:3]) + (" and others" if len(unread) > 3 else "")
        beside.notes.append(f"{some} may be lists of a split, but their lines name no photo here: not used")
    if len(wordy) > 1:
        beside.splits.append(f"the lines of {' and '.join(wordy[:3])} hold more than a name; {_GIVEN_HINT}")
    if len(lists) > 1:
        beside.lists.update(lists)


def _count_known(lines: Sequence[str], names: set[str]) -> int:
    """How many lines name a photo."""
    return sum(PurePosixPath(line).name in names for line in lines)

"""Sampling: how often each group stands in the bucket and in the training files; and what training sees of each class.

An augmented picture is a record of the training files: same image, same seed, same pixels. A content that was drawn
once has one; nothing is made up to fill a row. Contents are taken in the order of their checksums, which is as good
as by lot and the same every time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.augmentation import ImageAugmenter
from brev_pipeline.charts.preview.describe import describe_augmentation
from brev_pipeline.report.context import ReportContext, SectionSummary, Tone
from brev_pipeline.report.rows import EncodedColumn, Mask, Numbers, TableView, count_values, first_rows
from brev_pipeline.report.text import count_noun, format_percent, join_words
from brev_pipeline.report.thumbnails import PictureRequest, ThumbnailCache
from brev_pipeline.tables import NO_LABEL
from brev_pipeline.texts import TEXT

_GROUPS: Final = 60  # rows of each purpose

WEIGHING: Final = {
    "uniform": "every group equally often",
    "count": "every group as often as it has images",
    "square root": "by the square root of a group's size",
    "log": "by the logarithm of a group's size",
    "logx+1": "by the logarithm of a group's size plus one",
}


@dataclass(frozen=True)
class SampledGroup:
    """A group: its images and its records."""

    name: str
    images: int
    natural: float  # 0..1, share of the purpose's images
    records: int
    drawn: float  # 0..1, share of the purpose's records

    @property
    def oversampling(self) -> float:
        """How many times as often as by nature."""
        return self.drawn / self.natural if self.natural else 0.0


@dataclass(frozen=True)
class PurposeSampling:
    """The groups of a purpose that is drawn by weight."""

    purpose: str
    images: int
    undrawn: int  # of its images, those that no draw holds
    records: int
    epochs: int
    groups: list[SampledGroup]
    more: int
    kind: str  # what a draw is: of a fold, which holds its images as they are too, an augmented record

    @property
    def description(self) -> str:
        """Records, images and epochs in words."""
        images = count_noun(self.images, "image")
        whence = f"{self.images - self.undrawn:,} of its {images}" if self.undrawn else f"its {images}"
        epochs = f", in {self.epochs} epochs" if self.epochs > 1 else ""
        return f"{count_noun(self.records, self.kind)} from {whence}{epochs}"

    @property
    def largest_share(self) -> float:
        """The largest share, which fills its bar."""
        return max((max(group.natural, group.drawn) for group in self.groups), default=1.0) or 1.0


@dataclass(frozen=True)
class SamplingSection:
    """The section."""

    opening: SectionSummary
    draws: list[PurposeSampling]
    plain: list[tuple[str, int]]  # purposes whose images are used once each, as they are: name and records
    rule: str  # empty where nothing is drawn by weight


def sampling_section(context: ReportContext) -> SamplingSection:
    """Natural and drawn frequencies, from the weights and the records themselves."""
    settings = context.configuration["sampling"]
    weighed = [name for name in context.purposes if name in settings["purposes"]]
    weights = context.inputs.weights.read(["purpose", "group", "samples"])
    columns = {name: context.records.encode_column(name) for name in ("purpose", "group", "epoch")}
    augmented = context.records.read_column("augmented").to_numpy()
    drawn = {name: columns["purpose"].match_any([name]) & augmented for name in weighed}
    undrawn = _count_undrawn(context, drawn)
    kinds = dict.fromkeys(context.split_settings.fold_names, "augmented record")
    draws = [
        _describe_purpose(weights, columns, name, drawn[name], undrawn.get(name, 0), kinds.get(name, "record"))
        for name in weighed
    ]
    as_is = count_values({"purpose": columns["purpose"].take_rows(np.flatnonzero(~augmented))})
    once = {row["purpose"]: row["count"] for row in as_is}
    plain = [(name, once[name]) for name in context.purposes if name in once]
    rule = f"Groups are made by {join_words(settings['groupby'])} and drawn {WEIGHING[settings['group_weighing']]}."
    fine = context.has_passed("sampling_weights") and context.has_passed("tfrecord_shards")
    return SamplingSection(_summarize_sampling(draws, plain, fine), draws, plain, rule if draws else "")


def _count_undrawn(context: ReportContext, drawn: Mapping[str, Mask]) -> dict[str, int]:
    """Purpose → its images that no draw holds; those of a fold stand in its other part nevertheless."""
    if not context.split_settings.folds:
        return context.undrawn_counts
    paths = context.records.encode_column("path").codes
    images = {row["purpose"]: row["count"] for row in context.split.count_values("purpose")}
    return {name: images.get(name, 0) - len(np.unique(paths[mine])) for name, mine in drawn.items()}


def _describe_purpose(
    weights: pa.Table, records: Mapping[str, EncodedColumn], purpose: str, mine: Mask, undrawn: int, kind: str
) -> PurposeSampling:
    weights = weights.filter(pc.equal(weights["purpose"], purpose))
    counts = {row["group"]: row["count"] for row in count_values({"group": records["group"].take_rows(mine)})}
    total = int(mine.sum())
    images = pc.sum(weights["samples"]).as_py() or 0
    groups = []
    for row in weights.sort_by([("samples", "descending"), ("group", "ascending")]).to_pylist():
        name, samples, drawn = row["group"], row["samples"], counts.get(row["group"], 0)
        groups.append(SampledGroup(name, samples, samples / max(1, images), drawn, drawn / max(1, total)))
    epochs, more = len(np.unique(records["epoch"].codes[mine])), max(0, len(groups) - _GROUPS)
    return PurposeSampling(purpose, images, undrawn, total, epochs, groups[:_GROUPS], more, kind)


def _summarize_sampling(draws: list[PurposeSampling], plain: list[tuple[str, int]], fine: bool) -> SectionSummary:
    parts = []
    for one in draws:
        lifted = max(one.groups, key=lambda group: (group.oversampling, group.name), default=None)
        said = f"{one.purpose} has {one.description}"
        if lifted and lifted.oversampling > 1.05:
            said += f", “{lifted.name}” lifted from {format_percent(lifted.natural)} to {format_percent(lifted.drawn)}"
        parts.append(said)
    once = join_words([f"{name} ({records:,})" for name, records in plain])
    if once:
        parts.append(f"{once} {'is' if len(plain) == 1 else 'are'} used once each, as they are")
    text = "; ".join(parts) + "." if parts else "Nothing was drawn."
    text += "" if fine else " Not all is as wanted: see the checks."
    tone: Tone = "good" if parts and fine else "look"
    return SectionSummary("drawing", "How often each group is drawn", tone, text[0].upper() + text[1:])


_CLASSES: Final = 60  # sheets
_PICTURES: Final = 640  # on all sheets together
_SPAN: Final = (6, 24)  # pictures on one sheet
_RECORDS: Final = 3  # shown of one image
_COLUMNS: Final = ["content_id", "path", "item", "seed"]
_ORDER: Final = [("epoch", "ascending"), ("ordinal", "ascending")]
_PIXELS: Final = 14_000_000  # that are augmented for one page: about a second's work


@dataclass(frozen=True)
class SheetImage:
    """A prepared image and its records."""

    path: str
    item: str
    prepared: PictureRequest
    records: list[tuple[PictureRequest, str]]  # pictures, and what the augmentation did, in words
    drawn: int  # records in all; more than are shown, perhaps


@dataclass(frozen=True)
class ClassSheet:
    """A class."""

    name: str
    images: str  # by purpose, in words
    exhibits: list[SheetImage]


@dataclass(frozen=True)
class SheetsSection:
    """The section."""

    opening: SectionSummary
    sheets: list[ClassSheet]
    more: int
    guarded: list[str]  # purposes whose pictures are not shown


def sheets_section(context: ReportContext, album: ThumbnailCache, augmenter: ImageAugmenter) -> SheetsSection:
    """One sheet per class of the version, and one of the images without a class."""
    names: list[str] = context.inputs.manifest["classes"]
    if pc.any(pc.equal(context.records.read_column("label"), NO_LABEL), min_count=0).as_py():
        names = [*names, ""]
    shown = names[:_CLASSES]
    most = _count_affordable(context, len(shown))
    sheets = []
    if album.has_pictures:
        by_class, rows = _count_by_purpose(context), _find_candidates(context, shown, most)
        for name in shown:
            images = [_make_image(one, album, augmenter) for one in _choose_images(rows[name], most)]
            sheets.append(ClassSheet(name, by_class.get(name, ""), images))
    opening = _summarize_sheets(context, sheets, album)
    return SheetsSection(opening, sheets, len(names) - len(shown), sorted(context.guarded_purposes))


def _count_affordable(context: ReportContext, classes: int) -> int:
    """How many pictures a sheet may have, for the page's bytes and the time it takes."""
    columns = (context.images.read_column(f"prepared_{name}") for name in ("frames", "height", "width"))
    frames, *sides = (pc.max(column).as_py() or 1 for column in columns)
    affordable = min(_PICTURES, _PIXELS // (frames * sides[0] * sides[1])) // max(1, classes)
    return max(_SPAN[0], min(affordable, _SPAN[1]))


def _count_by_purpose(context: ReportContext) -> dict[str, str]:
    """Class → its images by purpose, in words."""
    names, rows = context.split.explode_categories()
    counts: dict[str, dict[str, int]] = {}
    for row in count_values({"category": names, "purpose": context.split.encode_column("purpose").take_rows(rows)}):
        counts.setdefault(row["category"], {})[row["purpose"]] = row["count"]
    return {
        name: join_words([f"{sides[one]:,} {one}" for one in context.purposes if one in sides])
        for name, sides in counts.items()
    }


def _find_candidates(context: ReportContext, names: list[str], most: int) -> dict[str, list[dict[str, Any]]]:
    """Class → rows for its sheet, in order: one per augmented record, or per image that has none."""
    found = _find_in_records(context, names, most)
    plain = [name for name in names if not found[name]]
    return found | (_find_in_split(context, plain, most) if plain else {})


def _find_in_records(context: ReportContext, names: list[str], most: int) -> dict[str, list[dict[str, Any]]]:
    records = context.records
    label = records.read_column("label").to_numpy().astype(np.int32)
    hidden = NO_LABEL - 1
    label[~(records.read_column("augmented").to_numpy() & _may_be_seen(context, records))] = hidden
    keys = pa.table({name: records.read_column(name) for name in ("content_id", "epoch", "ordinal")})
    labels = [number if name else NO_LABEL for number, name in enumerate(names)]
    chosen = [first_rows(keys, 50 * most, label == one) for one in labels]
    del keys
    return dict(zip(names, _read_lists(records, _COLUMNS, chosen), strict=True))


def _find_in_split(context: ReportContext, names: list[str], most: int) -> dict[str, list[dict[str, Any]]]:
    """Images of classes that no augmented record has as its label, with the records of the images, if there are any."""
    category, rows = context.split.explode_categories()
    seen = _may_be_seen(context, context.split)
    keys = pa.table({"content_id": context.split.read_column("content_id")})
    chosen = []
    for name in names:
        mine = np.zeros(len(seen), bool)
        mine[rows[category.match_any([name])]] = True
        chosen.append(first_rows(keys, most, mine & seen))
    del keys
    dealt = _read_lists(context.split, _COLUMNS[:3], chosen)
    seeds = _find_seeds(context, [row["content_id"] for mine in dealt for row in mine])
    return {
        name: [row | {"seed": seed} for row in mine for seed in seeds.get(row["content_id"], [None])]
        for name, mine in zip(names, dealt, strict=True)
    }


def _find_seeds(context: ReportContext, contents: list[str]) -> dict[str, list[int]]:
    """Content → seeds of its augmented records: of a class that no image has as its first, no record has the label."""
    records = context.records
    own = pc.is_in(records.read_column("content_id"), value_set=pa.array(contents, TEXT)).to_numpy()
    rows = np.flatnonzero(own & records.read_column("augmented").to_numpy() & _may_be_seen(context, records))
    found: dict[str, list[int]] = {}
    for row in records.read_rows(["content_id", "epoch", "ordinal", "seed"], rows).sort_by(_ORDER).to_pylist():
        found.setdefault(row["content_id"], []).append(row["seed"])
    return found


def _read_lists(table: TableView, columns: list[str], chosen: list[Numbers]) -> list[list[dict[str, Any]]]:
    """The rows with each of some lists of numbers."""
    rows = iter(table.read_rows(columns, np.concatenate([np.zeros(0, np.int64), *chosen])).to_pylist())
    return [list(islice(rows, len(one))) for one in chosen]


def _choose_images(rows: list[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of each image on a class's sheet, until there are pictures enough."""
    for _, group in groupby(rows, key=lambda row: row["content_id"]):
        drawn = list({row["seed"]: row for row in group}.values())
        most -= 1 + min(_RECORDS, len(drawn))
        if most < 0:
            return
        yield drawn


def _make_image(rows: list[dict[str, Any]], album: ThumbnailCache, augmenter: ImageAugmenter) -> SheetImage:
    content, seeds = rows[0]["content_id"], [row["seed"] for row in rows if row["seed"] is not None]
    # What is drawn hangs on the seed, not on the size.
    records = [
        (album.request(content, seed), describe_augmentation(augmenter.parameters(seed, 1, 1)))
        for seed in seeds[:_RECORDS]
    ]
    return SheetImage(rows[0]["path"], rows[0]["item"], album.request(content), records, len(seeds))


def _may_be_seen(context: ReportContext, table: TableView) -> Mask:
    """(rows,) whether a row's purpose is one whose pictures may be looked at."""
    return ~table.encode_column("purpose").match_any(sorted(context.guarded_purposes))


def _summarize_sheets(context: ReportContext, made: list[ClassSheet], album: ThumbnailCache) -> SectionSummary:
    title = "What training sees"
    if not album.has_pictures:
        return SectionSummary("sheets", title, "plain", "No pictures were at hand when this page was made.")
    shown = sum(bool(sheet.exhibits) for sheet in made)
    group = count_noun(shown, "class", "classes") if context.inputs.manifest["classes"] else "images without a class"
    said = (
        f"For {group}: images as prepared, and beside each the augmented copies that "
        "stand in the training files, remade here from the records' own seeds, pixel for pixel (only smaller)."
    )
    if context.guarded_purposes:
        guarded = join_words(sorted(context.guarded_purposes))
        said += f" Pictures of {guarded} are not shown, because every look at them is logged."
    return SectionSummary("sheets", title, "plain", said)

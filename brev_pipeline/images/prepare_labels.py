"""Preparing labels: masks and objects arranged as the pixels of their photo are, each once in their life.

They are kept in a cache of the same form as the pixels', keyed by the content and its label id. Whatever is wrong with
a photo's labels becomes a status and a reason; the photo itself is as usable as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings, ImageSettings
from brev_pipeline.config.labels import MaskSource
from brev_pipeline.engine import Counted, Engine, LostTask
from brev_pipeline.errors import BrevPipelineError, DecodeError, LabelError, SourceError
from brev_pipeline.images.arrangement import PhotoArrangement
from brev_pipeline.images.limits import RETRIED_STATUSES, decoding_limits
from brev_pipeline.images.masks import MaskClasses, read_mask
from brev_pipeline.images.pixel_cache import PixelCache, hash_ingredients, image_ingredients
from brev_pipeline.images.prepare_task import max_wait_seconds
from brev_pipeline.labels.base import BACKGROUND, UNLABELLED, Mask
from brev_pipeline.labels.identity import EMPTY_MASK, LABEL_ID
from brev_pipeline.labels.objects import ArrangedObjects, arrange_objects, to_rows
from brev_pipeline.labels.photo_masks import MASK, MASK_ID, describe_mask_meanings, number_mask_classes
from brev_pipeline.labels.polygons import ONE
from brev_pipeline.labels.prepared import PREPARED_LABELS_TYPE, attach_prepared_labels, label_keys
from brev_pipeline.storage.fetcher import Fetcher, SourceRow, check_recorded_md5
from brev_pipeline.store import Folder
from brev_pipeline.texts import TEXT

WRONG: Final = "wrong"
"""Status of labels that do not fit their photo, or mean nothing that the configuration knows."""
CODE: Final = "1"
"""Raised whenever the same labels and settings are prepared otherwise."""
_CHUNK: Final = 256
_OBJECTS: Final = "objects"
_MEASURED: Final = (_OBJECTS, "has_defect", "defect_area", "clipped", "excluded")

CACHED_LABELS: Final = pa.schema(
    [
        pa.field("content_id", TEXT, False),  # `labels.prepared.label_keys`
        pa.field("status", TEXT, False),
        pa.field("reason", TEXT),
        pa.field("prepared_frames", pa.int32()),
        pa.field("prepared_height", pa.int32()),
        pa.field("prepared_width", pa.int32()),
        pa.field("prepared_channels", pa.int32()),
        pa.field("file", TEXT),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        *(field for field in PREPARED_LABELS_TYPE.value_type if field.name in _MEASURED),
    ]
)
"""Schema of an index."""


class LabelJob(NamedTuple):
    """One photo's labels that are to be prepared."""

    key: str
    size: tuple[int, int]  # height and width of the upright photo, px
    frames: int | None  # of the prepared time series
    mask: SourceRow | None  # None: there is no file
    is_empty: bool  # labelled, and by rule nothing on it
    source: tuple[str, int]  # dataset id, and place of the mask's source among its labels
    objects: Sequence[Mapping[str, Any]] | None  # listed ones


class MaskMeaning(NamedTuple):
    """What a source of masks says of its files."""

    classes: MaskClasses
    resize: bool


@dataclass(frozen=True)
class LabelTask:
    """Prepares a chunk of jobs in a worker."""

    settings: ImageSettings
    meanings: Mapping[tuple[str, int], MaskMeaning]
    fetch: Fetcher
    cache: PixelCache | None = None  # None: nothing is kept; for `prepare_job` alone

    def __call__(self, jobs: Sequence[LabelJob]) -> pa.Table:
        """Rows of `CACHED_LABELS`, one per job; those that are true for good are in the cache already."""
        waiting: dict[SourceRow, list[LabelJob]] = {}
        for job in jobs:
            if job.mask is not None:
                waiting.setdefault(job.mask, []).append(job)
        done = [self.prepare_job(job, None) for job in jobs if job.mask is None]
        with decoding_limits(self.settings.max_pixels):
            for source, data in self.fetch.fetch_many(list(waiting)):
                checked = data if isinstance(data, SourceError) else check_recorded_md5(source, data)
                done += [self.prepare_job(job, checked) for job in waiting[source]]
        passing = [row for row, _ in done if row["status"] in RETRIED_STATUSES]
        lasting = [(row, mask) for row, mask in done if row["status"] not in RETRIED_STATUSES]
        rows, masks = [row for row, _ in lasting], [mask for _, mask in lasting]
        kept = self.cache.add_images(rows, masks) if rows and self.cache else CACHED_LABELS.empty_table()
        return pa.concat_tables([kept, pa.Table.from_pylist(passing, schema=CACHED_LABELS)])

    def prepare_job(self, job: LabelJob, data: bytes | SourceError | None) -> tuple[dict[str, Any], Mask | None]:
        """One photo's labels: a row of `CACHED_LABELS` without a place in the store, and its mask if it has one.

        Args:
            job: what is asked for.
            data: bytes of its mask file, or why they cannot be had; None: it has no file.
        """
        row: dict[str, Any] = {"content_id": job.key, "status": "ok"}
        if isinstance(data, SourceError):
            return {**row, "status": data.status, "reason": f"its mask: {data}"}, None
        arrangement = PhotoArrangement(*job.size, self.settings)
        try:
            mask = self._arrange_mask(job, data, arrangement)
        except DecodeError as error:
            return {**row, "status": error.status, "reason": f"its mask {_name(job)}: {error}"}, None
        except LabelError as error:
            return {**row, "status": WRONG, "reason": f"its mask {_name(job)}: {error}"}, None
        placed = None if job.objects is None else arrange_objects(job.objects, arrangement)
        if mask is not None:
            frames = len(mask) if mask.ndim == 3 else None
            row |= {"prepared_frames": frames, "prepared_height": mask.shape[-2], "prepared_width": mask.shape[-1]}
            row["prepared_channels"] = 1
        return row | _measure(mask, placed, job, arrangement), mask

    def _arrange_mask(self, job: LabelJob, data: bytes | None, arrangement: PhotoArrangement) -> Mask | None:
        if data is not None:
            meaning = self.meanings[job.source]
            mask = read_mask(data, self.settings, meaning.classes, job.size, resize=meaning.resize)
        elif job.is_empty:
            mask = np.full(job.size, BACKGROUND, np.uint8)
        else:
            return None
        return arrangement.arrange_mask(mask)


def _name(job: LabelJob) -> str:
    return job.mask.path if job.mask else ""


def _measure(
    mask: Mask | None, placed: ArrangedObjects | None, job: LabelJob, arrangement: PhotoArrangement
) -> dict[str, Any]:
    """What is on the prepared photo: objects, whether there is a defect, and its share of the area."""
    found: dict[str, Any] = {}
    if placed is not None:
        found = {_OBJECTS: to_rows(placed.objects), "clipped": placed.clipped}
        found["excluded"] = [
            f"{job.objects[number]['label']}: {reason}" if job.objects else reason
            for number, reason in placed.excluded.items()
        ]
    if mask is not None:
        shown = int(((mask != BACKGROUND) & (mask != UNLABELLED)).sum())
        found |= {"has_defect": shown > 0 or bool(placed and placed.objects), "defect_area": shown / mask.size}
    elif placed is not None:
        height, width = arrangement.prepared_size
        whole = 2 * ONE * ONE * height * width * (job.frames or 1)
        area = sum(one.area for one in placed.objects)
        found |= {"has_defect": bool(placed.objects), "defect_area": min(1.0, area / whole)}
    return found


def prepare_labels(
    samples: pa.Table,
    images: pa.Table,
    sizes: pa.Table,
    datasets: Sequence[DatasetSettings],
    settings: ImageSettings,
    *,
    fetch: Fetcher,
    folder: Folder,
    engine: Engine,
) -> pa.Table:
    """``prepared_images`` with the labels of each image, arranged as its pixels are.

    Args:
        samples: `LABEL_COLUMNS` of ``sample_integrity`` that it has; those of images without labels have no label id.
        images: ``prepared_images``.
        sizes: content_id, upright_height and upright_width, of `prepare_images`.
        datasets: say what masks mean.
        settings: how images are prepared.
        fetch: reads masks.
        folder: below which masks lie, as pixels do.
        engine: where the work runs.

    Raises:
        StoreError: the folder cannot be read or written.
        EngineError: workers cannot be had.
    """
    cache = PixelCache.for_ingredients(folder, _ingredients(datasets, settings), CACHED_LABELS)
    wanted = _find_wanted(samples, sizes["content_id"])
    known = cache.find_known(wanted["key"])
    rest = wanted.filter(pc.invert(pc.is_in(wanted["key"], value_set=known["content_id"].combine_chunks())))
    task = LabelTask(settings, read_mask_meanings(datasets), fetch, cache)
    work = Counted(_cut_chunks(_list_jobs(rest, sizes, images)), len, rest.num_rows, "photos")
    timeout = 150.0 + 2 * _CHUNK + max_wait_seconds(settings)
    fresh = []
    for jobs, result in engine.map(task, work, label="prepare labels", lost="yield", task_timeout=timeout):
        if isinstance(result, LostTask):
            reason = f"the worker that prepared its labels was lost: {result.reason}"
            rows = [{"content_id": job.key, "status": "interrupted", "reason": reason} for job in jobs]
            result = pa.Table.from_pylist(rows, schema=CACHED_LABELS)
        fresh.append(result)
    table = pa.concat_tables([known, *fresh])
    at = pc.index_in(wanted["key"], value_set=table["content_id"].combine_chunks())
    if at.null_count:
        raise BrevPipelineError(f"labels of {at.null_count} photos were to be prepared and did not come back")
    return attach_prepared_labels(images, wanted["content_id"].combine_chunks(), _build_labels(table.take(at), wanted))


def foresee_labels(
    samples: pa.Table,
    images: pa.Table,
    datasets: Sequence[DatasetSettings],
    settings: ImageSettings,
    folder: Folder,
) -> pa.Table:
    """What `prepare_labels` would give, as far as it is known.

    Of labels that are not prepared yet it is taken that they can be used; what is on a mask is not known before.
    Nothing is written. Arguments as of `prepare_labels`.
    """
    cache = PixelCache(folder, hash_ingredients(_ingredients(datasets, settings)), CACHED_LABELS)
    wanted = _find_wanted(samples, images.filter(pc.equal(images["status"], "ok"))["content_id"])
    known = cache.find_known(wanted["key"])
    rest = wanted.filter(pc.invert(pc.is_in(wanted["key"], value_set=known["content_id"].combine_chunks())))
    columns: dict[str, Any] = {"content_id": rest["key"], "status": pa.repeat(pa.scalar("ok", TEXT), len(rest))}
    if _OBJECTS in rest.column_names and MASK not in rest.column_names:
        columns["has_defect"] = pc.greater(pc.list_value_length(rest[_OBJECTS]), 0)
    columns = {field.name: columns.get(field.name, pa.nulls(len(rest), field.type)) for field in CACHED_LABELS}
    table = pa.concat_tables([known, pa.table(columns).cast(CACHED_LABELS)])
    at = pc.index_in(wanted["key"], value_set=table["content_id"].combine_chunks())
    labels = _build_labels(table.take(at), wanted)
    return attach_prepared_labels(images, wanted["content_id"].combine_chunks(), labels)


def _find_wanted(samples: pa.Table, usable: pa.ChunkedArray) -> pa.Table:
    """A photo of each content and label id, of usable contents."""
    there = pc.is_in(samples["content_id"], value_set=usable.combine_chunks())
    return _first_of_each(samples.filter(pc.and_(there, pc.is_valid(samples[LABEL_ID]))))


def _ingredients(datasets: Sequence[DatasetSettings], settings: ImageSettings) -> dict[str, Any]:
    return image_ingredients(settings) | {"labels": CODE, **describe_mask_meanings(datasets)}


def read_mask_meanings(datasets: Sequence[DatasetSettings]) -> dict[tuple[str, int], MaskMeaning]:
    """(dataset id, place among its labels) → what that source of masks means."""
    numbers = number_mask_classes(datasets)
    meanings = {}
    for dataset in datasets:
        for place, source in enumerate(dataset.labels):
            if isinstance(source, MaskSource):
                values = {value: numbers[name] for value, name in source.value_classes.items()}
                above = numbers[source.class_name] if source.threshold is not None else 1
                meanings[dataset.id, place] = MaskMeaning(MaskClasses(values, source.threshold, above), source.resize)
    return meanings


def _first_of_each(samples: pa.Table) -> pa.Table:
    """A photo of each content and label id, with ``key``, sorted by it."""
    samples = samples.append_column("key", label_keys(samples["content_id"], samples[LABEL_ID]))
    order = pc.sort_indices(samples.select(["key", "path"]), [("key", "ascending"), ("path", "ascending")])
    samples = samples.take(order)
    keys = samples["key"].combine_chunks()
    if len(keys) < 2:
        return samples
    return samples.filter(pa.concat_arrays([pa.array([True]), pc.not_equal(keys[1:], keys[:-1])]))


def _list_jobs(wanted: pa.Table, sizes: pa.Table, images: pa.Table) -> Iterator[LabelJob]:
    at = pc.index_in(wanted["content_id"], value_set=sizes["content_id"].combine_chunks())
    frames = images["prepared_frames"].take(
        pc.index_in(wanted["content_id"], value_set=images["content_id"].combine_chunks())
    )
    wanted = wanted.append_column("height", sizes["upright_height"].take(at))
    wanted = wanted.append_column("width", sizes["upright_width"].take(at)).append_column("frames", frames)
    for batch in wanted.to_batches(max_chunksize=1024):
        for row in batch.to_pylist():
            yield make_job(row, row["key"], (row["height"], row["width"]), row["frames"])


def make_job(photo: Mapping[str, Any], key: str, size: tuple[int, int], frames: int | None) -> LabelJob:
    """The job of a row of `LABEL_COLUMNS`; ``size`` is of the upright photo (height, width), px."""
    mask, mask_id = photo.get(MASK), photo.get(MASK_ID)
    source = None
    if mask is not None and mask_id is not None and mask_id != EMPTY_MASK:
        source = SourceRow(mask["path"], photo["bucket"], mask["etag"], mask["etag_source"], mask_id)
    place = (photo["dataset_id"], -1 if mask is None else mask["source"])
    return LabelJob(key, size, frames, source, mask_id == EMPTY_MASK, place, photo.get(_OBJECTS))


def _cut_chunks(jobs: Iterator[LabelJob]) -> Iterator[tuple[LabelJob, ...]]:
    while chunk := tuple(islice(jobs, _CHUNK)):
        yield chunk


def _build_labels(rows: pa.Table, wanted: pa.Table) -> pa.StructArray:
    """(photos,) values of `PREPARED_LABELS_TYPE`."""
    rows = rows.combine_chunks()
    columns = {name: rows[name].combine_chunks() for name in rows.column_names}
    places = [columns[name] for name in ("file", "offset", "length")]
    columns["mask"] = pa.StructArray.from_arrays(
        places, names=["file", "offset", "length"], mask=pc.is_null(columns["file"])
    )
    columns[LABEL_ID] = wanted[LABEL_ID].combine_chunks()
    fields = list(PREPARED_LABELS_TYPE.value_type)
    return pa.StructArray.from_arrays([columns[field.name].cast(field.type) for field in fields], fields=fields)


LABEL_COLUMNS: Final = ("path", "bucket", "dataset_id", "content_id", LABEL_ID, MASK, MASK_ID, _OBJECTS)
"""Columns of ``sample_integrity`` that `prepare_labels` reads, as far as it has them."""

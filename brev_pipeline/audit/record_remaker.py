"""The worker of a deep verification: reads a content where it was listed, judges it, and makes its records again.

Each object is fetched once and hashed. The first one that is what the version says is decoded, and gives the content's
row of images.parquet anew, and the pixels of all its records. An object that still has the entity tag that was listed,
and other bytes, shows that the version never said the truth of it; so does a local file that the store remembers, as
it is now, under the content that the version gives it. Of any other local file it cannot be told whether it was changed
since, or never was what the version says.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError, SourceError
from brev_pipeline.images.limits import RETRIED_STATUSES, TIMEOUT_REASON, UNDECIDED_STATUSES, UNREAD_STATUSES
from brev_pipeline.labels.identity import LABEL_ID
from brev_pipeline.labels.prepared import PREPARED_LABELS
from brev_pipeline.record_features import PhotoLabels
from brev_pipeline.records.label_encoder import LabelEncoder
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.store import Folder
from brev_pipeline.tables import UNREAD_PREFIX
from brev_pipeline.tfrecord import FOOTER_BYTES, HEADER_BYTES, read_frame

# What versions called ``corrupt`` before there was a status for it.
_DIED: Final = "the decoder died on it, or came to no end, each time that it was tried"
# Columns of ``prepared_images`` that do not follow from an image's bytes.
_LOCATION_COLUMNS: Final = ("content_id", "source_path", "file", "offset", "length", PREPARED_LABELS)
# Of prepared labels, what follows from the bytes of their files.
_OF_LABELS: Final = ("status", "objects", "has_defect", "defect_area", "clipped", "excluded")

_SHOWN: Final = 3  # columns of a row

Kind = Literal["same", "record", "different", "explained", "gone", "changed", "other bytes", "by copy"]
Row = dict[str, Any]


class Finding(NamedTuple):
    """What became of an object (one of the kinds but ``record``), or a record that came out the same or ``different``.

    ``explained``: images.parquet says otherwise of it, which other decoders or a faster machine may explain.
    """

    kind: Kind
    line: str
    of_image: bool = False
    """It tells of a row of images.parquet, and so of all objects with this content."""
    is_right: bool = False
    """It tells of an object that has the bytes that the version says."""


class Remembered(NamedTuple):
    """What a local file was when the store's memory last took its content for the one that the version gives it."""

    size: int
    modified: int
    """Microseconds since 1970."""
    file_stamp: str


class Listed(NamedTuple):
    """An object that is to be looked at."""

    source: SourceRow
    size: int
    """Bytes, as listed."""
    remembered: Remembered | None = None


@dataclass(frozen=True)
class Content:
    """One content: the objects that are to be looked at, what is said of it, and its records that are made again."""

    id: str
    """MD5, or ``unread-…``."""
    objects: tuple[Listed, ...]
    """Those that hold it, by the listing."""
    image: Row | None
    """Its row of images.parquet; None: it has none."""
    records: tuple[Row, ...] = ()
    """Rows of the record table, with multi_hot."""
    copies: tuple[SourceRow, ...] = ()
    """Other objects that hold it, read only where none of ``objects`` can be."""
    labels: tuple[Row, ...] = ()
    """Rows of the listing of those of ``objects`` that have labels, with all that labels say."""


@dataclass(frozen=True)
class RecordRemaker:
    """Looks at contents, and makes their records again; sent to each worker once.

    Args:
        folder: the version's.
        config: that the version was made with.
        fetch: reads the raw images.
        excuse: what is otherwise here than where the images were prepared: other decoders; empty if nothing is.
        encoder: of the version's labels; None: it has none.
    """

    folder: Folder
    config: PipelineConfig
    fetch: Sources
    excuse: str = ""
    encoder: LabelEncoder | None = None

    def __call__(self, task: Sequence[Content]) -> list[Finding]:
        """What became of each object, row of images.parquet and record of each content."""
        from brev_pipeline.images.limits import decoding_limits

        with decoding_limits(self.config.image.max_pixels):
            return [finding for content in task for finding in self._remake_content(content)]

    def _remake_content(self, content: Content) -> Iterator[Finding]:
        outcomes, raw, whence = self._read_objects(content)
        records: dict[str, list[Row]] = {}
        for row in content.records:
            records.setdefault(row["path"], []).append(row)
            if row["path"] not in outcomes:
                yield Finding(
                    "different", f"{describe_record(row)}: the listing does not have this path with this content"
                )
        # Copies are read only where the object of a record has gone.
        if raw is None and any(outcomes[path].kind == "gone" for path in records if path in outcomes):
            raw, whence = next(self._read_copies(content), (None, ""))
        made = [
            row
            for path, one in outcomes.items()
            if one.is_right or (one.kind == "gone" and raw is not None)
            for row in records.get(path, [])
        ]
        judged = [] if raw is None else list(self._check_bytes(content, raw, whence, made))
        is_told_right = not any(one.of_image for one in judged)
        for path, one in outcomes.items():
            own = ""
            if path in records and not one.is_right:
                more = f" and {len(records[path]) - 1} more" if len(records[path]) > 1 else ""
                own = f"{describe_record(records[path][0])}{more}: "
            if raw is not None and own and one.kind == "gone":
                yield Finding("by copy", f"{own}{one.line}; made from its copy {whence}")
            elif one.kind != "same" or is_told_right:
                yield Finding(one.kind, f"{own}{one.line}")
        yield from judged

    def _read_objects(self, content: Content) -> tuple[dict[str, Finding], bytes | None, str]:
        """Path → what its object is now; and the content's bytes, and the path that had them first."""
        by_path = {listed.source.path: listed for listed in content.objects}
        outcomes: dict[str, Finding] = {}
        raw, whence = None, ""
        # As they are now: on S3 only with the entity tag that was listed.
        for source, found in self.fetch.fetch_many([listed.source for listed in content.objects]):
            outcomes[source.path] = one = self._identify(content, by_path[source.path], found)
            if one.is_right and raw is None and isinstance(found, bytes):
                raw, whence = found, source.path
        return outcomes, raw, whence

    def _read_copies(self, content: Content) -> Iterator[tuple[bytes, str]]:
        """Copies that still are what was listed."""
        for copy in content.copies:
            for _, found in self.fetch.fetch_many([copy]):
                if isinstance(found, bytes) and _md5(found) == content.id:
                    yield found, copy.path

    def _identify(self, content: Content, listed: Listed, found: bytes | SourceError) -> Finding:
        """What it means that an object is what it is now."""
        own, image = listed.source, content.image
        if isinstance(found, SourceError):
            was_lost = content.id.startswith(UNREAD_PREFIX) or (
                image is not None and image["status"] in UNREAD_STATUSES
            )
            # It could not be read then either, as the version says.
            if was_lost and not content.records:
                return Finding("same", own.path)
            return Finding("gone" if found.status == "missing" else "changed", str(found))
        md5 = _md5(found)
        if content.id.startswith(UNREAD_PREFIX):
            return Finding(
                "changed", f"{own.path}: {_could_not_be_read(image)}; it can be read now, with the MD5 {md5}"
            )
        if md5 == content.id:
            if len(found) != listed.size:
                said = f"{own.path}: size is {listed.size} in listing.parquet, its bytes are {len(found)}"
                return Finding("different", said, is_right=True)
            return Finding("same", own.path, is_right=True)
        said = f"{own.path}: the object at this path has the MD5 {md5}, the version says {content.id}"
        # There an entity tag stands for bytes: with these under the same tag, the version never said the truth.
        if own.bucket.startswith("s3://") and own.etag:
            said += f", and its entity tag is still the one that was listed ({own.etag})"
            return Finding("different", said)
        if listed.remembered is not None and not self.fetch.has_changed(own, *listed.remembered):
            said += f", and the store remembers that of the file as it is now ({listed.remembered.file_stamp})"
            return Finding("different", said)
        said += ": it has other bytes than were listed, changed since, or never were what the version says"
        return Finding("other bytes", said)

    def _check_bytes(self, content: Content, raw: bytes, whence: str, records: Sequence[Row]) -> Iterator[Finding]:
        """Decode a content; compare its row of images.parquet, and its records made again."""
        source = SourceRow(whence, "", None, "none", content.id)
        try:
            row, pixels, in_no_time = self._prepare_again(content.image, source, raw)
        except BrevPipelineError as error:
            yield from (
                Finding("different", f"{describe_record(one)}: cannot be made again: {error}") for one in records
            )
            yield Finding("different", f"images.parquet: {error}", of_image=True)
            return
        yield from self._check_row(content.image, row, whence, in_no_time=in_no_time)
        labels: dict[str, PhotoLabels] = {}
        for photo in content.labels if pixels is not None else ():
            said, labels[photo["path"]] = self._prepare_labels(photo, content.image or {}, row)
            if said:
                yield Finding("different", f"images.parquet: the labels of {photo['path']}: {said}", of_image=True)
        for record in records:
            if row["status"] in UNDECIDED_STATUSES:
                said = f"{describe_record(record)}: cannot be made again here: {row['reason']}"
                yield Finding("explained", said)
            else:
                yield self._compare_record(record, pixels, str(row["reason"]), labels.get(record["path"]))

    def _prepare_labels(self, photo: Row, image: Row, row: Row) -> tuple[str, PhotoLabels]:
        """What images.parquet says otherwise of a photo's labels (empty: nothing), and these, prepared again."""
        from brev_pipeline.images.prepare_labels import LabelTask, make_job, read_mask_meanings
        from brev_pipeline.labels.objects import from_rows

        task = LabelTask(self.config.image, read_mask_meanings(self.config.datasets), self.fetch)
        job = make_job(photo, photo[LABEL_ID], (row["upright_height"], row["upright_width"]), row["prepared_frames"])
        data: bytes | SourceError | None = None
        if job.mask is not None:
            ((_, data),) = self.fetch.fetch_many([job.mask])
            if isinstance(data, bytes) and (md5 := _md5(data)) != job.mask.content_id:
                fault = f"{job.mask.path} has the MD5 {md5}, the version says {job.mask.content_id}"
                data = SourceError("changed", fault)
        made, mask = task.prepare_job(job, data)
        values: dict[str, Any] = {"mask": mask}
        if made.get("objects") is not None:
            values["objects"] = from_rows(made["objects"])
        assert self.encoder is not None
        texts = {name: photo[name] for name in self.encoder.texts}
        labels = PhotoLabels(values, {name: photo[name] for name in self.encoder.numbers}, texts)
        recorded = next((one for one in image.get(PREPARED_LABELS) or () if one[LABEL_ID] == photo[LABEL_ID]), None)
        if recorded is None:
            return "there are none on record", labels
        apart = [name for name in _OF_LABELS if recorded[name] != made.get(name)]
        said = [f"{name} is {recorded[name]!r} on record, and {made.get(name)!r} by their files" for name in apart]
        return "; ".join([*said[:_SHOWN], *([str(made["reason"])] if said and made.get("reason") else [])]), labels

    def _prepare_again(
        self, image: Row | None, source: SourceRow, raw: bytes
    ) -> tuple[Row, npt.NDArray[np.uint8] | None, bool]:
        """Row and pixels; and whether it took less than a tenth of the time after which the clock would stop it.

        What is said to have been the end of a decoder is given to none in this process.
        """
        from brev_pipeline.images.limits import extend_time_limit
        from brev_pipeline.images.prepare_task import prepare_isolated, prepare_row

        settings = self.config.image
        if image is None or not _timed_out(image):
            # It came to an end once, perhaps on a faster machine.
            return *prepare_row(source, raw, extend_time_limit(settings)), True
        tenth = settings.model_copy(update={"max_seconds": settings.max_seconds / 10})
        row, pixels = prepare_isolated(source, raw, tenth)
        if row["status"] not in UNDECIDED_STATUSES:
            return row, pixels, True
        return *prepare_isolated(source, raw, settings), False

    def _check_row(self, image: Row | None, row: Row, whence: str, *, in_no_time: bool) -> Iterator[Finding]:
        if image is None:
            said = f"images.parquet: it has no row of {whence} (content {row['content_id']})"
            yield Finding("different", said, of_image=True)
        elif image["status"] in RETRIED_STATUSES:
            now = "it can be read now" if row["status"] not in UNDECIDED_STATUSES else f"now, {row['reason']}"
            said = f"{whence}: {_could_not_be_read(image)}; {now}"
            yield Finding("changed", said, of_image=True)
        elif image["reason"] == _DIED and row["status"] in UNDECIDED_STATUSES:
            return
        elif apart := [name for name in image if name not in _LOCATION_COLUMNS and image[name] != row.get(name)]:
            said = "; ".join(
                f"{name} is {image[name]!r} on record, and {row.get(name)!r} by its bytes" for name in apart[:_SHOWN]
            )
            more = f"; and {len(apart) - _SHOWN} more columns" if len(apart) > _SHOWN else ""
            excuses = [self.excuse] if self.excuse else []
            if (image["reason"] or "").startswith(TIMEOUT_REASON) and not in_no_time:
                excuses.append("a machine that is faster than the one that prepared it")
            if row["status"] in UNDECIDED_STATUSES and not _timed_out(image):
                excuses.append("its decoding came to no end here")
            elif row["status"] == "interrupted":
                excuses.append("its decoding was interrupted here")
            excuse = f" ({'; '.join(excuses)})" if excuses else ""
            kind: Kind = "explained" if excuses else "different"
            yield Finding(kind, f"images.parquet: {whence}: {said}{more}{excuse}", of_image=True)

    def _compare_record(
        self, row: Row, pixels: npt.NDArray[np.uint8] | None, reason: str, labels: PhotoLabels | None
    ) -> Finding:
        from brev_pipeline.augmentation import ImageAugmenter
        from brev_pipeline.records import RecordBuilder

        place = describe_record(row)
        if pixels is None:
            said = f"{place}: cannot be made again: the raw image is what it was, and is refused now: {reason}"
            return Finding("different", said)
        try:
            stored = self._read_stored(row)
            augmenter = ImageAugmenter(self.config.augmentation, border=self.config.border)
            made = RecordBuilder(self.config.shards, augmenter, self.encoder)(row, pixels, labels)
        except BrevPipelineError as error:
            return Finding("different", f"{place}: cannot be made again: {error}")
        if stored == made:
            return Finding("record", place)
        return Finding("different", f"{place}: {_compare_examples(stored, made)}")

    def _read_stored(self, row: Row) -> bytes:
        place, size = self.folder.file_url(row["file"]), HEADER_BYTES + row["length"] + FOOTER_BYTES
        if self.config.shards.compression == "none":
            return read_frame(self.folder.read(row["file"], row["offset"], size), 0, place)[0]
        unpacked = _open_decompressed(self.folder, row["file"], self.config.shards.compression)
        return read_frame(os.pread(unpacked.fileno(), size, row["offset"]), 0, place)[0]


def _timed_out(image: Row) -> bool:
    return image["status"] in UNDECIDED_STATUSES or image["reason"] == _DIED


@lru_cache(256)
def _open_decompressed(folder: Folder, file: str, compression: str) -> IO[bytes]:
    """A compressed shard, unpacked in a file that nobody else sees: its records are wanted in no order."""
    from brev_pipeline.records.record_reader import read_whole_shard

    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is no longer kept
    unpacked.write(read_whole_shard(folder, file, compression))
    unpacked.flush()
    return unpacked


def describe_record(row: Mapping[str, Any]) -> str:
    """A record's place, in words."""
    return f"{row['file']}, record {row['position']} ({row['path']})"


def _could_not_be_read(image: Row | None) -> str:
    said = "" if image is None else f" ({image['status']}: {image['reason']})"
    return f"the version says that it could not be read{said}"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _compare_examples(stored: bytes, made: bytes) -> str:
    from brev_pipeline.records import decode_example

    try:
        before, after = decode_example(stored), decode_example(made)
    except BrevPipelineError as error:
        return f"the shard holds something else: {error}"
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return f"made again, it differs in {', '.join(names) or 'the order of its features'}"

"""Deep: records made again from the raw images, all the way, and compared with the shards byte for byte.

Each record begins with the object at its own path: the MD5 of the bytes there against the content id that the version
gives it. An object that still has the entity tag that was listed, and other bytes, shows that the version never said
the truth of it. A local file has no such tag: whether it was changed since, or never was what the version says, cannot
be told, so it is counted apart, by name and with both checksums. So is a raw image that has gone.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.claims import made_with
from brev_pipeline.audit.tables import listed_now
from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import Engine, Lost, SerialEngine
from brev_pipeline.errors import BrevPipelineError, DecodeError, SourceError, StoreError
from brev_pipeline.framing import FOOTER_BYTES, HEADER_BYTES, unframe
from brev_pipeline.seeds import seeds64
from brev_pipeline.source import Sources
from brev_pipeline.source_base import SourceRow
from brev_pipeline.store import Folder, Version
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline.store.publish import package_versions
from brev_pipeline.store.versions import file_facts
from brev_pipeline.texts import TEXT, joined

_CHUNK: Final = 16  # records that a worker makes at a time

_UNREAD: Final = "unread-"
"""In place of a content id: the source compares nothing, and the comparison is made here."""

Kind = Literal["same", "different", "gone", "by copy"]


@dataclass(frozen=True)
class Remade:
    """What became of the records that were to be made again."""

    version: str
    asked: int
    same: int
    """Came out with the very bytes that the shards hold."""
    problems: list[str]
    """Came out otherwise; one line each."""
    gone: list[str]
    """Could not be made, because the raw image has gone, or is not (or no longer) what was listed; one line each."""
    records: int = 0
    """How many the version has."""
    by_copy: list[str] = field(default_factory=list)
    """Came out the same, but from a copy, because the object at the record's own path has gone; one line each."""
    packages: dict[str, list[str]] = field(default_factory=dict)
    """Packages of another version than those that made the version: [then, now]; they may explain problems."""

    def contents(self) -> dict[str, Any]:
        """The same, JSON-safe."""
        return {**vars(self), "chance_to_miss_one": self.chance_to_miss_one}

    @property
    def chance_to_miss_one(self) -> float:
        """Probability that a single bad record of the version is not among those that were asked for."""
        return 1 - self.asked / self.records if self.records else 0.0


class Wanted(NamedTuple):
    """A record to be made again."""

    row: dict[str, Any]
    """Of the record table, with multi_hot."""
    sources: tuple[SourceRow, ...]
    """Objects that held its bytes when they were listed; its own first, then copies."""


def remake(
    config: PipelineConfig,
    version: Version,
    *,
    records: int | None,
    seed: int = 0,
    engine: Engine | None = None,
) -> Remade:
    """Make records of a version again from the raw images, as its manifest says that they were made.

    Args:
        config: says how the datasets are reached today; all else is the manifest's.
        version: a published version whose files were verified.
        records: how many; all of them if the version has fewer, or for None.
        seed: chooses which; the same for the same version and seed.
        engine: makes the records.

    Raises:
        StoreError: the record table or the listing is not as published.
        BrevPipelineError: nothing can be fetched at all: a server is out of reach, or refuses the credentials.
    """
    manifest = version.manifest()
    made = made_with(manifest, config.store).at(config.base)
    places = Sources.of(made).places | Sources.of(config).places
    maker = Remaker(version.folder, made, Sources(places))
    table = _checked(version, manifest, "records")
    tasks = _tasks(version, manifest, table, records, seed)
    found: list[tuple[Kind, str]] = []
    for task, outcome in (engine or SerialEngine()).map(maker, tasks, label="make records again", lost="yield"):
        found += (
            [("different", f"{_place(one.row)}: {outcome.reason}") for one in task]
            if isinstance(outcome, Lost)
            else outcome
        )
    kinds = ("same", "different", "gone", "by copy")
    same, different, gone, by_copy = (sorted(line for of, line in found if of == kind) for kind in kinds)
    then, now = manifest["packages"], package_versions()
    changed = {name: [then.get(name, "none"), now[name]] for name in now if then.get(name) != now[name]}
    alike = len(same) + len(by_copy)
    return Remade(version.id, len(found), alike, different, gone, table.num_rows, by_copy, changed)


@dataclass(frozen=True)
class Remaker:
    """Makes records again and compares them; sent to each worker once.

    Args:
        folder: the version's.
        config: that the version was made with.
        fetch: reads the raw images.
    """

    folder: Folder
    config: PipelineConfig
    fetch: Sources

    def __call__(self, task: Sequence[Wanted]) -> list[tuple[Kind, str]]:
        """What became of each record, and a line about it."""
        from brev_pipeline.images.limits import decoding_limits

        with decoding_limits(self.config.image.max_pixels):
            return [self._one(wanted) for wanted in task]

    def _one(self, wanted: Wanted) -> tuple[Kind, str]:
        place = _place(wanted.row)
        own, *copies = wanted.sources or (None,)
        if own is None or own.path != wanted.row["path"]:
            return "different", f"{place}: the listing does not have this path with this content"
        raw = self._read(own)
        instead = ""
        if isinstance(raw, bytes):
            if (md5 := _md5(raw)) != own.content_id:
                return _other_bytes(own, md5, place)
        else:
            copy = next(filter(None, map(self._copy, copies)), None) if raw.status == "missing" else None
            if copy is None:
                return "gone", f"{place}: {raw}"
            instead, raw = f"{raw}; made from its copy {copy[0]}", copy[1]
        try:
            stored, made = self._stored(wanted.row), self._made(wanted.row, raw)
        except BrevPipelineError as error:
            return "different", f"{place}: cannot be made again: {error}"
        if stored != made:
            return "different", f"{place}: {_difference(stored, made)}"
        return ("by copy", f"{place}: {instead}") if instead else ("same", place)

    def _read(self, source: SourceRow) -> bytes | SourceError:
        """The object at this path as it is now: on S3 only with the entity tag that was listed."""
        asked = source._replace(content_id=_UNREAD, etag_source="s3")
        ((_, found),) = self.fetch.fetch_many([asked])
        return found

    def _copy(self, source: SourceRow) -> tuple[str, bytes] | None:
        """A copy's path and bytes, if it still is what was listed."""
        found = self._read(source)
        right = isinstance(found, bytes) and _md5(found) == source.content_id
        return (source.path, found) if right and isinstance(found, bytes) else None

    def _made(self, row: Mapping[str, Any], raw: bytes) -> bytes:
        from brev_pipeline.augment import ImageAugmenter
        from brev_pipeline.images import ImagePipeline
        from brev_pipeline.shards import RecordMaker

        try:
            pixels = ImagePipeline(self.config.image).prepare(raw)
        except DecodeError as error:
            raise StoreError(f"the raw image is what it was, and is refused now: {error}") from error
        return RecordMaker(self.config.shards, ImageAugmenter(self.config.augmentation))(row, pixels)

    def _stored(self, row: Mapping[str, Any]) -> bytes:
        place = self.folder.place(row["file"])
        if self.config.shards.compression == "none":
            size = HEADER_BYTES + row["length"] + FOOTER_BYTES
            return unframe(self.folder.read(row["file"], row["offset"], size), 0, place)[0]
        return unframe(_unpacked(self.folder, row["file"], self.config.shards.compression), row["offset"], place)[0]


@lru_cache(1)
def _unpacked(folder: Folder, file: str, compression: str) -> bytes:
    """A compressed shard, kept until another is wanted: its records come one after the other."""
    from brev_pipeline.shards.read import whole_file

    return whole_file(folder, file, compression)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _other_bytes(own: SourceRow, md5: str, place: str) -> tuple[Kind, str]:
    """What it means that the object at a record's own path has another checksum than the version says."""
    said = f"{place}: the object at this path has the MD5 {md5}, the version says {own.content_id}"
    if own.bucket.startswith("s3://") and own.etag:
        return "different", f"{said}, and its entity tag is still the one that was listed ({own.etag})"
    return "gone", f"{said}: it has other bytes than were listed, changed since, or never were what the version says"


def _tasks(
    version: Version, manifest: Mapping[str, Any], table: pa.Table, records: int | None, seed: int
) -> Iterator[tuple[Wanted, ...]]:
    split = listed_now(_checked(version, manifest, "assignments"))
    keys = joined(table["file"], table["position"].cast(TEXT), by="/").to_pylist()
    drawn = np.argsort(np.array(seeds64(seed, ("deep",), keys), np.uint64), kind="stable")[:records]  # None: all
    rows = table.take(pa.array(np.sort(drawn))).to_pylist()
    hot = _multi_hot(split, table, manifest["classes"], [row["path"] for row in rows])
    sources = _sources(_checked(version, manifest, "listing"), rows)
    wanted = [Wanted({**row, "multi_hot": hot[row["path"]]}, sources[row["path"]]) for row in rows]
    for start in range(0, len(wanted), _CHUNK):
        yield tuple(wanted[start : start + _CHUNK])


def _multi_hot(split: pa.Table, records: pa.Table, classes: list[str], paths: list[str]) -> dict[str, list[int] | None]:
    """Path → 1 for each class that the image has; None where no image with a record has several."""
    drawn = split.filter(pc.is_in(split["path"], value_set=pc.unique(records["path"])))
    if pc.max(pc.list_value_length(drawn["category"])).as_py() == 1:
        return dict.fromkeys(paths)
    own = drawn.filter(pc.is_in(drawn["path"], value_set=pa.array(paths, TEXT))).select(["path", "category"])
    return {row["path"]: [int(name in row["category"]) for name in classes] for row in own.to_pylist()}


def _sources(listing: pa.Table, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[SourceRow, ...]]:
    """Path → the objects that held its content."""
    contents = pa.array({row["content_id"] for row in rows}, TEXT)
    own = listing.filter(pc.is_in(listing["content_id"], value_set=contents))
    by_content: dict[str, list[SourceRow]] = {}
    for row in own.select(list(SourceRow._fields)).to_pylist():
        by_content.setdefault(row["content_id"], []).append(SourceRow(**row))
    return {
        row["path"]: tuple(
            sorted(by_content.get(row["content_id"], []), key=lambda source: (source.path != row["path"], source.path))
        )
        for row in rows
    }


def _checked(version: Version, manifest: Mapping[str, Any], name: str) -> pa.Table:
    data = version.folder.read(f"{name}.parquet")
    if file_facts(data) != manifest["files"].get(f"{name}.parquet"):
        raise StoreError(f"{version.folder.place(name)}.parquet is not the file that was published: verify says more")
    return from_parquet(data)


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['file']}, record {row['position']} ({row['path']})"


def _difference(stored: bytes, made: bytes) -> str:
    from brev_pipeline.shards import decode_example

    try:
        before, after = decode_example(stored), decode_example(made)
    except BrevPipelineError as error:
        return f"the shard holds something else: {error}"
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return f"made again, it differs in {', '.join(names) or 'the order of its features'}"

"""Deep: the objects of a version read where they were listed, judged again, and its records made from them.

What the listing says of an object (its content), what the images' table says of a content (status, pixels, statistics),
what the exclusions say of a file that was not read, and what the shards hold: each is made anew from the raw images and
compared, floats and bytes exactly. So it is found too who was kept out of the shards: a good photo that is said to be
corrupt, one that is said to be a copy, one that is said to be too large. `record_remaker` has the worker's part.

Raw images change after a version was published, and that is no fault of the version. What has gone, what has changed
and says so (by another entity tag), and what merely has other bytes are counted apart, and never as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.file_checks import add_features
from brev_pipeline.audit.record_remaker import (
    Content,
    Finding,
    Kind,
    Listed,
    RecordRemaker,
    Remembered,
    describe_record,
)
from brev_pipeline.audit.version_claims import read_configuration
from brev_pipeline.config import PipelineConfig
from brev_pipeline.engine import Engine, LocalEngine, LostTask, SerialEngine
from brev_pipeline.errors import SourceError, StoreError
from brev_pipeline.record_features import LABEL_FEATURES, parse_features
from brev_pipeline.records.label_encoder import build_label_encoder
from brev_pipeline.seeds import seeds64
from brev_pipeline.stages import SPECS, package_versions
from brev_pipeline.storage import Sources
from brev_pipeline.storage.fetcher import SourceRow
from brev_pipeline.storage.places import Place, ReadLimits, path_prefix
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.store.parquet import from_parquet
from brev_pipeline.store.versions import file_facts
from brev_pipeline.table_metadata import LEFT_OUT_RULES
from brev_pipeline.tables import LABEL_ID, SAMPLE_INTEGRITY
from brev_pipeline.texts import TEXT, join_texts

_TABLES: Final = ("listing", "images", "assignments", "records", "exclusions")
_CONTENTS_PER_TASK: Final = 16
_TASK_TIMEOUT: Final = 200.0  # s, with a content on which a worker died
# Packages whose version may show in a row of images.parquet.
_DECODERS: Final = ("imagecodecs", "numpy", "opencv-python-headless", "Pillow", "simplejpeg")
# Rules of what is not read for what it is; a class follows from the path.
_REFUSED: Final = tuple(rule for rule in LEFT_OUT_RULES if rule != "class_filter")
_REMEMBERED: Final = [f"remembered_{name}" for name in Remembered._fields]


@dataclass(frozen=True)
class Remade:
    """What became of the images that were to be looked at, and of the records that were to be made again."""

    version: str
    asked: int
    """Records that were to be made again."""
    same: int
    """Records that came out with the very bytes that the shards hold."""
    problems: list[str]
    """What is otherwise than the version says, records and images; one line each."""
    gone: list[str]
    """Images that are not there, or cannot be read; one line each."""
    changed: list[str] = field(default_factory=list)
    """Images that are not what was listed any more, as their entity tag or their kind shows; one line each."""
    other_bytes: list[str] = field(default_factory=list)
    """Images with other bytes than the version says, changed since or forged: nothing tells which; one line each."""
    by_copy: list[str] = field(default_factory=list)
    """Images that have gone, whose records came from a copy; one line each."""
    explained: list[str] = field(default_factory=list)
    """What is otherwise in images.parquet, where its images were prepared by other decoders; one line each."""
    records: int = 0
    """How many records the version has."""
    images: int = 0
    """How many images it has that are looked at: all of the listing, and what was refused."""
    images_asked: int = 0
    """Images that were to be looked at: those that were drawn, and those of the records."""
    images_same: int = 0
    """Images that are what the version says."""
    drawn: int = 0
    """Images that were drawn from all of them."""
    packages: dict[str, list[str]] = field(default_factory=dict)
    """Packages of another version than those that made the version: [then, now]; they may explain problems."""
    skipped: str | None = None
    """Why nothing was made again at all."""

    def contents(self) -> dict[str, Any]:
        """The same, JSON-safe."""
        chances = ("chance_to_miss_one", "chance_to_miss_one_image")
        return {**vars(self), **{name: getattr(self, name) for name in chances}}

    @property
    def chance_to_miss_one(self) -> float:
        """Probability that a single bad record of the version is not among those that were asked for."""
        return 1 - self.asked / self.records if self.records else 0.0

    @property
    def chance_to_miss_one_image(self) -> float:
        """Probability that a single image that is not what the version says was not drawn.

        It counts what was drawn alone: an image that has records is more likely looked at, one that has none is not.
        """
        return 1 - self.drawn / self.images if self.images else 0.0

    @property
    def is_whole(self) -> bool:
        """Whether all that was asked for could be compared, and is what the version says."""
        apart = (self.problems, self.gone, self.changed, self.other_bytes, self.by_copy, self.explained, self.skipped)
        return not any(apart)


def remake(
    config: PipelineConfig, version: Version, *, records: int | None, seed: int = 0, engine: Engine | None = None
) -> Remade:
    """Look at images of a version and make its records again from them, as its manifest says that they were made.

    Args:
        config: says how the datasets are reached today, and where the store is that remembers; all else is the
            manifest's.
        version: a published version whose files were verified.
        records: how many records are made again, and how many images are drawn to be looked at besides those of
            these records; all if the version has fewer, or for None.
        seed: chooses which; the same for the same version and seed.
        engine: does the work.

    Raises:
        StoreError: a table is not as published, or the store cannot be read.
        BrevPipelineError: nothing can be fetched at all: a server is out of reach, or refuses the credentials.
    """
    manifest = version.read_manifest()
    made = read_configuration(manifest, config.store).with_base(config.base_folder)
    store, now = PipelineStore.from_config(config), package_versions()
    # A version of before this package was needed does not name it.
    then = {name: manifest["packages"].get(name, "none") for name in now}
    packages = {name: [then[name], now[name]] for name in now if then[name] != now[name]}
    tables = {name: _read_checked(version, manifest, name) for name in _TABLES}
    tables["records"] = add_features(tables["records"], tables["assignments"], manifest)
    sample = _choose_sample(tables, records, seed)
    encoder = build_label_encoder(parse_features(manifest.get(LABEL_FEATURES, ())))
    remaker = RecordRemaker(version.folder, made, _open_sources(made, config), _excuse(manifest, packages), encoder)
    contents = _list_contents(tables["images"], sample, store.identity_cache.load_newest())
    findings = list(_run_tasks(remaker, contents, engine or SerialEngine()))
    findings += _check_refused(made, config, sample.refused, _published_at(store, version) if sample.refused else None)

    def lines(kind: Kind) -> list[str]:
        return sorted(finding.line for finding in findings if finding.kind == kind)

    return Remade(
        version.id,
        sample.records.num_rows,
        len(lines("record")),
        lines("different"),
        lines("gone"),
        changed=lines("changed"),
        other_bytes=lines("other bytes"),
        by_copy=lines("by copy"),
        explained=lines("explained"),
        records=tables["records"].num_rows,
        images=sample.images,
        images_asked=int(pc.sum(sample.listing["asked"], min_count=0).as_py()) + len(sample.refused),
        images_same=len(lines("same")),
        drawn=sample.drawn,
        packages=packages,
    )


@dataclass(frozen=True)
class _Sample:
    """What was chosen."""

    listing: pa.Table
    """All of it, with ``asked``: whether the object is to be looked at."""
    records: pa.Table
    """To be made again, in the order of the shards."""
    refused: list[dict[str, Any]]
    """Rows of the exclusions, to be looked at."""
    images: int
    """How many there are to draw from."""
    drawn: int
    """How many were."""


def _choose_sample(tables: Mapping[str, pa.Table], count: int | None, seed: int) -> _Sample:
    records, listing, excluded = (tables[name] for name in ("records", "listing", "exclusions"))
    keys = join_texts(records["file"], records["position"].cast(TEXT), by="/").to_pylist()
    records = records.take(pa.array(np.sort(_draw_keys(keys, "deep", count, seed))))
    refused = excluded.filter(pc.is_in(excluded["rule"], value_set=pa.array(_REFUSED, TEXT)))
    paths = [*listing["path"].to_pylist(), *refused["path"].to_pylist()]
    drawn = np.zeros(len(paths), np.bool_)
    drawn[_draw_keys(paths, "deep images", count, seed)] = True
    rows = listing.num_rows
    of_record = pc.is_in(listing["path"], value_set=pc.unique(records["path"])).to_numpy()
    return _Sample(
        listing.append_column("asked", pa.array(drawn[:rows] | of_record)),
        records,
        refused.filter(pa.array(drawn[rows:])).to_pylist(),
        len(paths),
        int(drawn.sum()),
    )


def _draw_keys(keys: list[str], purpose: str, count: int | None, seed: int) -> Any:
    # By hash: who is drawn depends neither on order nor on the others.
    return np.argsort(np.array(seeds64(seed, (purpose,), keys), np.uint64), kind="stable")[:count]  # None: all


def _list_contents(images: pa.Table, sample: _Sample, memory: pa.Table | None) -> Iterator[Content]:
    """Every content that an object or a record was chosen of, in the order of the shards."""
    listing, records = _join_memory(sample.listing, memory), sample.records
    asked = listing.filter(listing["asked"])["content_id"]
    ids = pc.unique(pa.chunked_array([*records["content_id"].chunks, *asked.chunks], TEXT))
    groups = (_group_by_content(table, ids) for table in (listing, images, records))
    for content, listed, prepared, made in zip(ids.to_pylist(), *groups, strict=True):
        yield Content(
            content,
            tuple(_listed_object(row) for row in listed if row["asked"]),
            prepared[0] if prepared else None,
            tuple(made),
            tuple(_listed_object(row).source for row in listed if not row["asked"]),
            tuple(row for row in listed if row["asked"] and row.get(LABEL_ID.name)),
        )


def _group_by_content(table: pa.Table, ids: pa.Array) -> Iterator[list[dict[str, Any]]]:
    """The rows of each content; few are in memory as Python's objects at a time."""
    at = pc.fill_null(pc.index_in(table["content_id"], value_set=ids), -1).to_numpy()
    order = np.argsort(at, kind="stable")
    ends = np.searchsorted(at[order], np.arange(len(ids) + 1))
    for start in range(0, len(ids), _CONTENTS_PER_TASK):
        own = ends[start : start + _CONTENTS_PER_TASK + 1]
        rows = table.take(pa.array(order[own[0] : own[-1]])).to_pylist()
        for first, last in zip(own[:-1] - own[0], own[1:] - own[0], strict=True):
            yield rows[first:last]


def _join_memory(listing: pa.Table, memory: pa.Table | None) -> pa.Table:
    """What the store remembers of local files that it takes for the content that the listing gives them; else null."""
    # Beside these, what labels say: all columns that a listing without labels has not.
    labels = [name for name in listing.column_names if name not in SAMPLE_INTEGRITY.names and name != "asked"]
    listing = listing.select([*SourceRow._fields, "size", "asked", *(["dataset_id", *labels] if labels else [])])
    if memory is None:
        return listing
    at = pc.index_in(listing["path"], value_set=memory["path"].combine_chunks())
    agrees = pc.and_(
        pc.equal(memory["content_id"].take(at), listing["content_id"]), pc.is_valid(memory["file_stamp"].take(at))
    )
    at = pc.if_else(pc.fill_null(agrees, False), at, pa.scalar(None, at.type))
    facts = [memory["size"], memory["modified"].cast(pa.int64()), memory["file_stamp"]]
    for name, column in zip(_REMEMBERED, facts, strict=True):
        listing = listing.append_column(name, column.take(at))
    return listing


def _listed_object(row: Mapping[str, Any]) -> Listed:
    remembered = [row.get(name) for name in _REMEMBERED]
    source = SourceRow(*(row[name] for name in SourceRow._fields))
    return Listed(source, row["size"], None if None in remembered else Remembered(*remembered))  # type: ignore[arg-type]


def _run_tasks(remaker: RecordRemaker, contents: Iterator[Content], engine: Engine) -> Iterator[Finding]:
    """What became of the contents; those that kill a worker are tried again one by one, in a process of their own."""
    apart: list[list[Content]] = []
    # Until a list comes out empty: lists of so many contents, and the rest.
    tasks = iter(lambda: list(islice(contents, _CONTENTS_PER_TASK)), [])
    for task, outcome in engine.map(remaker, tasks, label="make records again", lost="yield"):
        if isinstance(outcome, LostTask):
            apart += [[content] for content in task]
        else:
            yield from outcome
    if apart:
        # What killed a worker may not run in this process.
        workers = LocalEngine(1) if isinstance(engine, SerialEngine) else engine
        one_by_one = workers.map(remaker, apart, label="what died before", lost="yield", task_timeout=_TASK_TIMEOUT)
        for (content,), outcome in one_by_one:
            if not isinstance(outcome, LostTask):
                yield from outcome
                continue
            for listed in content.objects:
                yield Finding("different", f"{listed.source.path}: {outcome.reason}, and the version does not say so")
            for row in content.records:
                yield Finding("different", f"{describe_record(row)}: cannot be made again: {outcome.reason}")


def _check_refused(
    made: PipelineConfig, config: PipelineConfig, rows: Sequence[Mapping[str, Any]], published: datetime | None
) -> Iterator[Finding]:
    """Look at what was not read for what it is: a file that may be read contradicts that, if it was so at the time."""
    prefixes = sorted((path_prefix(dataset.bucket), dataset.bucket) for dataset in made.datasets)
    said = {row["path"]: f"exclusions.parquet: {row['path']} ({row['rule']}: {row['reason']})" for row in rows}
    sources = []
    for path in said:
        # The longest prefix first: one dataset may lie within another.
        bucket = next((own for prefix, own in reversed(prefixes) if path.startswith(prefix)), None)
        if bucket is None:
            yield Finding("different", f"{said[path]} lies in no dataset")
        else:
            sources.append(SourceRow(path, bucket, None, "none", ""))
    for source, found in _open_sources(made, config, follow_links=made.listing.follow_links).stat_many(sources):
        line = said[source.path]
        if isinstance(found, SourceError):
            yield Finding("same", line) if found.status == "changed" else Finding("gone", f"{line}: {found}")
            continue
        size, changed = found
        line += f" is a file of {size:,} bytes that may be read; it was last changed {changed.isoformat()}"
        if published is not None and changed < published:
            yield Finding("different", f"{line}, before this version was published ({published.isoformat()})")
        else:
            yield Finding("changed", f"{line}, after this version was published")


def _open_sources(made: PipelineConfig, config: PipelineConfig, follow_links: bool | None = None) -> Sources:
    """Where the images lie today, with the limits that the version was made with.

    A manifest alone has nobody read what links lead to, out of a dataset: the present configuration has to allow it.
    """
    follow = made.listing.follow_links and config.listing.follow_links if follow_links is None else follow_links
    limits = ReadLimits(follow, made.listing.max_object_bytes)
    places: dict[str, Place] = Sources.from_config(made).places | Sources.from_config(config).places
    return Sources({bucket: replace(place, limits=limits) for bucket, place in places.items()})


def _published_at(store: PipelineStore, version: Version) -> datetime | None:
    """When the version was first published, by the log; None where it does not stand there."""
    times = [entry.published_at for entry in store.publications.read_all() if entry.version == version.id]
    if not times:
        return None
    first = datetime.fromisoformat(min(times))
    return first if first.tzinfo else first.replace(tzinfo=UTC)


def _excuse(manifest: Mapping[str, Any], packages: Mapping[str, Sequence[str]]) -> str:
    """What decodes otherwise here than where the version's images were prepared; empty if nothing does."""
    apart = [f"{name} {then} → {now}" for name, (then, now) in packages.items() if name in _DECODERS]
    ours = SPECS["prepared_images"].code
    code = manifest.get("stages", {}).get("prepared_images", {}).get("code", ours)
    apart += [f"prepared_images by code {code} → {ours}"] if code != ours else []
    return f"other decoders: {', '.join(apart)}" if apart else ""


def _read_checked(version: Version, manifest: Mapping[str, Any], name: str) -> pa.Table:
    data = version.folder.read(f"{name}.parquet")
    if file_facts(data) != manifest["files"].get(f"{name}.parquet"):
        raise StoreError(
            f"{version.folder.file_url(name)}.parquet is not the file that was published: verify says more"
        )
    return from_parquet(data)

"""Shelves: which prepared pixels are referred to, and what the newest tables of the runs name."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.image import NO_INGREDIENTS
from brev_pipeline.errors import StoreError
from brev_pipeline.store import PipelineStore, Version
from brev_pipeline.store.file_entries import FileEntry
from brev_pipeline.store.hashed_files import check_named_bytes, hash_in_name
from brev_pipeline.store.parquet import parquet_metadata
from brev_pipeline.texts import TEXT

Contents = set[str]
_SETTINGS = "settings.json"


@dataclass(frozen=True)
class UnneededPixels:
    """What may go from a shelf."""

    files: list[FileEntry]
    """In the order in which they are to be removed: indexes, then pixels, then what the settings were."""
    mixed: int
    """Bytes of pixels that nothing refers to, in files that stay."""


def parse_json(data: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def find_newest_tables(entries: Sequence[FileEntry]) -> dict[str, FileEntry]:
    """Stage → its newest table, of the entries of ``tables/<run>/<stage>[.n].parquet``."""
    found: dict[str, FileEntry] = {}
    for entry in sorted(entries, key=lambda entry: entry.written):
        name = entry.name.rpartition("/")[2]
        if name.endswith(".parquet"):
            found[name.partition(".")[0]] = entry
    return found


def read_named_version(store: PipelineStore, entries: Sequence[FileEntry], stage: str, key: bytes) -> str | None:
    """What the schema's metadata of a stage's newest table says under ``key``."""
    newest = find_newest_tables(entries).get(stage)
    if newest is None:
        return None
    try:
        data = store.folder.read(newest.name)
        if hash_in_name(newest.name):
            check_named_bytes(store.folder, newest.name, data)
        value = parquet_metadata(data, store.folder.file_url(newest.name)).get(key)
    except StoreError as error:
        if error.may_pass:
            raise
        return None
    return value.decode(errors="replace") if value else None


def find_needed_contents(config: PipelineConfig, store: PipelineStore, published: set[str]) -> dict[str, Contents]:
    """Shelf → contents that a published version made by its settings holds, or that the newest listing has.

    Args:
        config: the pipeline as it runs now.
        store: the pipeline's store.
        published: ids of the published versions.

    Raises:
        StoreError: the store cannot be read.
    """
    from brev_pipeline.images.pixel_cache import settings_id

    needed: dict[str, Contents] = {settings_id(config.image): _newest_listing(store)}
    ids = [name for name in store.prepared_pixels.list_names() if (store.prepared_pixels / name).exists(_SETTINGS)]
    settings = {name: _read_settings(name, (store.prepared_pixels / name).read(_SETTINGS)) for name in ids}
    for version in sorted(published):
        own = Version(store.versions / version, version)
        if not own.folder.exists("images.parquet"):
            continue
        contents = set(own.read_table("images")["content_id"].to_pylist())
        for shelf, made_by in settings.items():
            if _is_made_by(made_by, own.read_manifest()):
                needed.setdefault(shelf, set()).update(contents)
    return needed


def find_unneeded(
    store: PipelineStore,
    entries: Sequence[FileEntry],
    needed: Contents | None,
    old: Callable[[FileEntry], bool],
) -> UnneededPixels:
    """What may go from a shelf: index and pixel files that are old, with no content in them that is needed.

    Args:
        store: the pipeline's store.
        entries: the shelf's files.
        needed: contents that are referred to; None: none.
        old: whether a file is old enough.
    """
    by_name = {entry.name.rpartition("/")[2]: entry for entry in entries}
    wanted = pa.array(sorted(needed or ()), TEXT)
    going: list[FileEntry] = []
    staying: set[str] = set()
    mixed = 0
    for name in sorted(by_name):
        if not name.endswith(".parquet"):
            continue
        index = _read_index(store, by_name[name])
        if index is None:
            # No run believes it either. The pixels that it named go with it, unless another one names them.
            if old(by_name[name]):
                going.append(by_name[name])
            continue
        used = pc.is_in(index["content_id"], value_set=wanted)
        if pc.any(used, min_count=0).as_py() or not old(by_name[name]):
            staying |= {str(file).rpartition("/")[2] for file in index["file"].drop_null().to_pylist()}
            mixed += pc.sum(index["length"].filter(pc.invert(used))).as_py() or 0
        else:
            going.append(by_name[name])
    going += [
        by_name[name]
        for name in sorted(by_name)
        if name.endswith(".tfrecord") and name not in staying and old(by_name[name])
    ]
    if needed is None and len(going) == len(by_name) - 1 and _SETTINGS in by_name:
        going.append(by_name[_SETTINGS])
    return UnneededPixels(going, mixed)


def _read_index(store: PipelineStore, entry: FileEntry) -> pa.Table | None:
    """Columns content_id, file and length of an index; None where it is damaged."""
    from brev_pipeline.images.pixel_cache import read_index

    shelf, _, name = entry.name.rpartition("/")
    try:
        return read_index(store.folder / shelf, name, ["content_id", "file", "length"])
    except StoreError as error:
        if error.may_pass:
            raise
        return None


def _read_settings(shelf: str, data: bytes) -> dict[str, Any]:
    """What a shelf's ``settings.json`` says; nothing where it is not what its shelf is named by."""
    from brev_pipeline.images.pixel_cache import hash_ingredients

    said = parse_json(data)
    return said if hash_ingredients(said) == shelf else {}


def _newest_listing(store: PipelineStore) -> Contents:
    memory = store.identity_cache.load_newest()
    return set() if memory is None else set(memory["content_id"].to_pylist())


def _is_made_by(made_by: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Whether a version's pixels were prepared by a shelf's settings and decoders; where that is unclear: yes."""
    if not made_by:
        return True
    packages = manifest.get("packages", {})
    decoders = {"pillow": "Pillow", "opencv": "opencv-python-headless"}
    decoders |= {name: name for name in ("imagecodecs", "simplejpeg")}
    # The package of OpenCV has a build number behind OpenCV's own version.
    same = all(
        str(packages.get(package, "")).startswith(str(made_by.get(name, ""))) for name, package in decoders.items()
    )
    image = {key: value for key, value in manifest["configuration"]["image"].items() if key not in NO_INGREDIENTS}
    return same and made_by.get("image") == image

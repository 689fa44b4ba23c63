"""What is needed: which prepared pixels are referred to, and what the newest tables of the runs name.

Prepared pixels lie in folders named by the settings and decoders that they were prepared by.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

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

_SETTINGS: Final = "settings.json"


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


def find_needed_contents(config: PipelineConfig, store: PipelineStore, published: set[str]) -> dict[str, set[str]]:
    """Pixel cache → contents that a published version made by its settings holds, or that the newest listing has."""
    from brev_pipeline.images.pixel_cache import hash_ingredients, settings_id

    memory = store.identity_cache.load_newest()
    newest = set() if memory is None else set(memory["content_id"].to_pylist())
    needed: dict[str, set[str]] = {settings_id(config.image): newest}
    settings: dict[str, dict[str, Any]] = {}
    for name in store.prepared_pixels.list_names():
        cache = store.prepared_pixels / name
        if cache.exists(_SETTINGS):
            ingredients = parse_json(cache.read(_SETTINGS))
            # It is named by the hash of its settings: others say nothing of it.
            settings[name] = ingredients if hash_ingredients(ingredients) == name else {}
    for version in sorted(published):
        own = Version(store.versions / version, version)
        if not own.folder.exists("images.parquet"):
            continue  # it was removed (or lost, which `verify` tells)
        contents = set(own.read_table("images")["content_id"].to_pylist())
        for name, made_by in settings.items():
            if _is_made_by(made_by, own.read_manifest()):
                needed.setdefault(name, set()).update(contents)
    return needed


def find_unneeded(
    store: PipelineStore, entries: Sequence[FileEntry], needed: set[str] | None, is_old: Callable[[FileEntry], bool]
) -> tuple[list[FileEntry], int]:
    """What may go from a pixel cache: index and pixel files that are old, with no content in them that is needed.

    Args:
        store: the pipeline's store.
        entries: the files of its folder.
        needed: contents that are referred to; None: none.
        is_old: whether a file is old enough.

    Returns:
        The files in the order in which they are to be removed: indexes, then pixels, then what the settings were; and
        how many bytes of pixels that nothing refers to lie in files that stay.
    """
    by_name = {entry.name.rpartition("/")[2]: entry for entry in sorted(entries, key=lambda entry: entry.name)}
    wanted = pa.array(sorted(needed or ()), TEXT)
    going: list[FileEntry] = []
    staying: set[str] = set()
    mixed = 0
    for entry in [entry for name, entry in by_name.items() if name.endswith(".parquet")]:
        index = _read_index(store, entry)
        if index is None:
            # No run believes it either. The pixels that it named go with it, unless another one names them.
            going += [entry] if is_old(entry) else []
            continue
        used = pc.is_in(index["content_id"], value_set=wanted)
        if pc.any(used, min_count=0).as_py() or not is_old(entry):
            staying |= {str(file).rpartition("/")[2] for file in index["file"].drop_null().to_pylist()}
            mixed += pc.sum(index["length"].filter(pc.invert(used))).as_py() or 0
        else:
            going.append(entry)
    pixels = [entry for name, entry in by_name.items() if name.endswith(".tfrecord") and name not in staying]
    going += [entry for entry in pixels if is_old(entry)]
    # What the settings were goes last, with all else: it tells for which versions the pixels were prepared.
    if needed is None and len(going) == len(by_name) - 1 and _SETTINGS in by_name:
        going.append(by_name[_SETTINGS])
    return going, mixed


def _read_index(store: PipelineStore, entry: FileEntry) -> pa.Table | None:
    """Columns content_id, file and length of an index; None where it is damaged."""
    from brev_pipeline.images.pixel_cache import read_index

    cache, _, name = entry.name.rpartition("/")
    try:
        return read_index(store.folder / cache, name, ["content_id", "file", "length"])
    except StoreError as error:
        if error.may_pass:
            raise
        return None


def _is_made_by(made_by: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Whether a version's pixels were prepared by a cache's settings and decoders; where that is unclear: yes."""
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

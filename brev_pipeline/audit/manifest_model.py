"""The manifest, read once and typed: who goes on from here need not ask whether a name is there, and of which kind.

Whoever may write the store may write any JSON as a manifest, and give the version the id that fits. So what all the
verification rests on is compared with a schema first; what a value means is asked elsewhere.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from brev_pipeline.errors import StoreError
from brev_pipeline.record_features import FeatureKind, TfdsForm
from brev_pipeline.store import Folder
from brev_pipeline.store.versions import DERIVED, FORMATS

_SHOWN: Final = 3
# Bytes of a Parquet file: behind its magic number, the beginning of its first page's header.
_HEADER: Final = slice(4, 36)
_Sha256 = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
_Name = Annotated[StrictStr, Field(pattern=r"^[^/\x00]+(/[^/\x00]+)*$")]
_Count = Annotated[StrictInt, Field(ge=0)]


class _Part(BaseModel):
    """A part of the manifest; what else stands in it is no matter of the schema."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _File(_Part):
    bytes: _Count
    sha256: _Sha256


class _Check(_Part):
    check: StrictStr
    severity: Literal["error", "warn"]
    passed: StrictBool | None = None
    history: StrictBool | None = None
    arguments: dict[StrictStr, Any] | None = None


class _UserCheck(_Part):
    check: StrictStr
    severity: StrictStr
    passed: StrictBool


class _Shards(_Part):
    compression: Literal["none", "gzip"]
    encoding: StrictStr


class _Configuration(_Part):
    shards: _Shards
    split: dict[StrictStr, Any]


class _LabelFeature(BaseModel):
    """As `record_features.describe_features` tells one; what it does not know cannot be read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: StrictStr
    kind: FeatureKind
    description: StrictStr
    stored: Literal["labels"]
    tfds: TfdsForm = "Text"
    sequence: StrictStr | None = None
    width: Annotated[StrictInt, Field(ge=1)] = 1
    classes: list[StrictStr] = []


class _Lock(_Part):
    contents: _Count
    sha256: _Sha256


class _Counts(_Part):
    listed: _Count
    excluded: _Count
    images: dict[StrictStr, _Count]
    records: dict[StrictStr, _Count]


class _Manifest(_Part):
    """Of any format."""

    pipeline: StrictStr
    configuration: _Configuration
    known_assignments_sha256: _Sha256 | None = None
    given_sha256: dict[StrictStr, _Sha256] = {}
    classes: list[StrictStr]
    label_features: list[_LabelFeature] = []
    test_lock: dict[StrictStr, _Lock] | None = None
    listing_fingerprint: StrictStr
    counts: _Counts
    checks: dict[StrictStr, list[_Check]]
    packages: dict[StrictStr, StrictStr]
    files: dict[_Name, _File]


class _DerivedManifest(_Manifest):
    """Of format `DERIVED` and newer."""

    purposes: list[StrictStr]
    stages: dict[StrictStr, dict[StrictStr, StrictStr]]
    user_checks: dict[StrictStr, list[_UserCheck]]
    plan: StrictStr
    recipe: StrictStr


def read_manifest(raw: bytes) -> dict[str, Any]:
    """The manifest in these bytes, its names and kinds as the format that it says wants them.

    Raises:
        StoreError: it is no manifest of a format that this package knows; the message says what is wrong, without a
            place.
    """
    try:
        manifest = json.loads(raw)
        _demand_plain(manifest)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"it is no manifest: {error}") from error
    if not isinstance(manifest, dict):
        raise StoreError(f"it is no manifest: a JSON object is wanted, and this is {_json_kind(manifest)}")
    number = manifest.get("format")
    # JSON's true is an int in Python.
    if type(number) is not int or number not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        raise StoreError(f"format {number!r}; this package knows {known}: use the one that wrote it")
    try:
        (_DerivedManifest if number >= DERIVED else _Manifest).model_validate(manifest)
    except ValidationError as error:
        raise StoreError(f"it is no manifest of format {number}: {_explain_error(error)}") from error
    return manifest


def is_derived(manifest: Mapping[str, Any]) -> bool:
    """Whether all that a version claims is derived anew: by the format of its manifest."""
    return bool(manifest["format"] >= DERIVED)


def find_signs_of_newer(manifest: Mapping[str, Any], folder: Folder) -> Iterator[str]:
    """What shows that a version whose manifest says an older format was written by a package of the present one."""
    for key in sorted({"purposes", "stages", "user_checks"} & manifest.keys()):
        yield f"it has {key}, which only newer formats have"
    if any("arguments" in check or "history" in check for checks in manifest["checks"].values() for check in checks):
        yield "its checks have arguments, which only newer formats have"
    tables = [name for name in sorted(manifest["files"]) if name.endswith(".parquet")]
    if checked := [name for name in tables if _has_page_checksums(folder, name)]:
        yield f"{checked[0]} has page checksums, which only packages that write newer formats write"


def _demand_plain(value: Any) -> None:
    """Numbers that are finite, text that can be written. Raises `ValueError`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {value}, which is no number in JSON")
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict | list):
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            _demand_plain(part)


def _has_page_checksums(folder: Folder, name: str) -> bool:
    """Whether the first page of a Parquet file names its CRC: the fourth field of its header, after three numbers."""
    try:
        head = folder.read(name)[_HEADER]
    except StoreError:
        return False  # that it cannot be read is named with the files
    # Thrift's compact protocol: each of these fields is the byte 0x15 (the next field, a 32-bit number) and a varint.
    place = 0
    for _ in range(3):
        if head[place : place + 1] != b"\x15":
            return False
        place += 1
        while place < len(head) and head[place] & 0x80:
            place += 1
        place += 1
    return head[place : place + 1] == b"\x15"


def _explain_error(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in found[:_SHOWN]]
    return "; ".join(said) + (f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _json_kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"

"""S3 pages: the XML of one page of an S3 listing, read into columns without an object per key.

The page is well-formed XML that a server wrote for exactly this purpose, so each column is what stands between its
tags, taken with one regular expression over the whole page. Where the columns do not come out equally long (a server
that leaves elements out, or uses CDATA), the page is read again by a real XML parser.
"""

import html
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.errors import ListingError
from brev_pipeline.texts import TEXT

OBJECTS: Final = pa.schema(
    [
        pa.field("key", TEXT),
        pa.field("etag", TEXT),
        pa.field("size", pa.int64()),
        pa.field("modified", pa.timestamp("us", "UTC")),
    ]
)
"""Columns of what was found in a place."""

_TAGS: Final = ("Key", "ETag", "Size", "LastModified")
_COLUMNS: Final = [re.compile(f"<{tag}>([^<]*)</{tag}>".encode()) for tag in _TAGS]
_COMMON: Final = re.compile(rb"<CommonPrefixes>\s*<Prefix>([^<]*)</Prefix>")
_TOKEN: Final = re.compile(rb"<NextContinuationToken>([^<]*)</NextContinuationToken>")


@dataclass(frozen=True)
class Page:
    """One page of a listing."""

    objects: pa.Table
    """Columns of `OBJECTS`; folder markers included, in the server's order."""
    prefixes: list[str]
    """What keys were rolled up into, where a delimiter was asked for."""
    next_token: str
    """Where the next page begins; empty on the last one."""

    @property
    def last_key(self) -> str:
        """The last key of the page; empty where it has none."""
        return str(self.objects["key"][-1].as_py()) if self.objects.num_rows else ""


def parse_page(xml: bytes, place: str) -> Page:
    """Read a page, the ``ListBucketResult`` document; ``place`` is what was listed, for messages.

    Raises:
        ListingError: the document is not well-formed, or an object has no key, size or date.
    """
    # Before the objects or behind them: the objects themselves need not be searched for it.
    encoded = b"<EncodingType>url</EncodingType>" in xml[:2000] or b"<EncodingType>url</EncodingType>" in xml[-2000:]
    columns = [column.findall(xml) for column in _COLUMNS]
    # Another server need not encode keys; elements may be lacking, or be CDATA.
    if not encoded or {len(column) for column in columns} != {xml.count(b"<Contents>")}:
        return _parse_slowly(xml, place, encoded)
    prefixes = [unquote_plus(prefix.decode(), errors="strict") for prefix in _COMMON.findall(xml)]
    token = _TOKEN.search(xml)
    keys, etags, sizes, dates = (pa.array(column, pa.binary()).cast(TEXT) for column in columns)
    # Some servers encode the slashes too: undone for the page at once, so that few keys are left to do one by one.
    keys = decode_keys(pc.replace_substring(keys, "%2F", "/"))
    objects = _build_objects(keys, pc.replace_substring(etags, "&quot;", '"'), sizes, dates, place)
    return Page(objects, prefixes, html.unescape(token[1].decode()) if token else "")


def _build_objects(keys: pa.Array, etags: pa.Array, sizes: pa.Array, dates: pa.Array, place: str) -> pa.Table:
    try:
        columns = [keys, pc.utf8_trim(etags, '"'), sizes.cast(pa.int64()), dates.cast(pa.timestamp("us", "UTC"))]
    except pa.ArrowInvalid as error:
        raise ListingError(
            f"{place}: the server's listing has a size or a date that is none: {error}; is storage.endpoint_url an S3 "
            "service?"
        ) from error
    return pa.Table.from_arrays(columns, schema=OBJECTS)


def decode_keys(keys: pa.Array) -> pa.Array:
    """Keys that are encoded as in a URL's query, as they are; text without nulls."""
    escaped = pc.match_substring_regex(keys, "[%+]")
    if not pc.any(escaped, min_count=0).as_py():
        return keys
    plain = pa.array([unquote_plus(key, errors="strict") for key in keys.filter(escaped).to_pylist()], TEXT)
    return pc.replace_with_mask(keys, escaped, plain)


def _parse_slowly(xml: bytes, place: str, encoded: bool) -> Page:
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314  expat here expands no external entities
    except ElementTree.ParseError as error:
        raise ListingError(
            f"{place}: the server's listing is not XML: {error}; is storage.endpoint_url an S3 service?"
        ) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    decode = (lambda key: unquote_plus(key, errors="strict")) if encoded else str
    found = root.findall("Contents")
    values = [[item.findtext(tag) for item in found] for tag in _TAGS]
    if any(value is None for column in (values[0], values[2], values[3]) for value in column):
        raise ListingError(
            f"{place}: the server's listing has an object without key, size or date; is storage.endpoint_url an S3 "
            "service?"
        )
    keys = pa.array([decode(key) for key in values[0] if key is not None], TEXT)
    etags, sizes, dates = (pa.array(column, TEXT) for column in values[1:])
    prefixes = [decode(prefix) for item in root.iterfind("CommonPrefixes/Prefix") if (prefix := item.text)]
    return Page(
        _build_objects(keys, etags, sizes, dates, place), prefixes, root.findtext("NextContinuationToken") or ""
    )

"""S3 as one set of storage settings reaches it, on botocore.

Every call waits out passing failures and raises an `S3Error` for people for the others. All waiting happens here, none
in botocore (its own retries are switched off), so that one rule holds for listing, HEAD and GET, and a server that
restarts in the middle of a listing costs seconds, not the run. s3fs is not used for reading: it sends a HEAD before
every GET. Objects are asked for directly once botocore has shown the way.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, TypeVar

from brev_pipeline.config import StorageSettings
from brev_pipeline.storage.s3_connection import DirectRequests, check_whole_page, open_connection
from brev_pipeline.storage.storage_errors import S3Error, is_passing, not_s3_error, to_s3_error

R = TypeVar("R")

PATIENCE = 60.0  # s, with a server that has answered before
FIRST_PATIENCE = 4.0  # s, with one that has not: most likely its address is wrong
FIRST_WAIT = 0.2  # s
LONGEST_WAIT = 8.0  # s

# Only spreads the waits of threads that failed together; no result hangs on it.
_jitter = random.SystemRandom()


@dataclass(frozen=True)
class ObjectHead:
    """What a HEAD request tells of an object's identity."""

    md5: str | None
    """``x-amz-meta-md5`` as its uploader wrote it."""
    keyed: bool
    """Encrypted with a key of the customer's or of KMS: its entity tag is no MD5."""
    size: int | None = None
    """Bytes."""
    modified: datetime | None = None
    """When it was stored."""

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "ObjectHead":
        """From an answer's headers, whose names are in any case."""
        named = {name.lower(): value for name, value in headers.items()}
        keyed = any("kms" in value for name, value in named.items() if name == "x-amz-server-side-encryption")
        customer = "x-amz-server-side-encryption-customer-algorithm" in named
        size, stored = named.get("content-length", ""), named.get("last-modified")
        return cls(
            named.get("x-amz-meta-md5"),
            keyed or customer,
            int(size) if size.isdecimal() else None,
            parsedate_to_datetime(stored) if stored else None,
        )


class S3Client:
    """One connection pool to one S3 service. Threads may share it; processes make their own."""

    def __init__(self, storage: StorageSettings, patience: float = PATIENCE) -> None:
        self._storage = storage
        self._patience = patience
        self._answered = False
        self._lock = Lock()
        self._made: Any = None
        self._direct: DirectRequests | None = None

    def list_page(self, bucket: str, prefix: str, *, after: str = "", delimiter: str = "", token: str = "") -> bytes:
        """One page of a listing as it came: the XML of ``ListBucketResult``, keys URL-encoded.

        Args:
            bucket: name of the bucket.
            prefix: what keys must begin with.
            after: only keys behind this one, in the order of their UTF-8 bytes.
            delimiter: keys that have it behind the prefix are rolled up into common prefixes.
            token: where the page before ended; wins over ``after``.

        Raises:
            S3Error: there is no such bucket, access is denied, the server cannot be reached, or is not S3.
        """
        optional = {"ContinuationToken": token, "StartAfter": "" if token else after, "Delimiter": delimiter}
        request = {"Bucket": bucket, "Prefix": prefix, "EncodingType": "url", **self._payer}
        request |= {name: value for name, value in optional.items() if value}
        place = f"s3://{bucket}/{prefix}"
        body = self._call(place, lambda client: check_whole_page(client.list_objects_v2(**request)["RawPage"]))
        if b"<ListBucketResult" not in body[:1000]:
            html = body.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
            raise not_s3_error(place, self._storage, "an HTML page" if html else "something else than a listing")
        return body

    def read_object(self, bucket: str, key: str, etag: str | None, max_bytes: int | None = None) -> bytes:
        """The bytes of an object.

        Args:
            bucket: name of the bucket.
            key: of the object.
            etag: entity tag that it must have.
            max_bytes: size of the largest object that is read.

        Raises:
            S3Error: of kind ``changed`` if it no longer has this entity tag, ``refused`` if it is larger.
        """
        answer = self._directly("GET", bucket, key, etag, max_bytes)
        if answer is not None:
            return bytes(answer.content)

        def read(client: Any, request: dict[str, str]) -> bytes:
            return _read_whole(client.get_object(**request), f"s3://{bucket}/{key}", max_bytes)

        return self._by_botocore(bucket, key, etag, read)

    def read_headers(self, bucket: str, key: str, etag: str | None) -> ObjectHead:
        """What the object's headers tell of its identity. Raises `S3Error` as `read_object` does."""
        answer = self._directly("HEAD", bucket, key, etag)
        if answer is not None:
            return ObjectHead.from_headers(answer.headers)

        def ask(client: Any, request: dict[str, str]) -> ObjectHead:
            return ObjectHead.from_headers(client.head_object(**request)["ResponseMetadata"]["HTTPHeaders"])

        return self._by_botocore(bucket, key, etag, ask)

    def _directly(self, method: str, bucket: str, key: str, etag: str | None, max_bytes: int | None = None) -> Any:
        if self._direct is None:
            return None
        headers = {"If-Match": f'"{etag}"'} if etag else {}
        if self._storage.requester_pays:
            headers["x-amz-request-payer"] = "requester"
        return self._direct.send_request(method, bucket, key, headers, max_bytes)

    def _by_botocore(self, bucket: str, key: str, etag: str | None, operation: Callable[[Any, dict[str, str]], R]) -> R:
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        request = {"Bucket": bucket, "Key": key, **condition, **self._payer}
        result = self._call(f"s3://{bucket}/{key}", lambda client: operation(client, request))
        if self._direct is not None:
            self._direct.learn_route(bucket, key)
        return result

    @property
    def _payer(self) -> dict[str, str]:
        return {"RequestPayer": "requester"} if self._storage.requester_pays else {}

    def _call(self, place: str, operation: Callable[[Any], R]) -> R:
        try:
            client = self._client()
            return retry_call(lambda: self._note_answer(client, operation), is_passing, self._limit)
        except Exception as error:
            raise to_s3_error(error, place, self._storage) from error

    def _note_answer(self, client: Any, operation: Callable[[Any], R]) -> R:
        try:
            result = operation(client)
        except Exception as error:
            self._answered |= hasattr(error, "response")  # a server's answer, so there is a server
            raise
        self._answered = True
        return result

    def _limit(self) -> float:
        return self._patience if self._answered else min(FIRST_PATIENCE, self._patience)

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                made, credentials, certificates = open_connection(self._storage)
                self._direct = DirectRequests(made, credentials, certificates)
                self._made = made  # last: where the line before fails, the next call tries both again
            return self._made


def _read_whole(answer: Any, place: str, max_bytes: int | None) -> bytes:
    body, size, data = answer["Body"], answer.get("ContentLength"), b""
    if max_bytes is None or (size is not None and size <= max_bytes):
        return bytes(body.read())
    if size is None:
        # Of unknown length: one byte more tells that it is too large.
        data = bytes(body.read(max_bytes + 1))
    if (size or len(data)) > max_bytes:
        body.close()
        raise S3Error("refused", f"{place} is larger than listing.max_object_mb allows ({max_bytes / 1e6:,g} MB)")
    return data


def retry_call(call: Callable[[], R], passing: Callable[[Exception], bool], limit: Callable[[], float]) -> R:
    """The result of ``call``, which is made again after each failure that is ``passing``.

    Waits double from `FIRST_WAIT` to `LONGEST_WAIT`, each shortened by up to half at random.

    Args:
        call: what to do; safe to do more than once.
        passing: whether a failure may pass by itself.
        limit: s that calls and waits may take in all, asked anew at each failure; two calls are made in any case.

    Raises:
        Exception: the first failure that is not passing, or the last one when patience is at its end.
    """
    spent, pause, longest = 0.0, 0.0, FIRST_WAIT
    while True:
        began = time.monotonic()
        try:
            return call()
        except Exception as error:
            # A call that stalls costs more patience than one that is refused at once.
            spent += time.monotonic() - began
            if not passing(error) or (pause and spent >= limit()):
                raise
        pause, longest = longest * _jitter.uniform(0.5, 1), min(2 * longest, LONGEST_WAIT)
        spent += pause
        time.sleep(pause)

"""S3 as one set of storage settings reaches it, on botocore.

botocore (which s3fs brings along) signs, resolves endpoints and regions, and finds credentials in the standard AWS
order. Two things are taken from it: retries (`patience` has them, for every call alike), and the parsing of listing
pages, which cost 80 CPU-ms per 1,000 keys where the request itself costs 3; pages are handed on as the bytes that came.
s3fs itself is not used for reading: it sends a HEAD before every GET.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from brev_pipeline.config.models import StorageSettings
from brev_pipeline.source.faults import S3Error, fault, has_answered, is_passing, not_s3
from brev_pipeline.source.patience import patiently

R = TypeVar("R")

CONNECTIONS = 64
PATIENCE = 60.0  # s, with a server that has answered before
FIRST_PATIENCE = 4.0  # s, with one that has not: most likely its address is wrong


@dataclass(frozen=True)
class Head:
    """What a HEAD request tells of an object's identity."""

    md5: str | None
    """``x-amz-meta-md5`` as its uploader wrote it."""
    keyed: bool
    """Encrypted with a key of the customer's or of KMS: its entity tag is no MD5."""


class S3Client:
    """One connection pool to one S3 service. Threads may share it; processes make their own."""

    def __init__(self, storage: StorageSettings, patience: float = PATIENCE) -> None:
        self._storage = storage
        self._patience = patience
        self._answered = False
        self._lock = Lock()
        self._made: Any = None

    def page(self, bucket: str, prefix: str, *, after: str = "", delimiter: str = "", token: str = "") -> bytes:
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
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "EncodingType": "url", **self._payer}
        if token:
            request["ContinuationToken"] = token
        elif after:
            request["StartAfter"] = after
        if delimiter:
            request["Delimiter"] = delimiter
        place = f"s3://{bucket}/{prefix}"
        body = self._call(place, lambda client: _whole(client.list_objects_v2(**request)["RawPage"]))
        if b"<ListBucketResult" not in body[:1000]:
            html = body.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
            raise not_s3(place, self._storage, "an HTML page" if html else "something else than a listing")
        return body

    def get(self, bucket: str, key: str, etag: str | None) -> bytes:
        """The bytes of an object. Raises `S3Error`, of kind ``changed`` if it no longer has this entity tag."""
        condition = {"IfMatch": f'"{etag}"'} if etag else {}

        def read(client: Any) -> bytes:
            return bytes(client.get_object(Bucket=bucket, Key=key, **condition, **self._payer)["Body"].read())

        return self._call(f"s3://{bucket}/{key}", read)

    def head(self, bucket: str, key: str, etag: str | None) -> Head:
        """What the object's headers tell of its identity. Raises `S3Error` as `get` does."""
        condition = {"IfMatch": f'"{etag}"'} if etag else {}

        def ask(client: Any) -> Head:
            answer = client.head_object(Bucket=bucket, Key=key, **condition, **self._payer)
            keyed = "kms" in answer.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in answer
            return Head(answer["Metadata"].get("md5"), keyed)

        return self._call(f"s3://{bucket}/{key}", ask)

    @property
    def _payer(self) -> dict[str, str]:
        return {"RequestPayer": "requester"} if self._storage.requester_pays else {}

    def _call(self, place: str, operation: Callable[[Any], R]) -> R:
        try:
            client = self._client()
            return patiently(lambda: self._noted(client, operation), is_passing, self._limit)
        except Exception as error:
            raise fault(error, place, self._storage) from error

    def _noted(self, client: Any, operation: Callable[[Any], R]) -> R:
        try:
            result = operation(client)
        except Exception as error:
            self._answered |= has_answered(error)
            raise
        self._answered = True
        return result

    def _limit(self) -> float:
        return self._patience if self._answered else min(FIRST_PATIENCE, self._patience)

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _connect(self._storage)
            return self._made


def _connect(storage: StorageSettings) -> Any:
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import NoCredentialsError

    session = botocore.session.Session(profile=storage.profile)
    if not storage.anon and session.get_credentials() is None:
        raise NoCredentialsError
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=CONNECTIONS,
        retries={"total_max_attempts": 1},
        # Bytes are checked against the MD5 by which they are known; servers other than AWS may not know these headers.
        response_checksum_validation="when_required",
        signature_version=UNSIGNED if storage.anon else "s3v4",
        # Host names like bucket.127.0.0.1 do not resolve: other endpoints are asked by path.
        s3={
            "addressing_style": "path"
            if storage.endpoint_url or session.get_config_variable("endpoint_url")
            else "auto"
        },
    )
    region = storage.region or session.get_config_variable("region") or "us-east-1"
    client = session.create_client("s3", region_name=region, endpoint_url=storage.endpoint_url, config=config)
    # Under a wildcard: botocore runs these before its own handlers, one of which parses the page in full.
    client.meta.events.register("before-parse.*.ListObjectsV2", _set_page_aside)
    return client


def _whole(page: bytes) -> bytes:
    """``page``; a `ConnectionError`, which passes, where it breaks off or S3 put an error into it after all."""
    cut = b"<ListBucketResult" in page[:1000] and not page.rstrip().endswith(b"</ListBucketResult>")
    if cut or b"<Error>" in page[:200]:
        raise ConnectionError("the page of the listing broke off")
    return page


def _set_page_aside(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Hand a page of a listing on as it came; botocore then has nothing left to parse."""
    if response_dict["status_code"] == 200:
        customized_response_dict["RawPage"] = bytes(response_dict["body"])
        response_dict["body"] = b""


__all__ = ["Head", "S3Client", "S3Error"]

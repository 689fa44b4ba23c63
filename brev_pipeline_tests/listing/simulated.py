"""A bucket in memory that answers as S3 lists: sorted pages, StartAfter, tokens, delimiter, encoded keys."""

import bisect
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import quote_plus

import pyarrow as pa


@dataclass
class SimulatedBucket:
    """Answers `list_s3_objects`' requests; counts them and the keys that it sent."""

    keys: list[str]
    page_size: int = 1000
    knows_start_after: bool = True
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    sent: int = 0
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.keys = sorted(set(self.keys), key=str.encode)

    def __call__(self, bucket: str, prefix: str, *, after: str = "", delimiter: str = "", token: str = "") -> bytes:
        start = bytes.fromhex(token).decode() if token else after if self.knows_start_after else ""
        objects, folders, last, more = self._level(prefix, start, delimiter)
        with self.lock:
            self.requests.append((prefix, start, delimiter))
            self.sent += len(objects)
        body = "".join(contents(key) for key in objects)
        body += "".join(f"<CommonPrefixes><Prefix>{quote_plus(one)}</Prefix></CommonPrefixes>" for one in folders)
        if more:
            body += f"<NextContinuationToken>{last.encode().hex()}</NextContinuationToken>"
        return f"<ListBucketResult><EncodingType>url</EncodingType>{body}</ListBucketResult>".encode()

    def _level(self, prefix: str, start: str, delimiter: str) -> tuple[list[str], list[str], str, bool]:
        objects: list[str] = []
        folders: list[str] = []
        last = start
        for key in self.keys[bisect.bisect_right(self.keys, start) :] if start else self.keys:
            if not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            folder = prefix + rest[: rest.index(delimiter) + 1] if delimiter and delimiter in rest else ""
            if folder and (folders[-1:] == [folder] or start.startswith(folder)):
                last = key
                continue
            if len(objects) + len(folders) == self.page_size:
                return objects, folders, last, True
            (folders if folder else objects).append(folder or key)
            last = key
        return objects, folders, last, False


def contents(key: str) -> str:
    """The XML of one object; its size is the length of its key."""
    return (
        f"<Contents><Key>{quote_plus(key)}</Key><LastModified>2024-05-06T07:08:09.123Z</LastModified>"
        f"<ETag>&quot;{len(key):032x}&quot;</ETag><Size>{len(key)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def keys_of(objects: pa.Table) -> list[str]:
    found: list[str] = objects["key"].to_pylist()
    return found

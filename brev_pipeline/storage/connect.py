"""Connecting: a botocore client for one set of storage settings, with what this package does itself taken out of it.

botocore (which s3fs brings along) signs, resolves endpoints and regions, and finds credentials in the standard AWS
order. Two things are taken from it: retries (`patience` has them, for every call alike), and the parsing of listing
pages, which cost 80 CPU-ms per 1,000 keys where the request itself costs 3; pages are handed on as the bytes that came.
"""

from functools import cache
from typing import Any, Final, NamedTuple

from brev_pipeline.config import StorageSettings

CONNECTIONS: Final = 64
TIMEOUTS: Final = (10.0, 30.0)
"""Seconds to connect, and to wait for the next bytes."""


class Connection(NamedTuple):
    """What is needed to talk to one S3 service."""

    client: Any
    """A botocore client."""
    credentials: Any
    """botocore's, which renew themselves; None where access is anonymous."""
    verify: str | bool
    """The file of certificates to trust, or whether to trust the usual ones."""


def connect(storage: StorageSettings) -> Connection:
    """Set up a connection; nothing is sent yet."""
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import NoCredentialsError

    session = botocore.session.Session(profile=storage.profile)
    session.register_component("data_loader", _models())
    credentials = None if storage.anon else session.get_credentials()
    if credentials is None and not storage.anon:
        raise NoCredentialsError
    config = Config(
        connect_timeout=TIMEOUTS[0],
        read_timeout=TIMEOUTS[1],
        max_pool_connections=CONNECTIONS,
        retries={"total_max_attempts": 1},
        # Bytes are checked against the MD5 by which they are known; servers other than AWS may not know these headers.
        response_checksum_validation="when_required",
        signature_version=UNSIGNED if storage.anon else "s3v4",
    )
    # Host names such as bucket.minio.local do not resolve: other endpoints than AWS are asked by path.
    by_path = config.merge(Config(s3={"addressing_style": "path"}))
    region = storage.region or session.get_config_variable("region") or "us-east-1"

    def client_of(config: Config) -> Any:
        return session.create_client("s3", region_name=region, endpoint_url=storage.endpoint_url, config=config)

    client = client_of(by_path if storage.endpoint_url else config)
    # The endpoint may also stand in the environment or in the AWS configuration.
    if not storage.endpoint_url and "amazonaws.com" not in client.meta.endpoint_url:
        client = client_of(by_path)
    # Under a wildcard: botocore runs these before its own handlers, one of which parses the page in full.
    client.meta.events.register("before-parse.*.ListObjectsV2", _set_page_aside)
    return Connection(client, credentials, session.get_config_variable("ca_bundle") or True)


@cache
def _models() -> Any:
    """Botocore's descriptions of services: a tenth of a second to read, the same for every client."""
    from botocore.loaders import create_loader

    return create_loader()


def whole(page: bytes) -> bytes:
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

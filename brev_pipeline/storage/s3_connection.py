"""Connecting: a botocore client for one set of storage settings, with what this package does itself taken out of it.

botocore (which s3fs brings along) signs, resolves endpoints and regions, and finds credentials in the standard AWS
order. Two things are taken from it: retries (`S3Client` has them, for every call alike), and the parsing of listing
pages, which cost 80 CPU-ms per 1,000 keys where the request itself costs 3; pages are handed on as the bytes that came.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from threading import local
from typing import Any, Final
from urllib.parse import quote

from brev_pipeline.config import StorageSettings

CONNECTIONS: Final = 64
TIMEOUTS: Final = (10.0, 30.0)
"""Seconds to connect, and to wait for the next bytes."""
# Likewise: what stalls is asked again by botocore, so there is no use in waiting long.
_DIRECT_TIMEOUTS: Final = (10.0, 15.0)
_SCOPE: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]*/\d{8}/([^/,]+)/s3/aws4_request")


def open_connection(storage: StorageSettings) -> tuple[Any, Any, str | bool]:
    """Set up a connection to one S3 service; nothing is sent yet.

    Returns:
        A botocore client; its credentials, which renew themselves (None where access is anonymous); the file of
        certificates to trust, or whether to trust the usual ones.
    """
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
    return client, credentials, session.get_config_variable("ca_bundle") or True


@cache
def _models() -> Any:
    """Botocore's descriptions of services: a tenth of a second to read, the same for every client."""
    from botocore.loaders import create_loader

    return create_loader()


def check_whole_page(page: bytes) -> bytes:
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


@dataclass(frozen=True)
class Route:
    """How the objects of one bucket are asked for."""

    base: str
    """What stands before the quoted key in an object's URL."""
    region: str | None
    """Region that requests are signed for; None: they are not signed."""


class DirectRequests:
    """Sends requests along learned routes. Threads may share it."""

    def __init__(self, client: Any, credentials: Any, certificates: str | bool) -> None:
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        self._http = URLLib3Session(
            verify=certificates,
            proxies=get_environ_proxies(client.meta.endpoint_url),
            timeout=_DIRECT_TIMEOUTS,
            max_pool_connections=CONNECTIONS,
        )
        self._credentials = credentials
        self._routes: dict[str, Route] = {}
        self._thread = local()
        for operation in ("GetObject", "HeadObject"):
            client.meta.events.register(f"before-send.s3.{operation}", self._note)

    def _note(self, request: Any, **_: Any) -> None:
        self._thread.sent = request

    def learn_route(self, bucket: str, key: str) -> None:
        """Take over the route of this thread's last request, which botocore answered well, if it is of a known kind."""
        sent, path = getattr(self._thread, "sent", None), quote(key, safe="/~")
        if bucket in self._routes or sent is None or not str(sent.url).endswith(f"/{path}"):
            return
        base, signature = str(sent.url)[: -len(path)], sent.headers.get("Authorization")
        if signature is None:
            self._routes[bucket] = Route(base, None)
        elif scope := _SCOPE.match(signature.decode() if isinstance(signature, bytes) else signature):
            self._routes[bucket] = Route(base, scope[1])

    def send_request(
        self, method: str, bucket: str, key: str, headers: Mapping[str, str], max_bytes: int | None = None
    ) -> Any:
        """The answer of status 200 with its whole body, or None: ask botocore.

        None too, unread, where the body has more than ``max_bytes``, or does not tell its size.
        """
        route = self._routes.get(bucket)
        if route is None:
            return None
        try:
            answer = self._http.send(self._signed(route, method, key, headers))
            size = int(answer.headers.get("Content-Length", -1))
            if method == "GET" and max_bytes is not None and not 0 <= size <= max_bytes:
                answer.raw.close()
                return None
            # Read in any case: only then is the connection free for the next request.
            whole = len(answer.content) == size or method == "HEAD"
        except Exception:  # noqa: BLE001  botocore tries again, and says what is wrong
            return None
        return answer if answer.status_code == 200 and whole else None

    def _signed(self, route: Route, method: str, key: str, headers: Mapping[str, str]) -> Any:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method, route.base + quote(key, safe="/~"), headers=dict(headers), stream_output=True)
        if route.region is not None:
            S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", route.region).add_auth(request)
        return request.prepare()

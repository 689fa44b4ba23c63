"""Direct requests: an object's bytes or headers in a third of the time that botocore takes for it.

An S3 request through botocore costs some 2 CPU-ms, most of them spent on working out again what was the same for the
object before: endpoint, region, which headers to send. So the first request for a bucket goes through botocore, and
what it came to (address and signing region) is used for the next ones, signed by botocore's own signer and sent by
its own HTTP session, proxies and certificates included. Whatever does not answer 200 is asked again through botocore,
which has the patience and the words for it: this road never decides that something failed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from threading import local
from typing import Any, Final
from urllib.parse import quote

from brev_pipeline.storage.connect import CONNECTIONS, Connection

# Seconds to connect, and to wait for the next bytes: what stalls is asked again, so there is no use in waiting long.
_TIMEOUTS: Final = (10.0, 15.0)
_SCOPE: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]*/\d{8}/([^/,]+)/s3/aws4_request")


@dataclass(frozen=True)
class Route:
    """How the objects of one bucket are asked for."""

    base: str
    """What stands before the quoted key in an object's URL."""
    region: str | None
    """Region that requests are signed for; None: they are not signed."""

    @classmethod
    def of(cls, sent: Any, key: str) -> "Route | None":
        """The route of a request that botocore sent for ``key``; None if it is of no kind known here."""
        url, path = str(sent.url), quote(key, safe="/~")
        if not url.endswith(f"/{path}"):
            return None
        base = url[: -len(path)]
        signature = sent.headers.get("Authorization")
        if signature is None:
            return cls(base, None)
        scope = _SCOPE.match(signature.decode() if isinstance(signature, bytes) else signature)
        return cls(base, scope[1]) if scope else None


class Direct:
    """Sends requests along learned routes. Threads may share it."""

    def __init__(self, connection: Connection) -> None:
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        client = connection.client
        self._http = URLLib3Session(
            verify=connection.verify,
            proxies=get_environ_proxies(client.meta.endpoint_url),
            timeout=_TIMEOUTS,
            max_pool_connections=CONNECTIONS,
        )
        self._credentials = connection.credentials
        self._routes: dict[str, Route] = {}
        self._thread = local()
        for operation in ("GetObject", "HeadObject"):
            client.meta.events.register(f"before-send.s3.{operation}", self._note)

    def _note(self, request: Any, **_: Any) -> None:
        self._thread.sent = request

    def learn(self, bucket: str, key: str) -> None:
        """Take over the route of this thread's last request, which botocore answered well."""
        sent = getattr(self._thread, "sent", None)
        if bucket not in self._routes and sent is not None and (route := Route.of(sent, key)):
            self._routes[bucket] = route

    def send(self, method: str, bucket: str, key: str, headers: Mapping[str, str], max_bytes: int | None = None) -> Any:
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

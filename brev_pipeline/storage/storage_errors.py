"""What file systems and botocore raise, told apart and put into words that say what to do.

One table for sources and stores: which errors pass by themselves, and what each means. An S3 error's kind decides
what a caller makes of it: the listing makes every one an error; the fetcher makes those that are about one object
(``missing``, ``changed``, ``refused``) a quarantine row, and stops at the others, since a network that is down or a key
that has expired is no photo's fault.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import BrevPipelineError, StoreError

S3ErrorKind = Literal["missing", "changed", "refused", "no_bucket", "credentials", "unreachable", "not_s3"]

_PASSING_CODES = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestThrottled",
    "TooManyRequests",
    "503 SlowDown",
}
_PASSING_STATUS = {429, 500, 502, 503, 504}
# EIO, ESTALE: of a network's file system. s3fs says EREMOTEIO and EBUSY for "internal error" and "slow down".
_PASSING_ERRNO = {
    *(errno.EIO, errno.EREMOTEIO, errno.ESTALE, errno.EBUSY, errno.EAGAIN),
    *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ETIMEDOUT),
}
_STORE_HINTS = {
    "ENOSPC": "free some space or choose another store",
    "EROFS": "the file system is read-only: choose another store",
    "EACCES": "check the permissions of the folder",
    "EPERM": "check the permissions of the folder",
    "ENOTDIR": "a file stands where a folder should be: choose another store",
    "ENOENT": "it was removed, or never written",
    "ELOOP": "a link stands where a file should be: put the file itself there",
    "ENXIO": "a socket stands where a file should be: remove it",
}
_CREDENTIALS = {
    "AccountProblem",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
_WAYS = "environment variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), storage.profile, or a role"


class S3Error(BrevPipelineError):
    """S3 did not give what was asked for; ``kind`` says in what way, the message what to do about it."""

    def __init__(self, kind: S3ErrorKind, message: str, *, passing: bool = False) -> None:
        super().__init__(message, passing=passing)
        self.kind: S3ErrorKind = kind


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed a little later: 5xx, SlowDown, time-outs, lost connections, a disk's EIO.

    A full disk, a missing file, a refused user, a certificate that is not trusted and a proxy that is not there stay
    as they are.
    """
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno in _PASSING_ERRNO
    from botocore import exceptions as boto
    from urllib3.exceptions import HTTPError

    if isinstance(error, boto.ClientError):
        return _status(error) in _PASSING_STATUS or _code(error) in _PASSING_CODES
    if isinstance(error, boto.SSLError | boto.ProxyConnectionError):
        return False
    lost = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.ResponseStreamingError)
    return isinstance(error, (*lost, HTTPError))


@contextmanager
def translating_errors(place: str, verb: str) -> Iterator[None]:
    """Turn what a file system raises into a `StoreError` that says what to do.

    `FileExistsError` passes through: that a name is taken is an answer.

    Args:
        place: the file or folder.
        verb: what was to be done with it, as in "cannot be read".
    """
    try:
        yield
    except FileExistsError:
        raise
    except _file_system_errors() as error:
        raise StoreError(_explain_store_error(place, verb, error), passing=is_passing(error)) from error


def _file_system_errors() -> tuple[type[Exception], ...]:
    # s3fs lets botocore's own errors through where no server answered. Without s3fs, botocore is not imported for it.
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError, botocore.BotoCoreError) if botocore else (OSError,)


def _explain_store_error(place: str, verb: str, error: Exception) -> str:
    name = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
    hint = _STORE_HINTS.get(name, "check the store's address, network and credentials")
    # Where a server sent a code and no words, as Ceph's does, the code.
    reason = getattr(error, "strerror", None) or str(error)
    if reason in ("", "None"):
        answer = getattr(error.__cause__, "response", None) or {}
        reason = str(answer.get("Error", {}).get("Code") or type(error).__name__)
    return f"{place} cannot be {verb}: {reason}; {hint}"


def to_s3_error(error: Exception, place: str, storage: StorageSettings) -> S3Error:
    """The fault behind what botocore raised.

    Args:
        error: as raised.
        place: what was asked for, for example ``s3://bucket/key``.
        storage: how it was asked.
    """
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, S3Error):
        return error
    if isinstance(error, boto.ClientError):
        return _answered(error, place, storage)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        message = f"{place}: no AWS credentials were found; set them by {_WAYS}, or anon: true if the bucket is public"
        return S3Error("credentials", message)
    if isinstance(error, boto.ProfileNotFound):
        return S3Error("credentials", f"{place}: {error}; correct storage.profile, or add it to ~/.aws/config")
    if isinstance(error, ResponseParserError):
        return not_s3_error(place, storage, "something that is not XML")
    if isinstance(error, boto.ParamValidationError):
        return S3Error("no_bucket", f"{place}: this is not a name that a bucket can have; correct datasets[].bucket")
    if isinstance(error, ValueError):
        return S3Error("unreachable", f"{place}: {error}; correct storage.endpoint_url")
    if isinstance(error, boto.SSLError):
        hint = "the server's certificate is not trusted: set AWS_CA_BUNDLE, or correct storage.endpoint_url"
        return S3Error("unreachable", f"{place}: {error}; {hint}")
    hint = f"check storage.endpoint_url ({storage.endpoint_url or 'not set: AWS'}) and the network"
    message = f"{place}: the server cannot be reached, retries included: {error}; {hint}"
    return S3Error("unreachable", message, passing=is_passing(error))


def not_s3_error(place: str, storage: StorageSettings, what: str) -> S3Error:
    """The fault of an endpoint that answers, but not as S3 does."""
    endpoint = storage.endpoint_url or "AWS"
    return S3Error("not_s3", f"{place}: {endpoint} answered with {what}: is storage.endpoint_url an S3 endpoint?")


def _answered(error: Any, place: str, storage: StorageSettings) -> S3Error:
    code, status = _code(error), _status(error)
    # radosgw sends an empty message with some errors; botocore then has None.
    message = error.response["Error"].get("Message") or ""
    answer = f"{status} {code}".strip() + (f": {message}" if message else "")
    # Without S3's XML in the body botocore has no code, or takes the status for it. A HEAD has no body to go by.
    named = code and not code.isdigit()
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders") or {}
    if not named and error.operation_name != "HeadObject" and "html" in headers.get("content-type", ""):
        return not_s3_error(place, storage, f"an HTML page (status {status})")
    if code in _CREDENTIALS:
        return S3Error("credentials", f"{place}: the credentials are not accepted ({answer}); check {_WAYS}")
    if code == "NoSuchBucket":
        hint = "correct datasets[].bucket, or storage.region and storage.endpoint_url"
        return S3Error("no_bucket", f"{place}: there is no such bucket ({answer}); {hint}")
    if code == "InvalidBucketName":
        return S3Error("no_bucket", f"{place}: not a name that a bucket can have ({answer})")
    if status == 412:
        return S3Error("changed", f"{place} was replaced after it was listed; run again to list it anew")
    if status == 404:
        return S3Error("missing", f"{place} was deleted after it was listed")
    if is_passing(error):
        reason = f"{place}: the server kept answering {answer}, retries included; try again later"
        return S3Error("unreachable", reason, passing=True)
    return S3Error("refused", f"{place}: {_refusal(code, status, storage)} ({answer})")


def _refusal(code: str, status: int, storage: StorageSettings) -> str:
    if code == "InvalidObjectState":
        return "the object is archived and must be restored before it can be read"
    if status != 403:
        return "the server refuses the request"
    if storage.anon:
        return "the bucket does not let everybody do this: set anon: false and give credentials"
    return "access is denied: the credentials need s3:ListBucket on the bucket and s3:GetObject on its objects"


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code") or "")


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)

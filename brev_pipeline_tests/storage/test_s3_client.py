import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from brev_pipeline.config import StorageSettings
from brev_pipeline.storage.s3 import FIRST_WAIT, LONGEST_WAIT, S3Client, retry_call
from brev_pipeline.storage.storage_errors import S3Error
from brev_pipeline_tests.storage.odd_server import EMPTY_PAGE, Answer, OddServer, error

HTML = Answer(200, b"<!DOCTYPE html><html><body>Welcome</body></html>", {"Content-Type": "text/html"})


def client(odd: OddServer, patience: float = 20, **options: Any) -> S3Client:
    return S3Client(StorageSettings(endpoint_url=odd.endpoint, **options), patience)


@pytest.mark.parametrize(
    "passing",
    [
        error(500, "InternalError"),
        error(503, "SlowDown"),
        error(503, "ServiceUnavailable"),
        error(400, "RequestTimeout"),
        error(429, "TooManyRequests"),
        Answer(502),
        Answer(200, EMPTY_PAGE.body, cut=9),
        Answer(200, EMPTY_PAGE.body[:-5]),
        Answer(200, b"<?xml version='1.0'?><Error><Code>InternalError</Code></Error>"),
    ],
    ids=lambda answer: f"{answer.status}-{len(answer.body)}-{answer.cut}",
)
def test_a_passing_failure_is_waited_out(odd: OddServer, passing: Answer) -> None:
    odd.answers = [passing, passing, EMPTY_PAGE]
    assert client(odd).list_page("photos", "") == EMPTY_PAGE.body
    assert len(odd.requests) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(403, "AccessDenied"), "refused", "s3:ListBucket"),
        (error(403, "InvalidAccessKeyId"), "credentials", "not accepted"),
        (error(403, "SignatureDoesNotMatch"), "credentials", "not accepted"),
        (error(400, "ExpiredToken"), "credentials", "not accepted"),
        (error(404, "NoSuchBucket"), "no_bucket", "no such bucket"),
        (HTML, "not_s3", "HTML page.*is storage.endpoint_url an S3 endpoint"),
        (Answer(404, HTML.body, HTML.headers), "not_s3", "HTML page"),
        (Answer(200, b'{"message": "hello"}'), "not_s3", "something else"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failure_that_will_not_pass_is_told_after_one_request(
    odd: OddServer, answer: Answer, kind: str, words: str
) -> None:
    odd.answers = [answer]
    with pytest.raises(S3Error, match=words) as raised:
        client(odd).list_page("photos", "good/")
    assert raised.value.kind == kind
    assert "s3://photos/good/" in str(raised.value)
    assert len(odd.requests) == 1


def test_an_anonymous_reader_who_is_refused_is_told_to_give_credentials(odd: OddServer) -> None:
    odd.answers = [error(403, "AccessDenied")]
    with pytest.raises(S3Error, match="set anon: false"):
        client(odd, anon=True).list_page("photos", "")
    assert "Authorization" not in odd.requests[0][2]


def test_patience_with_a_server_that_stays_busy_has_an_end(odd: OddServer) -> None:
    odd.answers = [error(503, "SlowDown")]
    began = time.monotonic()
    with pytest.raises(S3Error, match="kept answering 503 SlowDown: as told, retries included") as raised:
        client(odd, patience=1).list_page("photos", "")
    assert raised.value.kind == "unreachable"
    assert 0.5 < time.monotonic() - began < 10


def test_a_server_that_is_not_there_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    nowhere = S3Client(StorageSettings(endpoint_url="http://127.0.0.1:9"), patience=0.5)
    with pytest.raises(S3Error, match=r"cannot be reached.*check storage\.endpoint_url \(http://127\.0\.0\.1:9\)"):
        nowhere.list_page("photos", "")


def test_missing_credentials_are_told_without_a_request(odd: OddServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(S3Error, match=r"no AWS credentials were found.*anon: true"):
        client(odd).list_page("photos", "")
    assert odd.requests == []


def test_a_missing_profile_is_told(odd: OddServer) -> None:
    with pytest.raises(S3Error, match=r"profile \(factory\) could not be found; correct storage\.profile"):
        client(odd, profile="factory").list_page("photos", "")


def test_a_name_that_no_bucket_can_have_is_told(odd: OddServer) -> None:
    with pytest.raises(S3Error, match="not a name that a bucket can have"):
        client(odd).list_page("a b", "")


def test_whoever_pays_for_requests_says_so_in_each(odd: OddServer) -> None:
    odd.answers = [EMPTY_PAGE, Answer(200, b"a"), Answer(200, b"a"), Answer(200, b"a")]
    asking = client(odd, requester_pays=True)
    asking.list_page("photos", "")
    for _ in range(2):
        assert asking.read_object("photos", "a.png", None) == b"a"
    asking.read_headers("photos", "a.png", None)
    assert [headers.get("x-amz-request-payer") for _, _, headers in odd.requests] == ["requester"] * 4


def test_an_answer_that_breaks_off_is_never_taken_for_the_object(odd: OddServer) -> None:
    whole, cut = Answer(200, b"0123456789"), Answer(200, b"0123456789", cut=4)
    odd.answers = [whole, cut, cut, whole]
    asking = client(odd)
    assert asking.read_object("photos", "a.png", None) == b"0123456789"
    assert asking.read_object("photos", "a.png", None) == b"0123456789"
    assert len(odd.requests) == 4


def test_a_refusal_without_words_is_worded_here(odd: OddServer) -> None:
    odd.answers = [Answer(412)]
    with pytest.raises(S3Error, match="was replaced after it was listed") as raised:
        client(odd).read_object("photos", "a.png", "0" * 32)
    assert raised.value.kind == "changed"


def test_an_archived_object_is_told_to_be_restored(odd: OddServer) -> None:
    odd.answers = [error(403, "InvalidObjectState")]
    with pytest.raises(S3Error, match="archived and must be restored"):
        client(odd).read_object("photos", "a.png", None)


def test_pages_are_not_parsed_on_the_way(odd: OddServer) -> None:
    odd.answers = [Answer(200, b"<ListBucketResult><Contents><Key>&broken</Contents></ListBucketResult>")]
    assert client(odd).list_page("photos", "") == odd.answers[0].body


def test_credentials_never_reach_log_or_message(
    odd: OddServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    odd.answers = [error(403, "SignatureDoesNotMatch")]
    with caplog.at_level(logging.DEBUG, logger="brev_pipeline"), pytest.raises(S3Error) as raised:
        client(odd).list_page("photos", "")
    assert "hush-hush" not in str(raised.value) + repr(raised.value) + caplog.text


# Retries


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def fail_and_then(answer: str, failures: int) -> Callable[[], str]:
    answers = iter([*[OSError()] * failures, answer])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    return call


def test_waits_double_up_to_the_longest_and_lose_at_most_half_to_chance(slept: list[float]) -> None:
    full = [min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(10)]
    retry_call(fail_and_then("there", 10), lambda _: True, lambda: 600)
    for wait, most in zip(slept, full, strict=True):
        assert most / 2 <= wait <= most


def test_a_passing_failure_is_tried_again_until_it_has_passed(slept: list[float]) -> None:
    assert retry_call(fail_and_then("there", 2), lambda error: isinstance(error, OSError), lambda: 60) == "there"
    assert len(slept) == 2
    assert slept[0] < slept[1]


def test_a_failure_that_will_not_pass_is_raised_at_once(slept: list[float]) -> None:
    def call() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        retry_call(call, lambda error: isinstance(error, OSError), lambda: 60)
    assert slept == []


def test_patience_ends_with_the_last_failure(slept: list[float]) -> None:
    def call() -> None:
        raise OSError(f"try {len(slept)}")

    with pytest.raises(OSError) as raised:
        retry_call(call, lambda _: True, lambda: 1.0)
    assert str(raised.value) == f"try {len(slept)}"
    assert sum(slept[:-1]) < 1 <= sum(slept)

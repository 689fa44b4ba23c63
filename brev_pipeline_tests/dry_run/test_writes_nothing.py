"""Nothing is written, in a folder or in a bucket; what may not be read is not read; and neither Dagster nor Great
Expectations is imported for it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.dry_run import plan_run
from brev_pipeline.errors import SourceError
from brev_pipeline.storage.local_files import read_file
from brev_pipeline.storage.places import LocalPlace
from brev_pipeline_tests.buckets import Server, isolated_credentials, mock_server
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, hashes, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, published: Callable[..., Path]) -> Path:
    folder = published(tmp_path_factory.mktemp("parts"), {"good": 10, "bad": 8})
    (folder / "parts.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with isolated_credentials(), mock_server() as running:
        yield running


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Times of every file and folder."""
    places = [Path(place) / name for place, folders, files in os.walk(folder) for name in [*folders, *files, "."]]
    return {str(place): (place.stat().st_mtime_ns, place.stat().st_ctime_ns) for place in places}


@pytest.mark.parametrize("most", [0, 10**9])
@pytest.mark.parametrize("settings", [{}, {"image": {"target_size": [16, 16]}}, {"store": "nowhere"}])
def test_no_file_of_the_folder_changes(folder: Path, settings: dict[str, Any], most: int) -> None:
    draw_photos(folder / "photos", {"good": 12})
    before = hashes(folder), stamps(folder)
    assert plan_run(configure(folder, **settings), most_bytes=most)["would"] == "publish"
    assert (hashes(folder), stamps(folder)) == before
    assert not (folder / "nowhere").exists()


def test_a_stop_writes_nothing_either(folder: Path) -> None:
    before = hashes(folder), stamps(folder)
    assert plan_run(configure(folder, split={"uniqueness": r"/(\d+)_0\.png$"}))["would"] == "stop"
    assert plan_run(configure(folder, listing={"classes": ["nothing"]}))["images"] is None
    assert (hashes(folder), stamps(folder)) == before


def test_a_bucket_is_only_read(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = {f"photos/{file.parent.name}/{file.name}": file.read_bytes() for file in folder.glob("photos/*/*.png")}
    bucket = server.bucket(photos)
    dataset = {"name": "Parts", "id": "parts", "bucket": f"s3://{bucket}/photos", "storage": server.storage()}
    reach: dict[str, Any] = {"store": f"s3://{server.bucket()}/store", "store_storage": server.storage()}
    config = configure(folder, datasets=[dataset], **reach)
    done = run(config)
    assert done.success, done.failures
    server.client.put_object(Bucket=bucket, Key="photos/good/44_0.png", Body=photos["photos/good/1_0.png"] + b" ")
    calls = requests_of(monkeypatch)
    plan = plan_run(config)
    assert plan["would"] == "publish"
    assert (plan["images"]["new"], plan["images"]["was"]) == (1, len(photos))
    assert plan["records"]["copied"] > plan["records"]["written"] > 0
    assert set(calls) <= {"GET", "HEAD"}
    assert calls.count("GET") > 3
    # Not one photo, and the tag of the new one tells its content.
    assert plan["read"] == {"images": 0, "bytes": 0, "unread_bytes": 0}


def requests_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Methods of the requests that botocore and the listing's own client send from now on."""
    import http.client

    sent: list[str] = []
    whole = http.client.HTTPConnection.putrequest

    def putrequest(self: Any, method: str, *arguments: Any, **options: Any) -> None:
        sent.append(method)
        whole(self, method, *arguments, **options)

    monkeypatch.setattr(http.client.HTTPConnection, "putrequest", putrequest)
    import aiohttp

    asked = aiohttp.ClientSession._request

    async def _request(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        sent.append(method)
        return await asked(self, method, *arguments, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", _request)
    return sent


def test_what_is_too_much_to_read_is_not_read_and_said_to_be_open(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
    config = configure(tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.glob("photos/*/*.png"))
    known = plan_run(config, most_bytes=size)
    assert known["read"] == {"images": 22, "bytes": size, "unread_bytes": 0}
    assert [one["what"] for one in known["open"]] == ["pixels"]

    def refuse(*_: Any) -> Any:
        raise AssertionError("nothing may be read")

    monkeypatch.setattr("brev_pipeline.storage.sources.read_file", refuse)
    monkeypatch.setattr("brev_pipeline.listing.checksums.read_checksums", lambda place, keys: [refuse() for _ in keys])
    plan = plan_run(config, most_bytes=size - 1)
    assert plan["read"] == {"images": 0, "bytes": 0, "unread_bytes": size}
    assert plan["images"]["unread"] == 22
    assert plan["images"]["new"] == 0
    assert [(one["what"], one["images"]) for one in plan["open"]] == [("contents", 22)]
    assert plan["would"] == "publish"
    assert plan["records"]["now"] == 22


def test_a_file_that_cannot_be_read_is_left_out_as_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})

    def read(place: LocalPlace, path: str) -> bytes:
        if path.endswith("good/5_1.png"):
            raise SourceError("missing", "it cannot be read: Permission denied")
        return read_file(place, path)

    monkeypatch.setattr("brev_pipeline.storage.sources.read_file", read)
    plan = plan_run(configure(tmp_path))
    assert {one["rule"]: one["now"] for one in plan["left_out"]}["quarantined"] == 1
    assert [one["check"] for one in plan["warnings"]] == ["readable"]


def test_heavy_packages_stay_out(folder: Path) -> None:
    code = (
        "import sys; import brev_pipeline.cli.main\n"
        "from brev_pipeline.config import load_config; from brev_pipeline.dry_run import plan_run\n"
        "from brev_pipeline.cli.plan import show_plan; from brev_pipeline.cli.diff import show_diff\n"
        "show_plan(plan_run(load_config(sys.argv[1])))\n"
        "print(sorted({'dagster', 'great_expectations', 'tensorflow', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "parts.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"

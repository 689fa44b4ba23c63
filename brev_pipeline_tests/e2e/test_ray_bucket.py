"""From a bucket into a bucket on a Ray cluster: workers find credentials themselves, and the version is the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brev_pipeline.audit import verify_version
from brev_pipeline_tests.engine.clusters import Cluster
from brev_pipeline_tests.pipelines import configure, draw_photos, run
from brev_pipeline_tests.s3server import Ceph

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def cluster(ceph: Ceph, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Its nodes have the server's credentials in their environment, as a pod has its role's."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_a_bucket_becomes_the_same_version_on_a_cluster(ceph: Ceph, cluster: Any, tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 5})
    photos = {str(file.relative_to(tmp_path)): file.read_bytes() for file in (tmp_path / "photos").rglob("*.png")}
    dataset = {
        "name": "Parts",
        "id": "parts",
        "bucket": f"s3://{ceph.bucket(photos)}/photos",
        "storage": ceph.storage(),
    }

    def made(engine: dict[str, Any]) -> Any:
        store = f"s3://{ceph.bucket()}/store"
        config = configure(tmp_path, datasets=[dataset], store=store, store_storage=ceph.storage(), engine=engine)
        done = run(config)
        assert done.success, done.failures
        return done.store

    here, there = made({"workers": 1}), made({"kind": "ray", "address": cluster.address})
    assert there.newest_version()[1].id == here.newest_version()[1].id
    assert there.newest_version()[1].read_manifest()["counts"]["listed"] == len(photos)
    assert verify_version(there).problems == []

"""Buckets for the tests: a mock S3 server in this process, its client, and configurations that point at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from brev_pipeline.config import PipelineConfig

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class Server:
    """An S3 server and a client of it."""

    endpoint: str
    client: Any

    def bucket(self, objects: dict[str, bytes] | None = None) -> str:
        """A new bucket with these objects; its name."""
        name = f"photos-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        for key, data in (objects or {}).items():
            self.client.put_object(Bucket=name, Key=key, Body=data)
        return name

    def storage(self, **options: Any) -> dict[str, Any]:
        """The settings by which a dataset reaches this server."""
        return {"endpoint_url": self.endpoint, **options}


@contextmanager
def isolated_credentials() -> Iterator[None]:
    """Credentials from the environment, and from nowhere else on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, "/dev/null")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@contextmanager
def mock_server() -> Iterator[Server]:
    """moto's server on a free port of 127.0.0.1. It checks neither credentials nor permissions."""
    import logging

    import botocore.session
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with isolated_credentials():
        moto.start()
        host, port = moto.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        yield Server(endpoint, botocore.session.Session().create_client("s3", endpoint_url=endpoint))
        moto.stop()


def put_in_process(bucket: str, keys: list[str], data: bytes) -> None:
    """Put many objects into the mock server's bucket, past its slow HTTP side."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    for key in keys:
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, data)


def config_of(*datasets: dict[str, Any], base: Path | None = None, **sections: Any) -> PipelineConfig:
    """A configuration of these datasets; each needs only a bucket, and storage where it has any."""
    named = [{"name": f"Set {number}", "id": f"set-{number}", **dataset} for number, dataset in enumerate(datasets)]
    config = PipelineConfig.model_validate({"name": "photos", "store": "store", "datasets": named, **sections})
    return config.with_base(base or Path.cwd())

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from brev_pipeline.config import StorageSettings
from brev_pipeline.storage.s3 import S3Client
from brev_pipeline.storage.storage_errors import S3Error
from brev_pipeline_tests.buckets import isolated_credentials
from brev_pipeline_tests.storage.odd_server import Answer, OddServer


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed but itself, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


@pytest.fixture
def secure(certificate: Path) -> Iterator[OddServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with isolated_credentials(), OddServer(context) as server:
        server.answers = [Answer(200, b"photo")]
        yield server


def test_a_trusted_certificate_is_trusted_on_both_roads(
    secure: OddServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    client = S3Client(StorageSettings(endpoint_url=secure.endpoint))
    assert client.read_object("photos", "a.png", None) == b"photo"
    monkeypatch.setattr(S3Client, "_call", None)
    assert client.read_object("photos", "a.png", None) == b"photo"


def test_a_certificate_that_is_not_trusted_is_told_at_once(secure: OddServer) -> None:
    with pytest.raises(S3Error, match="certificate is not trusted: set AWS_CA_BUNDLE"):
        S3Client(StorageSettings(endpoint_url=secure.endpoint)).read_object("photos", "a.png", None)
    assert secure.requests == []

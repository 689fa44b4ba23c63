"""No text of a configuration holds credentials, and no message repeats those that are refused."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from brev_pipeline.config import ListingSettings, PipelineConfig, StorageSettings, build_settings, parse_config
from brev_pipeline.config.credentials import find_credentials, redact, redact_all
from brev_pipeline.errors import ConfigError
from brev_pipeline_tests.config.test_load import GOOD

ADDRESS = "https://user:hunter2@host/x"
HOLDING = [
    ADDRESS,
    "http://user:hunter2@host:9000",
    "HTTPS://USER:hunter2@HOST",
    "s3://AKIAEXAMPLE:hunter2@bucket/x",
    "postgresql://user:hunter2@host/base",
    "https://user:hunter2/with/slashes@host",
    "https://user:hunter2@with@host",
    "https://:hunter2@host",
    "https://hunter2@github.com/x.git",
    "git+https://hunter2@github.com/x.git",
    "see http://user:hunter2@host/ for more",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=hunter2&X-Amz-Signature=hunter2",
    "https://b.s3.amazonaws.com/k?Expires=1&AWSAccessKeyId=hunter2&Signature=hunter2",
    "https://x.blob.core.windows.net/k?sv=2024&sig=hunter2",
    "https://storage.googleapis.com/k?X-Goog-Signature=hunter2",
    "https://host/x?token=hunter2",
    "https://host/x#access_token=hunter2",
    "https://host/x?api_key=hunter2",
]
HOLDING_NONE = [
    "http://host:9000/a@b",
    "http://[::1]:9000/x@y",
    "ssh://git@github.com/x.git",
    "https://example.com/@user",
    "mailto:anna@example.com",
    "questions: anna@example.com",
    "s3://bucket/x@2x",
    "photos/a:b@c",
    "https://viewer/?key={key}&token={key}",
    "https://host/?sign=1&design=2&tokens=3",
    r"/(\d*)_\d*\.bmp$",
]


@pytest.mark.parametrize("text", HOLDING)
def test_credentials_are_found_and_taken_out(text: str) -> None:
    said = find_credentials(text)
    assert said is not None
    assert "hunter2" not in said
    assert "hunter2" not in redact(text)
    assert find_credentials(redact(text)) is None


@pytest.mark.parametrize("text", HOLDING_NONE)
def test_other_texts_are_left_alone(text: str) -> None:
    assert find_credentials(text) is None
    assert redact(text) == text


def test_a_host_without_scheme_may_hold_them_too() -> None:
    assert find_credentials("user:hunter2@host", is_host=True)
    assert find_credentials("user:hunter2@host") is None
    assert find_credentials("host:6379", is_host=True) is None


def test_all_texts_of_a_value_are_redacted() -> None:
    assert redact_all({"a": [ADDRESS, 1, {"b": ADDRESS}], "c": None}) == {
        "a": ["https://host/x", 1, {"b": "https://host/x"}],
        "c": None,
    }


SCHEMA = PipelineConfig.model_json_schema()


def text_fields(node: dict[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of all fields that take a text, from the model's schema; the first entry of lists and mappings."""
    definitions = SCHEMA["$defs"]
    for option in [node, *node.get("anyOf", []), *node.get("allOf", [])]:
        option = definitions[option["$ref"].rpartition("/")[2]] if "$ref" in option else option
        if option.get("type") == "string":
            yield path
        for name, field in option.get("properties", {}).items():
            yield from text_fields(field, (*path, name))
        if isinstance(option.get("items"), dict):
            yield from text_fields(option["items"], (*path, 0))
        if isinstance(option.get("additionalProperties"), dict):
            yield from text_fields(option["additionalProperties"], (*path, "name"))


FIELDS = sorted(set(text_fields(SCHEMA)), key=str)


def with_text(path: tuple[str | int, ...], text: str) -> dict[str, Any]:
    """The good configuration with a text put in at a path."""
    config: Any = yaml.safe_load(GOOD)
    node = config
    for part, following in zip(path, [*path[1:], None], strict=True):
        new: Any = text if following is None else [] if isinstance(following, int) else {}
        if isinstance(part, int):
            node[:] = node[:1] or [new]
            node[0] = new if following is None else node[0]
        elif following is None or part not in node:
            node[part] = new
        node = node[part]
    return config  # type: ignore[no-any-return]


def test_the_fields_are_all_there() -> None:
    wanted = {("store",), ("datasets", 0, "bucket"), ("datasets", 0, "storage", "endpoint_url"), ("engine", "address")}
    wanted |= {("split", "ledger_csv"), ("listing", "class_mapping", "name", 0), ("card", "citation"), ("owners", 0)}
    assert wanted <= set(FIELDS)


@pytest.mark.parametrize("path", FIELDS, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("address", [ADDRESS, "s3://b/x?X-Amz-Signature=hunter2"])
def test_every_text_field_refuses_them_by_name(path: tuple[str | int, ...], address: str) -> None:
    given = with_text(path, address)
    with pytest.raises(ConfigError) as caught:
        parse_config(yaml.safe_dump(given))
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    assert f": {shown}: holds " in str(caught.value)
    assert "hunter2" not in str(caught.value)
    # A program that builds the model itself is refused too, and its traceback says nothing either.
    with pytest.raises(ValidationError) as raised:
        PipelineConfig.model_validate(given)
    assert "holds " in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "more",
    [
        f"engine: {{kind: ray, address: 'h:1', runtime_env: {{pip: ['--index-url={ADDRESS}']}}}}",
        f"engine: {{kind: ray, address: 'h:1', runtime_env: {{'{ADDRESS}': x}}}}",
        "engine: {kind: ray, address: 'user:hunter2@host:6379'}",
        "store_storage: {endpoint_url: 'user:hunter2@host'}",
        f"listing: {{class_mapping: {{'{ADDRESS}': bad}}}}",
        f"nonsense: {ADDRESS}",
        f"description: !{ADDRESS} x",
        f"split: {{purposes: {{train: '{ADDRESS}'}}}}",
        f"image: {{target_size: '{ADDRESS}'}}",
        "store_storage: [{secret: hunter2}]",
        "store_storage: {secret: hunter2}",
    ],
)
def test_no_message_repeats_them_wherever_they_stand(more: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(GOOD + more)
    assert "hunter2" not in str(caught.value)


def test_settings_from_elsewhere_are_refused_without_repeating_them() -> None:
    with pytest.raises(ConfigError, match=r"endpoint_url: holds a user or password") as caught:
        build_settings(StorageSettings, {"endpoint_url": ADDRESS})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"class_mapping: holds a user or password") as caught:
        build_settings(ListingSettings, {"class_mapping": {ADDRESS: [ADDRESS]}})  # the way to the value holds them too
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="Input should be a valid boolean"):
        build_settings(StorageSettings, {"anon": "perhaps"})


@pytest.mark.parametrize("url", ["ftp://host", "http://ho st", "https://host?x=1", "http://"])
def test_an_endpoint_is_an_address_of_a_server(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store_storage.endpoint_url: .* is no address of a server"):
        parse_config(GOOD + f"store_storage: {{endpoint_url: '{url}'}}")


def test_a_host_alone_is_asked_by_https() -> None:
    config = parse_config(GOOD + "store_storage: {endpoint_url: 'minio:9000'}")
    assert config.store_storage.endpoint_url == "https://minio:9000"


def test_a_manifest_from_before_they_were_refused_can_still_be_read() -> None:
    configuration = parse_config(GOOD).model_dump(mode="json")
    configuration["datasets"][0]["storage"]["endpoint_url"] = "http://user:hunter2@minio:9000"
    config = PipelineConfig.model_validate(redact_all(configuration))
    assert config.datasets[0].storage.endpoint_url == "http://minio:9000"

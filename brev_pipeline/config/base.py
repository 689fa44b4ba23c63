"""What all sections share: the frozen model, the kinds of values, and where images and results may lie.

Unknown keys are errors, and so are credentials in any text. Nothing in this room imports more than pydantic.
"""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from brev_pipeline.config.credentials import find_credentials, is_host_field

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
SHARE_ROUNDING: Final = 1e-9  # of a sum of shares
MAX_PATTERN_LENGTH: Final = 4000  # characters; compiling takes longer the longer the pattern is


def check_pattern(pattern: str) -> str:
    """Return ``pattern`` if it is a regular expression of a length that can be used. Raises `ValueError` otherwise."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise ValueError(f"has {len(pattern)} characters; a regular expression has at most {MAX_PATTERN_LENGTH}")
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    except RecursionError:
        raise ValueError("not a regular expression that can be used: its groups are nested too deeply") from None
    return pattern


def _demand_group(key: str | list[str] | None) -> str | list[str] | None:
    if isinstance(key, str) and re.compile(check_pattern(key)).groups == 0:
        raise ValueError(
            f"the regular expression {key!r} has no group: put parentheses around the part of the path that is "
            r"the key, as in '/(\d*)_\d*\.bmp'"
        )
    return key


Regex = Annotated[str, AfterValidator(check_pattern)]
Columns = Annotated[list[str], Field(min_length=1)]
Key = Annotated[str | Columns | None, AfterValidator(_demand_group)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Section(BaseModel):
    """A part of a configuration: frozen, and strict about unknown keys."""

    # Inputs are hidden, since the texts of pydantic's errors end up in logs.
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _without_credentials(cls, value: Any, info: ValidationInfo) -> Any:
        if problem := _find_nested_credentials(value, is_host=is_host_field(info.field_name)):
            raise ValueError(problem)
        return value


def _find_nested_credentials(value: Any, *, is_host: bool = False) -> str | None:
    """Say what credentials a raw value holds, with the way to them in it; None where it holds none."""
    if isinstance(value, str):
        return find_credentials(value, is_host=is_host)
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, part in parts:
        # The key first: what it holds must not stand in the way to the value either.
        if isinstance(key, str) and (problem := find_credentials(key, is_host=is_host_field(key))):
            return problem
        if problem := _find_nested_credentials(part, is_host=is_host_field(key)):
            return f"{key}: {problem}"
    return None


_S3: Final = "s3://"
_MAX_LOCATION_LENGTH: Final = 2000  # characters
_ALMOST_S3: Final = re.compile(r"\s*s3a?n?:/*", re.IGNORECASE)


def is_local(location: str) -> bool:
    """Whether this is a folder or file of this machine."""
    return "://" not in location


def check_location(location: str) -> str:
    """Return ``location`` if it is a local path or ``s3://bucket/prefix``.

    Raises:
        ValueError: it is neither; the message says what to write.
    """
    if len(location) > _MAX_LOCATION_LENGTH:
        raise ValueError(f"has {len(location)} characters; at most {_MAX_LOCATION_LENGTH} can be used")
    if location.startswith(_S3):
        if not re.fullmatch(r"[^\s?#@:]+", location.removeprefix(_S3).partition("/")[0]):
            raise ValueError(f"{location!r} names no bucket: write s3://bucket or s3://bucket/prefix")
        return location
    if scheme := _ALMOST_S3.match(location):
        raise ValueError(f"{location!r}: only s3:// and local folders are known; write s3://{location[scheme.end() :]}")
    if not is_local(location):
        hint = "; write the folder's path, without file://" if location.lower().startswith("file:") else ""
        raise ValueError(f"{location!r}: only s3:// and local folders are known{hint}")
    return location


def _check_local_file(file: str) -> str:
    if not is_local(file):
        raise ValueError(f"{file!r}: only local files are read; copy it beside the configuration")
    return file


Location = Annotated[str, Field(min_length=1), AfterValidator(check_location)]
LocalFile = Annotated[str, Field(min_length=1), AfterValidator(_check_local_file)]

"""The sections `validation`, `engine`, `schedule`, `new_images_sensor` and `retry`: how a pipeline is run."""

import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator, model_validator

from brev_pipeline.config.base import Fraction, Section


class ListingTolerance(Section):
    """Tolerances of raw_listing."""

    min_images: int = Field(1, ge=1, description="Fewer listed images stop the run.")
    max_shrinkage: Fraction = Field(
        0.1,
        description="Share of the newest version's contents that may be gone (judged in sample_integrity); more paths "
        "that are gone warn.",
    )


class IntegrityTolerance(Section):
    """Tolerances of sample_integrity."""

    max_duplicates: Fraction = Field(1.0, description="Share of images that may be copies of another.")


class ImagesTolerance(Section):
    """Tolerances of prepared_images."""

    max_quarantined: Fraction = Field(0.05, description="Share of contents that may be unusable.")
    min_range_used: Fraction = Field(
        0.3, description="Share of the range that images of more than 8 bits should use; less warns. 0: never."
    )
    accept_unjudged: list[str] = Field(
        [],
        description="Paths or content ids of images that may be left out although nobody knows whether they are good: "
        "their decoding was stopped (image.max_seconds), crashed, or was interrupted.",
    )


class SplitTolerance(Section):
    """Tolerances of sample_split."""

    max_fraction_error: Fraction = Field(
        0.05, description="Of a stratum's share, beyond the size of its largest leak group."
    )


class ValidationSettings(Section):
    """How much each stage's suite tolerates."""

    raw_listing: ListingTolerance = ListingTolerance()
    sample_integrity: IntegrityTolerance = IntegrityTolerance()
    prepared_images: ImagesTolerance = ImagesTolerance()
    sample_split: SplitTolerance = SplitTolerance()


class EngineSettings(Section):
    """Where parallel work runs: on this machine's cores, or on a Ray cluster."""

    kind: Literal["local", "ray"] = Field(
        "local", description="Processes of this machine, or a Ray cluster; the shards are the same bytes."
    )
    workers: Annotated[int, Field(gt=0)] | Literal["auto"] = Field(
        "auto", description="Processes; auto: one per core of this machine, or per CPU that the cluster has by then."
    )
    address: str | None = Field(
        None,
        pattern=r"^(ray://)?(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):\d{1,5}$",
        description="ray: the cluster's head, as host:6379 on a machine that belongs to the cluster, or as "
        "ray://host:10001 from anywhere.",
    )
    ship_package: bool = Field(
        True, description="ray: send this package to the workers; false: it is installed there, the same one."
    )
    runtime_env: dict[str, Any] = Field(
        {}, description="ray: what else workers need, as Ray's runtime_env says it (env_vars, pip, …). No credentials."
    )
    connect_seconds: float = Field(30, gt=0, le=600, description="ray: to wait for the cluster's answer.")
    start_seconds: float = Field(600, gt=0, description="ray: to wait for a first free CPU of the cluster.")

    @field_validator("runtime_env")
    @classmethod
    def _no_secrets(cls, env: dict[str, Any]) -> dict[str, Any]:
        variables = env.get("env_vars", {})
        if not (isinstance(variables, dict) and all(isinstance(value, str) for value in variables.values())):
            raise ValueError("env_vars must be a mapping of names to texts; put numbers into quotes")
        if secret := [name for name in variables if re.search(r"(?i)secret|token|password|passwd|access_key", name)]:
            raise ValueError(
                f"{', '.join(secret)}: credentials do not belong into this file; workers find them as their machine "
                "gives them: environment, profile or role"
            )
        return env

    @model_validator(mode="after")
    def _of_kind(self) -> Self:
        fields = type(self).model_fields
        given = [name for name in fields if getattr(self, name) != fields[name].default]
        if self.kind == "local" and (unused := sorted({*given} - {"kind", "workers"})):
            raise ValueError(f"{', '.join(unused)}: only for kind: ray; remove it, or set kind: ray")
        if self.kind == "ray" and self.address is None:
            raise ValueError("kind: ray needs address: host:6379 of the cluster's head, or ray://host:10001")
        return self


class ScheduleSettings(Section):
    """When the pipeline runs by itself."""

    cron: str = Field(
        "0 3 * * *",
        max_length=300,
        description="Five fields, as Dagster reads them: minute, hour, day (L: the last), month, weekday (5#2: the "
        "second Friday); or @hourly, @daily, @weekly, @monthly, @yearly.",
    )
    timezone: str = Field("UTC", description="IANA name, for example Europe/Copenhagen.")
    enabled: bool = Field(False, description="Switch it on when Dagster starts; it can be switched in the UI too.")

    @field_validator("cron")
    @classmethod
    def _parsable(cls, cron: str, info: ValidationInfo) -> str:
        # Dagster, whose parser decides, is not imported here: who has it at hand gives its check (see `load_config`).
        check_cron = (info.context or {}).get("check_cron")
        return check_cron(cron) if check_cron else cron

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Copenhagen") from error
        return name


class SensorSettings(Section):
    """Watches the datasets for new images."""

    interval_seconds: int = Field(300, ge=10, description="Between two looks at the datasets, at least.")
    enabled: bool = Field(False, description="Switch it on when Dagster starts; it can be switched in the UI too.")


class RetrySettings(Section):
    """What a step does about a fault that may pass: a network that is down, a busy store. Others end the run."""

    times: int = Field(3, ge=0, le=20, description="How often the step is tried again.")
    wait_seconds: float = Field(30, ge=0, le=3600, description="Before the first retry; doubled for each further one.")

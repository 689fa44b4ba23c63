"""Configurations that cannot be used, shown in Dagster's UI: the others load, and nobody overlooks what is missing."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from brev_pipeline.config.load import printable

BROKEN_GROUP = "broken_configurations"
"""Asset group of the files that cannot be used, and name of the sensor whose ticks fail because of them."""


def broken_definitions(problems: Mapping[Path, str]) -> dg.Definitions:
    """One asset per file, with what is wrong in its description, and the sensor; nothing where there is no problem.

    Args:
        problems: file → what is wrong with it.
    """
    if not problems:
        return dg.Definitions()
    specs: dict[str, dg.AssetSpec] = {}
    for file, said in problems.items():
        name = _identifier(file.stem)
        while name in specs:
            name += "_"
        specs[name] = _spec(name, file, said)
    return dg.Definitions(assets=list(specs.values()), sensors=[_alarm("\n".join(problems.values()))])


def _spec(name: str, file: Path, problems: str) -> dg.AssetSpec:
    lines = "\n".join(f"- {line}" for line in problems.splitlines())
    return dg.AssetSpec(
        dg.AssetKey([BROKEN_GROUP, name]),
        group_name=BROKEN_GROUP,
        description=f"`{printable(Path(file.name))}` cannot be used, so its pipeline is missing:\n\n{lines}",
        kinds={"yaml"},
    )


def _alarm(problems: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=BROKEN_GROUP,
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Its ticks fail while a configuration cannot be used. Mend the file, then reload the location.",
    )
    def alarm() -> None:
        # Anything else than Dagster's own would show under a title that says nothing.
        raise dg.DagsterError(problems)

    return alarm


def _identifier(stem: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in stem)

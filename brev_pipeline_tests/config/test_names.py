"""Names and owners are refused where Dagster would refuse them, with the place in the YAML."""

import dagster as dg
import pytest
from dagster._core.definitions.utils import DISALLOWED_NAMES, is_valid_owner

from brev_pipeline.config import parse_config
from brev_pipeline.config.pipeline import DAGSTER_NAMES, OUR_NAMES
from brev_pipeline.errors import ConfigError
from brev_pipeline.orchestration.code_location import BROKEN_GROUP
from brev_pipeline.orchestration.purge import PURGE_JOB, build_purge_definitions
from brev_pipeline_tests.config.test_load import GOOD, problems


def test_the_names_are_those_of_the_installed_dagster() -> None:
    assert DAGSTER_NAMES == DISALLOWED_NAMES


def test_our_own_names_are_kept() -> None:
    jobs = [job for job in build_purge_definitions([]).resolve_all_job_defs() if isinstance(job, dg.JobDefinition)]
    nodes = {node.name for job in jobs for node in job.all_node_defs} | {job.name for job in jobs}
    assert {name for name in nodes if not name.startswith("__")} | {PURGE_JOB, BROKEN_GROUP} == OUR_NAMES


@pytest.mark.parametrize(
    "name", sorted(DAGSTER_NAMES | OUR_NAMES | {"a__b", "__x", "x-y", "1st", "x\n", "é", "x" * 65})
)
def test_a_name_that_dagster_would_refuse_is_named_with_its_line(name: str) -> None:
    (line,) = problems(GOOD.replace("name: vials", "name: " + repr(name).replace("'", '"')))
    assert line.startswith("vials.yaml:2: name: ")


OWNERS = [
    *(
        "team:quality",
        "team:",
        "team:a b",
        "a@b.co",
        ".a@b.co",
        "a.b+c@d-e.museum",
        "a@b.abcdefgh",
        "ä@b.co",
        "a@bé.co",
    ),
    *(
        "a@b",
        "a b@c.de",
        "a@b.co\n",
        "a@b.c",
        "a@-.co",
        "@b.co",
        "%a@b.co",
        "_a@b.co",
        "a@b.c1",
        "A@B.CO",
        "nobody",
        "",
    ),
]


@pytest.mark.parametrize("owner", OWNERS)
def test_an_owner_that_is_taken_is_one_for_dagster(owner: str) -> None:
    config = parse_config(GOOD).model_dump()
    try:
        parse_config(GOOD + "owners: [" + repr(owner).replace("'", '"') + "]")
    except ConfigError:
        # Of teams, fewer than Dagster takes.
        assert not is_valid_owner(owner) or owner.startswith("team:")
    else:
        assert is_valid_owner(owner), config

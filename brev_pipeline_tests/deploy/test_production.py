"""What deploy/production describes, started as plain processes: from a tick of the schedule to a published version.

No container is built here; everything that a container would run is: PostgreSQL, the code server over gRPC, the
webserver and the daemon, by the commands, variables and health checks of compose.yaml.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from brev_pipeline.config import load_config
from brev_pipeline.stages import VERSION
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.browser.screen import browser, pictures_folder
from brev_pipeline_tests.dagster_processes import FINISHED, LOCATION, REPOSITORY_NAME, GraphQLError, until
from brev_pipeline_tests.deploy.production import Production
from brev_pipeline_tests.pipelines import SETTINGS, draw_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EVERY_MINUTE = "schedule: {cron: '* * * * *', enabled: true}\n"


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipelines")
    draw_photos(folder / "photos", {"good": 6, "bad": 4})
    (folder / "parts.yaml").write_text(SETTINGS + EVERY_MINUTE)
    return folder


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory, configs: Path) -> Iterator[Production]:
    production = Production(tmp_path_factory.mktemp("production"), configs)
    with production, production.database():
        for service in ("code", "webserver", "daemon"):
            production.start_service(service)
        yield production


@pytest.fixture
def store(configs: Path) -> PipelineStore:
    return PipelineStore.from_config(load_config(configs / "parts.yaml"))


def test_a_tick_of_the_schedule_publishes_a_version_that_the_ui_shows(
    dagster: Production, store: PipelineStore
) -> None:
    until(lambda: bool(dagster.runs()), 90, lambda: json.dumps(dagster.ticks("parts_schedule")))
    run = dagster.runs()[-1]
    assert run["tags"]["dagster/schedule_name"] == "parts_schedule"
    assert dagster.wait(run["runId"], seconds=240) == "SUCCESS", dagster.failures(run["runId"])
    stop_schedule(dagster)

    newest = store.newest_version()
    assert newest is not None
    assert newest[0].run_id == run["runId"]
    assert {"label": "version", "text": newest[1].id} in newest_metadata(dagster)


def test_a_person_sees_the_version_in_a_browser(dagster: Production, store: PipelineStore, tmp_path: Path) -> None:
    newest = store.newest_version()
    assert newest is not None
    with browser(dagster.url, pictures_folder(tmp_path)) as screen:
        screen.asset("parts", VERSION, "events")
        screen.page.get_by_text(newest[1].id).first.wait_for()
        screen.shoot("production-version")


def test_every_service_is_well_by_its_own_health_check(dagster: Production) -> None:
    assert {service: dagster.is_well(service) for service in ("postgres", "code", "webserver", "daemon")} == {
        "postgres": True,
        "code": True,
        "webserver": True,
        "daemon": True,
    }


def test_services_listen_on_this_machine_only(dagster: Production) -> None:
    ports = {dagster.port, dagster.code_port, dagster.database_port}
    assert {port: listening_addresses(port) for port in ports} == {port: {"127.0.0.1"} for port in ports}
    published = [entry for service in dagster.compose.services.values() for entry in service.get("ports", [])]
    assert len(published) == 2
    assert all(entry.startswith("127.0.0.1:") for entry in published)


def test_the_read_only_webserver_shows_everything_and_refuses_to_launch(dagster: Production) -> None:
    dagster.spawn("viewer", *dagster.compose.command("viewer"), cwd=dagster.home)
    port, dagster.port = dagster.port, dagster.viewer_port
    try:
        dagster.wait_ready("viewer", lambda: dagster.graphql("{ version }") is not None)
        runs = dagster.runs()
        assert runs
        with pytest.raises(GraphQLError, match="UnauthorizedError"):
            dagster.launch("parts")
        assert dagster.terminate(runs[0]["runId"]) != "TerminateRunSuccess"
        assert len(dagster.runs()) == len(runs)
    finally:
        dagster.port = port
        dagster.stop("viewer")


def test_a_run_whose_code_server_is_killed_is_failed_and_started_again(
    dagster: Production, store: PipelineStore, configs: Path
) -> None:
    draw_photos(configs / "photos", {"good": 8})
    first = dagster.launch("parts")
    dagster.wait_for_step(first, "raw_listing", seconds=180)
    dagster.kill("code", with_children=True)
    dagster.start_service("code")
    assert dagster.wait(first, seconds=120) == "FAILURE"
    assert any("its process is gone" in (event["message"] or "") for event in dagster.events(first))

    def again() -> list[str]:
        return [run["runId"] for run in dagster.runs() if run["tags"].get("dagster/parent_run_id") == first]

    until(lambda: bool(again()), 120)
    assert dagster.wait(again()[0], seconds=240) == "SUCCESS", dagster.failures(again()[0])
    newest = store.newest_version()
    assert newest is not None
    assert newest[0].run_id == again()[0]


def test_the_purge_works_on_postgresql_and_is_scheduled(dagster: Production) -> None:
    known = {run["runId"] for run in dagster.runs()}
    purge = dagster.launch("purge_old_runs")
    assert dagster.wait(purge) == "SUCCESS", dagster.failures(purge)
    said = " ".join(event["message"] or "" for event in dagster.events(purge))
    assert "0 run(s) that ended more than 180 days ago were forgotten" in said
    assert known < {run["runId"] for run in dagster.runs()}
    assert schedule_status(dagster, "purge_old_runs_schedule") == "RUNNING"


def test_dagsters_own_commands_accept_the_instance(dagster: Production) -> None:
    assert dagster.call("dagster", "instance", "migrate") == 0
    assert dagster.call("dagster", "instance", "info") == 0


def newest_metadata(dagster: Production) -> list[dict[str, str]]:
    """What the UI knows of the newest published version."""
    query = """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
      assetMaterializations(limit: 1) { metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""
    (shown,) = dagster.graphql(query, key={"path": ["parts", VERSION]})["assetOrError"]["assetMaterializations"]
    found: list[dict[str, str]] = shown["metadataEntries"]
    return found


def schedule_status(dagster: Production, name: str) -> str:
    query = """query($selector: ScheduleSelector!) { scheduleOrError(scheduleSelector: $selector) {
      ... on Schedule { scheduleState { id status } } } }"""
    return str(dagster.graphql(query, selector=selector(name))["scheduleOrError"]["scheduleState"]["status"])


def stop_schedule(dagster: Production) -> None:
    """Switch the every-minute schedule off, as the UI's switch does, and let what it has started end."""
    query = """query($selector: ScheduleSelector!) { scheduleOrError(scheduleSelector: $selector) {
      ... on Schedule { scheduleState { id } } } }"""
    state = dagster.graphql(query, selector=selector("parts_schedule"))["scheduleOrError"]["scheduleState"]["id"]
    dagster.graphql("mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }", id=state)
    until(lambda: all(run["status"] in FINISHED for run in dagster.runs()), 240)


def selector(name: str) -> dict[str, str]:
    return {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY_NAME, "scheduleName": name}


def listening_addresses(port: int) -> set[str]:
    """Addresses of this machine on which something listens on a port, by the kernel's tables."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, _, number = address.partition(":")
            if state == "0A" and int(number, 16) == port:
                # The last four bytes, lowest first, are the address, in IPv6's tables too where it is mapped from IPv4.
                plain = len(host) == 8 or host.startswith("0" * 16 + "FFFF0000")
                found.add(".".join(str(octet) for octet in reversed(bytes.fromhex(host[-8:]))) if plain else host)
    return found

"""``brev-pipeline check`` says good of exactly the files whose pipelines the code location has."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from brev_pipeline.cli import main
from brev_pipeline.config.pipeline import DAGSTER_NAMES
from brev_pipeline.orchestration.code_location import BROKEN_GROUP, build_folder_definitions
from brev_pipeline_tests.config.mutations import mutate
from brev_pipeline_tests.pipelines import SETTINGS


def named(name: str) -> str:
    return SETTINGS.replace("name: parts", f"name: {name}")


def check(*files: Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, files)])


def jobs(definitions: dg.Definitions) -> set[str]:
    return {job.name for job in definitions.resolve_all_job_defs()} - {"__ASSET_JOB", "purge_old_runs"}


def each(template: str, *values: str) -> list[str]:
    """The settings with each of the values in place of what the template names: ``key: value`` or ``section``."""
    before, _, after = template.partition("§")
    if template in SETTINGS:
        raise AssertionError(f"{template} has no place for a value")
    key = before.lstrip("\n")
    known = next((line for line in SETTINGS.splitlines() if key and line.startswith(key)), None)
    if known is None:
        return [SETTINGS + before + value + after for value in values]
    return [SETTINGS.replace(known, before + value + after) for value in values]


BUCKET = "  - {name: Parts, id: parts, bucket: §}"
ENGINE = "engine: {kind: ray, address: 'h:1', runtime_env: §}"
GOOD = [
    *each(
        "name: §", "result", "default", "io_manager", "asset", "job", "sensor", "local", "x" * 64, "none", "A", "ops"
    ),
    *each("name: §", "purge_old_runs_schedule", "CLASS", "a_", "execute_in_process"),
    *each("store: §", "s3://b/x", "s3://b", "/tmp/x y", "../x"),
    *each(BUCKET, "s3://b", "s3://b/x y", "nowhere", "/nowhere/at/all", ".", "s3://b, inventory: s3://b/x"),
    *each("§", "", "owners: ['team:a', 'a@b.co']", "card: {published: 2026-11-30}", "# é\u2028"),
    *each("schedule: {timezone: §}", "Europe/Copenhagen", "Etc/GMT+5", "America/New_York"),
    *each("schedule: {cron: '§'}", "0 3 * * *", "*/7 1-5/2,9 1,31 jan-mar,12 mon-fri,0", "0 0 29 2 *", "5/15 * * * *"),
    *each("schedule: {cron: '§'}", "0 3 * * fri-mon"),
    *each(
        "schedule: {cron: '§'}", "0 0 * * 7", "00 003 * * *", "@daily", "0 0 L * *", "0 0 * * 5#2", "0 3 * * fri-mon"
    ),
    *each("split:§", "\n  ledger_csv: there.csv"),
    SETTINGS.replace("engine: {workers: 1}", ENGINE.replace("§", "{a: [{b: null}]}")),
]
BAD = [
    *each("name: §", "input", "class", "type", "None", "in", "config", "output", *sorted(DAGSTER_NAMES)[:3]),
    *each("name: §", "purge", "purge_old_runs", BROKEN_GROUP, "a__b", "x" * 65, "a-b", "a.b", "1a"),
    *each("store: §", "gs://b/x", "S3://b/x", "http://x/y", "s3:/b/x", "s3://", "s3:///x", "file:///x", "az://x"),
    *each(BUCKET, "S3://b", "gs://b", "s3://", "''", "https://u:p@h/x", "s3://b, inventory: gs://b/x"),
    *each("schedule: {timezone: '§'}", "", "Europe", "../../etc/passwd", "Mars/Base", "a\\0b", "x" * 3000),
    *each("schedule: {cron: '§'}", "@reboot", "0 3 * *", "0 3 * * * *", "0 0 31 2 *", "0 0 31 4,6 *", "@every 5m"),
    *each("schedule: {cron: '§'}", "0 0 * * 5#6", "? * * * *", "R * * * *", "r(0-9)/3 3 * * *", "H 3 * * *"),
    *each("owners: §", "['.a@b.co']", "&a [*a]", "[" * 3000),
    *each("listing: §", "{url_template: '{path.x}'}", "{sample_filter: '((('}"),
    *each("§", "nonsense: 1", "name: again", "card: {published: 2026-11-31}", 'description: "\\0"', "\0"),
    *each("split:§", *(f"\n  ledger_csv: {place}" for place in ("nowhere.csv", ".", "s3://b/there.csv"))),
]
CASES = [(text, True) for text in GOOD] + [(text, False) for text in BAD]


def own_name(text: str, number: int) -> str:
    """The text under a name of its own, unless the name is the point of it."""
    return text.replace("name: parts", f"name: case_{number}")


@dataclass(frozen=True)
class Both:
    """What the location and the command make of all cases, in one folder."""

    jobs: set[str]
    broken: dict[str, str]
    """File's stem → what the location says of it."""
    checked: dict[str, list[str]]
    """File's stem → problems that the command names."""
    status: int


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("cases")
    (folder / "there.csv").write_text("item,purpose\n")
    for number, (text, _) in enumerate(CASES):
        (folder / f"case_{number}.yaml").write_text(own_name(text, number), encoding="utf-8")
    definitions = build_folder_definitions(folder)
    dg.Definitions.validate_loadable(definitions)
    specs = definitions.resolve_all_asset_specs()
    broken = {spec.key.path[-1]: spec.description or "" for spec in specs if spec.group_name == BROKEN_GROUP}
    said = CliRunner().invoke(main, ["check", "--json", *map(str, sorted(folder.glob("*.yaml")))])
    checked = {Path(file["file"]).stem: file["problems"] for file in json.loads(said.stdout)["files"]}
    return Both(jobs(definitions), broken, checked, said.exit_code)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_check_says_good_if_and_only_if_the_location_has_the_pipeline(both: Both, number: int) -> None:
    text, is_good = CASES[number]
    stem = f"case_{number}"
    name = re.search(r"^name: (.*)$", own_name(text, number), re.MULTILINE)
    assert name
    assert (stem not in both.broken) == (both.checked[stem] == []) == is_good, (both.broken.get(stem), text)
    if is_good:
        assert name[1] in both.jobs
    else:
        assert all(problem in both.broken[stem] for problem in both.checked[stem])
        assert f"{stem}.yaml" in both.checked[stem][0]


def test_the_location_has_the_good_cases_and_no_more(both: Both) -> None:
    assert len(both.jobs) == len(GOOD)
    assert len(both.broken) == len(BAD)
    assert both.status == 2


@pytest.mark.slow
def test_check_agrees_about_mutations(tmp_path: Path) -> None:
    for seed in range(300):
        file = tmp_path / f"case_{seed}.yaml"
        file.write_bytes(own_name(mutate(SETTINGS, seed), seed).encode("utf-8", "surrogatepass"))
    definitions = build_folder_definitions(tmp_path)
    dg.Definitions.validate_loadable(definitions)
    checked = json.loads(CliRunner().invoke(main, ["check", "--json", *map(str, tmp_path.iterdir())]).stdout)["files"]
    assert sum(file["good"] for file in checked) == len(jobs(definitions)) >= 5


def test_two_files_of_one_name_are_refused_alike_alone_together_and_by_the_location(tmp_path: Path) -> None:
    a, b, c = (tmp_path / f"{name}.yaml" for name in "abc")
    a.write_text(named("parts"))
    b.write_text(named("parts"))
    c.write_text(named("parts") + "nonsense: 1")
    said = f"{b}: name: parts is the name of {a} too; rename one of them"
    (broken,) = [
        spec for spec in build_folder_definitions(tmp_path).resolve_all_asset_specs() if spec.key.path[-1] == "b"
    ]
    assert said in (broken.description or "")
    assert check(a).output.splitlines()[-1] == f"{a}: good"
    assert check(b).output == said + "\n"
    together = check(b, a)
    assert together.exit_code == 2
    assert said in together.output
    assert f"{a}: good" in together.output
    # One that cannot be used itself takes nobody's name.
    a.write_text(named("parts") + "nonsense: 1")
    assert check(b).exit_code == 0


def test_files_of_two_folders_that_are_given_together_may_not_share_a_name(tmp_path: Path) -> None:
    files = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "parts.yaml")
        files[-1].write_text(named("parts"))
    assert [check(file).exit_code for file in files] == [0, 0]
    said = check(*files)
    assert said.exit_code == 2
    assert f"{files[1]}: name: parts is the name of {files[0]} too; rename one of them" in said.output


def test_a_file_given_twice_is_no_rival_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts.yaml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    assert check(Path("parts.yaml"), Path("./parts.yaml"), tmp_path / "parts.yaml").exit_code == 0


def test_a_file_of_another_ending_is_checked_by_itself(tmp_path: Path) -> None:
    (tmp_path / "parts.yaml.disabled").write_text(SETTINGS)
    assert check(tmp_path / "parts.yaml.disabled").exit_code == 0
    assert check(tmp_path / "nowhere.yaml").exit_code == 2


def test_a_disk_that_is_not_mounted_is_a_warning_in_both(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "parts.yaml"
    file.write_text(SETTINGS)
    said = f"datasets[0].bucket: {tmp_path}/photos cannot be listed now (No such file or directory): a run would fail"
    assert jobs(build_folder_definitions(tmp_path)) == {"parts"}
    assert f"{file}: {said}" in caplog.text
    checked = check(file)
    assert checked.exit_code == 0
    assert f"{file}: warning: {said}" in checked.output
    (tmp_path / "photos").write_text("a file")
    assert "(Not a directory)" in check(file).output
    os.unlink(tmp_path / "photos")
    (tmp_path / "photos").mkdir()
    assert check(file).output == f"{file}: good\n"

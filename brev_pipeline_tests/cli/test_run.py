"""What ``run`` shows of checks that did not pass: rows of warnings too, on narrow terminals alike."""

import logging

import dagster as dg
import pytest

from brev_pipeline.cli.audit import show_trace
from brev_pipeline.cli.output import make_console, make_visible
from brev_pipeline.cli.run import RunDisplay, RunReport
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, run

MISSPELT = SETTINGS + "listing: {class_mapping: {baad: [awful], gut: [fine], poor: [poor], worn: [worn], good: [good]}}"


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dg.DagsterEvent]:
    """Of a run that warns: names that match nothing, twins, and a class of one item."""
    folder = tmp_path_factory.mktemp("parts")
    draw_photos(folder / "photos", {"good": 8, "bad": 6, "Bad": 6, "rare[x]": 1})
    done = run(configure(folder, MISSPELT))
    assert done.success, done.failures
    return list(done.result.all_events)


@pytest.mark.parametrize("width", ["40", "80"])
def test_warnings_are_shown_with_their_rows(
    events: list[dg.DagsterEvent],
    width: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    RunReport("parts", events, {}).print_report(make_console(), 1.0)
    told: dict[str, list[str]] = {}
    name = ""
    # Each row is one line, which the terminal wraps: nothing is cut off.
    for line in capsys.readouterr().out.splitlines():
        name = line.split(":")[0] if line.startswith("warning ") else name
        if line.startswith("    "):
            told.setdefault(name, []).append(line.strip())
    of_names = told["warning raw_listing.names_matched"]
    # Four of the five keys match nothing.
    assert len(of_names) == 4
    assert of_names[0] == "closest: bad, Bad, images 0, name baad, setting listing.class_mapping"
    assert of_names[3] == "… and 1 more"
    (of_twins,) = told["warning raw_listing.names_distinct"]
    assert "images 12, images of the twin 12, name Bad, twin bad, what the same but for case" in of_twins
    (of_sides,) = told["warning sample_split.classes_divided"]
    assert of_sides.startswith("class rare[x], images 2, items 1, ")
    assert "missing " in of_sides


@pytest.mark.parametrize("name", ["[/b] x.png", "[bold]", "a [red]b"])
def test_brackets_in_a_message_are_no_marks(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A path such as ``[/b].png`` once ended the run that warned of it."""
    RunDisplay(make_console()).emit(logging.LogRecord("run", logging.WARNING, "", 0, f"left out {name}", None, None))
    assert capsys.readouterr().out == f": left out {name}\n"


def test_a_terminal_does_not_obey_what_a_name_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert make_visible("a\x1b[31m\u202e\nb é") == "a\\u001b[31m\\u202e\nb é"
    loose = ["content_id", "content_source", "category", "label_conflict", "duplicate_of"]
    show_trace({"place": {"address": "b\n  label: 3\x1b[2K.png"}, **dict.fromkeys(loose)})
    assert "  address: b\\u000a  label: 3\\u001b[2K.png\n" in capsys.readouterr().out

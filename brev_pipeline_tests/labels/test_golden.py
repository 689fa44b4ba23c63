"""The promise of bit-identical labels, kept over CPU levels, libraries' code paths and threads.

If this test fails, do not update golden.json to make it pass: see `brev_pipeline_tests.augmentation.test_golden`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from brev_pipeline_tests.augmentation.test_golden import WORLDS
from brev_pipeline_tests.labels.golden import hashes

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


def test_120_photos_with_labels_give_the_recorded_bytes():
    assert len(GOLDEN) == len(set(GOLDEN)) == 120
    assert hashes() == GOLDEN


@pytest.mark.parametrize("world", ["nothing above SSE2, no IPP", "OpenCV without AVX2 and FMA", "no IPP, 4 threads"])
def test_they_do_under_other_cpu_levels_libraries_and_threads(world):
    variables, threads = WORLDS[world]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "brev_pipeline_tests.labels.golden", str(threads)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == GOLDEN

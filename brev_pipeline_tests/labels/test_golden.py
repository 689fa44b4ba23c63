"""The promise of bit-identical labels, kept over CPU levels, libraries' code paths and threads.

If this test fails, do not update golden.json to make it pass: see `brev_pipeline_tests.augmentation.test_golden`.
"""

import json
from pathlib import Path

import pytest

from brev_pipeline_tests.augmentation.test_golden import hash_in_world
from brev_pipeline_tests.labels.golden import hashes

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


def test_120_photos_with_labels_give_the_recorded_bytes():
    assert len(GOLDEN) == len(set(GOLDEN)) == 120
    assert hashes() == GOLDEN


@pytest.mark.parametrize("world", ["nothing above SSE2, no IPP", "OpenCV without AVX2 and FMA", "no IPP, 4 threads"])
def test_they_do_under_other_cpu_levels_libraries_and_threads(world):
    assert hash_in_world(__package__, world) == GOLDEN

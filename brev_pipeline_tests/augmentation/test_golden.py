"""The promise of bit-identical augmentation, kept over versions, CPU levels, libraries' code paths and threads.

If this test fails, do not update golden.json to make it pass. A changed hash means that the same configuration over
the same photos no longer gives the shards that were published and audited: that is a new major version of the
package, and belongs under "Breaking" in the changelog.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from brev_pipeline.augmentation.appearance import noise_table, normal_quantiles
from brev_pipeline.augmentation.portable_math import raw_words
from brev_pipeline_tests.augmentation.golden import hashes

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())
# What OpenCV can switch on at run time, best last: SSE4.1 … AVX512-SKX.
OPENCV_LEVELS = re.findall(r"\*([\w.-]+)", cv2.getCPUFeaturesLine())
SSE2 = {
    "OPENCV_CPU_DISABLE": ",".join(OPENCV_LEVELS),
    "OPENCV_IPP": "disabled",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Prescott",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2,-AVX512F,-AVX",
}
WORLDS = {
    "nothing above SSE2, no IPP": (SSE2, 4),
    "OpenCV without AVX-512": ({"OPENCV_CPU_DISABLE": "AVX512-SKX"}, 4),
    "OpenCV without AVX2 and FMA": ({"OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FP16"}, 1),
    "no IPP, 4 threads": ({"OPENCV_IPP": "disabled"}, 4),
    "NumPy without AVX2": ({"NPY_DISABLE_CPU_FEATURES": SSE2["NPY_DISABLE_CPU_FEATURES"]}, 1),
}


def test_200_images_and_seeds_give_the_recorded_bytes():
    assert len(GOLDEN) == 200
    assert len(set(GOLDEN)) == 200
    assert hashes() == GOLDEN


def hash_in_world(package, world):
    """What `golden.py` of a package of tests prints in a process of its own, in one of `WORLDS`."""
    variables, threads = WORLDS[world]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"{package}.golden", str(threads)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for level in filter(None, variables.get("OPENCV_CPU_DISABLE", "").split(",")):
        assert level not in OPENCV_LEVELS or f"{level}?" in run.stderr, f"{level} was not switched off"
    return json.loads(run.stdout)


@pytest.mark.parametrize("world", WORLDS)
def test_they_do_under_other_cpu_levels_libraries_and_threads(world):
    assert hash_in_world(__package__, world) == GOLDEN


def test_the_noise_table_holds_the_recorded_integers():
    table = normal_quantiles()
    assert (table == -table[::-1]).all()
    assert (np.diff(table) >= 0).all()
    assert hashlib.sha256(table.astype("<i8").tobytes()).hexdigest().startswith("db9f6de9a853d1f4")


def test_no_quantile_is_near_enough_to_a_rounding_border_for_a_library_to_matter():
    from statistics import NormalDist

    inverse = NormalDist().inv_cdf
    distances = [abs(inverse((place + 0.5) / 65536) * 4096 % 1 - 0.5) for place in range(32768, 65536)]
    assert min(distances) > 1e-6  # a library's error is some 1e-15 times 4096


def test_the_noise_has_the_deviation_that_was_asked_for():
    for stddev in (0.005, 0.01, 0.05, 0.5):
        levels = noise_table(stddev).astype(float)
        assert levels.mean() == 0
        assert levels.var() == pytest.approx((stddev * 255) ** 2 + 1 / 12, rel=0.01)  # 1/12: rounding to levels


def test_the_stream_of_random_words_is_the_recorded_one():
    assert raw_words(0, b"parameters", 3).tolist() == [14956333906459916147, 2376274775800430457, 7997122609234739877]
    assert raw_words(2**64 - 1, b"white noise", 2).tolist() == [1559871886097942940, 4142700780955230006]

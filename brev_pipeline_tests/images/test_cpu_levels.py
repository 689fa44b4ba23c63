"""The same pixels, identities and statistics on every x86-64 CPU: with all its instructions, and with SSE2 only."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from brev_pipeline_tests.images import digest

PLAIN = {
    "OPENCV_CPU_DISABLE": "SSE4.1,SSE4.2,AVX,FP16,AVX2,AVX512-SKX",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENCV_IPP": "disabled",
    "JSIMD_FORCENONE": "1",
}


def digests(*emulator, **environment):
    done = subprocess.run(
        [*emulator, sys.executable, "-m", digest.__name__],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here():
    return digests()


@pytest.mark.slow
def test_all_ways_of_preparing_give_the_same_with_sse2_only(here):
    assert digests(**PLAIN) == here


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"OPENCV_CPU_DISABLE": "AVX512-SKX"},
        {"OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2"},
        {"OPENCV_IPP": "disabled"},
        {"OPENCV_IPP": "sse42"},
        {"JSIMD_FORCESSE2": "1"},
        {"OPENCV_FOR_THREADS_NUM": "4"},
        {"OPENCV_FOR_THREADS_NUM": "1"},
    ],
)
def test_all_ways_of_preparing_give_the_same_at_every_level(here, environment):
    assert digests(**environment) == here


@pytest.mark.slow
def test_all_ways_of_preparing_give_the_same_on_a_processor_of_2010(here):
    # Not every library can be told to do without its newest instructions (AVIF's and libdeflate's cannot), so the
    # processor does: one without AVX. QEMU 7.2's own AVX2 gives another result each time, so it is no judge of that.
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        assert "CI" not in os.environ
        pytest.skip("needs qemu-x86_64 (Debian: qemu-user), which emulates a processor without AVX")
    assert digests(emulator, "-cpu", "Westmere") == here

"""Mutated files: no crash, no hang, no other error than a refusal, bounded memory."""

import json
import subprocess
import sys

import pytest

from brev_pipeline_tests.images import fuzz


def fuzzed(count, seed, *folder):
    arguments = [sys.executable, "-m", fuzz.__name__, str(count), str(seed), *map(str, folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert sum(found["outcomes"].values()) == count
    assert set(found["outcomes"]) == {"(32, 32, 3)", "corrupt", "unsupported", "too_large"}
    assert found["megabytes"] < 400  # 4 million pixels at most, the interpreter and libraries included
    assert found["slowest"] < 10  # CPU-seconds
    return found


def test_a_few_hundred_mutants_of_each_kind_of_file_do_no_harm():
    fuzzed(400, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_ten_thousand_mutants_of_odd_files_do_no_harm(seed, shared):
    fuzzed(1000, seed, shared / "data" / "corrupt_formats")

"""Mutated files: no crash, no hang, no other error than a refusal, bounded memory, no silent half image."""

import json
import subprocess
import sys

import numpy as np
import pytest

from brev_pipeline_tests.images import fuzz, fuzz_structure, worlds


def fuzzed(count, seed, folder, *more):
    arguments = [sys.executable, "-m", fuzz.__name__, str(count), str(seed), str(folder / "case"), *map(str, more)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert sum(found["outcomes"].values()) == count
    assert set(found["outcomes"]) == {"ok", "corrupt", "unsupported", "too_large"}
    assert found["megabytes"] < 400  # 4 million pixels at most, the interpreter and libraries included
    assert found["slowest"] < 2  # CPU-seconds
    assert found["halves"] == []
    return found


def test_a_few_hundred_mutants_of_each_kind_of_file_do_no_harm(tmp_path):
    fuzzed(400, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 14))
def test_twenty_thousand_mutants_of_odd_files_do_no_harm(seed, shared, tmp_path):
    found = fuzzed(5000, seed, tmp_path, shared / "data" / "corrupt_formats")
    assert found["ways"]["structure"] > 2500


def test_an_injury_to_the_structure_of_a_png_leaves_its_checksums_right():
    draw, data = np.random.default_rng(0), worlds.encode(worlds.photo(), "PNG")
    injured = [fuzz_structure.injure(data, draw, [data]) for _ in range(50)]
    assert len(set(injured)) > 40
    # Those that have all chunks yet, and others in them.
    whole = [one for one in injured if one != data and fuzz_structure._png(one)[1][-1][1] == len(one)]
    assert len(whole) > 10
    assert all(fuzz_structure._with_checksums(one) == one for one in whole)

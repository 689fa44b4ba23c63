import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["brev_pipeline.sampling", "brev_pipeline.records"])
def test_importing_the_stage_brings_in_nothing_heavy(module: str) -> None:
    heavy = {"tensorflow", "cv2", "pandas", "s3fs", "dagster", "great_expectations", "ray"}
    code = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

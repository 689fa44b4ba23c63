"""What taking the generator costs."""

import subprocess
import sys

SCRIPT = """
import sys
from brev_pipeline import DataGenerator, OneHotEncoder, StratifiedSampler
generator = StratifiedSampler(groupby=["folder"]).get({"path": ["a", "b"], "folder": ["x", "y"]})
assert len(list(generator.get_dataset_numpy(batch=False))) == 2
print(*sorted({"tensorflow", "dagster", "great_expectations", "cv2"} & set(sys.modules)))
"""


def test_numpy_samples_cost_no_tensorflow() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

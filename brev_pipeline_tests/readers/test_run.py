"""What a run of the whole chain published is what a training reads."""

from pathlib import Path

import numpy as np
import pytest

from brev_pipeline import ImagePipeline, read


@pytest.mark.slow
def test_a_run_is_read_back_to_the_pixels_of_its_photos(tmp_path: Path) -> None:
    from brev_pipeline_tests.pipelines import configure, draw_photos, run

    draw_photos(tmp_path / "photos", {"good": 12, "bad_cap": 6})
    done = run(configure(tmp_path))
    assert done.success, done.failures
    prepare = ImagePipeline(target_size=(24, 32)).prepare
    held_out = set()
    for purpose in ("devel", "test"):
        records = read(done.store.folder.url, purpose, verify=True)
        for sample in records:
            photo = tmp_path / sample["path"]
            np.testing.assert_array_equal(sample["image"], prepare(photo.read_bytes()))
            assert records.classes[sample["label"]] == photo.parent.name
            held_out.add(sample["path"])
    train = read(tmp_path / "store" / "parts", "train")
    images, labels = train.to_numpy(rescale="unit")
    assert images.shape == (len(train), 24, 32, 3)
    assert set(labels.tolist()) == {0, 1}
    assert len(held_out) == 14
    assert not held_out & set(train.records["path"].to_pylist())

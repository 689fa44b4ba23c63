"""`ImagePipeline`: one object for notebooks."""

import pickle

import numpy as np
import pytest

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import ConfigError, DecodeError
from brev_pipeline.images import ImagePipeline, decode_image
from brev_pipeline.images.geometry import arrange_regions
from brev_pipeline_tests.images import worlds

KINDS = worlds.one_of_each_kind(height=40, width=50)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(worlds.encode(worlds.photo(number, 40, 50), "PNG"))
    (tmp_path / "other.png").write_bytes(worlds.encode(worlds.photo(9, 30, 50), "PNG"))
    (tmp_path / "cut.png").write_bytes(KINDS["png"][:-20])
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_prepare_is_decoding_and_arranging(kind):
    settings = ImageSettings(target_size=(16, 24), keep_aspect_ratio=True)
    found = ImagePipeline(settings).prepare(KINDS[kind])
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert np.array_equal(found, arrange_regions(decode_image(KINDS[kind], settings).pixels, settings))
    assert found.shape == (16, 24, 3)


def test_settings_may_be_given_by_name_in_the_references_spelling_too():
    fields = {"target_size": (16, 24), "padding_mode": "REFLECT", "rois": ((1, 2), (30, 40)), "keep_aspect_ratio": True}
    pipeline = ImagePipeline(**fields)
    assert pipeline.settings == ImageSettings(
        target_size=(16, 24), padding_mode="reflect", rois=[((1, 2), (30, 40))], keep_aspect_ratio=True
    )
    assert ImagePipeline((16, 24)).settings == ImagePipeline(target_size=(16, 24)).settings
    assert ImagePipeline(target_size=[], rois=None).settings == ImageSettings()
    assert repr(ImagePipeline(target_size=(16, 24))) == "ImagePipeline(target_size=(16, 24))"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target_size": (0, 5)}, "must each be 1..32767"),
        ({"target_sise": (5, 5)}, "target_sise: unknown; known are target_size"),
        ({"rois": [((5, 5), (5, 9))]}, "empty or negative"),
        ({"rescale": "half"}, "rescale is None, 'unit', 'imagenet' or 'imagenet_stats', not 'half'"),
        ({"color_mode": "cmyk"}, "color_mode"),
    ],
)
def test_what_cannot_be_is_refused_at_once(fields, words):
    with pytest.raises(ConfigError, match=words):
        ImagePipeline(**fields)
    with pytest.raises(ConfigError, match="not both"):
        ImagePipeline(ImageSettings(), **fields) if "rescale" not in fields else ImagePipeline(ImageSettings(), a=1)


def test_a_call_adds_the_image_to_a_sample(folder):
    sample = {"path": str(folder / "0.png"), "category": ["good"]}
    found = ImagePipeline(target_size=(8, 9))(sample, seed=7)
    assert found.keys() == {"path", "category", "img"}
    assert found["img"].shape == (8, 9, 3)
    assert found["img"].dtype == np.uint8
    assert "img" not in sample


def test_a_call_stacks_the_images_of_a_batch(folder):
    paths = [str(folder / f"{number}.png") for number in range(3)]
    pipeline = ImagePipeline(target_size=(8, 9))
    batch = pipeline({"path": np.array(paths)})["img"]
    assert batch.shape == (3, 8, 9, 3)
    assert np.array_equal(batch[2], pipeline({"path": paths[2].encode()})["img"])


def test_a_batch_of_unequal_images_asks_for_a_target_size(folder):
    with pytest.raises(ConfigError, match="give target_size"):
        ImagePipeline()({"path": [str(folder / "0.png"), str(folder / "other.png")]})


def test_rescaling_happens_in_a_call_only(folder):
    sample = {"path": str(folder / "0.png")}
    stored = ImagePipeline(target_size=(8, 9)).prepare((folder / "0.png").read_bytes())
    for rescale, expected in (("unit", stored / 255), ("imagenet", stored / 127.5 - 1)):
        pipeline = ImagePipeline(target_size=(8, 9), rescale=rescale)
        assert pipeline(sample)["img"].dtype == np.float32
        assert np.allclose(pipeline(sample)["img"], expected, atol=1e-6)
        assert np.array_equal(pipeline.prepare((folder / "0.png").read_bytes()), stored)


def test_an_unusable_image_is_an_error_that_names_its_path(folder):
    with pytest.raises(DecodeError, match=r"cut\.png: damaged PNG: it is cut short") as caught:
        ImagePipeline()({"path": str(folder / "cut.png")})
    assert caught.value.status == "corrupt"


def test_columns_and_reader_can_be_chosen():
    pipeline = ImagePipeline(path_key="file", output_key="pixels", read=lambda path: KINDS[path])
    assert pipeline({"file": "png"})["pixels"].shape == (40, 50, 3)


def test_addresses_are_read_through_fsspec():
    import fsspec

    fsspec.filesystem("memory").pipe_file("/images-test/a.png", KINDS["png"])
    assert ImagePipeline()({"path": "memory://images-test/a.png"})["img"].shape == (40, 50, 3)


def test_an_image_smaller_than_the_target_is_enlarged():
    tiny = worlds.encode(np.full((1, 1, 3), 77, np.uint8), "PNG")
    assert ImagePipeline(target_size=(5, 6)).prepare(tiny).tolist() == np.full((5, 6, 3), 77).tolist()


def test_a_pipeline_can_be_sent_to_another_process():
    pipeline = pickle.loads(pickle.dumps(ImagePipeline(target_size=(8, 9), rescale="unit")))
    assert pipeline.settings.target_size == (8, 9)
    assert pipeline.prepare(KINDS["png"]).shape == (8, 9, 3)

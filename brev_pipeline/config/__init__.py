"""Configuration: what a pipeline's YAML may say (`pipeline` over its sections), and how it is read (`load`)."""

from brev_pipeline.config.image import ImageSettings, Intensity, PercentileIntensity, WindowIntensity
from brev_pipeline.config.inputs import (
    DatasetSettings,
    FolderCategory,
    IntegritySettings,
    ListingSettings,
    StorageSettings,
)
from brev_pipeline.config.load import build_settings, load_config, parse_config, schema_text
from brev_pipeline.config.operations import EngineSettings, ValidationSettings
from brev_pipeline.config.pipeline import PipelineConfig
from brev_pipeline.config.split import GivenSettings, SplitSettings
from brev_pipeline.config.training import AugmentationSettings, SamplingSettings, ShardSettings

__all__ = [
    "AugmentationSettings",
    "DatasetSettings",
    "EngineSettings",
    "FolderCategory",
    "GivenSettings",
    "ImageSettings",
    "IntegritySettings",
    "Intensity",
    "ListingSettings",
    "PercentileIntensity",
    "PipelineConfig",
    "SamplingSettings",
    "ShardSettings",
    "SplitSettings",
    "StorageSettings",
    "ValidationSettings",
    "WindowIntensity",
    "build_settings",
    "load_config",
    "parse_config",
    "schema_text",
]

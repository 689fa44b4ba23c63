"""Configuration: what a pipeline's YAML may say (`models`), and how it is read with errors for people (`load`)."""

from brev_pipeline.config.load import build_settings, load_config, parse_config
from brev_pipeline.config.models import (
    AugmentationSettings,
    DatasetSettings,
    EngineSettings,
    ImageSettings,
    IntegritySettings,
    Intensity,
    ListingSettings,
    PercentileIntensity,
    PipelineConfig,
    SamplingSettings,
    ShardSettings,
    SplitSettings,
    StorageSettings,
    ValidationSettings,
    WindowIntensity,
)

__all__ = [
    "AugmentationSettings",
    "DatasetSettings",
    "EngineSettings",
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
]

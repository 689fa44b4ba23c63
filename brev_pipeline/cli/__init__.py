"""The command ``brev-pipeline``. Every subcommand imports what it needs when it runs, so that help is instant."""

from brev_pipeline.cli.main import main

__all__ = ["main"]

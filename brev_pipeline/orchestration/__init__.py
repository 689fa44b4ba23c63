"""Dagster only: assets, checks, IO manager, resources, automation. Thin: the stages' logic lies in their rooms."""

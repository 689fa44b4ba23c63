"""Release: from tables that passed their checks to a published version: exclusions, manifest, publication."""

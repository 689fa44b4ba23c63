"""``python -m brev_pipeline`` is ``brev-pipeline``."""

from brev_pipeline.cli import main

if __name__ == "__main__":
    main()

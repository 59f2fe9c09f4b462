"""The named alternatives of a search, the default first: pure, so that the command line is read without what they name.

Those of a recipe's fields are in `search_spaces/kinds.py`.
"""

SEARCHERS = RANDOM, TPE = ("random", "tpe")
"""`cluster/searcher.py`, `cluster/tpe.py`."""

TRACKERS = ("mlflow", "wandb")
"""Names of packages, and of files in `cluster/trackers/`. None is the default."""

PROMOTIONS = FULL, DIAGONAL = ("full", "diagonal")
"""`cluster/promotion.py`."""

"""Ensembles of the same out-of-fold predictions: every method beside every other, by nested cross-validation.

`METHODS` has them by name. `choose` decides for a search, `blend_of` brings its ensemble back, and
`python -m analysis.ensemble` does the same for tables of predictions from anywhere.
"""

from analysis.ensemble.chosen import (
    blend_of,
    choose,
    cross_fitted_blend_of,
    ensemble_test_probs,
    submission,
    write_submission,
)
from analysis.ensemble.members import Members, check_different
from analysis.ensemble.method import Blend, Method, Weighted, blend, blend_among
from analysis.ensemble.methods import METHODS

__all__ = [
    "METHODS",
    "Blend",
    "Members",
    "Method",
    "Weighted",
    "blend",
    "blend_among",
    "blend_of",
    "check_different",
    "choose",
    "cross_fitted_blend_of",
    "ensemble_test_probs",
    "submission",
    "write_submission",
]

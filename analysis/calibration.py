"""Are probabilities what they say? Before, and after one temperature that was fitted without the fold it is used on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import evidence
from analysis.figures import COLOURS
from analysis.loading import ENSEMBLE
from trainables.comparison import paired
from trainables.scores import calibration_error, fit_temperature, hits, losses, tempered

Probs = NDArray[np.float64]
Labels = NDArray[np.integer]

_BINS = 10
_DRAWS = 200
_MOST_COLUMNS = 5


def cross_tempered(pred_probs: Probs, labels: Labels, fold_of: Labels) -> tuple[Probs, float]:
    """Each fold's rows (n, K) by the temperature that the others' rows want; and the mean of those temperatures.

    One fold has no others: its own halves by row take their place.
    """
    parts = fold_of if len(np.unique(fold_of)) > 1 else np.arange(len(labels)) % 2
    after, temperatures = np.empty_like(pred_probs), []
    for part in np.unique(parts):
        here = parts == part
        temperatures.append(fit_temperature(pred_probs[~here], labels[~here]))
        after[here] = tempered(pred_probs[here], temperatures[-1])
    return after, float(np.mean(temperatures))


def reliability(pred_probs: Probs, labels: Labels) -> pd.DataFrame:
    """One row a tenth of confidence that has rows: `images`, their mean `confidence` in the likeliest class, and its
    `accuracy` with the 95 % interval."""
    confidence, right = pred_probs.max(1), hits(pred_probs, labels)
    tenth = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    rows = []
    for place in np.unique(tenth):
        here = tenth == place
        share = evidence.of_share(int(right[here].sum()), int(here.sum()))
        about = {"images": int(here.sum()), "confidence": float(confidence[here].mean()), "accuracy": share.value}
        rows.append(about | {"low": share.low, "high": share.high})
    return pd.DataFrame(rows)


def error_by_chance(pred_probs: Probs, seed: int = 0) -> float:
    """The calibration error that 95 % of perfectly calibrated models with these confidences stay below.

    Even those have one, since a bin's accuracy is of few images. It is found by drawing who is right.
    """
    rng, confidence = np.random.default_rng(seed), pred_probs.max(1)
    draws = [_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(_DRAWS)]
    return float(np.quantile(draws, evidence.LEVEL))


def _error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """`calibration_error` of answers that are right or wrong: their class is 0, and the label 0 or not."""
    return calibration_error(confidence[:, None], np.where(right, 0, 1))


def calibration(pred_probs: Mapping[str, Probs], labels: Labels, fold_of: Labels) -> pd.DataFrame:
    """One row a model: expected calibration `error` and log `loss` before and after its mean `temperature`, the error
    `by_chance`, and how far the loss after is `ahead`, paired, with its interval of all models together.

    A temperature above 1 says that the model was too sure, below 1 not sure enough. `enough`: the temperature helps, or
    does harm, beyond its error.
    """
    rows = []
    for model, probs in pred_probs.items():
        there = ~np.isnan(probs).any(1)
        own, known = probs[there], labels[there]
        after, temperature = cross_tempered(own, known, fold_of[there])
        lead = paired(-losses(after, known), -losses(own, known))
        interval = evidence.of_difference(lead, len(pred_probs))
        rows.append(
            {
                "model": model,
                "temperature": temperature,
                "error": calibration_error(own, known),
                "error_after": calibration_error(after, known),
                "by_chance": error_by_chance(own),
                "loss": float(losses(own, known).mean()),
                "loss_after": float(losses(after, known).mean()),
                "ahead": lead.behind,
            }
            | interval.row
        )
    return pd.DataFrame(rows)


def calibration_figure(pred_probs: Mapping[str, Probs], labels: Labels, fold_of: Labels) -> Figure:
    """Accuracy against confidence, a panel a model: grey before, blue after the temperature; bars are 95 % intervals.

    Below the diagonal a model is surer than it is right.
    """
    columns = len(pred_probs) if len(pred_probs) <= _MOST_COLUMNS else 4
    rows = -(-len(pred_probs) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.4, 2.6 * rows + 0.8), layout="constrained")
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for axes, (model, probs) in zip(panels, pred_probs.items(), strict=False):
        there = ~np.isnan(probs).any(1)
        own, known = probs[there], labels[there]
        after, _ = cross_tempered(own, known, fold_of[there])
        axes.plot([0, 1], [0, 1], color="#444444", lw=0.8)
        for each, colour, label in ((own, "#888888", "as it is"), (after, COLOURS["best"], "after a temperature")):
            table = reliability(each, known)
            errors = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
            axes.errorbar(
                table["confidence"], table["accuracy"], yerr=errors, fmt="o-", ms=3, lw=1, color=colour, label=label
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.set_title(model if model == ENSEMBLE else f"trial {model}", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(pred_probs) :]:
        axes.remove()
    figure.supxlabel("confidence in the likeliest class", fontsize=9)
    figure.supylabel("accuracy", fontsize=9)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False, fontsize=8
    )
    return figure

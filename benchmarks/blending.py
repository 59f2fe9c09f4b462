"""Does the rule that chooses a way of blending lose anything? On members made so that the truth is known.

python -m benchmarks.blending [--sets 3] [--seed 0] [--rows 1200] [--metric val_robust_loss]

Each set is members of known strengths whose errors are alike in part, labels of which a share is wrong, and 20,000
further rows with true labels. Every method is fitted, and one is chosen as a search chooses; what is told is the true
accuracy on the further rows: of the choice, of the mean, of greedy selection, and of the best method, which nobody
could know. Logits are normal, so that sums of log-probabilities are the best that can be done: real members are not.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from analysis.ensemble import METHODS, Members
from analysis.ensemble.choice import best_method
from analysis.ensemble.nested import nested
from trainables.bar import bar
from trainables.scores import METRICS, accuracy, goods_by_image, hits

_TRUE_ROWS = 20_000
_FOLDS = 5


@dataclass(frozen=True)
class Kind:
    """A kind of set: who the members are, and what is wrong with the labels."""

    strengths: tuple[float, ...]
    """By how much each member's logits stand out at the true class, in standard deviations."""
    alike: float = 0.6
    """Correlation of the members' noise is the square of it."""
    wrong: float = 0.1
    """Share of the labels that are drawn anew."""
    to_neighbour: bool = False
    """Wrong labels are those of the next class, and not of any."""
    by_class: bool = False
    """Members are strong at every other class only, in turn."""


KINDS = {
    "four equal": Kind((2.0,) * 4),
    "two equal": Kind((2.2,) * 2, alike=0.7, wrong=0.2),
    "one good, three bad": Kind((2.2, 0.7, 0.7, 0.7), alike=0.4),
    "graded": Kind((2.4, 2.2, 2.0, 1.6, 1.2), wrong=0.2),
    "each knows other classes": Kind((2.6, 2.6), by_class=True),
    "labels of the next class": Kind((2.0,) * 3, wrong=0.25, to_neighbour=True),
}


def drawn(
    kind: Kind, rows: int, n_classes: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Members' probabilities (M, rows, K), the labels as given, and the true ones."""
    true, members = rng.integers(0, n_classes, rows), len(kind.strengths)
    shared = rng.normal(size=(rows, n_classes))
    own = rng.normal(size=(members, rows, n_classes))
    strength = np.array(kind.strengths)[:, None] * np.ones(n_classes)
    if kind.by_class:
        strength = np.where((np.arange(n_classes) + np.arange(members)[:, None]) % 2, strength, strength / 2)
    logits = kind.alike * shared + np.sqrt(1 - kind.alike**2) * own
    logits += strength[:, true][:, :, None] * np.eye(n_classes)[true]
    wrong, given = rng.random(rows) < kind.wrong, true.copy()
    given[wrong] = (true[wrong] + 1) % n_classes if kind.to_neighbour else rng.integers(0, n_classes, wrong.sum())
    return softmax(1.5 * logits, axis=2), given, true


def study(kind: Kind, rows: int, n_classes: int, metric: str, seed: int) -> dict[str, str | float]:
    """True accuracy of what would be chosen, and of what might have been."""
    rng = np.random.default_rng(seed)
    probs, labels, _ = drawn(kind, rows, n_classes, rng)
    other, _, true = drawn(kind, _TRUE_ROWS, n_classes, rng)
    members = Members(tuple(map(str, range(len(probs)))), probs, labels, rng.integers(0, _FOLDS, rows))
    outer = {name: nested(method, members, metric, 0) for name, method in METHODS.items()}
    goods = {name: goods_by_image(metric, each, labels) for name, each in outer.items()}
    method, _ = best_method(goods, {name: hits(each, labels) for name, each in outer.items()})
    truth = {name: accuracy(fit(probs, labels, metric, 0)(other), true) for name, fit in METHODS.items()}
    return {
        "method": method,
        "chosen": truth[method],
        "mean": truth["mean"],
        "greedy": truth["greedy"],
        "best": max(truth.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blending", description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=3, help="of each kind and number of classes")
    parser.add_argument("--seed", type=int, default=0, help="of the first set")
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0])
    flags = parser.parse_args()
    cases = [(kind, k, seed) for kind in KINDS for k in (5, 10) for seed in range(flags.sets)]
    rows = []
    with bar("sets", quiet=False) as update:
        for kind, n_classes, seed in cases:
            found = study(KINDS[kind], flags.rows, n_classes, flags.metric, flags.seed + seed)
            rows.append({"kind": kind, "classes": n_classes, **found})
            update(len(rows), len(cases))
    table = pd.DataFrame(rows)
    shown = table.groupby(["kind", "classes"], sort=False)[["chosen", "mean", "greedy", "best"]].mean()
    print(shown.assign(methods=table.groupby(["kind", "classes"])["method"].agg(", ".join)).round(4).to_string())
    for rival in ("mean", "greedy", "best"):
        lead = table["chosen"] - table[rival]
        print(
            f"chosen less {rival}: {lead.mean():+.4f} ± {lead.std() / np.sqrt(len(lead)):.4f} (SE), "
            f"{lead.min():+.4f} to {lead.max():+.4f} (n = {len(lead)} sets)"
        )


if __name__ == "__main__":
    main()

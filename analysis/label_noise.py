"""What the labels' noise looks like: between which classes, how much, and what duplicates say of it.

Two witnesses. Nets that did not see an image name another class than its label; confident learning (arXiv 1911.00068)
estimates from that how many labels of each class are wrong. And one photograph that was labelled twice, two ways, has
one wrong label whatever any net thinks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import evidence
from trainables.label_quality import joint

Probs = NDArray[np.float64]


def noise_by_class(labels: NDArray[np.integer], pred_probs: Probs, classes: Sequence[str]) -> pd.DataFrame:
    """One row a class of the labels as given: `images`, the `wrong` share of them by the estimated joint of given and
    true labels, and the class that the wrong ones are most `likely` of, with `its_share` of the images."""
    shares = joint(labels, pred_probs)
    given = shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)
    off = given - np.diag(np.diag(given))
    return pd.DataFrame(
        {
            "class": list(classes),
            "images": np.bincount(labels, minlength=len(classes)),
            "wrong": off.sum(1),
            "likely": [classes[k] if off[at].any() else "–" for at, k in enumerate(off.argmax(1))],
            "its_share": off.max(1),
        }
    )


def duplicate_groups(images: pd.DataFrame) -> pd.DataFrame:
    """One row a group of duplicates, of `Found.images`: `group`, `images`, their `labels`, and whether they `agree`."""
    grouped = images.dropna(subset=["group"]).groupby("group")
    table = grouped.agg(images=("image_id", "size"), labels=("class", lambda names: ", ".join(sorted(set(names)))))
    table["agree"] = grouped["label"].nunique() == 1
    return table.reset_index().sort_values(["agree", "images"], ascending=[True, False], ignore_index=True)


def duplicates_verdict(groups: pd.DataFrame) -> str:
    """What pairs of duplicates say of the noise, where there are any.

    Where a share e of the labels is wrong, independently, about 2 e of the pairs disagree.
    """
    if groups.empty:
        return "There are no duplicates, so they say nothing of the labels."
    pairs = groups[groups["images"] == 2]
    apart = int((~pairs["agree"]).sum())
    told = f"{len(groups)} groups of duplicates, {len(pairs)} of them pairs, of which {apart} have two labels."
    if len(pairs) < evidence.FEWEST_TRIALS:
        return f"{told} Too little evidence: of so few pairs nothing is said of the noise."
    share = evidence.of_share(apart, len(pairs))
    wrong = [(1 - np.sqrt(max(0.0, 1 - 2 * value))) / 2 for value in (share.value, share.low, share.high)]
    interval = f"{wrong[1]:.1%} to {wrong[2]:.1%}"
    return f"{told} If their labels are as good as all others, {wrong[0]:.1%} of labels are wrong (95 % {interval})."

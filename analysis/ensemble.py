"""Ensemble: greedy selection with replacement on out-of-fold predictions (Caruana et al., ICML 2004)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainables.comparison import paired
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData
from trainables.layout import SearchFolder, load_json, save_json, write_whole
from trainables.scores import accuracy, accuracy_se, goodness, hits, score
from trainables.trial import oof_pred_probs, trial_test_probs

ROUNDS = 25

# Means of equal members differ by rounding only; that is no gain.
_SAME = 1e-12


def select(
    pred_probs: NDArray[np.floating], labels: NDArray[np.integer], metric: str, rounds: int = ROUNDS
) -> list[int]:
    """How often each member is picked. `pred_probs` (M, N, K) out of sample, `labels` (N,).

    Each round adds the member that makes the mean best, the same one again if need be; the picks up to the best
    round count, the earliest among equals. Ties between members go to the first.
    """
    total = np.zeros(pred_probs.shape[1:])
    picks: list[int] = []
    goods: list[float] = []
    for done in range(1, rounds + 1):
        candidates = [goodness(metric, score(metric, (total + probs) / done, labels)) for probs in pred_probs]
        pick = int(np.argmax(candidates))
        total += pred_probs[pick]
        picks.append(pick)
        goods.append(candidates[pick])
    rounds_kept = next(done for done, good in enumerate(goods, start=1) if good >= max(goods) - _SAME)
    kept = picks[:rounds_kept]
    return [kept.count(member) for member in range(len(pred_probs))]


def blend(pred_probs: Sequence[NDArray[np.floating]], weights: Sequence[float]) -> NDArray[np.float64]:
    """The weighted mean (N, K) of members' probabilities; weights sum to 1."""
    mixed: NDArray[np.float64] = np.einsum("m,mnk->nk", np.asarray(weights), np.asarray(pred_probs, dtype=np.float64))
    return mixed


def nested_blend(
    pred_probs: NDArray[np.floating], labels: NDArray[np.integer], fold_of: NDArray[np.integer], metric: str
) -> NDArray[np.float64]:
    """The ensemble's probabilities (N, K) with weights that were picked without the fold that they are used on.

    What `select` would find on other images: its own score on the images that it picked by flatters.
    """
    blended = np.empty(pred_probs.shape[1:])
    for fold in np.unique(fold_of):
        here = fold_of == fold
        counts = np.array(select(pred_probs[:, ~here], labels[~here], metric))
        blended[here] = blend(list(pred_probs[:, here]), list(counts / counts.sum()))
    return blended


def check_different(numbers: Sequence[int], pred_probs: NDArray[np.floating]) -> None:
    """Refuse members (M, N, K) that are one model under two names: it would count twice and look like agreement."""
    twins = [
        f"{numbers[earlier]:03d} and {numbers[later]:03d}"
        for later in range(len(pred_probs))
        for earlier in range(later)
        if np.array_equal(pred_probs[earlier], pred_probs[later])
    ]
    if twins:
        raise InputError("Members of an ensemble must be different models; these predict the same, bit for bit:", twins)


def choose(search: SearchFolder, data: ImageData, folds: Folds, promoted: list[int], metric: str) -> dict[str, Any]:
    """Select among the promoted trials; writes ensemble.json and oof.csv and returns the former's content."""
    rows = folds.validated
    labels = data.labels[rows]
    members = np.stack([oof_pred_probs(search, number, folds)[rows] for number in promoted])
    check_different(promoted, members)
    counts = select(members, labels, metric)
    chosen = [(number, count) for number, count in zip(promoted, counts, strict=True) if count]
    weights = [count / sum(counts) for _, count in chosen]
    probs = blend([members[promoted.index(number)] for number, _ in chosen], weights)
    share = accuracy(probs, labels)
    nested_hits = hits(nested_blend(members, labels, folds.fold_of[rows], metric), labels)
    nested = float(nested_hits.mean())
    ensemble = {
        "members": [number for number, _ in chosen],
        "weights": weights,
        "oof_accuracy": share,
        "oof_se": accuracy_se(share, len(labels)),
        "oof_loss": score("val_loss", probs, labels),
        "nested_accuracy": nested,
        "nested_se": accuracy_se(nested, len(labels)),
        "ahead_of": [
            {"trial": number, **asdict(paired(nested_hits, hits(own, labels)))}
            for number, own in zip(promoted, members, strict=True)
        ],
        "fold_hash": folds.hash,
    }
    save_json(search.ensemble, ensemble)
    image_ids = np.array(data.image_ids)[rows]
    table = pd.DataFrame({"image_id": image_ids, "label": labels, "fold": folds.fold_of[rows]})
    table["prediction"] = probs.argmax(1)
    table = pd.concat([table, pd.DataFrame(probs, columns=[f"p{k}" for k in range(probs.shape[1])])], axis=1)
    write_whole(search.oof, table.to_csv(index=False))
    return ensemble


def ensemble_test_probs(search: SearchFolder) -> NDArray[np.float64]:
    """The ensemble's test probabilities (n, K), from its members' fold predictions."""
    ensemble = load_json(search.ensemble)
    n_folds = load_json(search.folds)["count"]
    return blend([trial_test_probs(search, number, n_folds) for number in ensemble["members"]], ensemble["weights"])


def submission(image_ids: Sequence[str], pred_probs: NDArray[np.floating]) -> str:
    """`image_id,label` as CSV text, rows as given."""
    return pd.DataFrame({"image_id": list(image_ids), "label": pred_probs.argmax(1)}).to_csv(index=False)

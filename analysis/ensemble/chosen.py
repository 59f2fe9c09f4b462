"""The ensemble of a search: chosen, kept in ensemble.json and oof.csv, and brought back to predict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.ensemble.choice import Choice, compare_methods
from analysis.ensemble.members import Members
from analysis.ensemble.method import Blend, Weighted, equal
from analysis.ensemble.methods import METHODS, WEIGHTED
from analysis.ensemble.nested import cross_fitted
from analysis.ensemble.views import answers, decide_mean
from search_spaces.errors import InputError
from trainables.comparison import paired
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData
from trainables.files import load_json, load_object, save_json, write_whole
from trainables.layout import SearchFolder
from trainables.member import Member, ensemble_members, member_test_probs
from trainables.scores import accuracy, accuracy_se, hits, score


def choose(
    search: SearchFolder, data: ImageData, folds: Folds, candidates: list[Member], metric: str, quiet: bool = True
) -> dict[str, Any]:
    """Choose how the candidates are blended; writes oof.csv and ensemble.json and returns the latter's content.

    What was chosen from the same predictions is not chosen again.
    """
    decide_mean(search, folds, candidates, data.labels, metric)
    members = members_of(search, folds, candidates, data.labels)
    digest = f"{members.digest}-{metric}-{folds.seed}"
    stored = load_json(search.ensemble) if search.ensemble.exists() and search.oof.exists() else {}
    if stored.get("digest") == digest:
        kept: dict[str, Any] = stored
        return kept
    choice = compare_methods(members, metric, folds.seed, quiet)
    blend = METHODS[choice.method](members.pred_probs, members.labels, metric, folds.seed)
    weights = blend.weights if isinstance(blend, Weighted) else equal(len(candidates)).weights
    chosen = [(member.stored, weight) for member, weight in zip(candidates, weights, strict=True) if weight]
    ensemble = {
        "method": choice.method,
        "chosen_because": choice.because,
        "members": [stored for stored, _ in chosen],
        "weights": [weight for _, weight in chosen],
        "metric": metric,
        "seed": folds.seed,
        **scores_of(choice, members),
        "ahead_of": _ahead_of(choice, members, candidates),
        "fold_hash": folds.hash,
        "digest": digest,
    }
    image_ids = [data.image_ids[row] for row in folds.validated]
    write_whole(search.oof, oof_table(image_ids, members, choice.probs).to_csv(index=False))
    save_json(search.ensemble, ensemble)
    return ensemble


def members_of(search: SearchFolder, folds: Folds, members: Sequence[Member], labels: NDArray[np.integer]) -> Members:
    """Their predictions of the rows that some fold validates; `labels` are of all rows. Members whose numbers are of
    other folds are an `InputError`."""
    rows = folds.validated
    pred_probs = np.stack([answers(search, member, folds)[rows] for member in members])
    return Members(tuple(map(str, members)), pred_probs, labels[rows], folds.fold_of[rows])


def scores_of(choice: Choice, members: Members) -> dict[str, Any]:
    """`oof_`: of the chosen method, fitted without each row's fold. `nested_`: chosen without it as well."""
    labels = members.labels
    share, nested = accuracy(choice.probs, labels), accuracy(choice.honest_probs, labels)
    return {
        "oof_accuracy": share,
        "oof_se": accuracy_se(share, len(labels)),
        "oof_loss": score("val_loss", choice.probs, labels),
        "nested_accuracy": nested,
        "nested_se": accuracy_se(nested, len(labels)),
        "chosen_by_fold": choice.by_fold,
        "candidates": choice.candidates,
    }


def _ahead_of(choice: Choice, members: Members, candidates: Sequence[Member]) -> list[dict[str, Any]]:
    nested_hits = hits(choice.honest_probs, members.labels)
    return [
        {"trial": member.stored, **asdict(paired(nested_hits, hits(own, members.labels)))}
        for member, own in zip(candidates, members.pred_probs, strict=True)
    ]


def oof_table(image_ids: Sequence[str], members: Members, probs: NDArray[np.float64]) -> pd.DataFrame:
    """oof.csv: the ensemble's out-of-fold answer to every row that a fold validates."""
    table = pd.DataFrame({"image_id": image_ids, "label": members.labels, "fold": members.fold_of})
    table["prediction"] = probs.argmax(1)
    return pd.concat([table, pd.DataFrame(probs, columns=[f"p{k}" for k in range(probs.shape[1])])], axis=1)


def read_oof(search: SearchFolder) -> NDArray[np.float64]:
    """The ensemble's out-of-fold probabilities (N, K) as oof.csv has them."""
    table = pd.read_csv(search.oof)
    probs: NDArray[np.float64] = table[[name for name in table if re.fullmatch(r"p\d+", str(name))]].to_numpy(
        np.float64
    )
    return probs


def blend_of(search: SearchFolder) -> Blend:
    """The blend of a finished search, for its members' predictions (M, n, K) in the order of ensemble.json.

    A weighted mean needs its weights alone. Other methods are fitted anew on the members' out-of-fold predictions with
    the same seed: seconds, and nothing is unpickled. They learn from one net a row; test images' predictions are means
    over a member's fold nets, which are less extreme.
    """
    stored = _stored(search)
    if stored["method"] in WEIGHTED:
        return Weighted(tuple(stored["weights"]))
    members = _stored_members(search)
    return METHODS[stored["method"]](members.pred_probs, members.labels, stored["metric"], stored["seed"])


def cross_fitted_blend_of(search: SearchFolder) -> Blend:
    """`blend_of` for out-of-fold predictions (M, N, K) of the validated rows, each by a blend without its fold."""
    stored = _stored(search)
    if stored["method"] in WEIGHTED:
        return Weighted(tuple(stored["weights"]))
    return cross_fitted(METHODS[stored["method"]], _stored_members(search), stored["metric"], stored["seed"])


def _stored(search: SearchFolder) -> dict[str, Any]:
    stored = load_object(search.ensemble, "members", "weights", "method", "metric", "seed")
    if stored["method"] not in METHODS:
        raise InputError(
            f"{search.ensemble}: there is no method {stored['method']!r}; allowed are {', '.join(METHODS)}"
        )
    return stored


def _stored_members(search: SearchFolder) -> Members:
    folds = Folds.load(search.folds)
    labels = np.full(len(folds.fold_of), -1, dtype=np.int64)
    labels[folds.validated] = oof_labels(search, folds)
    return members_of(search, folds, ensemble_members(search, folds.count), labels)


def oof_labels(search: SearchFolder, folds: Folds) -> NDArray[np.int64]:
    """The labels that oof.csv keeps of the validated rows, (N,); so no data folder is needed to predict."""
    wanted = len(folds.validated)
    try:
        kept = pd.read_csv(search.oof, usecols=["label"])["label"].to_numpy(np.int64)
        if len(kept) != wanted:
            raise ValueError(f"it has {len(kept)}")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{search.oof} cannot be read as the labels of {wanted} rows: {error}; without it, the same "
            "search.py command with --resume writes it again"
        ) from None
    return kept


def ensemble_test_probs(search: SearchFolder) -> NDArray[np.float64]:
    """The ensemble's test probabilities (n, K), from its members' fold predictions."""
    members = ensemble_members(search, load_json(search.folds)["count"])
    return blend_of(search)(np.stack([member_test_probs(search, member) for member in members]))


def write_submission(search: SearchFolder, image_ids: Sequence[str]) -> None:
    """submission.csv of a search whose members have predicted these test images."""
    write_whole(search.submission, submission(image_ids, ensemble_test_probs(search)))


def submission(image_ids: Sequence[str], pred_probs: NDArray[np.floating]) -> str:
    """`image_id,label` as CSV text, rows as given."""
    return pd.DataFrame({"image_id": list(image_ids), "label": pred_probs.argmax(1)}).to_csv(index=False)

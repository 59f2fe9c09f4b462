"""summary.json: the search in numbers. The only place that opens the true labels, where there are any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.ensemble import ensemble_test_probs
from analysis.ensemble.chosen import members_of, read_oof
from analysis.ensemble.description import described
from analysis.ensemble.parts import by_source, fold_subsets
from analysis.epochs import compare_epochs, load_fold_epochs
from analysis.label_issues import write_label_issues
from analysis.outcome import cost, plan_and_outcome
from search_spaces.edges import edges
from trainables.comparison import paired
from trainables.data.digits import TRUE_LABELS
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData
from trainables.files import load_array, load_json, save_json
from trainables.layout import SearchFolder
from trainables.member import Member, ensemble_members, member_test_probs, oof_pred_probs, promoted_members
from trainables.scores import accuracy, accuracy_se, hits, score
from trainables.trial import Trial, load_trials


def summarize(search: SearchFolder, data: ImageData, folds: Folds, wall_s: float) -> dict[str, Any]:
    """Everything that the report says, from the files of a search whose ensemble is predicted; writes summary.json."""
    about, promoted = load_json(search.search), promoted_members(search, folds.count)
    trials = {trial.number: trial for trial in load_trials(search)}
    best = trials[promoted[0].trials[0]]
    truth = true_labels(data.root, data.test_ids)
    costs = [cost(search, trials, each) for each in promoted]
    summary = {
        "best_trial": _best_trial(search, best, truth),
        "promotion": about["promotion"],
        "cost": [{"trial": member.stored, **each} for member, each in zip(promoted, costs, strict=True)],
        "promoted": [_promoted(search, trials, member, data, folds, truth) for member in promoted],
        "view_mean": load_json(search.view_mean),
        "ways": [row for each in promoted for row in _ways(search, trials, each, data, folds, about["metric"])],
        "edges": [str(edge) for edge in edges(best.recipe.to_dict(), about["ranges"])],
        "ensemble": {**load_json(search.ensemble), **_described(search, data, folds, about["metric"])},
        "denoised": [_denoised(search, row, data, folds, truth) for row in load_json(search.denoised)],
        "label_issues": write_label_issues(search, data),
        "epochs_trained": sum(trial.epoch for trial in trials.values()),
        "epochs_without_stopping": sum(trial.recipe.epochs for trial in trials.values()),
        "statuses": pd.Series([trial.status for trial in trials.values()]).value_counts().to_dict(),
        "fold_hash": folds.hash,
        "code_hash": about["code_hash"],
        "seed": about["seed"],
        "metric": about["metric"],
        "standings": load_json(search.standings),
        "dropped": load_json(search.dropped),
        "plan": plan_and_outcome(search, trials, sum(each["epochs"] for each in costs)),
        "preemptions": _preemptions(search),
        "skipped": [asdict(each) for each in data.skipped],
        "soft_labels": data.shares is not None,
        "wall_s": round(wall_s, 1),
        "command": about["command"],
    }
    if truth is not None:
        share = accuracy(ensemble_test_probs(search), truth)
        summary["ensemble"] |= {"test_accuracy": share, "test_se": accuracy_se(share, len(truth))}
        summary["ensemble"]["fold_subsets"] = _fold_subsets(search, folds, truth)
    save_json(search.summary, summary)
    return summary


def _described(search: SearchFolder, data: ImageData, folds: Folds, metric: str) -> dict[str, Any]:
    """The ensemble by fold, class and source, beside all that it was chosen from."""
    denoised = [Member.of(row["trial"], folds.count) for row in load_json(search.denoised)]
    candidates = [*promoted_members(search, folds.count), *denoised]
    sources = data.at(folds.validated).sources
    members = members_of(search, folds, candidates, data.labels)
    return described(members, read_oof(search), metric, folds.seed, data.classes, sources)


def _fold_subsets(search: SearchFolder, folds: Folds, truth: NDArray[np.int64]) -> list[dict[str, Any]]:
    """What fewer folds' nets would have reached on the true test labels, members by their weights."""
    members, weights = ensemble_members(search, folds.count), load_json(search.ensemble)["weights"]
    nets = [[load_array(search.trial(number).fold(fold).test_probs) for number, fold in m.pairs] for m in members]
    return fold_subsets(np.array(nets), truth, weights)


def _preemptions(search: SearchFolder) -> dict[str, Any]:
    """How many trainings lost their machine, and at most how many seconds of work went with it."""
    lost = pd.read_csv(search.preemptions)["lost_s"] if search.preemptions.exists() else pd.Series([], dtype=float)
    return {"count": len(lost), "lost_s": round(float(lost.sum()), 1)}


def true_labels(root: Path, image_ids: Sequence[str]) -> NDArray[np.int64] | None:
    """The true labels of a data folder's images, in the order asked for; None where nobody knows them."""
    path = root / TRUE_LABELS
    if not path.exists():
        return None
    table = pd.read_csv(path, dtype={"image_id": str}).set_index("image_id")["label"]
    return table.loc[list(image_ids)].to_numpy(np.int64)


def _best_trial(search: SearchFolder, trial: Trial, truth: NDArray[np.int64] | None) -> dict[str, Any]:
    """The first of the promoted, as the one net of fold 0."""
    best = {
        "trial": trial.number,
        "recipe": trial.recipe.to_dict(),
        "status": trial.status,
        "epoch": trial.epoch,
        "val_loss": trial.last("val_loss"),
        "val_accuracy": trial.last("val_accuracy"),
    }
    if truth is not None:
        best["test_accuracy"] = accuracy(load_array(search.trial(trial.number).fold(0).test_probs), truth)
    return best


def _promoted(
    search: SearchFolder,
    trials: Mapping[int, Trial],
    member: Member,
    data: ImageData,
    folds: Folds,
    truth: NDArray[np.int64] | None,
) -> dict[str, Any]:
    """`trial` is the one that answers, or by fold those that do; `recipe` is its or theirs likewise."""
    probs = oof_pred_probs(search, member, folds)
    recipes = [trials[number].recipe.to_dict() for number in member.trials]
    validated = folds.validated
    hit = hits(probs[validated], data.labels[validated])
    share, elsewhere = float(hit.mean()), float(hit[folds.fold_of[validated] != 0].mean())
    by_fold = [{"trial": number, **_fold(probs, data.labels, folds, fold)} for number, fold in member.pairs]
    row = {
        "trial": member.stored,
        "recipe": recipes[0] if len(member.by_trial) == 1 else recipes,
        "cv_accuracy": share,
        "cv_se": accuracy_se(share, len(validated)),
        "cv_loss": float(np.average([each["loss"] for each in by_fold], weights=[each["images"] for each in by_fold])),
        "folds": by_fold,
        "unchosen_accuracy": elsewhere,
        "unchosen_se": accuracy_se(elsewhere, len(validated) - by_fold[0]["images"]),
        "sources": by_source(probs[validated], data.labels[validated], data.at(validated).sources),
    }
    return row | _test_accuracy(search, member, truth)


def _denoised(
    search: SearchFolder, row: dict[str, Any], data: ImageData, folds: Folds, truth: NDArray[np.int64] | None
) -> dict[str, Any]:
    """A denoised trial beside its origin: both scored on the labels as given, paired on the same images."""
    rows = folds.validated
    members = [Member.of(row[which], folds.count) for which in ("origin", "trial")]
    plain, cleaned = (hits(oof_pred_probs(search, member, folds)[rows], data.labels[rows]) for member in members)
    ahead = paired(cleaned, plain)
    share = float(cleaned.mean())
    found = {**row, "cv_accuracy": share, "cv_se": accuracy_se(share, len(rows)), "ahead": ahead.behind, "se": ahead.se}
    return found | _test_accuracy(search, members[1], truth)


def _test_accuracy(search: SearchFolder, member: Member, truth: NDArray[np.int64] | None) -> dict[str, float]:
    """Of the mean of a member's fold nets, where the truth is known and all of them predicted the test images."""
    if truth is None or not all(search.trial(number).fold(f).test_probs.exists() for number, f in member.pairs):
        return {}
    return {"test_accuracy": accuracy(member_test_probs(search, member), truth)}


def _ways(
    search: SearchFolder, trials: Mapping[int, Trial], member: Member, data: ImageData, folds: Folds, metric: str
) -> Iterator[dict[str, Any]]:
    """The ways that the epochs of a member's trials could answer, each in its own folds."""
    for number, answered in member.by_trial.items():
        recipe = trials[number].recipe
        said = load_fold_epochs(search, number, recipe, data.labels, folds, answered)
        yield from ({"trial": number} | row for row in (compare_epochs(said, recipe, metric) if said else []))


def _fold(probs: NDArray[np.floating], labels: NDArray[np.int64], folds: Folds, fold: int) -> dict[str, Any]:
    rows = folds.split(fold)[1]
    share = accuracy(probs[rows], labels[rows])
    return {
        "fold": fold,
        "images": len(rows),
        "accuracy": share,
        "se": accuracy_se(share, len(rows)),
        "loss": score("val_loss", probs[rows], labels[rows]),
    }

"""An ensemble beside its members, in the numbers that the report and the command print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analysis.ensemble.agreement import disagreement, error_correlation
from analysis.ensemble.members import Members
from analysis.ensemble.method import Probs
from analysis.ensemble.parts import by_class, by_fold, by_source, members_by_fold


def described(
    members: Members, probs: Probs, metric: str, seed: int, classes: Sequence[str], sources: Sequence[str] | None = None
) -> dict[str, Any]:
    """`probs` (N, K) are the ensemble's, out of fold; `sources` are of the same rows. All of it is JSON.

    `matrices`: who is like whom. `folds`, `classes`, `sources`: what each scores there, members in the order of
    `matrices`' names, and the ensemble. `members_by_fold`: how far the mean is ahead of other members in each fold.
    """
    everyone = [*members.pred_probs, probs]
    by_classes = [by_class(each, members.labels, classes) for each in everyone]
    by_sources = [by_source(each, members.labels, sources) for each in everyone]
    return {
        "matrices": {
            "names": list(members.names),
            "error_correlation": error_correlation(members.pred_probs, members.labels).tolist(),
            "disagreement": disagreement(members.pred_probs).tolist(),
        },
        "folds": by_fold(members, probs),
        "classes": [_beside(rows) for rows in zip(*by_classes, strict=True)],
        "sources": [_beside(rows) for rows in zip(*by_sources, strict=True)],
        "members_by_fold": asdict(members_by_fold(members, metric, seed)) if len(members) > 1 else None,
    }


def _beside(rows: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The last row, the ensemble's, with the members' accuracies."""
    return {**rows[-1], "members": [row["accuracy"] for row in rows[:-1]]}

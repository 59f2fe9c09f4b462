"""The study's tables, as Markdown: one kind and share over its seeds, and all cases together.

Of flags: a row a case and loss, with the columns that `FOUND` names. Of scores: a row a case, loss and way, with
`test`, `given`, `true` and `wrong answered`. Both say of which `kind` and `share` a case is.
"""

from __future__ import annotations

import pandas as pd

from benchmarks.denoise.study import CROSS_FIT
from benchmarks.ranking import mean_and_se

FOUND = ("flagged", "precision", "recall", "estimated share", "expected right")

GAINED = (
    "true test accuracy",
    "beyond the same loss, as given",
    "beyond bi-tempered, as given",
    "given, out of fold",
    "true, out of fold",
    "wrong label answered",
    "the same, beyond as given",
)

COMBINED = (GAINED[1], GAINED[2], "true, out of fold, beyond as given", "wrong label answered, beyond as given")


def against(table: pd.DataFrame, column: str, loss: str, way: str, base: tuple[str, str]) -> str:
    """'+0.0123 ± 0.0040': mean and standard error over cases of the paired difference; '–' from itself."""
    if (loss, way) == base:
        return "–"
    values = table.pivot(index="case", columns=["loss", "way"], values=column)
    mean, se = mean_and_se(list(values[(loss, way)] - values[base]))
    return f"{mean:+.4f} ± {se:.4f}"


def of_one(kind: str, share: float, findings: pd.DataFrame, scores: pd.DataFrame) -> str:
    """The tables of one kind and share."""
    lines = [f"{kind}, {share:.0%}, n = {scores['case'].nunique()} seeds: mean ± standard deviation over seeds", ""]
    lines += _head("loss", *FOUND)
    for name, part in findings.groupby("loss", sort=False):
        lines.append(_row(str(name), *(_mean_and_sd(part[column]) for column in FOUND)))
    lines += ["", "Differences are paired by seed: mean ± standard error.", "", *_head("loss", "way", *GAINED)]
    for (loss, way), part in scores.groupby(["loss", "way"], sort=False):
        lines.append(_row(str(loss), _named(str(way)), *_gained(scores, part, str(loss), str(way))))
    return "\n".join([*lines, *_leaked(scores)])


def of_all(findings: pd.DataFrame, scores: pd.DataFrame) -> str:
    """What is found and reached in every kind and share, then what each way gains over all cases and by kind."""
    ways = list(dict.fromkeys(scores["way"]))
    lines = [f"All cases, n = {scores['case'].nunique()}: means over seeds", ""]
    lines += _head("flips", "share", "loss", "precision", "recall", *(f"test, {_named(way)}" for way in ways))
    for (kind, share, loss), part in findings.groupby(["kind", "share", "loss"], sort=False):
        own = scores[(scores["kind"] == kind) & (scores["share"] == share) & (scores["loss"] == loss)]
        means = [own.loc[own["way"] == way, "test"].mean() for way in ways]
        numbers = [part["precision"].mean(), part["recall"].mean(), *means]
        lines.append(_row(str(kind), f"{share:.0%}", str(loss), *(f"{number:.4f}" for number in numbers)))
    lines += ["", "Differences are paired by case: mean ± standard error over cases.", ""]
    lines += _head("flips", "n", "loss", "way", *COMBINED)
    parts = {"all": scores, **{str(kind): part for kind, part in scores.groupby("kind", sort=False)}}
    for name, part in parts.items():
        for loss, way in dict.fromkeys(zip(part["loss"], part["way"], strict=True)):
            lines.append(_row(name, str(part["case"].nunique()), loss, _named(way), *_combined(part, loss, way)))
    return "\n".join([*lines, *_leaked(scores)])


def _gained(scores: pd.DataFrame, part: pd.DataFrame, loss: str, way: str) -> list[str]:
    return [
        _mean_and_sd(part["test"]),
        against(scores, "test", loss, way, (loss, "none")),
        _beyond_bi_tempered(scores, loss, way),
        _mean_and_sd(part["given"]),
        _mean_and_sd(part["true"]),
        _mean_and_sd(part["wrong answered"]),
        against(scores, "wrong answered", loss, way, (loss, "none")),
    ]


def _combined(scores: pd.DataFrame, loss: str, way: str) -> list[str]:
    return [
        against(scores, "test", loss, way, (loss, "none")),
        _beyond_bi_tempered(scores, loss, way),
        against(scores, "true", loss, way, (loss, "none")),
        against(scores, "wrong answered", loss, way, (loss, "none")),
    ]


def _beyond_bi_tempered(scores: pd.DataFrame, loss: str, way: str) -> str:
    there = "bi-tempered" in set(scores["loss"])
    return against(scores, "test", loss, way, ("bi-tempered", "none")) if there else "–"


def _leaked(scores: pd.DataFrame) -> list[str]:
    """Where it was measured: what a way gains because the nets that judge were trained on the labels of validation."""
    if CROSS_FIT not in set(scores["way"]):
        return []
    lines = [
        "",
        "Dropped by out-of-fold predictions, less dropped cross-fitted, paired by case: mean ± standard error.",
    ]
    for loss in scores["loss"].unique():
        columns = ("test", "given", "true", "wrong answered")
        differences = [f"{column} {against(scores, column, loss, 'drop', (loss, CROSS_FIT))}" for column in columns]
        lines.append(f"  {loss}: {', '.join(differences)}")
    return lines


def _named(way: str) -> str:
    return "as given" if way == "none" else way


def _head(*columns: str) -> list[str]:
    return [_row(*columns), "|---" * len(columns) + "|"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _mean_and_sd(values: pd.Series) -> str:
    digits = 0 if values.max() > 1 else 4
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"

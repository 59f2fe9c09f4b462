"""Out-of-fold predictions from CSV files: `image_id,label[,fold]` and a column for each class, `c0…` or `p0…`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from analysis.ensemble.members import Members
from search_spaces.errors import InputError, shortened

_CLASS = re.compile(r"[cp](\d+)$")

_SUM = 0.01
"""By how much the probabilities of a row may miss 1, as written digits are rounded; they are then made to sum to 1."""


def read_members(paths: Sequence[Path], n_folds: int | None, seed: int) -> tuple[list[str], Members]:
    """Image ids, and the models of the tables, named by their files, in the order of the first table's rows.

    The folds are those of the column `fold`, or, where no table has it, `n_folds` stratified ones. All that is wrong
    with the tables is one `InputError`.
    """
    names = _names(paths)
    tables = {name: _read(path) for name, path in zip(names, paths, strict=True)}
    first = next(iter(tables.values()))
    problems = [f"{name} {each}" for name, table in tables.items() for each in _differences(first, table)]
    if problems:
        raise InputError(f"Every table must be of the same rows as {names[0]}:", shortened(problems))
    labels = first["label"].to_numpy(np.int64)
    probs = np.stack([_probs(table.loc[first.index]) for table in tables.values()])
    return list(first.index), Members(names, probs, labels, _folds(first, labels, n_folds, seed))


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """File names without their ends, or the paths where two files have one name."""
    short = [path.name.split(".csv")[0] for path in paths]
    return tuple(short if len(set(short)) == len(short) else map(str, paths))


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, converters={"image_id": str})  # which keeps an id that reads NA
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from None
    problems = _problems(table)
    if problems:
        raise InputError(f"{path} is no table of out-of-fold predictions:", problems)
    return table.set_index("image_id")


def _problems(table: pd.DataFrame) -> list[str]:
    columns = _classes(table)
    lacking = [f"it has no column {name}" for name in ("image_id", "label") if name not in table]
    if len(columns) < 2 or columns != [f"{columns[0][0]}{k}" for k in range(len(columns))]:
        lacking.append(f"it needs columns c0, c1, ... or p0, p1, ... of two classes or more, got {columns}")
    if lacking or not len(table):
        return lacking or ["it has no rows"]
    numbers = [name for name in ("label", "fold", *columns) if name in table]
    odd = [f"column {name} must be numbers" for name in numbers if not pd.api.types.is_numeric_dtype(table[name])]
    return odd or _bad_values(table, columns)


def _bad_values(table: pd.DataFrame, columns: list[str]) -> list[str]:
    probs, doubled = table[columns].to_numpy(float), table["image_id"].duplicated()
    whole = table["label"].isin(range(len(columns)))
    checks = {
        f"label must be a class, 0 to {len(columns) - 1}": ~whole.to_numpy(),
        "probabilities must be from 0 to 1": ~((probs >= 0) & (probs <= 1 + _SUM)).all(1),
        f"probabilities must sum to 1 within {_SUM}": ~(abs(probs.sum(1) - 1) <= _SUM),
        "image_id must be there once": doubled.to_numpy(),
    }
    return [
        f"{rule}; {bad.sum()} rows differ, the first is {table['image_id'][bad].iloc[0]}"
        for rule, bad in checks.items()
        if bad.any()
    ]


def _classes(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if _CLASS.match(name)]


def _differences(first: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    if len(_classes(first)) != len(_classes(table)):
        return [f"has {len(_classes(table))} classes and not {len(_classes(first))}"]
    lacking, more = first.index.difference(table.index), table.index.difference(first.index)
    if len(lacking) or len(more):
        return [f"lacks {len(lacking)} of its images and has {len(more)} others"]
    table = table.loc[first.index]
    told = [
        f"has another {name} in {int((table[name] != first[name]).sum())} rows"
        for name in ("label", "fold")
        if name in first and name in table and (table[name] != first[name]).any()
    ]
    if ("fold" in first) != ("fold" in table):
        told.append(f"has {'a' if 'fold' in table else 'no'} column fold")
    return told


def _probs(table: pd.DataFrame) -> NDArray[np.float64]:
    probs = table[_classes(table)].to_numpy(np.float64)
    exact: NDArray[np.float64] = probs / probs.sum(1, keepdims=True)
    return exact


def _folds(table: pd.DataFrame, labels: NDArray[np.int64], n_folds: int | None, seed: int) -> NDArray[np.int64]:
    if "fold" in table:
        if n_folds is not None:
            raise InputError("--folds is for tables without a column fold; these have one, and are split by it")
        if table["fold"].isna().any() or table["fold"].nunique() < 2:
            raise InputError(f"The column fold must name two folds or more, got {table['fold'].unique().tolist()}")
        return table["fold"].to_numpy(np.int64)
    count = 5 if n_folds is None else n_folds
    fewest = int(np.bincount(labels)[np.unique(labels)].min())
    if not 2 <= count <= fewest:
        raise InputError(f"--folds must be from 2 to the images of the smallest class, {fewest}; got {count}")
    fold_of = np.empty(len(labels), np.int64)
    for fold, (_, rows) in enumerate(StratifiedKFold(count, shuffle=True, random_state=seed).split(labels, labels)):
        fold_of[rows] = fold
    return fold_of

"""`python -m analysis.ensemble`: tables from anywhere, and those that it refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.ensemble import choice
from analysis.ensemble.__main__ import main
from analysis.ensemble.methods import METHODS
from analysis.ensemble.tables import read_members
from search_spaces import InputError
from trainables.files import load_json

N = 90


def table(seed: int, letter: str = "c", fold: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % 3
    logits = rng.normal(size=(N, 3)) + 2 * np.eye(3)[labels]
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    frame = pd.DataFrame({"image_id": [f"{row}.jpg" for row in range(N)], "label": labels})
    if fold:
        frame["fold"] = np.arange(N) // 3 % 3
    return pd.concat([frame, pd.DataFrame(probs.round(6), columns=[f"{letter}{k}" for k in range(3)])], axis=1)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., list[Path]]:
    def write(*tables: pd.DataFrame) -> list[Path]:
        paths = [tmp_path / f"{'ABC'[place]}.csv" for place in range(len(tables))]
        for path, each in zip(paths, tables, strict=True):
            each.to_csv(path, index=False)
        return paths

    return write


def test_it_prints_the_methods_and_writes_the_files(
    written: Callable[..., list[Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = {name: METHODS[name] for name in ("mean", "vote", "simplex")}
    monkeypatch.setattr(choice.compare_methods, "__defaults__", (True, quick))
    paths = written(table(0), table(1, "p").sample(frac=1, random_state=0))
    out = tmp_path / "out"
    assert main(["--oof", *map(str, paths), "--folds", "3", "--out", str(out), "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "2 models, 90 images, folds 3" in text
    assert all(word in text for word in ("simplex", "error correlation", "disagreement", "recall by class", "taken: "))
    stored = load_json(out / "ensemble.json")
    assert [row["method"] for row in stored["candidates"]] == list(quick)
    assert len(pd.read_csv(out / "oof.csv")) == N
    assert (out / "members.png").read_bytes().startswith(b"\x89PNG")


def test_the_column_fold_is_the_folds(written: Callable[..., list[Path]]) -> None:
    ids, members = read_members(written(table(0, fold=True), table(1, fold=True)), None, 0)
    assert members.fold_of.tolist() == (np.arange(N) // 3 % 3).tolist()
    assert (members.names, ids[1]) == (("A", "B"), "1.jpg")
    np.testing.assert_allclose(members.pred_probs.sum(2), 1, atol=1e-12)


BAD = {
    "other labels": (lambda t: t.assign(label=(t["label"] + 1) % 3), "B has another label in 90 rows"),
    "other images": (lambda t: t.assign(image_id="x" + t["image_id"]), "B lacks 90 of its images and has 90 others"),
    "other folds": (lambda t: t.assign(fold=0), "B has a column fold"),
    "more classes": (lambda t: t.assign(c3=0.0), "B has 4 classes and not 3"),
    "a row twice": (lambda t: pd.concat([t, t.head(1)]), "must be there once; 1 rows differ, the first is 0.jpg"),
    "no sum of 1": (lambda t: t.assign(c0=0.9, c1=0.9), "must sum to 1 within 0.01; 90 rows"),
    "logits": (lambda t: t.assign(c0=t["c0"] - 5), "must be from 0 to 1"),
    "NaN": (lambda t: t.assign(c0=np.nan), "must be from 0 to 1; 90 rows"),
    "words": (lambda t: t.assign(c0="high"), "column c0 must be numbers"),
    "a label that is no class": (lambda t: t.assign(label=7), "label must be a class, 0 to 2"),
    "no classes": (lambda t: t[["image_id", "label"]], "it needs columns c0, c1"),
    "no labels": (lambda t: t.drop(columns="label"), "it has no column label"),
    "no rows": (lambda t: t.head(0), "it has no rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_tables_that_do_not_belong_together(
    case: str, written: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, message = BAD[case]
    paths = written(table(0), spoil(table(1)))
    assert main(["--oof", *map(str, paths)]) == 2
    assert message in capsys.readouterr().err


def test_one_model_under_two_names_and_impossible_folds(written: Callable[..., list[Path]]) -> None:
    with pytest.raises(InputError, match="A and B"):
        read_members(written(table(0), table(0, "p")), None, 0)
    with pytest.raises(InputError, match="from 2 to the images of the smallest class, 30; got 31"):
        read_members(written(table(0)), 31, 0)
    with pytest.raises(InputError, match="without a column fold"):
        read_members(written(table(0, fold=True)), 3, 0)
    moved = table(1, fold=True)
    moved["fold"] = (moved["fold"] + 1) % 3
    with pytest.raises(InputError, match="B has another fold in 90 rows"):
        read_members(written(table(0, fold=True), moved), None, 0)

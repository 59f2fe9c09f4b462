"""Curves are kept as they were trained, and the table of what stopping loses adds up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import curves, stopping
from benchmarks.curves import load_curves, save_curves
from benchmarks.replays.pool import load_pools
from trainables.scores import METRICS


def made_up(path: Path, seeds: int = 2, recipes: int = 8, epochs: int = 6) -> Path:
    """Recipe i has the accuracy i / 10 at every epoch, and all numbers say so."""
    keys = pd.MultiIndex.from_product(
        [range(seeds), range(recipes), range(1, epochs + 1)], names=["seed", "recipe", "epoch"]
    )
    table = pd.DataFrame(index=keys).reset_index().assign(cpu_s=1.0, diverged=0)
    for metric in METRICS:
        table[metric] = table["recipe"] / 10 if metric == "val_accuracy" else 1 - table["recipe"] / 10
        table[f"{metric}_se"] = 0.02
    table["test_accuracy"] = np.where(table["epoch"] == epochs, table["recipe"] / 10, np.nan)
    save_curves(path, table)
    return path


def test_a_table_becomes_a_pool_a_seed(tmp_path: Path) -> None:
    path = made_up(tmp_path / "made.csv.gz", recipes=3, epochs=2)
    table = load_curves(path)
    table.loc[(table["recipe"] == 1) & (table["epoch"] == 2), "diverged"] = 1
    save_curves(path, table)
    first, second = load_pools(path)
    assert first.name == "made, seed 0"
    assert second.size == (3, 2)
    np.testing.assert_allclose(first.goods["val_loss"], [[-1.0, -1.0], [-0.9, np.nan], [-0.8, -0.8]])
    np.testing.assert_allclose(first.ends, [0.0, 0.1, 0.2])


def test_the_same_table_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = made_up(tmp_path / "a.csv.gz"), tmp_path / "b.csv.gz"
    save_curves(second, load_curves(first).sample(frac=1.0, random_state=0))
    assert first.read_bytes() == second.read_bytes()


def test_the_table_of_curves_that_never_cross(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture, told = made_up(tmp_path / "made.csv.gz"), tmp_path / "made.png", tmp_path / "made.json"
    words = ["--trials", "6", "9", "--slots", "2", "--draws", "3", "--figure", str(picture), "--json", str(told)]
    stopping.main([str(path), *words])
    said = capsys.readouterr().out
    assert "8, 8 recipes, n = 6 searches a rule" in said, "nine of eight recipes cannot be drawn"
    rows = [line for line in said.splitlines() if line.startswith("| ours, grace")]
    assert len(rows) == len(stopping.GRACES) * len(stopping.FACTORS)
    assert all("| +0.0000 ± 0.0000 |" in line for line in rows), "who is best is never stopped"
    assert "| no stopping | 1.000 | 1.00 |" in said
    assert picture.stat().st_size > 10_000
    assert told.exists()


def test_how_much_an_early_epoch_says_of_the_last_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one seed the first epoch has the recipes the other way round."""
    path = made_up(tmp_path / "made.csv.gz")
    table = load_curves(path)
    early = (table["seed"] == 1) & (table["epoch"] == 1)
    table.loc[early, METRICS[0]] = table.loc[early, "recipe"] / 10
    save_curves(path, table)
    stopping.tell_early(load_pools(path))
    assert "| 0.00 (-1.00–1.00) | 1.00 (1.00–1.00) |" in capsys.readouterr().out
    stopping.tell_early(load_pools(made_up(tmp_path / "short.csv.gz", epochs=2)))
    assert "| after epoch 1 |\n|---|\n| 1.00 (1.00–1.00) |" in capsys.readouterr().out


def test_too_few_recipes_are_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopping.main([str(made_up(tmp_path / "made.csv.gz")), "--trials", "9"])
    assert "note: made.csv.gz has too few recipes for searches of 9 trials" in capsys.readouterr().out


def test_known_good_recipes_are_first_in_every_search(tmp_path: Path) -> None:
    pool = load_pools(made_up(tmp_path / "made.csv.gz"))[0]
    drawn = list(stopping.searches(pool, [4, 6], 5, known_good=2))
    assert [search.size[0] for search in drawn] == [4] * 5 + [6] * 5
    assert all(list(search.ends[:2]) == [0.0, 0.1] and len(set(search.ends)) == len(search.ends) for search in drawn)
    assert len({tuple(search.ends) for search in drawn}) > 5


@pytest.mark.slow
def test_curves_go_on_where_they_were(tmp_path: Path) -> None:
    out = tmp_path / "curves.csv.gz"
    words = ["--seeds", "1", "--epochs", "1", "--jobs", "1", "--set", "image_size=32", "--out", str(out)]
    curves.main([*words, "--recipes", "1"])
    once = load_curves(out)
    curves.main([*words, "--recipes", "2"])
    twice = load_curves(out)
    assert list(once["recipe"]) == [0]
    assert list(twice["recipe"]) == [0, 1]
    pd.testing.assert_frame_equal(once, twice.head(1))
    assert "image_size" not in twice, "what is set does not vary"
    assert twice[["true_accuracy", "test_accuracy", "cpu_s"]].gt(0).all(axis=None)

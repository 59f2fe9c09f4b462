"""Rules are held against each other at equal epochs, read off what was replayed and not beyond it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import equal_epochs
from benchmarks.stopping import DEFAULT, FACTORS, GRACES
from tests.benchmarks.test_stopping import made_up


def means(points: dict[tuple[str, str], list[tuple[float, float]]]) -> pd.DataFrame:
    """By pool and rule epochs and accuracy, of searches of 1, 2, ... trials."""
    rows = [
        {"pool": pool, "rule": rule, "trials": trials, "epochs": epochs, "picked": accuracy}
        for (pool, rule), curve in points.items()
        for trials, (epochs, accuracy) in enumerate(curve, start=1)
    ]
    return pd.DataFrame(rows).set_index(["pool", "rule", "trials"])


def test_accuracy_is_read_off_between_searches_and_not_beyond_them() -> None:
    read = equal_epochs.at_epochs(means({("a", "r"): [(10.0, 0.5), (40.0, 0.9)]}), [5, 10, 20, 40, 80], "picked")
    np.testing.assert_allclose(read.loc[("a", "r")], [np.nan, 0.5, 0.7, 0.9, np.nan])


def test_rules_are_compared_in_pairs_and_only_where_all_pools_tell() -> None:
    """The other rule is 0.1 ahead in one pool and 0.3 in the other; in the second it came to 40 epochs only."""
    found = means(
        {
            ("a", DEFAULT): [(10.0, 0.5), (80.0, 0.5)],
            ("a", "r"): [(10.0, 0.6), (80.0, 0.6)],
            ("b", DEFAULT): [(10.0, 0.2), (80.0, 0.2)],
            ("b", "r"): [(10.0, 0.5), (40.0, 0.5)],
        }
    )
    ahead, error = equal_epochs.beyond_shipped(equal_epochs.at_epochs(found, [20, 80], "picked"))
    np.testing.assert_allclose(ahead.loc[DEFAULT], [0.0, 0.0])
    np.testing.assert_allclose(ahead.loc["r"], [0.2, np.nan], atol=1e-12)
    np.testing.assert_allclose(error.loc["r"], [0.1, np.nan], atol=1e-12)


def test_too_few_recipes_are_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "made.png"
    equal_epochs.main([str(made_up(tmp_path / "made.csv.gz")), "--trials", "9", "--figure", str(picture)])
    assert "note: made.csv.gz has too few recipes for searches of 9 trials" in capsys.readouterr().out
    assert not picture.exists()


def test_the_tables_and_the_picture_of_stored_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = made_up(tmp_path / "made.csv.gz"), tmp_path / "made.png"
    words = ["--trials", "4", "6", "9", "--epochs", "24", "--draws", "3", "--figure", str(picture)]
    equal_epochs.main([str(path), *words])
    said = capsys.readouterr().out
    assert "made, n = 12 searches a rule, 2 data seeds: picked" in said, "nine of eight recipes cannot be drawn"
    assert f"| {DEFAULT} | +0.0000 ± 0.0000 |" in said
    assert said.count("\n| ours, grace") == 2 * len(GRACES) * len(FACTORS)
    assert picture.stat().st_size > 10_000

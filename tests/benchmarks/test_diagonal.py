"""What `benchmarks.diagonal` goes on with and counts by, on predictions made up for it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.diagonal import ALONE, Way, described, leads, words_of
from cluster.flags import read_flags

LABELS = np.arange(40) % 4


def test_a_copy_goes_on_with_all_flags_of_the_search_but_what_it_promotes(tmp_path: Path) -> None:
    told = "python search.py --space leaves --data /data --out OUT --set image_size=96 --promote 3 --seed 7 --quiet"
    program, *words = words_of(told, tmp_path / "copy")
    assert program == "search.py"
    flags = read_flags(words)
    assert (flags.promotion, flags.promote, flags.resume, flags.out) == ("diagonal", None, True, str(tmp_path / "copy"))
    assert (flags.space, flags.data, flags.set, flags.seed) == ("leaves", "/data", ["image_size=96"], 7)


def way(name: str, right: int) -> Way:
    """Sure of the first `right` labels, and of another class for the rest, out of fold and on test images."""
    said = np.where(np.arange(40) < right, LABELS, (LABELS + 1) % 4)
    probs = 0.1 + 0.6 * np.eye(4)[said]
    return Way(name, 8 * right, 2.0 * right, 5, probs, probs)


def test_leads_are_the_diagonals_and_paired() -> None:
    found = [way("full, 3 trials", 36), way(ALONE, 30), way("diagonal", 33)]
    ahead = leads(found, LABELS, LABELS, "val_nll")
    assert ahead["accuracy, out of fold", "full"][0] == pytest.approx(-3 / 40)
    assert ahead["accuracy, true test", ALONE] == ahead["accuracy, out of fold", ALONE]
    share = 3 / 40
    assert ahead["accuracy, out of fold", ALONE] == pytest.approx((share, np.sqrt((share - share**2) / 40)))
    assert ahead["val_nll, out of fold", ALONE][0] > 0, "higher is better, of losses too"
    assert not [what for what, _ in leads(found, LABELS, None, "val_nll") if "true" in what]
    table = described(found, LABELS, None, "val_nll").splitlines()
    assert "0.8250 ± 0.0601" in table[3] and "true" not in table[0]

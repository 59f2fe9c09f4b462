"""The benchmarks run, and what they measure by is right; what they measure is in the README, never a test."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits

from benchmarks.loss_speed import port_loss
from benchmarks.noise import NOISES
from benchmarks.optimism import as_noisy_labels_see_it, found, tell_found
from benchmarks.ranking import CANDIDATES, regrets, rho, softmax_probs, with_means
from search_spaces import Recipe
from trainables.data.digits import flip_labels
from trainables.files import load_json
from trainables.layout import SearchFolder
from trainables.losses.bi_tempered import bi_tempered_loss, tempered_softmax


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return data.target[:400].astype(np.int64), data.data[:400] / 16.0


@pytest.mark.parametrize("kind", list(NOISES))
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_noise_flips_its_share(kind: str, share: float, digits: tuple[np.ndarray, np.ndarray]) -> None:
    labels, images = digits
    given = NOISES[kind](labels, images, share, np.random.default_rng(0))
    assert (given != labels).sum() == round(share * len(labels))
    assert set(given) <= set(range(10))
    partners = {(a, b) for a, b in zip(labels, given, strict=True) if a != b}
    if kind == "class-dependent":
        assert len(partners) <= 10
    else:
        assert len(partners) > 10


def test_the_port_is_the_loss_as_far_as_five_iterations_go() -> None:
    logits, labels = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 5
    torch.testing.assert_close(
        port_loss(logits, labels), bi_tempered_loss(logits, labels, 0.8, 1.4, 0.05), atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("t2", [1.0, 1.4, 3.0])
def test_the_link_is_taken_back(t2: float) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    recipe = Recipe(backbone="test_vit", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1, t2=t2)
    probs = softmax_probs(tempered_softmax(logits, t2).numpy(), recipe)
    np.testing.assert_allclose(probs, logits.softmax(-1).numpy(), atol=1e-6)


def test_a_number_that_knows_the_end_has_no_regret() -> None:
    ends = np.linspace(0.6, 0.9, 20)
    knowing = np.repeat(-ends[:, None], 12, axis=1)
    assert rho(knowing[:, 1], ends)[0] == pytest.approx(1.0)
    blind = np.zeros((20, 12))
    lost = regrets(knowing, {"knowing": knowing, "wrong": -knowing, "blind": blind}, ends, (2, 6))
    assert lost["knowing"] == 0.0
    assert 0.0 < lost["blind"] < lost["wrong"], "what rungs let through, a bad pick can still lose"
    assert rho(-knowing[:, 1], ends)[0] == pytest.approx(-1.0)
    assert regrets(-knowing, {"wrong": -knowing}, ends, (2, 6))["wrong"] > 0.2


def test_a_mean_of_two_epochs_begins_with_the_first() -> None:
    values = np.array([[4.0, 2.0, 0.0]])
    means = with_means(dict.fromkeys([*CANDIDATES], values))
    np.testing.assert_array_equal(means["error rate (val_accuracy), mean of two epochs"], [[4.0, 3.0, 1.0]])


@pytest.mark.parametrize("name", list(CANDIDATES))
def test_every_candidate_is_lower_for_better(name: str) -> None:
    recipe = Recipe(backbone="test_vit", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1, t2=1.4)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=200)
    good, bad = (rng.dirichlet(np.ones(3), size=200) * 0.5 + each * np.eye(3)[labels] for each in (0.5, 0.1))
    good, bad = (each / each.sum(1, keepdims=True) for each in (good, bad))
    assert CANDIDATES[name](good, labels, recipe) < CANDIDATES[name](bad, labels, recipe)


def test_what_searches_found_is_a_table_over_them(capsys: pytest.CaptureFixture[str]) -> None:
    tell_found(pd.DataFrame([{"accuracy": 0.97, "seconds": 100.0}, {"accuracy": 0.99, "seconds": 104.4}]))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "| n = 2 searches | mean | standard deviation | range |",
        "|---|---|---|---|",
        "| accuracy | 0.9800 | 0.0141 | 0.9700–0.9900 |",
        "| seconds | 102 | 3 | 100–104 |",
    ]


@pytest.mark.slow
def test_what_a_search_found_is_in_its_summary(finished_search: Path) -> None:
    search = SearchFolder(finished_search)
    row, summary = found(search), load_json(search.summary)
    ahead = row["ensemble, true test accuracy"] - row["best single net of the search, true test accuracy"]
    assert row["ensemble less that net"] == ahead
    assert (row["epochs trained"], row["epochs without stopping"]) == (summary["epochs_trained"], 4 * 3)


@pytest.mark.slow
def test_the_loss_benchmark_runs(command: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = command("-m", "benchmarks.loss_speed", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("of the port") == 6


def test_flipped_labels_hide_accuracy() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 10, size=200_000)
    predicted = np.where(rng.random(len(true)) < 0.9, true, (true + rng.integers(1, 10, size=len(true))) % 10)
    given = flip_labels(true, 0.2, 10, rng)
    assert as_noisy_labels_see_it(0.9, 10) == pytest.approx((predicted == given).mean(), abs=0.003)
    assert as_noisy_labels_see_it(1.0, 10) == pytest.approx(0.8)

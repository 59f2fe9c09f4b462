"""Who has lost loses its weights at once, and is not looked at again."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from cluster import housekeeping as module
from cluster.housekeeping import Housekeeping
from cluster.plan import Plan
from cluster.promotion import DIAGONAL, FULL, Promotion, losers
from cluster.searcher import Proposals
from search_spaces.recipe import Recipe
from trainables.member import Member
from trainables.trial import Trial

METRIC = "val_loss"
STATUSES = ("finished", "stopped", "stopped", "stopped", "diverged", "failed", "cut")


def some_trials(rng: np.random.Generator, count: int) -> list[Trial]:
    """Stopped after 2 or 6 epochs or trained to the 12th, of three backbones, with equal scores among them."""
    found = []
    for number in range(count):
        status = str(rng.choice(STATUSES))
        epochs = 12 if status == "finished" else int(rng.choice([2, 2, 6]))
        backbone = str(rng.choice(["resnet18", "resnet34", "resnet50"]))
        recipe = Recipe(backbone=backbone, image_size=32, batch_size=8, learning_rate=0.01, epochs=12)
        losses = rng.choice([0.1, 0.2, 0.3, 0.4], size=epochs)
        found.append(Trial(number, recipe, status, pd.DataFrame({METRIC: losses})))
    return found


@pytest.mark.parametrize("promotion", [Promotion(FULL, 1, 5), Promotion(FULL, 3, 5), Promotion(DIAGONAL, 1, 5)])
def test_the_few_that_are_left_decide_as_all_would(promotion: Promotion, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []

    def counted(trials: Sequence[Trial], *rule: Any) -> list[int]:
        judged.append(len(trials))
        return losers(trials, *rule)

    monkeypatch.setattr(module, "losers", counted)
    rng = np.random.default_rng(0)
    for _search in range(10):
        gone: list[int] = []
        ended: list[Trial] = []
        store = SimpleNamespace(forget=lambda number, fold, gone=gone: gone.append(number))
        facts = {"store": store, "promotion": promotion, "metric": METRIC, "promoted_before": list}
        plan = cast(Plan, SimpleNamespace(**facts))
        keeping = Housekeeping(plan, cast(Proposals, SimpleNamespace(ended=ended)))
        for trial in some_trials(rng, 40):
            ended.append(trial)
            keeping.on_trial_complete(0, [], cast(Any, None))
            assert set(gone) == set(losers(ended, promotion, METRIC))
        assert len(gone) == len(set(gone)), "nobody's files are deleted twice"
    failed_or_cut = sum(status in ("failed", "cut") for status in STATUSES) / len(STATUSES)
    assert max(judged) < promotion.count + 1 + 40 * 2 * failed_or_cut, "those that have lost are not judged again"


def test_who_was_promoted_before_keeps_its_nets() -> None:
    """A budget may have no room for the folds of who leads now."""
    gone: list[int] = []
    store = SimpleNamespace(forget=lambda number, fold: gone.append(number))
    ended = some_trials(np.random.default_rng(1), 12)
    promotion = Promotion(FULL, 1, 5)
    lost = losers(ended, promotion, METRIC)
    facts = {"store": store, "promotion": promotion, "metric": METRIC}
    plan = SimpleNamespace(**facts, promoted_before=lambda: [Member.of(lost[0], 5)])
    keeping = Housekeeping(cast(Plan, plan), cast(Proposals, SimpleNamespace(ended=ended)))
    keeping.on_trial_complete(0, [], cast(Any, None))
    assert gone == lost[1:]

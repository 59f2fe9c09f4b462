import random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pandas as pd

from cluster import housekeeping
from cluster.housekeeping import Housekeeping
from cluster.promotion import FULL, Promotion, losers
from search_spaces import Recipe
from trainables.trial import Trial


def test_the_work_at_the_end_of_a_trial_does_not_grow_with_the_trials() -> None:
    """Of 100 trials that have lost none is asked again, and all but the promoted are forgotten once."""
    rng, ended, forgotten, asked = random.Random(0), [], [], []
    promotion = Promotion(FULL, 3, 5)
    plan: Any = SimpleNamespace(
        promotion=promotion, metric="val_accuracy", store=SimpleNamespace(forget=lambda *each: forgotten.append(each))
    )
    proposals: Any = SimpleNamespace(ended=ended)
    keeper = Housekeeping(plan, proposals)

    def counted(trials: list[Trial], *more: Any) -> list[int]:
        asked.append(len(trials))
        return losers(trials, *more)

    with patch.object(housekeeping, "losers", counted):
        for number in range(100):
            ended.append(_finished(number, rng.random()))
            keeper.on_trial_complete(0, [], SimpleNamespace())
    assert max(asked) == promotion.count + 1
    best = sorted(ended, key=lambda trial: trial.last("val_accuracy"))[-3:]
    assert sorted(forgotten) == [(trial.number, 0) for trial in ended if trial not in best]


def _finished(number: int, accuracy: float) -> Trial:
    recipe = Recipe(backbone="test_vit", image_size=32, batch_size=16, learning_rate=1e-3, epochs=1)
    return Trial(number, recipe, "finished", pd.DataFrame({"val_accuracy": [accuracy]}))

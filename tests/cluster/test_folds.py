from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from cluster import folds
from trainables.member import Member, Pair

FIRST, SECOND = Member.of(3, 2), Member.of(10, 2)


def kept(lacking: list[Pair], ended: Callable[[list[Member]], bool]) -> list[Pair]:
    """The trainings that nobody gives up, of those that are lacking; asked every second, as in life."""
    stayed: list[Pair] = []
    plan: Any = SimpleNamespace(quiet=True, epochs=8, is_trained=lambda *pair: pair not in lacking)
    spending: Any = SimpleNamespace(look=lambda: None, training_must_end=ended)

    def run(_plan: Any, _slots: Any, left: list[Pair], _look: Any, given_up: Any) -> None:
        for _second in range(5):
            for pair in given_up(list(left)):
                left.remove(pair)
        stayed.extend(left)

    with (
        patch.object(folds, "_run", run),
        patch.object(folds, "promoted_pages", lambda *_: nullcontext(lambda: None)),
    ):
        folds.train_folds(plan, SimpleNamespace(of_folds=None), spending, [FIRST, SECOND], range(2), "")  # type: ignore[arg-type]
    return stayed


@pytest.mark.parametrize(
    ("left", "stays"),
    [
        ([(3, 1), (10, 1)], [(3, 1)]),  # none is whole: the best is trained to its end
        ([(3, 1)], []),  # the second is whole
        ([(10, 1)], []),
    ],
)
def test_when_time_runs_out_one_member_is_whole(left: list[Pair], stays: list[Pair]) -> None:
    assert kept(left, lambda _wanted: True) == stays


def test_while_there_is_time_nobody_is_given_up() -> None:
    assert kept([(3, 1), (10, 1)], lambda _wanted: False) == [(3, 1), (10, 1)]

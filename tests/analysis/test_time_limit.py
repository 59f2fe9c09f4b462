import numpy as np
import pytest

from analysis.affordable import Option
from analysis.time_limit import Pacer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def answered(
    ways: list[Option], limit_s: float, images: int, pace: list[float], noise: float = 0.0, seed: int = 0
) -> tuple[float, int, list[Option]]:
    """Batches of ten on a machine whose pace changes; when it ended, how many images were left, what was chosen."""
    clock, rng = Clock(), np.random.default_rng(seed)
    pacer = Pacer(ways, 10, limit_s, clock)
    chosen: list[Option] = []
    while images:
        option = pacer.option(images)
        if option is None:
            break
        seconds = 10 * option.image_s * pace[min(len(chosen), len(pace) - 1)] * float(rng.lognormal(0, noise))
        clock.now += seconds
        pacer.took(option, 10, seconds)
        chosen.append(option)
        images -= 10
    return clock.now, images, chosen


WAYS = [Option((count,), 1, 0.1 * count, -count, 0.0) for count in range(1, 9)]


@pytest.mark.parametrize("limit_s", [250.0, 400.0, 640.0])
@pytest.mark.parametrize("pace", [[1.0], [1.7], [0.6], [1.0] * 30 + [2.0], [1.5] * 40 + [0.8]])
def test_the_limit_is_held_and_used(limit_s: float, pace: list[float]) -> None:
    ended, left, chosen = answered(WAYS, limit_s, 1000, pace)
    assert left == 0
    assert ended <= limit_s
    assert ended >= 0.95 * limit_s or chosen[-1] == WAYS[-1]


def test_a_machine_whose_batches_differ_holds_it_too() -> None:
    ends = [answered(WAYS, 400.0, 1000, [1.0], noise=0.2, seed=seed)[:2] for seed in range(50)]
    assert max(ended for ended, _ in ends) <= 400.0
    assert min(ended for ended, _ in ends) >= 0.93 * 400.0
    assert {left for _, left in ends} == {0}


def test_when_nothing_ends_in_time_the_cheapest_answers_until_the_time_is_over() -> None:
    ended, left, chosen = answered(WAYS, 50.0, 1000, [1.0])
    assert set(chosen) == {WAYS[0]}
    assert left == 510 and ended == pytest.approx(49.0)


def test_no_batch_is_begun_that_would_not_end() -> None:
    assert answered(WAYS, 0.5, 1000, [1.0])[1] == 1000
    assert answered(WAYS, -3.0, 1000, [1.0])[1] == 1000

import pytest

from analysis.affordable import Option
from analysis.time_limit import Pacer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def answered(ways: list[Option], limit_s: float, images: int, pace: list[float]) -> tuple[float, int, list[Option]]:
    """Batches of ten on a machine whose pace changes; when it ended, how many images were left, what was chosen."""
    clock = Clock()
    pacer = Pacer(ways, limit_s, clock)
    chosen: list[Option] = []
    while images:
        option = pacer.option(images)
        if option is None:
            break
        seconds = 10 * option.image_s * pace[min(len(chosen), len(pace) - 1)]
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


def test_when_nothing_ends_in_time_the_cheapest_answers_until_the_time_is_over() -> None:
    ended, left, chosen = answered(WAYS, 50.0, 1000, [1.0])
    assert set(chosen) == {WAYS[0]}
    assert left == 500 and ended == pytest.approx(50.0)

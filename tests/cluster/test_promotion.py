import pytest

from cluster.promotion import Standing, best

# number, epoch, good
TABLE = [(0, 9, 0.70), (1, 2, 0.99), (2, 9, 0.80), (3, 6, 0.75), (4, 9, 0.80), (5, 6, 0.76)]


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        (1, [2]),  # a tie keeps the order of the numbers
        (3, [2, 4, 0]),
        (4, [2, 4, 0, 5]),  # further beats better
        (6, [2, 4, 0, 5, 3, 1]),
        (9, [2, 4, 0, 5, 3, 1]),  # no more than there are
    ],
)
def test_furthest_first_then_best(count: int, numbers: list[int]) -> None:
    standings = [Standing(*row) for row in TABLE]
    assert best(standings, count) == numbers
    assert best(standings[::-1], count) == numbers


def test_nobody_is_promoted_from_nothing() -> None:
    assert best([], 3) == []

import numpy as np
import pytest

from analysis.ensemble.agreement import disagreement, error_correlation
from analysis.ensemble.parts import by_class, fold_subsets
from analysis.figures import member_matrices

LABELS = np.array([0, 0, 1, 1])
SURE = np.eye(2)[LABELS] * 0.8 + 0.1


def test_matrices_by_hand() -> None:
    opposite, flat = SURE.copy(), np.full((4, 2), 0.5)
    opposite[[0, 2]] = opposite[[0, 2], ::-1]
    other = SURE.copy()
    other[[1, 3]] = other[[1, 3], ::-1]
    probs = np.stack([opposite, other, flat])
    np.testing.assert_allclose(error_correlation(probs, LABELS), [[1, -1, 0], [-1, 1, 0], [0, 0, 1]], atol=1e-12)
    apart = disagreement(probs)
    assert apart[0, 1] == 1
    assert (np.diag(apart) == 0).all()
    np.testing.assert_array_equal(apart, apart.T)


@pytest.mark.parametrize("count", [2, 4])
def test_the_heat_maps_have_every_pair_twice(count: int) -> None:
    values = (np.arange(count**2).reshape(count, count) / 100).tolist()
    names = [f"{number:03d}" for number in range(count)]
    figure = member_matrices({"names": names, "error_correlation": values, "disagreement": values})
    for axes in figure.axes:
        assert len(axes.texts) == count * (count - 1)


def test_a_class_without_rows_has_no_recall() -> None:
    rows = by_class(np.column_stack([SURE, np.zeros(4)]), LABELS, ["a", "b", "c"])
    assert rows[0] == {"class": "a", "images": 2, "accuracy": 1.0, "se": 0.0}
    assert rows[2] == {"class": "c", "images": 0, "accuracy": None, "se": None}


def test_subsets_of_folds_are_scored_on_images_that_no_net_saw() -> None:
    """Two nets that know the truth and one that says the contrary, which two of them outvote."""
    one, two, three = fold_subsets(np.stack([[SURE, 1 - SURE, SURE]]), LABELS, [1.0])
    assert [one["subsets"], two["subsets"], three["subsets"]] == [3, 3, 1]
    assert (one["lowest"], one["highest"]) == (0, 1)
    assert (one["accuracy"], one["behind"]) == pytest.approx((2 / 3, 1 / 3))
    assert (three["accuracy"], three["behind"], three["se"]) == (1, 0, 0)


def test_members_of_a_fold_count_by_their_weights() -> None:
    rows = fold_subsets(np.stack([[SURE], [1 - SURE]]), LABELS, [0.9, 0.1])
    assert rows[0]["accuracy"] == 1
    assert fold_subsets(np.stack([[SURE], [1 - SURE]]), LABELS, [0.1, 0.9])[0]["accuracy"] == 0

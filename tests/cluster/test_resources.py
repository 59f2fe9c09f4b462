import pytest

from cluster.resources import Slots, slots
from search_spaces import InputError

LAPTOP, SERVER, HEAD_ONLY = [{"CPU": 2.0}], [{"CPU": 64.0, "GPU": 4.0}], [{"CPU": 0.0}]
THREE = [{"object_store_memory": 1e9}, {"CPU": 4.0}, {"CPU": 4.0}]
MIXED = [{"CPU": 32.0}, {"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0, "GPU": 1.0}]


@pytest.mark.parametrize(
    ("nodes", "trials", "concurrent", "per_trial", "wanted", "expected"),
    [
        (LAPTOP, 16, None, None, 0.0, Slots(2, 1, 0.0)),
        (LAPTOP, 16, 1, None, 0.0, Slots(1, 2, 0.0)),
        (LAPTOP, 1, None, None, 0.0, Slots(1, 2, 0.0)),
        (LAPTOP, 16, 8, None, 0.0, Slots(2, 1, 0.0)),
        (SERVER, 16, None, None, 0.0, Slots(4, 8, 1.0)),
        (SERVER, 16, None, 0.5, 1.0, Slots(8, 8, 0.5)),
        (SERVER, 16, None, 0.0, 0.0, Slots(16, 4, 0.0)),
        (THREE, 16, None, None, 0.0, Slots(8, 1, 0.0)),
        (THREE, 16, 1, None, 0.0, Slots(1, 4, 0.0)),
        (MIXED, 1, None, None, 0.0, Slots(1, 4, 1.0)),
    ],
)
def test_what_a_trial_gets(
    nodes: list[dict[str, float]],
    trials: int,
    concurrent: int | None,
    per_trial: float | None,
    wanted: float,
    expected: Slots,
) -> None:
    assert slots(nodes, trials, concurrent, per_trial, wanted) == expected


def test_what_will_never_fit_is_refused() -> None:
    with pytest.raises(InputError, match="wants 8 GPUs of one node and no node has more than 4"):
        slots(SERVER, 16, None, 8.0, 0.0)
    with pytest.raises(InputError, match="--gpus-per-trial says otherwise, 0 is the CPU"):
        slots(LAPTOP, 16, None, None, 1.0)
    with pytest.raises(InputError, match="no node has more than 1;"):
        slots(MIXED, 16, None, 2.0, 0.0)


def test_a_cluster_that_grows_is_asked_for_every_trial() -> None:
    assert slots(HEAD_ONLY, 40, None, None, 1.0, can_grow=True) == Slots(40, 4, 1.0)
    assert slots(HEAD_ONLY, 40, 6, 0.0, 0.0, can_grow=True) == Slots(6, 4, 0.0)


def test_beside_a_gpu_the_cpus_decode() -> None:
    assert Slots(4, 8, 1.0).loader_workers == 7
    assert Slots(2, 1, 0.0).loader_workers == 0
    assert Slots(2, 4, 0.0).threads == 4

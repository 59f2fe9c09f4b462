from dataclasses import replace

import pytest

from cluster import resources as module
from cluster.resources import Resources, Slots, Wishes, gpu_share, resources, slots
from search_spaces import InputError
from search_spaces.recipe import Recipe

LAPTOP, SERVER, HEAD_ONLY = [{"CPU": 2.0}], [{"CPU": 64.0, "GPU": 4.0}], [{"CPU": 0.0}]
THREE = [{"object_store_memory": 1e9}, {"CPU": 4.0}, {"CPU": 4.0}]
MIXED = [{"CPU": 32.0}, {"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0, "GPU": 1.0}]
ONE_GPU = [{"CPU": 8.0, "GPU": 1.0}]
GIB = 2**30
RECIPE = Recipe(backbone="test_efficientnet", image_size=64, batch_size=8, learning_rate=1e-3, epochs=1)


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
    wishes = Wishes(trials, concurrent, per_trial, None, wanted)
    assert slots(nodes, wishes) == expected
    assert resources(nodes, wishes).of(RECIPE) == expected, "the memory of the GPUs is not known"


def test_cpus_of_a_trial_by_flag() -> None:
    assert slots(SERVER, Wishes(64, cpus_per_trial=16)) == Slots(4, 16, 1.0)
    assert slots(SERVER, Wishes(64, cpus_per_trial=32)) == Slots(2, 32, 1.0), "its CPUs hold no more"
    assert slots(THREE, Wishes(16, cpus_per_trial=3)) == Slots(2, 3, 0.0)


def test_what_will_never_fit_is_refused() -> None:
    with pytest.raises(InputError, match="wants 8 GPUs of one node and no node has more than 4"):
        slots(SERVER, Wishes(16, gpus_per_trial=8.0))
    with pytest.raises(InputError, match="--gpus-per-trial says otherwise, 0 is the CPU"):
        slots(LAPTOP, Wishes(16, space_gpus=1.0))
    with pytest.raises(InputError, match="no node has more than 1;"):
        slots(MIXED, Wishes(16, gpus_per_trial=2.0))
    with pytest.raises(InputError, match="wants 5 CPUs of one node and no node has it"):
        slots(THREE, Wishes(16, cpus_per_trial=5))
    with pytest.raises(InputError, match="wants 8 CPUs and 1 GPU of one node and no node has it"):
        slots(MIXED, Wishes(16, cpus_per_trial=8))
    with pytest.raises(InputError, match="wants 1 CPU and 1 GPU of one node and no node has it"):
        slots([{"CPU": 4.0}, {"GPU": 1.0}], Wishes(16))


def test_a_cluster_that_grows_is_asked_for_every_trial() -> None:
    assert slots(HEAD_ONLY, Wishes(40, space_gpus=1.0), can_grow=True) == Slots(40, 4, 1.0)
    assert slots(HEAD_ONLY, Wishes(40, 6, 0.0), can_grow=True) == Slots(6, 4, 0.0)
    assert slots(ONE_GPU, Wishes(40, space_gpus=1.0), can_grow=True) == Slots(40, 8, 1.0), (
        "one of them is there already"
    )
    assert slots(HEAD_ONLY, Wishes(40, cpus_per_trial=16, space_gpus=1.0), can_grow=True) == Slots(40, 16, 1.0)


@pytest.fixture
def by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training takes a GiB for each 100 px."""
    monkeypatch.setattr(module, "training_bytes", lambda recipe, n_classes: recipe.image_size * GIB / 100)


def sized(image_size: int) -> Recipe:
    return replace(RECIPE, image_size=image_size)


@pytest.mark.parametrize(
    ("image_size", "share"), [(90, 0.125), (110, 0.25), (240, 0.25), (300, 0.5), (600, 1.0), (2000, 1.0)]
)
@pytest.mark.usefixtures("by_size")
def test_a_share_follows_from_the_memory_of_a_training(image_size: int, share: float) -> None:
    """Of 16 GiB: 1.25 times the tensors, and 0.75 GiB of the process's own."""
    assert gpu_share(sized(image_size), 5, 16 * GIB) == share


@pytest.mark.usefixtures("by_size")
def test_each_trial_gets_its_own_share() -> None:
    found = resources(ONE_GPU, Wishes(40), 16 * GIB, 5)
    assert found.of(sized(90)) == Slots(8, 1, 0.125)
    assert found.of(sized(200)) == Slots(4, 2, 0.25)
    assert found.of(sized(2000)) == Slots(1, 8, 1.0)
    assert found.concurrent == 8
    assert resources(ONE_GPU, Wishes(40, concurrent=3), 16 * GIB, 5).of(sized(90)) == Slots(3, 1, 0.125)
    assert resources([{"CPU": 2.0, "GPU": 1.0}], Wishes(40), 16 * GIB, 5).of(sized(90)) == Slots(2, 1, 0.125)
    assert resources(SERVER, Wishes(40), 80 * GIB, 5).of(sized(900)) == Slots(16, 4, 0.25)
    assert resources(HEAD_ONLY, Wishes(40, space_gpus=1.0), 16 * GIB, 5, True).of(sized(300)) == Slots(40, 2, 0.5)


@pytest.mark.usefixtures("by_size")
def test_a_prediction_by_all_nets_takes_whole_gpus_of_the_machines_that_are_there() -> None:
    found = resources(ONE_GPU, Wishes(40), 16 * GIB, 5)
    assert found.predicting(ONE_GPU) == Slots(1, 8, 1.0)
    assert found.predicting([*ONE_GPU, *ONE_GPU]) == Slots(2, 8, 1.0), "another machine has come"
    assert resources(SERVER, Wishes(2), 80 * GIB, 5).predicting(SERVER) == Slots(4, 8, 1.0), (
        "of more than there are trials"
    )
    assert resources(SERVER, Wishes(40, concurrent=3), 80 * GIB, 5).predicting(SERVER) == Slots(3, 8, 1.0)
    assert resources(SERVER, Wishes(40, gpus_per_trial=0.5)).predicting(SERVER) == Slots(8, 8, 0.5), "as a flag says"
    assert resources(LAPTOP, Wishes(40)).predicting(LAPTOP) == Slots(2, 1, 0.0)
    assert resources(HEAD_ONLY, Wishes(40, space_gpus=1.0), can_grow=True).predicting(HEAD_ONLY) == Slots(1, 4, 1.0)


@pytest.mark.usefixtures("by_size")
def test_flags_decide_for_all_recipes() -> None:
    asked = resources(ONE_GPU, Wishes(40, gpus_per_trial=0.5), 16 * GIB, 5)
    assert asked.of(sized(90)) == asked.of(sized(2000)) == Slots(2, 4, 0.5)
    cpu = resources(ONE_GPU, Wishes(40, gpus_per_trial=0.0), 16 * GIB, 5)
    assert cpu.of(sized(90)) == Slots(8, 1, 0.0)
    assert resources(LAPTOP, Wishes(40), 16 * GIB, 5).of(sized(90)) == Slots(2, 1, 0.0), "no GPU, nothing to share"
    whole = resources(SERVER, Wishes(40, space_gpus=2.0), 80 * GIB, 5)
    assert whole.of(sized(90)).gpus == 2, "a space that wants several for each"


@pytest.mark.usefixtures("by_size")
def test_no_more_is_handed_out_than_fits() -> None:
    found = resources(ONE_GPU, Wishes(40), 16 * GIB, 5)
    small, half, large = (found.of(sized(size)) for size in (90, 300, 2000))
    assert found.has_room([half], half) and not found.has_room([half, half], small)
    assert not found.has_room([small], large)
    assert found.has_room([small] * 7, small) and not found.has_room([small] * 8, small)
    assert Resources(Slots(1, 1, 0.0)).has_room([Slots(1, 1, 0.0)] * 9, Slots(1, 1, 0.0)), "Ray counts those"


@pytest.mark.parametrize(
    ("nodes", "per_fold", "can_grow", "expected"),
    [
        (SERVER, 2, False, Slots(2, 16, 2, 2)),
        (SERVER, 4, False, Slots(1, 32, 4, 4)),
        (SERVER, 3, False, Slots(1, 24, 3, 3)),
        ([*SERVER, *SERVER, *ONE_GPU], 2, False, Slots(4, 16, 2, 2)),
        ([{"CPU": 4.0, "GPU": 4.0}], 2, False, Slots(2, 2, 2, 2)),
        (HEAD_ONLY, 2, True, Slots(40, 8, 2, 2)),
    ],
)
@pytest.mark.usefixtures("by_size")
def test_a_fold_gets_several_gpus_of_one_node(
    nodes: list[dict[str, float]], per_fold: int, can_grow: bool, expected: Slots
) -> None:
    found = resources(nodes, Wishes(40, space_gpus=1.0, gpus_per_fold=per_fold), 16 * GIB, 5, can_grow)
    assert found.of_folds.of(sized(90)) == found.of_folds.of(sized(2000)) == expected
    assert found.of(sized(90)).gpus == 0.125, "a trial has what it had"
    assert Resources(Slots(2, 1, 0.0)).of_folds.of(RECIPE) == Slots(2, 1, 0.0)


def test_a_fold_that_no_node_holds_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="A fold wants 2 GPUs of one node and no node has more than 0; --gpus-per-f"):
        resources(LAPTOP, Wishes(16, gpus_per_fold=2))
    with pytest.raises(InputError, match="A fold wants 2 GPUs of one node and no node has more than 1"):
        resources(MIXED, Wishes(16, gpus_per_fold=2))
    with pytest.raises(InputError, match="A fold wants 4 CPUs and 4 GPUs of one node and no node has it"):
        resources([{"CPU": 2.0, "GPU": 4.0}], Wishes(16, gpus_per_fold=4))
    with pytest.raises(InputError, match="A fold wants 64 CPUs and 2 GPUs"):
        resources([{"CPU": 40.0, "GPU": 4.0}], Wishes(16, cpus_per_trial=32, gpus_per_fold=2))

"""Which trial is next: replaced where one cannot be judged, and suggested by what the others showed."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from cluster import tpe
from cluster.flags import read_flags
from cluster.plan import Plan, make_plan
from cluster.resources import Resources, Slots, Wishes, resources
from cluster.searcher import Proposals
from cluster.space import space_of
from cluster.store import Store
from search_spaces import Recipe, Space, load_space, space_names
from search_spaces.ranges import Chance, Choice
from trainables.files import save_json, write_whole
from trainables.layout import SearchFolder
from trainables.trial import Trial, load_recipe

METRIC = "val_robust_loss"
ALL_ALIKE = Resources(Slots(2, 1, 0.0))


@pytest.fixture
def plan(stripes: Path, tmp_path: Path) -> Plan:
    words = ["--data", str(stripes), "--folds", "2", "--out", str(tmp_path / "OUT"), "--quiet", "--epochs", "3"]
    flags = read_flags([*words, "--trials", "4"])
    made = make_plan(flags, space_of(flags))
    assert made is not None
    return made


def trained(search: SearchFolder, number: int, losses: list[float]) -> None:
    """As a training leaves a trial; a NaN is its last epoch."""
    rows = [{"epoch": n, METRIC: loss, "diverged": loss != loss} for n, loss in enumerate(losses, start=1)]
    write_whole(search.trial(number).fold(0).metrics, pd.DataFrame(rows).to_csv(index=False))


def next_of(proposals: Proposals, name: str) -> Any:
    found = proposals.suggest(name)
    return found["trial"] if isinstance(found, dict) else found


def test_trials_come_by_number_until_enough_are_judged(plan: Plan) -> None:
    proposals = Proposals(plan, ALL_ALIKE)
    for number in range(4):
        assert next_of(proposals, str(number)) == number
    assert next_of(proposals, "more") is None, "one of the four may diverge yet"
    for number in range(4):
        trained(plan.search, number, [0.3, 0.2, 0.1])
        proposals.on_trial_complete(str(number))
    assert next_of(proposals, "more") == "FINISHED"
    recipes = [Recipe.from_dict(json.loads(plan.search.trial(n).recipe.read_text())) for n in range(4)]
    assert recipes == plan.space.recipes(4, plan.seed)


def test_a_large_trial_waits_for_its_turn(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trial 1 wants the whole GPU: it waits for trial 0, and the small trial 2 does not pass it by."""
    shares = iter((0.25, 1.0, 0.25))
    monkeypatch.setattr("cluster.resources.gpu_share", lambda recipe, n_classes, gpu_bytes: next(shares))
    proposals = Proposals(plan, resources([{"CPU": 8.0, "GPU": 1.0}], Wishes(4), 1, 2))
    assert proposals.suggest("first") == {"trial": 0, "cpus": 2, "gpus": 0.25}
    assert proposals.suggest("second") is proposals.suggest("second") is None
    assert not plan.search.trial(2).recipe.exists()
    trained(plan.search, 0, [0.3, 0.2, 0.1])
    proposals.on_trial_complete("first")
    assert proposals.suggest("second") == {"trial": 1, "cpus": 8, "gpus": 1.0}
    assert proposals.suggest("third") is None
    trained(plan.search, 1, [0.3, 0.2, 0.1])
    proposals.on_trial_complete("second")
    assert proposals.suggest("third") == {"trial": 2, "cpus": 2, "gpus": 0.25}


def test_a_diverged_and_a_failed_trial_are_replaced(plan: Plan) -> None:
    proposals = Proposals(plan, ALL_ALIKE)
    for number in range(4):
        next_of(proposals, str(number))
    trained(plan.search, 0, [float("nan")])
    proposals.on_trial_complete("0")
    plan.search.trial(1).error.write_text("RuntimeError: broken")
    proposals.on_trial_complete("1", error=True)
    assert [next_of(proposals, name) for name in "abc"] == [4, 5, None]
    last = Recipe.from_dict(json.loads(plan.search.trial(5).recipe.read_text()))
    assert last == plan.space.recipes(6, plan.seed)[5]


def test_no_more_than_twice_as_many_are_begun(plan: Plan) -> None:
    proposals = Proposals(plan, ALL_ALIKE)
    for number in range(8):
        assert next_of(proposals, str(number)) == number
        trained(plan.search, number, [float("nan")])
        proposals.on_trial_complete(str(number))
    assert next_of(proposals, "more") == "FINISHED"


def test_recipes_without_room_are_passed_over_until_there_is_room_for_none(plan: Plan) -> None:
    """Room is for small batches only, and then for none; who runs is waited for, and may leave some."""
    largest = 32
    drawn = plan.space.recipes(40, plan.seed)
    small = [recipe for recipe in drawn if recipe.batch_size <= largest]
    assert 4 <= len(small) < len(drawn)
    proposals = Proposals(plan, ALL_ALIKE, lambda _, recipe: recipe.batch_size <= largest)

    def ends(number: int) -> None:
        trained(plan.search, number, [0.3, 0.2, 0.1])
        proposals.on_trial_complete(str(number))

    for number in range(2):
        assert next_of(proposals, str(number)) == number
        assert load_recipe(plan.search.trial(number)) == small[number]
    largest = 0
    assert next_of(proposals, "2") is None
    largest = 512
    assert next_of(proposals, "2") is None, "not asked for each time, but when somebody has ended"
    ends(0)
    assert next_of(proposals, "2") == 2
    assert load_recipe(plan.search.trial(2)) == next(recipe for recipe in drawn if recipe not in small[:2])
    largest = 0
    ends(1)
    assert next_of(proposals, "3") is None
    assert not proposals.out_of_room
    ends(2)
    assert next_of(proposals, "3") == "FINISHED"
    assert proposals.out_of_room


def test_chance_takes_the_place_of_a_suggestion_without_room(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = (replace(plan.space.recipes(1, plan.seed)[0], batch_size=size) for size in (256, 8))
    suggested = iter((small, large))
    monkeypatch.setattr(tpe, "FIRST_AT_RANDOM", 0)
    monkeypatch.setattr(tpe, "suggested", lambda *_: next(suggested))
    proposals = Proposals(replace(plan, searcher="tpe"), ALL_ALIKE, lambda _, recipe: recipe.batch_size < 256)
    assert [next_of(proposals, name) for name in "01"] == [0, 1]
    first, second = (load_recipe(plan.search.trial(number)) for number in (0, 1))
    assert first == small
    assert second == next(recipe for recipe in plan.space.recipes(40, plan.seed) if recipe.batch_size < 256)
    assert proposals.passed_over


def test_a_recipe_that_was_passed_over_and_then_suggested_is_begun_once(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = plan.space.recipes(3, plan.seed)
    suggested, room = iter((None, drawn[0], None)), {drawn[1]}
    monkeypatch.setattr(tpe, "FIRST_AT_RANDOM", 0)
    monkeypatch.setattr(tpe, "suggested", lambda *_: next(suggested))
    proposals = Proposals(replace(plan, searcher="tpe"), ALL_ALIKE, lambda _, recipe: recipe in room)
    for number in range(3):
        assert next_of(proposals, str(number)) == number
        room.update(drawn)
    assert [load_recipe(plan.search.trial(number)) for number in range(3)] == [drawn[1], drawn[0], drawn[2]]


def test_a_grid_s_points_without_room_are_waited_for(plan: Plan) -> None:
    """Of three points the first has none until the second has ended."""
    one = {"backbone": "test_resnet", "image_size": 32, "batch_size": 32, "learning_rate": 0.002}
    grid = Space(name="grid", fields={**one, "t1": Choice(0.7, 0.8, 0.9)}, grid=True, trials=3, epochs=3, promote=1)
    points = grid.recipes(3, plan.seed)
    room = set(points[1:])
    here = replace(plan, space=grid, trials=None)
    proposals = Proposals(here, ALL_ALIKE, lambda _, recipe: recipe in room)
    assert [next_of(proposals, name) for name in "012"] == [0, 1, None]
    assert [load_recipe(here.search.trial(number)) for number in (0, 1)] == points[1:]
    room.add(points[0])
    trained(here.search, 0, [0.3, 0.2, 0.1])
    proposals.on_trial_complete("0")
    assert next_of(proposals, "2") == 2
    assert proposals.passed_over
    for number in (1, 2):
        trained(here.search, number, [0.3, 0.2, 0.1])
        proposals.on_trial_complete(str(number))
    assert next_of(proposals, "3") == "FINISHED"
    assert not proposals.out_of_room


@pytest.mark.parametrize("searcher", ["random", "tpe"])
def test_a_new_driver_goes_on_where_the_last_one_was(plan: Plan, searcher: str, tmp_path: Path) -> None:
    """Killed after every trial, in the middle of every other one, it proposes what one that lives does."""

    def recipes(out: Path, killed: bool) -> list[dict[str, Any]]:
        here = replace(plan, store=Store(SearchFolder(out)), searcher=searcher, trials=14)
        proposals = Proposals(here, ALL_ALIKE)
        for number in range(14):
            if killed:
                proposals = Proposals(here, ALL_ALIKE)
            assert next_of(proposals, str(number)) == number
            if killed and number % 2:
                proposals = Proposals(here, ALL_ALIKE)
                assert next_of(proposals, str(number)) == number
            trained(here.search, number, [0.3, 0.2, 0.1 + number % 3 / 10])
            proposals.on_trial_complete(str(number))
        return [json.loads(here.search.trial(number).recipe.read_text()) for number in range(14)]

    alive = recipes(tmp_path / "alive", killed=False)
    assert recipes(tmp_path / "killed", killed=True) == alive
    drawn = [recipe.to_dict() for recipe in plan.space.recipes(14, plan.seed)]
    assert alive[: tpe.FIRST_AT_RANDOM] == drawn[: tpe.FIRST_AT_RANDOM]
    assert (alive == drawn) == (searcher == "random")


def of_status(recipe: Recipe, number: int, status: str, losses: list[float]) -> Trial:
    return Trial(number, recipe, status, pd.DataFrame({METRIC: losses}))


def history(space: Space, loss: Callable[[Recipe], float], count: int) -> list[Trial]:
    drawn = space.recipes(count, 0)
    return [of_status(recipe, n, "finished", [1.0, loss(recipe)]) for n, recipe in enumerate(drawn)]


def test_optuna_is_told_the_truth() -> None:
    space = load_space("digits")
    drawn = space.recipes(6, 0)
    cases = {
        "finished": (TrialState.COMPLETE, 0.1, {1: 0.3, 2: 0.1}),
        "stopped": (TrialState.PRUNED, None, {1: 0.3, 2: 0.1}),
        "cut": (TrialState.PRUNED, None, {1: 0.3, 2: 0.1}),
        "diverged": (TrialState.FAIL, None, {}),
        "failed": (TrialState.FAIL, None, {}),
        "unfinished": (TrialState.RUNNING, None, {1: 0.3, 2: 0.1}),
    }
    for number, (status, (state, value, reported)) in enumerate(cases.items()):
        told = tpe._told(space, of_status(drawn[number], number, status, [0.3, 0.1]), METRIC)
        assert told.state == state
        assert (told.value if state == TrialState.COMPLETE else None) == value
        assert told.intermediate_values == reported


@pytest.mark.parametrize("name", [name for name in space_names() if not load_space(name).grid])
def test_every_recipe_of_a_space_can_be_told(name: str) -> None:
    """What Optuna is told of a recipe is what it would have decided: deciding by it gives the recipe back."""
    space = load_space(name)
    varying = set(space.fields) - {"seed"}
    for recipe in space.seeds():  # some lie outside the ranges
        assert tpe._told(space, of_status(recipe, 0, "finished", [0.5]), METRIC).params
    for seed in range(20):
        recipe = space.sample(Chance(random.Random(seed)))
        told = tpe._told(space, of_status(recipe, 0, "finished", [0.5]), METRIC)
        again = space.sample(tpe._Asked(optuna.trial.FixedTrial(told.params)))  # type: ignore[arg-type]
        assert {name: again.to_dict()[name] for name in varying} == {name: recipe.to_dict()[name] for name in varying}


def test_it_learns() -> None:
    """On a loss that t1 and the backbone decide, suggestions lie where it is low; chance does not."""
    space = load_space("digits")

    def loss(recipe: Recipe) -> float:
        return abs(recipe.t1 - 0.3) + 0.3 * (recipe.backbone != "test_vit")

    trials = history(space, loss, 30)
    suggested = [tpe.suggested(space, seed, 30, trials, METRIC) for seed in range(8)]
    losses = [loss(recipe) for recipe in suggested if recipe]
    assert len(losses) == 8
    assert np.mean(losses) < 0.5 * np.mean([trial.last(METRIC) for trial in trials])


def test_a_space_with_nothing_new_is_left_to_chance(stripes: Path, plan: Plan) -> None:
    space = load_space("digits").fixed(
        backbone="test_vit", image_size=32, batch_size=16, learning_rate=1e-3, t1=1.0, t2=1.0, smoothing=0.0
    )
    only = space.recipes(1, 0)
    assert tpe.suggested(space, 0, 1, [of_status(only[0], 0, "finished", [0.5])], METRIC) is None
    proposals = Proposals(replace(plan, space=space, searcher="tpe"), ALL_ALIKE)
    assert next_of(proposals, "0") == 0
    trained(plan.search, 0, [0.3, 0.2, 0.1])
    proposals.on_trial_complete("0")
    assert next_of(proposals, "1") == "FINISHED"
    save_json(plan.search.trial(1).recipe, only[0].to_dict())

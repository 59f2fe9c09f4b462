"""What a resumed search must share with the one that it goes on with, and who may write it."""

import argparse
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.flags import read_flags
from cluster.identity import begin
from cluster.lock import held
from cluster.plan import Plan, make_plan
from cluster.space import space_of
from search_spaces import InputError, Recipe
from trainables.files import load_json, save_json


def flags_of(stripes: Path, out: Path, *more: str) -> argparse.Namespace:
    return read_flags(["--data", str(stripes), "--folds", "2", "--out", str(out), "--quiet", *more])


def plan_of(stripes: Path, out: Path, *more: str) -> Plan:
    flags = flags_of(stripes, out, *more)
    plan = make_plan(flags, space_of(flags))
    assert plan is not None
    return plan


@pytest.fixture
def begun(stripes: Path, tmp_path: Path) -> Plan:
    plan = plan_of(stripes, tmp_path / "OUT", "--trials", "4")
    begin(plan)
    return plan


def resumed(begun: Plan, *more: str) -> Plan:
    return plan_of(begun.data.root, begun.search.path, "--resume", *more)


def test_the_same_search_goes_on_with_as_many_trials_or_more(begun: Plan) -> None:
    begin(resumed(begun, "--trials", "4"))
    more = resumed(begun, "--trials", "7")
    begin(more)
    assert next(more.space.stream(0)) == next(begun.space.stream(0))
    assert load_json(begun.search.search)["trials"] == 7
    with pytest.raises(InputError, match="trials were 7, are 4; there can only be more"):
        begin(resumed(begun, "--trials", "4"))


def test_a_search_of_code_without_a_grace_period_goes_on_with_the_default(begun: Plan) -> None:
    about = load_json(begun.search.search)
    save_json(begun.search.search, {name: value for name, value in about.items() if name != "grace_period"})
    begin(resumed(begun, "--trials", "4"))
    with pytest.raises(InputError, match="grace_period was 2, is 3"):
        begin(resumed(begun, "--trials", "4", "--grace-period", "3"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--seed", "1"), "seed was 0, is 1"),
        (("--metric", "val_accuracy"), "metric was 'val_robust_loss', is 'val_accuracy'"),
        (("--epochs", "5"), "epochs was 12, is 5"),
        (("--grace-period", "1"), "grace_period was 2, is 1"),
        (("--folds", "3"), "fold_hash was"),
        (("--set", "t1=0.5"), "the recipes are not those of the space"),
        (("--searcher", "tpe"), "searcher was 'random', is 'tpe'"),
    ],
)
def test_another_search_is_refused(begun: Plan, more: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        begin(resumed(begun, "--trials", "4", *more))


def test_changed_code_must_be_accepted(begun: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.identity.code_hash", lambda: "another")
    with pytest.raises(InputError, match=r"--accept-changed-code goes on\n  - leafsearch was .*, is another"):
        begin(resumed(begun, "--trials", "4"))
    begin(resumed(begun, "--trials", "4", "--accept-changed-code"))
    assert load_json(begun.search.search)["code_hash"] == "another"
    monkeypatch.setattr("trainables.node.version", lambda name: f"1.0 of {name}")
    with pytest.raises(InputError, match=r"(?s)torch was .*, is 1.0 of torch\n.*timm was"):
        begin(resumed(begun, "--trials", "4"))
    with pytest.raises(InputError, match="fold_hash"):  # never changed folds
        begin(resumed(begun, "--trials", "4", "--accept-changed-code", "--folds", "3"))


def _hold(path: Path, holds: Any, may_end: Any) -> None:
    with held(path):
        holds.set()
        may_end.wait(30)


@pytest.mark.slow
def test_a_second_driver_is_refused_and_a_dead_one_is_not_in_the_way(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    holds, may_end = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "OUT" / "lock", holds, may_end))
    other.start()
    assert holds.wait(30)
    refused = pytest.raises(InputError, match=rf"is being written by another search \(process {other.pid} on")
    with refused, held(tmp_path / "OUT" / "lock"):
        pass
    other.kill()
    other.join()
    with held(tmp_path / "OUT" / "lock"):
        pass


def found(plan: Plan, *best_first: int) -> None:
    """As if the search had ended so."""
    for number, recipe in enumerate(tried(plan, 4)):
        save_json(plan.search.trial(number).recipe, recipe.to_dict())
    save_json(
        plan.search.standings, [{"trial": number, "promoted": place < 2} for place, number in enumerate(best_first)]
    )


def tried(plan: Plan, count: int) -> list[Recipe]:
    return plan.space.recipes(count, plan.seed)


def test_a_warm_start_tries_the_promoted_recipes_first(begun: Plan, tmp_path: Path) -> None:
    found(begun, 3, 1, 0)
    warm = ("--warm-start", str(begun.search.path), "--trials", "5")
    plan = plan_of(begun.data.root, tmp_path / "NEXT", *warm, "--epochs", "3")
    best = [replace(tried(begun, 4)[number], epochs=3) for number in (3, 1)]
    assert tried(plan, 2) == best
    assert begun.space.promote == 2
    fixed = plan_of(begun.data.root, tmp_path / "FIXED", *warm, "--set", "image_size=48")
    assert [(r.image_size, r.t1) for r in tried(fixed, 2)] == [(48, recipe.t1) for recipe in best]
    save_json(begun.search.promoted, [1, [0] * begun.folds.count])  # the budget had no room for trial 3
    plan = plan_of(begun.data.root, tmp_path / "LAST", *warm)
    assert tried(plan, 2) == [tried(begun, 4)[number] for number in (1, 0)]


def test_a_warm_start_from_elsewhere_must_be_asked_for(begun: Plan, tmp_path: Path) -> None:
    warm = ("--warm-start", str(begun.search.path), "--folds", "3")
    with pytest.raises(InputError, match="holds no search whose trials were compared"):
        plan_of(begun.data.root, tmp_path / "NEXT", *warm)
    found(begun, 3)
    with pytest.raises(InputError, match="searched on other data or folds"):
        plan_of(begun.data.root, tmp_path / "NEXT", *warm)
    asked = plan_of(begun.data.root, tmp_path / "NEXT", *warm, "--recipes-only")
    assert tried(asked, 1)[0].t1 == tried(begun, 4)[3].t1

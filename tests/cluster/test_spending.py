"""A search's trials, which report by hand: when its budget ends them, and who is promoted then."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cluster.budget import Budget, Comparing
from cluster.course import Limit, Work, _played, course
from cluster.flags import read_flags
from cluster.plan import Plan, make_plan
from cluster.resources import Resources, Slots
from cluster.space import space_of
from cluster.spending import Spending
from search_spaces import InputError
from trainables.files import load_json, save_array, save_json, write_whole
from trainables.member import Member
from trainables.scores import score
from trainables.trial import load_recipe, load_trial

METRIC = "val_robust_loss"


def plan_with(stripes: Path, out: Path, *budget: str) -> Plan:
    words = ["--data", str(stripes), "--folds", "2", "--out", str(out), "--quiet", "--epochs", "6"]
    flags = read_flags([*words, *budget])
    made = make_plan(flags, space_of(flags))
    assert made is not None
    return made


def report(
    plan: Plan,
    spending: Spending,
    number: int,
    epoch: int,
    value: float = 0.5,
    seconds: float = 2.0,
    diverged: bool = False,
    falling: float = 0.0,
) -> None:
    """An epoch ends: its row is in the trial's folder, and Ray tells. Its value fell by so much with each epoch."""
    trial = plan.search.trial(number)
    if epoch == 1:
        save_json(trial.recipe, plan.space.recipes(number + 1, 0)[number].to_dict())
    row = {"seconds": seconds, "score_s": 0.1, "diverged": diverged}
    rows = [{"epoch": each, METRIC: value + falling * (epoch - each), **row} for each in range(1, epoch + 1)]
    write_whole(trial.fold(0).metrics, pd.DataFrame(rows).to_csv(index=False))
    fake: Any = SimpleNamespace(config={"trial": number})
    spending.on_trial_start(0, [], fake)
    spending.on_trial_result(0, [], fake, rows[-1])


def ended(spending: Spending, number: int) -> None:
    """Ray tells that a trial runs no more."""
    fake: Any = SimpleNamespace(config={"trial": number})
    spending.on_trial_complete(0, [], fake)


def paced(plan: Plan, spending: Spending, number: int, seconds: float) -> None:
    """So many epochs of a trial that its pace is known."""
    for epoch in (1, 2, 3):
        report(plan, spending, number, epoch, seconds=seconds)


def promoted(plan: Plan, *trials: int) -> list[Member]:
    return [Member.of(number, plan.folds.count) for number in trials]


@dataclass
class Clock:
    """Seconds since 1970, as a search is told them."""

    now: float = 1000.0


def by_a_clock(monkeypatch: pytest.MonkeyPatch, plan: Plan, slots: int, imports_s: float) -> tuple[Spending, Clock]:
    """A search that begins now, by a clock that only its test moves."""
    clock = Clock()
    monkeypatch.setattr("cluster.spending.time", SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now))
    object.__setattr__(plan, "imports_s", imports_s)
    spending = Spending(plan, Resources(Slots(slots, 1, 0.0)))
    monkeypatch.setattr(spending, "_started", clock.now)
    spending.open_search()
    return spending, clock


def test_an_epoch_budget_keeps_what_promotion_takes(stripes: Path, tmp_path: Path) -> None:
    """Two promoted trials take 24 epochs, of which fold 0's are the search's own."""
    plan = plan_with(stripes, tmp_path / "OUT", "--epoch-budget", "40")
    assert plan.trials is None
    spending = Spending(plan, Resources(Slots(1, 1, 0.0)))
    spending.open_search()
    spent = 0
    for number in itertools.count():
        for epoch in (1, 2) if number > 1 else range(1, 7):
            report(plan, spending, number, epoch)
            spent += 1
            if spending.stop_all():
                break
        if spending.stop_all():
            break
    still_to_come = 2 * 6  # fold 1 of both
    assert spent + 1 + still_to_come == 40, "the epoch that runs when the search ends may still be counted"


def test_an_epoch_budget_keeps_what_a_diagonal_takes(stripes: Path, tmp_path: Path) -> None:
    """One fold of each of two trials, of which the best one's is the search's own: half of two promoted trials."""
    plan = plan_with(stripes, tmp_path / "OUT", "--epoch-budget", "40", "--promotion", "diagonal")
    spending = Spending(plan, Resources(Slots(1, 1, 0.0)))
    spending.open_search()
    assert [each.epochs for each in spending._first] == []
    for epoch in range(1, 7):
        report(plan, spending, 0, epoch)
    report(plan, spending, 1, 1)
    (first,) = spending._first
    assert (first.member.trials, first.epochs) == ((0, 1), 6)
    assert first.training_s[0] == 0 < 6 * 2.0 <= first.training_s[1]
    spent = 7
    while not spending.stop_all():
        spent += 1
        report(plan, spending, 2 + (spent - 8) // 2, 1 + spent % 2)
    assert spent + 1 + 6 == 40


@pytest.mark.parametrize("budget", ["40", "77", "150"])
def test_a_forecast_ends_where_the_search_would(budget: str, stripes: Path, tmp_path: Path) -> None:
    """The epochs of a search that was played through, one after the other, told to what ends the true one."""
    plan = plan_with(stripes, tmp_path / "OUT", "--epoch-budget", budget)
    spending = Spending(plan, Resources(Slots(1, 1, 0.0)))
    spending.open_search()
    limit = Limit(plan.budget, plan.stages, Comparing(), 0.0)
    work = Work(plan.epochs, plan.rungs, plan.promotion, ("a",), 1, (1.0,), (1.0,), limit=limit, endless=True)
    rng = np.random.default_rng(int(budget))
    foretold = course(work, rng)
    rng = np.random.default_rng(int(budget))
    rng.standard_normal()  # its pace
    told = []
    for each in _played(work, rng):
        report(plan, spending, each.number, each.epoch, -each.good)
        ended(spending, each.number)  # a course does not know who is about to take a place
        told.append(each.number)
        if spending.stop_all():
            break
    assert (len(told), max(told)) == (foretold.search_epochs, foretold.trials - 1)


def test_too_small_an_epoch_budget_is_refused(stripes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--epoch-budget must be at least 28, got 27: .* 2 members x 2 folds x 6"):
        plan_with(stripes, tmp_path / "OUT", "--epoch-budget", "27")


def test_a_time_budget_keeps_what_promotion_takes(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that only epochs move: two seconds each."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "100s")
    spending, clock = by_a_clock(monkeypatch, plan, slots=1, imports_s=5.0)  # the closing takes 3 s
    spent = 0
    while not spending.stop_all():
        clock.now += 2.0
        spent += 1
        number, epoch = (
            ((spent - 1) // 6, (spent - 1) % 6 + 1) if spent <= 12 else (1 + (spent - 11) // 2, spent % 2 or 2)
        )
        report(plan, spending, number, epoch, value=0.5 + number / 10)
    stopping, promotion, closing = 3, 1.03 * 2 * 6 * 2, 3
    assert spending.seconds() + stopping + promotion + closing == pytest.approx(100, abs=4)


def test_a_small_time_budget_promotes_fewer_and_searches_longer(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trials of ten seconds an epoch take 120 s on fold 1; half of the budget has room for one."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "220s")
    spending, clock = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)
    for spent in range(12):
        assert not spending.stop_all()
        clock.now += 10.0
        report(plan, spending, spent // 6, spent % 6 + 1, seconds=10.0)
    assert spending.afforded(promoted(plan, 0, 1)) == promoted(plan, 0), "120 s do not fit in 100"
    clock.now += 40.0
    report(plan, spending, 2, 1, seconds=10.0)
    assert spending.stop_all()
    assert spending.afforded(promoted(plan, 0, 1)) == promoted(plan, 0)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.7, [2, 0]), (0.85, [0, 2]), (0.95, [0, 1])], ids=["leads", "second", "neither"]
)
def test_who_is_about_to_take_a_place_is_paid_for(
    stripes: Path, tmp_path: Path, value: float, expected: list[int]
) -> None:
    """Trials 0 and 1 have ended; trial 2, twice as slow, is half through, and as they were then or better."""
    spending = two_ended_and_one_half_through(stripes, tmp_path, value)
    assert [each.member.stored for each in spending._first] == [0, 1]
    assert [each.member.stored for each in spending._expected] == expected


def two_ended_and_one_half_through(stripes: Path, tmp_path: Path, value: float) -> Spending:
    """Trials 0 and 1 ended with 0.5 and 0.6, and stood at 0.8 and 0.9 where trial 2 is now."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "1000s")
    spending = Spending(plan, Resources(Slots(3, 1, 0.0)))
    spending.open_search()
    for number, at_its_end in ((0, 0.5), (1, 0.6)):
        for epoch in range(1, 7):
            report(plan, spending, number, epoch, at_its_end + 0.1 * (6 - epoch), seconds=10.0, falling=0.1)
        ended(spending, number)
    for epoch in range(1, 4):
        report(plan, spending, 2, epoch, value, seconds=20.0)
    return spending


@pytest.mark.parametrize(("value", "first"), [(0.45, [2, 0]), (0.55, [0, 2])], ids=["leads", "second"])
def test_who_is_ahead_already_has_the_place(stripes: Path, tmp_path: Path, value: float, first: list[int]) -> None:
    """Whatever its last epochs bring, the budget may end it now."""
    spending = two_ended_and_one_half_through(stripes, tmp_path, value)
    assert [each.member.stored for each in spending._first] == first
    ended(spending, 2)
    assert [each.member.stored for each in spending._first] == [0, 1], "a rung has stopped it"


def test_where_every_trial_diverges_the_budget_itself_is_the_end(stripes: Path, tmp_path: Path) -> None:
    spending = Spending(plan_with(stripes, tmp_path / "OUT", "--epoch-budget", "30"), Resources(Slots(1, 1, 0.0)))
    spending.open_search()
    for number in range(30):
        assert not spending.stop_all()
        report(spending._plan, spending, number, 1, value=float("nan"), diverged=True)
    assert spending.stop_all()


def test_a_first_epoch_ends_no_search(stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its pace promotion would take 6 x 30 s; by the next one's, no time at all."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "150s")
    spending, _ = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)  # or the age of this process would count
    for epoch in (1, 2):
        report(plan, spending, 0, epoch, seconds=30.0)
        assert not spending.stop_all()
    report(plan, spending, 0, 3, seconds=30.0)
    assert spending.stop_all()


def test_a_trial_too_costly_for_what_is_left_does_not_end_the_search(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left has room for fold 1 of trial 0 at 5 s an epoch, and of trial 1, but not of trial 2 at 30 s."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "400s")
    spending, clock = by_a_clock(monkeypatch, plan, slots=2, imports_s=0.0)
    clock.now += 6.0
    for number in (0, 1):
        for epoch in range(1, 7):
            report(plan, spending, number, epoch, value=0.5 + number / 10, seconds=5.0)
    clock.now += 294.0
    assert not spending.stop_all()
    for epoch in range(1, 5):
        report(plan, spending, 2, epoch, value=0.55, seconds=30.0)
    assert [each.member.stored for each in spending._expected] == [0, 2]
    assert not spending.stop_all(), "100 s are left, and trial 2 alone takes 240 s"
    clock.now += 70.0
    assert spending.stop_all()
    assert spending.afforded(promoted(plan, 0, 2, 1)) == promoted(plan, 0, 1), "30 s are left, and 10 s of tolerance"


def test_who_can_be_promoted_no_more_is_cut_if_another_can(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 300 s, fold 1 of trial 0 takes 6 x 30 s, and that of trial 1 6 x 5 s."""
    plan = replace(plan_with(stripes, tmp_path / "OUT", "--time-budget", "300s"), quiet=False)
    spending, clock = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)
    clock.now += 90.0
    for epoch in (1, 2, 3):
        report(plan, spending, 0, epoch, value=0.1, seconds=30.0)
    clock.now += 40.0
    assert not spending.too_slow(0, 3), "nobody else is there"
    for epoch in (1, 2, 3):
        assert not spending.too_slow(0, 3), "the other one's pace is not known"
        report(plan, spending, 1, epoch, seconds=5.0)
    assert not spending.too_slow(0, 2), "its pace is not known yet"
    assert not spending.too_slow(1, 3), "it fits"
    assert not spending.stop_all(), "170 s are left, and who leads takes 270"
    with monkeypatch.context() as patch:
        patch.setattr(spending, "_slots", replace(spending._slots, can_grow=True))
        assert not spending.too_slow(0, 3), "machines are still to come"
    assert spending.too_slow(0, 3)
    report(plan, spending, 0, 3, value=0.1, seconds=30.0)
    assert [each.member.stored for each in spending._first] == [1]
    assert load_trial(plan.search, 0).status == "slow"
    again = Spending(plan, Resources(Slots(1, 1, 0.0)))
    again.open_search()
    assert [each.member.stored for each in again._first] == [1], "the next driver knows"
    again.close_search()
    assert "too slow for the time budget: trial 000 after 3 epochs" in capsys.readouterr().out
    more = Spending(replace(plan, budget=Budget(900.0)), Resources(Slots(1, 1, 0.0)))
    more.open_search()
    assert load_trial(plan.search, 0).status == "unfinished", "a greater budget goes on with it"


@pytest.mark.parametrize("promote", ["1", "2"])
def test_a_costly_first_recipe_does_not_end_the_search(
    promote: str, stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fold 1 of trial 0 takes 120 of 220 s, and that of trial 1 60 s: time is left for it, but for no search."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "220s", "--promote", promote)
    spending, clock = by_a_clock(monkeypatch, plan, slots=2, imports_s=0.0)
    for epoch, seconds in ((1, 20.0), (2, 74.0)):
        clock.now += seconds
        report(plan, spending, 0, epoch, value=0.1, seconds=20.0)
        report(plan, spending, 1, epoch, value=0.5, seconds=10.0)
        assert not spending.stop_all()
    clock.now += 40.0
    assert not spending.too_slow(0, 3), "the other one's pace is not known"
    report(plan, spending, 1, 3, value=0.5, seconds=10.0)
    assert spending.too_slow(0, 3)
    report(plan, spending, 0, 3, value=0.1, seconds=20.0)
    assert not spending.stop_all()
    assert [each.member.stored for each in spending._first] == [1]


def test_a_recipe_as_slow_as_one_that_has_no_room_is_passed_over(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both folds of another trial like trial 0 take 12 x 20 s, one after the other."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "500s")
    spending, clock = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)
    alike, *_ = plan.space.recipes(1, 0)
    for epoch in (1, 2, 3):
        assert spending.has_room_for(1, replace(alike, epochs=10_000)), "its pace is not known yet"
        clock.now += 20.0
        report(plan, spending, 0, epoch, seconds=20.0)
    clock.now += 190.0
    assert spending.has_room_for(1, alike), "250 s are left"
    clock.now += 30.0
    assert not spending.has_room_for(1, alike), "220 s are left, and 12.5 s of tolerance"
    assert spending.has_room_for(1, replace(alike, image_size=2 * alike.image_size))
    with monkeypatch.context() as patch:
        patch.setattr(spending, "_slots", replace(spending._slots, can_grow=True))
        assert spending.has_room_for(1, alike), "machines are still to come"
        patch.setattr(spending, "_slots", replace(spending._slots, can_grow=False))
        patch.setattr(spending, "_first", [])
        assert spending.has_room_for(1, alike), "there is nobody else"


def test_nobody_is_too_slow_for_a_diagonal(stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wants one fold of each, whatever all folds would take."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "500s", "--promotion", "diagonal")
    spending, _ = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)
    paced(plan, spending, 0, 100.0)
    paced(plan, spending, 1, 1.0)
    assert not spending.too_slow(0, 3)
    assert spending.has_room_for(2, *plan.space.recipes(1, 0))


def test_what_is_not_begun_for_lack_of_room_is_begun_with_a_greater_budget(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "500s")
    spending, _ = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)
    alike, *_ = plan.space.recipes(1, 0)
    paced(plan, spending, 0, 45.0)
    spending.end()
    again, _ = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)
    assert again.over, "nor by the next driver"
    assert not again.has_room_for(1, alike), "which knows the pace of trials that ended before"
    more, _ = by_a_clock(monkeypatch, replace(plan, budget=Budget(900.0)), slots=1, imports_s=0.0)
    assert not more.over
    assert more.has_room_for(1, alike)


def test_the_pace_of_others_counts_without_their_views(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch of trial 0 takes 20 s, of which its scores take 0.1 s. The fastest epochs count."""
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "500s")
    spending, _ = by_a_clock(monkeypatch, plan, slots=1, imports_s=0.0)
    alike, *_ = plan.space.recipes(1, 0)
    paced(plan, spending, 0, 20.0)
    spending.too_slow(0, 3)
    fewer, more = (spending._costs.alone_as(1, replace(alike, tta_count=count))[1] for count in (1, 4))
    view_s = 0.1 / alike.tta_count  # of all that are validated
    plain = plan.folds.count * (plan.epochs - len(plan.scored_epochs))
    answers = plan.folds.count  # the mean of several nets, or the moving one, is asked once more
    predicted = plan.folds.count * len(plan.data.test_ids) / len(plan.folds.split(0)[1])
    assert more - fewer == pytest.approx(3 * view_s * (plain + predicted), abs=3 * view_s * answers)
    report(plan, spending, 0, 4, seconds=90.0)
    spending.too_slow(0, 4)
    assert spending._costs.alone_as(1, replace(alike, tta_count=1))[1] == fewer, "a stalled epoch bars nobody"


def test_epochs_of_the_head_alone_are_no_pace(stripes: Path, tmp_path: Path) -> None:
    plan = plan_with(stripes, tmp_path / "OUT", "--time-budget", "500s")
    spending = Spending(plan, Resources(Slots(1, 1, 0.0)))
    spending.open_search()
    for epoch in range(1, 6):
        report(plan, spending, 0, epoch, seconds=20.0)
    trial = plan.search.trial(0)
    metrics = pd.read_csv(trial.fold(0).metrics)
    metrics.loc[metrics["epoch"] <= 3, "seconds"] = 1.0
    write_whole(trial.fold(0).metrics, metrics.to_csv(index=False))
    recipe = replace(load_recipe(trial), head_epochs=3)
    save_json(trial.recipe, recipe.to_dict())
    assert spending._costs.remaining(Member.of(0, 2)).training_s[1] == pytest.approx(6 * 20.0, abs=1.0)


def test_who_leads_too_late_for_an_epoch_budget_leaves_the_promotion_as_it_was(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trial 0 was promoted for 12 epochs; of 20, trial 1 takes 6 and then leads, and its fold 1 would take 6 more."""
    plan = plan_with(stripes, tmp_path / "OUT", "--epoch-budget", "20", "--promote", "1")
    searching = Spending(plan, Resources(Slots(1, 1, 0.0)))
    searching.open_search()
    for number in (0, 1):
        for epoch in range(1, 7):
            report(plan, searching, number, epoch)
    first = plan.search.trial(0)
    write_whole(first.fold(1).metrics, first.fold(0).metrics.read_text())
    save_json(plan.search.promoted, [0])

    def afforded(epochs: int, *leaders: int) -> list[Member]:
        spending = Spending(replace(plan, budget=Budget(epochs=epochs)), Resources(Slots(1, 1, 0.0)))
        return spending.afforded(promoted(plan, *leaders))

    assert afforded(20, 1) == promoted(plan, 1), "trial 0 has lost its nets, and one is trained in any case"
    assert not capsys.readouterr().out
    for net in [net for fold in (0, 1) for net in first.fold(fold).nets(load_recipe(first))]:
        write_whole(net, b"")
    assert afforded(20, 1) == promoted(plan, 0)
    assert capsys.readouterr().out.startswith("note: trial 001 is not promoted: its folds would take more")
    assert afforded(24, 1) == promoted(plan, 1)
    assert afforded(15, 0) == promoted(plan, 0), "what costs nothing more fits always"
    assert afforded(15, 0, 1) == promoted(plan, 0)


def test_who_is_cut_is_worth_its_last_whole_epoch(stripes: Path, tmp_path: Path) -> None:
    plan = plan_with(stripes, tmp_path / "OUT", "--epoch-budget", "28")
    spending = Spending(plan, Resources(Slots(2, 1, 0.0)))
    spending.open_search()
    labels = plan.data.labels[plan.folds.split(0)[1]]
    probs = np.full((len(labels), 2), 0.5)
    for number, value in (
        (0, score(METRIC, probs, labels)),
        (1, 0.1),
    ):  # the second's predictions are of an epoch after
        save_array(plan.search.trial(number).fold(0).pred_probs, probs)
        report(plan, spending, number, 1, value)
    report(plan, spending, 0, 2, score(METRIC, probs, labels))
    spending._ended_for = plan.budget
    spending.close_search()
    assert load_json(plan.search.spending)["cut"] == {"0": 2, "1": 0}
    first, second = (load_trial(plan.search, number) for number in (0, 1))
    assert (first.status, first.epoch, first.judged) == ("cut", 2, True)
    assert (second.status, second.judged) == ("cut", False)


def test_a_greater_budget_lets_them_go_on(stripes: Path, tmp_path: Path) -> None:
    plan = plan_with(stripes, tmp_path / "OUT", "--epoch-budget", "28")
    save_json(plan.search.spending, {"seconds": 30.0, "ended_for": {"epochs": 28, "seconds": None}, "cut": {"0": 2}})
    same = Spending(plan, Resources(Slots(1, 1, 0.0)))
    same.open_search()
    assert same.over
    more = Spending(plan_with(stripes, tmp_path / "OTHER", "--epoch-budget", "60"), Resources(Slots(1, 1, 0.0)))
    save_json(more._plan.search.spending, load_json(plan.search.spending))
    more = Spending(more._plan, Resources(Slots(1, 1, 0.0)))
    more.open_search()
    assert not more.over
    assert load_json(more._plan.search.spending)["cut"] == {}
    assert more.seconds() > 30, "what the first driver spent is spent"

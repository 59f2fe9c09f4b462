"""A search's trials, which report by hand: when its budget ends them, and who is promoted then."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cluster.budget import Budget, Comparing
from cluster.course import Limit, Work, _played, course
from cluster.resources import Resources, Slots
from cluster.spending import Spending
from search_spaces import InputError
from tests.cluster.searching import METRIC, by_a_clock, ended, plan_with, promoted, report
from trainables.files import load_json, save_array, save_json, write_whole
from trainables.member import Member
from trainables.scores import score
from trainables.trial import load_recipe, load_trial


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
    assert [each.epochs for each in spending._leaders.first] == []
    for epoch in range(1, 7):
        report(plan, spending, 0, epoch)
    report(plan, spending, 1, 1)
    (first,) = spending._leaders.first
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
    assert [each.member.stored for each in spending._leaders.first] == [0, 1]
    assert [each.member.stored for each in spending._leaders.expected] == expected


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
    assert [each.member.stored for each in spending._leaders.first] == first
    ended(spending, 2)
    assert [each.member.stored for each in spending._leaders.first] == [0, 1], "a rung has stopped it"


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
    assert [each.member.stored for each in spending._leaders.expected] == [0, 2]
    assert not spending.stop_all(), "100 s are left, and trial 2 alone takes 240 s"
    clock.now += 70.0
    assert spending.stop_all()
    assert spending.afforded(promoted(plan, 0, 2, 1)) == promoted(plan, 0, 1), "30 s are left, and 10 s of tolerance"


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

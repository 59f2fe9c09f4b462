"""Trials that a time budget has no room for, where another one has: who is cut, and what is not begun."""

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.budget import Budget
from cluster.resources import Resources, Slots
from cluster.spending import Spending
from tests.cluster.searching import by_a_clock, paced, plan_with, report
from trainables.trial import load_trial


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
    assert [each.member.stored for each in spending._leaders.first] == [1]
    assert load_trial(plan.search, 0).status == "slow"
    again = Spending(plan, Resources(Slots(1, 1, 0.0)))
    again.open_search()
    assert [each.member.stored for each in again._leaders.first] == [1], "the next driver knows"
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
    assert [each.member.stored for each in spending._leaders.first] == [1]


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
        patch.setattr(spending._leaders, "first", [])
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

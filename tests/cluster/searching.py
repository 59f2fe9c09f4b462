"""A search whose trials report by hand, epoch by epoch, and by a clock that only its test moves."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from cluster.flags import read_flags
from cluster.plan import Plan, make_plan
from cluster.resources import Resources, Slots
from cluster.space import space_of
from cluster.spending import Spending
from trainables.files import save_json, write_whole
from trainables.member import Member

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

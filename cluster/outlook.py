"""What `--plan` says of a search, and what its report then holds against what happened: epochs, hours, disk, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from cluster.course import MOST_TRIALS, Limit, Work
from cluster.forecast import Forecast, Interval, forecast
from cluster.promotion import Promotion
from search_spaces.recipe import Recipe
from trainables.backbones import net_bytes
from trainables.durations import duration
from trainables.throughput import Key, Throughput, answer_views, cost_key

_CHECKPOINT = 4
"""Times the net, at most: its weights, two moments of the optimizer and the soup; a moving average is one more."""

_FLOAT_BYTES = 4

_MEASURE = "not known for these backbones; --measure times a few steps of each here"


@dataclass(frozen=True)
class Size:
    """Of a search: what decides how much there is to do."""

    epochs: int
    rungs: tuple[int, ...]
    promotion: Promotion
    train_images: int
    """Of one fold."""
    val_images: int
    test_images: int
    classes: int
    largest_tta_count: int
    known_good: int = 0
    """Recipes that come first because they are expected to be good."""
    denoised_folds: int = 0
    """Of each promoted member, trained once more."""


@dataclass(frozen=True)
class Machines:
    """What trains a search, as far as it decides what it comes to."""

    slots: int
    """Trials that the forecast counts side by side."""
    at_once: int
    """Trials side by side at most: more than slots, where they share GPUs."""
    folds_at_once: int = 0
    """Where fewer folds of promotion than slots are trained side by side; 0 where there are as many."""
    start_s: float = 0.0
    turnover_s: float = 0.0
    pace_sd: float = 0.0
    """Of the logarithm of their pace about what was measured."""


@dataclass(frozen=True)
class Outlook:
    """Intervals for the trials that were asked for, or that a budget has room for, on a number of slots."""

    trials: int | None
    """None where a budget decides."""
    slots: int
    rungs: tuple[int, ...]
    limit: Limit | None
    forecast: Forecast | None
    """None where nothing is known of the seconds that a budget is in, or where it has room for too many trials."""
    timed: bool
    """Whether the seconds in it mean anything."""
    disk_bytes: int
    adaptive: bool

    def to_dict(self) -> dict[str, Any]:
        """What the report holds against what happened. Seconds are left out where nothing is known of them."""
        assert self.forecast is not None
        known = {
            "slots": self.slots,
            "search_trials": _pair(self.forecast.trials),
            "search_epochs": _pair(self.forecast.search_epochs),
            "promotion_epochs": [
                0.0 if self.adaptive else self.forecast.promotion_epochs.low,
                self.forecast.promotion_epochs.high,
            ],
            "stopped": {str(rung): _pair(share) for rung, share in zip(self.rungs, self.forecast.stopped, strict=True)},
            "disk_bytes": self.disk_bytes,
        }
        return {**known, "wall_s": _pair(self.forecast.wall_s)} if self.timed else known


def _pair(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def outlook(
    size: Size,
    recipes: Sequence[Recipe],
    machines: Machines,
    throughputs: Mapping[Key, Throughput],
    adaptive: bool = False,
    limit: Limit | None = None,
    endless: bool = False,
) -> Outlook:
    """What a search of these recipes will come to. Where only some were timed, the others count as their mean.

    A fold that several GPUs train together counts as long as on one. Where a limit alone ends the search (`endless`),
    further recipes are taken to be like these.
    """
    times = [_seconds(recipe, size, throughputs) for recipe in recipes]
    known = [each for each in times if each]
    timed = len(known) == len(times)
    usual = (mean(epoch for epoch, _ in known), mean(net for _, net in known)) if known else (1.0, 0.0)
    epoch_s, prediction_s = zip(*(each or usual for each in times), strict=True)
    work = Work(
        size.epochs,
        size.rungs,
        size.promotion,
        tuple(recipe.backbone for recipe in recipes),
        machines.slots,
        epoch_s,
        prediction_s,
        machines.start_s if known else 0.0,
        machines.turnover_s if known else 0.0,
        machines.pace_sd,
        machines.folds_at_once,
        size.known_good,
        limit,
        endless,
    )
    in_seconds = limit is not None and limit.budget.seconds is not None
    found = None if in_seconds and not timed else forecast(work)
    trials = found.trials.high if found else len(recipes)
    disk = _disk_bytes(size, recipes, machines.at_once, round(trials))
    asked = None if endless else len(recipes)
    return Outlook(asked, machines.slots, size.rungs, limit, found, timed, disk, adaptive)


def _seconds(recipe: Recipe, size: Size, throughputs: Mapping[Key, Throughput]) -> tuple[float, float] | None:
    """Of a mean epoch and of one net's test predictions."""
    found = throughputs.get(cost_key(recipe))
    if not found:
        return None
    plain = found.epoch_s(size.train_images, size.val_images, recipe.tta_count)
    scored = found.epoch_s(size.train_images, size.val_images, max(recipe.tta_count, size.largest_tta_count))
    answer = found.view_s * answer_views(recipe, size.train_images, size.val_images)
    ends = len(size.rungs) + 1
    mean_epoch = (ends * scored + (size.epochs - ends) * plain + answer) / size.epochs
    return mean_epoch, size.test_images * recipe.tta_count * found.view_s * len(recipe.answering_epochs)


def _disk_bytes(size: Size, recipes: Sequence[Recipe], at_once: int, trials: int) -> int:
    """At most, by the bound of docs/resume.md: checkpoints and nets of what runs, and all of what is promoted.

    What is denoised has in each fold a training as large as its origin's, or what that left in the end.
    """
    by_backbone = {recipe.backbone: recipe for recipe in recipes}
    net = max(net_bytes(recipe, size.classes) for recipe in by_backbone.values())
    checkpoint = net * (_CHECKPOINT + any(recipe.ema_decay for recipe in recipes))
    of_fold = max(len(recipe.answering_epochs) for recipe in recipes)
    in_the_end = net * of_fold + size.epochs * size.val_images * size.classes * _FLOAT_BYTES
    kept = 2 * checkpoint + in_the_end
    promoted = size.promotion.count * size.promotion.folds
    denoised = size.promotion.count * size.denoised_folds
    copied = promoted - denoised if denoised else 0
    searching = (at_once + size.promotion.count + 1) * kept
    following = (promoted + denoised) * kept + copied * in_the_end
    views = size.largest_tta_count + 4  # each alone, and what else is kept of a fold's images
    probs = trials * views * size.val_images + (promoted + denoised + copied) * (
        views * size.val_images + (of_fold + 1) * size.test_images  # by net, and in the end by fold
    )
    return max(searching, following) + probs * size.classes * _FLOAT_BYTES


def described(outlook: Outlook, machines: str, price: float | None, paid: float) -> list[str]:
    """The lines of `--plan`; `paid` is how many GPUs (or machines) the price is for."""
    found, disk = outlook.forecast, f"disk       {_size(outlook.disk_bytes)} at most"
    if found is None:
        return [_unknown(outlook), *([disk] if outlook.trials else [])]
    rungs = [
        f"rung {rung} stops {share.words('{:.0%}'.format)} of {arrived.words()}"
        for rung, share, arrived in zip(outlook.rungs, found.stopped, found.arrived, strict=True)
    ]
    trials = [f"{found.trials.words()} trials"] if outlook.limit else []
    most = found.promotion_epochs.words()
    lines = [
        f"expected   {'; '.join([*trials, *rungs, ''])}in all {found.search_epochs.words()} epochs of the search and "
        f"{'at most ' if outlook.adaptive else ''}{most} of promotion (nineteen searches in twenty)",
        disk,
    ]
    if not outlook.timed:
        return [*lines, f"time       {_MEASURE}"]
    lines.append(
        f"time       {found.wall_s.words(duration)} on {machines}, {_hours(found.busy_s)} at work; "
        "promotion and prediction included"
    )
    if price is not None:
        cost = found.wall_s.times(price * paid / 3600)
        lines.append(f"cost       {cost.words('{:.2f}'.format)} at {price:g} an hour")
    return lines


def _unknown(outlook: Outlook) -> str:
    if outlook.timed:
        return f"expected   more than {MOST_TRIALS} trials have room in the budget; --trials says how many are wanted"
    many = f"as many of {outlook.trials} trials" if outlook.trials else "as many trials"
    return f"expected   {many} as the time budget has room for; their time is {_MEASURE}"


def _hours(seconds: Interval) -> str:
    """Of all slots together."""
    if seconds.high < 3600:
        return f"{seconds.words(duration)} of slots"
    return f"{seconds.times(1 / 3600).words('{:.1f}'.format)} slot-hours"


def _size(count: float) -> str:
    """'310 MB', '1.2 GB'."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

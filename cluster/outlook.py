"""What `--plan` says of a search, and what its report then holds against what happened: epochs, hours, disk, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from cluster.forecast import Forecast, Interval, Work, forecast
from cluster.promotion import Promotion
from search_spaces.recipe import Recipe
from trainables.backbones import net_bytes
from trainables.durations import duration
from trainables.throughput import Key, Throughput, answer_views, cost_key

_CHECKPOINT = 4
"""Times the net, at most: its weights, two moments of the optimizer and the soup; a moving average is one more."""

_FLOAT_BYTES = 4


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


@dataclass(frozen=True)
class Outlook:
    """Intervals for a number of trials on a number of slots."""

    trials: int
    promotion: Promotion
    slots: int
    rungs: tuple[int, ...]
    forecast: Forecast
    timed: bool
    """Whether the seconds in it mean anything."""
    disk_bytes: int
    adaptive: bool

    def to_dict(self) -> dict[str, Any]:
        """What the report holds against what happened. Seconds are left out where nothing is known of them."""
        known = {
            "trials": self.trials,
            "promotion": str(self.promotion),
            "slots": self.slots,
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
    slots: int,
    throughputs: Mapping[Key, Throughput],
    start_and_turnover_s: tuple[float, float],
    adaptive: bool,
    pace_sd: float = 0.0,
    folds_at_once: int = 0,
) -> Outlook:
    """What a search of these recipes will come to. Where only some were timed, the others count as their mean.

    A fold that several GPUs train together, `folds_at_once` of them side by side, counts as long as on one.
    """
    times = [_seconds(recipe, size, throughputs) for recipe in recipes]
    known = [each for each in times if each]
    usual = (mean(epoch for epoch, _ in known), mean(net for _, net in known)) if known else (1.0, 0.0)
    epoch_s, prediction_s = zip(*(each or usual for each in times), strict=True)
    work = Work(
        size.epochs,
        size.rungs,
        size.promotion,
        tuple(recipe.backbone for recipe in recipes),
        slots,
        epoch_s,
        prediction_s,
        *(start_and_turnover_s if known else (0.0, 0.0)),
        pace_sd,
        folds_at_once,
    )
    disk = _disk_bytes(size, recipes, slots)
    timed = len(known) == len(times)
    return Outlook(len(recipes), size.promotion, slots, size.rungs, forecast(work), timed, disk, adaptive)


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


def _disk_bytes(size: Size, recipes: Sequence[Recipe], slots: int) -> int:
    """At most, by the bound of docs/resume.md: checkpoints and nets of what runs, and all of what is promoted."""
    by_backbone = {recipe.backbone: recipe for recipe in recipes}
    net = max(net_bytes(recipe, size.classes) for recipe in by_backbone.values())
    checkpoint = net * (_CHECKPOINT + any(recipe.ema_decay for recipe in recipes))
    of_fold = max(len(recipe.answering_epochs) for recipe in recipes)
    nets = net * of_fold
    kept = 2 * checkpoint + nets + size.epochs * size.val_images * size.classes * _FLOAT_BYTES
    trainings = size.promotion.count * size.promotion.folds
    searching, promoting = (slots + size.promotion.count + 1) * kept, trainings * kept
    views = size.largest_tta_count + 4  # each alone, and what else is kept of a fold's images
    probs = len(recipes) * views * size.val_images + trainings * (
        views * size.val_images + (of_fold + 1) * size.test_images  # by net, and in the end by fold
    )
    return max(searching, promoting) + probs * size.classes * _FLOAT_BYTES


def described(outlook: Outlook, machines: str, price: float | None, paid: float) -> list[str]:
    """The lines of `--plan`; `paid` is how many GPUs (or machines) the price is for."""
    found = outlook.forecast
    rungs = [
        f"rung {rung} stops {share.words('{:.0%}'.format)} of {arrived.words()}"
        for rung, share, arrived in zip(outlook.rungs, found.stopped, found.arrived, strict=True)
    ]
    most = found.promotion_epochs.words()
    lines = [
        f"expected   {'; '.join([*rungs, ''])}in all {found.search_epochs.words()} epochs of the search and "
        f"{'at most ' if outlook.adaptive else ''}{most} of promotion (nineteen searches in twenty)",
        f"disk       {_size(outlook.disk_bytes)} at most",
    ]
    if not outlook.timed:
        return [*lines, "time       not known for these backbones; --measure times a few steps of each here"]
    lines.append(
        f"time       {found.wall_s.words(duration)} on {machines}, {_hours(found.busy_s)} at work; "
        "promotion and prediction included"
    )
    if price is not None:
        cost = found.wall_s.times(price * paid / 3600)
        lines.append(f"cost       {cost.words('{:.2f}'.format)} at {price:g} an hour")
    return lines


def _hours(seconds: Interval) -> str:
    """Of all slots together."""
    if seconds.high < 3600:
        return f"{seconds.words(duration)} of slots"
    return f"{seconds.times(1 / 3600).words('{:.1f}'.format)} slot-hours"


def _size(count: float) -> str:
    """'310 MB', '1.2 GB'."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

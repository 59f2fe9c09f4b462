"""The test images by all fold nets of the ensemble: one pass over them, a part of the images for each slot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.errors import SearchFailed
from cluster.failures import Attempts, note_preemption
from cluster.plan import Plan
from cluster.resources import Resources, Slots
from cluster.spending import Spending
from cluster.tasks import check_tried_again, node_died, remote, until_done
from cluster.waiting import alive_nodes
from trainables.answer import Partial, batch_size
from trainables.bar import Update, bar
from trainables.disk import sha256_of
from trainables.files import save_array
from trainables.layout import FoldFolder
from trainables.member import Member, Pair, ensemble_members
from trainables.prediction import Prediction, predict_part
from trainables.trial import load_recipe
from trainables.view_means import mean_of_search

_BATCHES_OF_A_SLOT = 8
"""Or more: an eighth of a slot's share, at most, is what another has less to do, or what goes with a lost machine."""

_Part = tuple[int, ...]
"""The first image of each of its batches."""


def fold_nets(members: Sequence[Member], best: Member) -> list[Pair]:
    """Those of the ensemble's members, and the best one's first."""
    return list(dict.fromkeys([*(pair for member in members for pair in member.pairs), best.pairs[0]]))


def predict_test(plan: Plan, slots: Resources, spending: Spending, best: Member) -> None:
    """By all nets of the chosen ensemble, and by the best member's first."""
    predict_by(plan, slots, spending, fold_nets(ensemble_members(plan.search, plan.folds.count), best))


def predict_by(plan: Plan, slots: Resources, spending: Spending, wanted: Sequence[Pair]) -> None:
    """Write the test predictions of these trials' folds that are not there yet.

    Each image is read once for all of them. What is predicted stays when the driver or a machine goes, and what is left
    is shared anew; a fold's predictions are written once every image has its own.
    """
    lacking = [net for net in wanted if not _folder(plan, net).test_probs.exists()]
    if not lacking:
        return
    slot = slots.predicting(alive_nodes())
    nets, prediction = _begun(plan, lacking) or _begin(plan, lacking, slot)
    with bar("prediction", plan.quiet, "images") as update:
        _share(plan, slots, slot, prediction, spending, update)
    _write(plan, nets, prediction)
    plan.store.forget_parts()


def _begun(plan: Plan, lacking: Sequence[Pair]) -> tuple[Sequence[Pair], Prediction] | None:
    """What an earlier driver began, if it was by all nets that are lacking, and they are what they were then."""
    for folder in plan.search.test_parts.glob("*"):
        about = Partial(folder).about()
        nets = [(number, fold) for number, fold in about["nets"]] if about else []
        if set(lacking) <= set(nets):
            prediction = _prediction(plan, nets, about["batch"], folder.name)
            if about == _about(plan, nets, prediction):
                return nets, prediction
    return None


def _begin(plan: Plan, lacking: Sequence[Pair], slot: Slots) -> tuple[Sequence[Pair], Prediction]:
    """Anew, in a folder of its own: a worker that outlives its driver may still write what other nets say."""
    plan.store.forget_parts()
    images = int(plan.data.readable_tests.sum())
    batch = max(1, min(batch_size(slot.gpus > 0), images // (_BATCHES_OF_A_SLOT * slot.concurrent)))
    prediction = _prediction(plan, lacking, batch, f"{time.time_ns():x}")
    prediction.partial(plan.search).begin(_about(plan, lacking, prediction))
    return lacking, prediction


def _prediction(plan: Plan, nets: Sequence[Pair], batch: int, name: str) -> Prediction:
    search, data = plan.search, plan.data
    files = [file for net in nets for file in _folder(plan, net).nets(load_recipe(search.trial(net[0])))]
    readable = [path for path, there in zip(data.test_paths, data.readable_tests, strict=True) if there]
    return Prediction(
        nets=tuple(file.relative_to(search.path).as_posix() for file in files),
        images=tuple(path.relative_to(data.root).as_posix() for path in readable),
        batch=batch,
        mean=mean_of_search(search),
        folder=(search.test_parts / name).relative_to(search.path).as_posix(),
    )


def _about(plan: Plan, nets: Sequence[Pair], prediction: Prediction) -> dict[str, Any]:
    """What must be the same for a prediction to be gone on with, and its batch."""
    files = [plan.search.path / name for name in prediction.nets]
    hashes = [sha256_of(file) if file.exists() else None for file in files]
    return {"nets": [list(net) for net in nets], "sha256": hashes, "mean": prediction.mean, "batch": prediction.batch}


def _share(
    plan: Plan, slots: Resources, slot: Slots, prediction: Prediction, spending: Spending, update: Update
) -> None:
    """Each slot looks at as many of the batches that are lacking, one behind the other."""
    attempts, setting = Attempts(), plan.setting(slots.usual).on(slot.cpus, slot.gpus)
    lacking = prediction.lacking(plan.search)
    parts = np.array_split(lacking, min(slot.concurrent, len(lacking))) if lacking else []

    def start(part: _Part) -> Any:
        there = remote(predict_part, slot)
        left = sorted(set(part) & set(prediction.lacking(plan.search)))
        return there.remote(plan.place, plan.search, prediction, left, setting)

    def look(_done: int) -> None:
        spending.look()
        images = len(prediction.images)
        update(images - prediction.count(prediction.lacking(plan.search)), images)

    look(0)
    until_done(
        plan.store,
        {tuple(part.tolist()): slot for part in parts},
        start,
        fetch=lambda part: plan.store.fetch_parts(),
        fetch_running=lambda parts: plan.store.fetch_parts(soon=True),
        failed=lambda part, error, since: _check_tried_again(plan, prediction, attempts, error, part, since),
        look=look,
    )


def _check_tried_again(
    plan: Plan, prediction: Prediction, attempts: Attempts, error: Exception, part: _Part, since: float
) -> None:
    """`SearchFailed` where a part that failed is not to be tried again; what it has predicted counts as its epochs."""
    lacking = set(prediction.lacking(plan.search))
    done = [first for first in part if first not in lacking]
    attempts.reached(part, len(done))
    if node_died(error):
        last = prediction.partial(plan.search).written_at(done[-1]) if done else since
        note_preemption(plan.search, None, None, len(done), time.time() - max(since, last))
    check_tried_again(attempts, part, error, "A part of the prediction")


def _write(plan: Plan, nets: Sequence[Pair], prediction: Prediction) -> None:
    """What each fold says of all test images; of one that cannot be read, how common the classes are."""
    of_fold = [len(load_recipe(plan.search.trial(number)).answering_epochs) for number, _ in nets]

    def answered(part: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([each.mean(0) for each in np.split(part, np.cumsum(of_fold)[:-1])])

    data, partial = plan.data, prediction.partial(plan.search)
    probs, there = partial.collect(data.readable_tests, data.class_shares, answered, len(nets))
    if there < len(prediction.images):
        raise SearchFailed(
            f"{len(prediction.images) - there} test images have no prediction; --resume goes on with them"
        )
    for net, each in zip(nets, probs, strict=True):
        save_array(_folder(plan, net).test_probs, each.astype(np.float32))


def _folder(plan: Plan, net: Pair) -> FoldFolder:
    return plan.search.trial(net[0]).fold(net[1])

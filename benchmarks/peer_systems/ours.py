"""Our search, whole but for promotion and answer: what `search.py` does up to there, on the folds that all share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from trainables.imports import uncollected

with uncollected():  # as search.py does
    from ray import cloudpickle

    from benchmarks.peer_systems import work as shared
    from benchmarks.peer_systems.work import METRIC, Row, Work
    from cluster import tuner
    from cluster.flags import read_flags
    from cluster.identity import begin
    from cluster.plan import make_plan
    from cluster.promotion import ranked, standings
    from cluster.session import session
    from cluster.space import space_of
    from trainables import ray_trial
    from trainables.files import load_json
    from trainables.layout import SearchFolder
    from trainables.train import train_in_search


def run_trial_noting(config: dict[str, Any], *, data: Any, out: Path, setting: Any, work: Work) -> None:
    """`run_trial`, with every epoch noted as the others' are."""

    def noted(place: Any, search: SearchFolder, number: int, fold: int, here: Any) -> Iterator[Row]:
        for row in train_in_search(place, search, number, fold, here):
            work.note(number, search.trial(number).fold(fold), row)
            yield row

    with patch.object(ray_trial, "train_in_search", noted):
        ray_trial.run_trial(config, data=data, out=out, setting=setting)


def main(work: Work) -> None:
    cloudpickle.register_pickle_by_value(shared)
    words = ["--trials", str(work.trials), "--epochs", str(work.epochs), "--seed", str(work.seed), "--quiet"]
    words += ["--data", str(work.data), "--out", str(work.out / "search"), "--concurrent", str(work.slots)]
    flags = read_flags([*words, "--metric", METRIC])
    plan = make_plan(flags, space_of(flags))
    assert plan is not None
    assert plan.folds.hash == load_json(work.folds)["hash"], "not the folds that the others have"

    def noting(config: dict[str, Any], *, data: Any, out: Path, setting: Any) -> None:
        run_trial_noting(config, data=data, out=out, setting=setting, work=work)

    with session(plan) as (slots, spending), patch.object(tuner, "run_trial", noting):
        begin(plan)
        trials = tuner.search(plan, slots, spending)
    best = next(iter(ranked(standings(trials, METRIC))))
    work.pick(best, plan.search.trial(best).fold(0))


if __name__ == "__main__":
    main(Work.load(Path(sys.argv[1])))

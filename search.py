"""Search, promote, ensemble, report: one search, here or under `ray submit`. `search.py --help` lists the flags."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Sequence

from cluster.command import run
from search_spaces import Space
from trainables.imports import uncollected


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done. 2: bad input, nothing was trained. 1: the search failed, or a replay differs. 130: Ctrl-C."""
    return run(story, arguments)


def story(flags: Namespace, space: Space) -> int:
    """Its imports stand in it: they take seconds, and the flags are judged before."""
    with uncollected():
        import analysis
        from analysis.closing import closing_page
        from analysis.ensemble import choose, write_submission
        from analysis.report import write_report
        from analysis.summary import summarize
        from cluster.denoising import denoise
        from cluster.folds import promote
        from cluster.identity import begin
        from cluster.plan import make_plan
        from cluster.prediction import predict_test
        from cluster.session import session
        from cluster.tracking import track_summary
        from cluster.tuner import search
        from trainables.replay import replay
    started = time.monotonic()
    if flags.replay:
        return 1 if replay(*flags.replay) else 0
    plan = make_plan(flags, space)
    if plan is None:
        return 0
    with session(plan) as (slots, spending):
        begin(plan)
        trials = search(plan, slots, spending)
        promoted = promote(plan, slots, spending, trials)
        candidates = [*promoted, *denoise(plan, slots, spending, promoted)]
        choose(plan.search, plan.data, plan.folds, candidates, plan.metric, plan.quiet)
        predict_test(plan, slots, spending, promoted[0])
        write_submission(plan.search, plan.data.test_ids)
        summary = summarize(plan.search, plan.data, plan.folds, time.monotonic() - started)
        report = write_report(analysis.load(plan.search.path))
        track_summary(plan, summary)
    print(closing_page(summary, report, plan.store.place))
    return 0


if __name__ == "__main__":
    sys.exit(main())

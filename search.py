"""Search, promote, ensemble, report: one search, here or under `ray submit`. `search.py --help` lists the flags."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import analysis
from analysis.closing import closing_page
from analysis.ensemble import choose, write_submission
from analysis.report import write_report
from analysis.summary import summarize
from cluster.denoising import denoise
from cluster.flags import read_flags
from cluster.folds import promote
from cluster.identity import begin
from cluster.plan import make_plan
from cluster.prediction import predict_test
from cluster.session import session
from cluster.tracking import track_summary
from cluster.tuner import SearchFailed, search
from search_spaces import InputError
from trainables.replay import replay


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done. 2: bad input, nothing was trained. 1: the search failed, or a replay differs."""
    started = time.monotonic()
    try:
        flags = read_flags(arguments)
        if flags.replay:
            return 1 if replay(*flags.replay) else 0
        plan = make_plan(flags)
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
    except (InputError, SearchFailed) as error:
        print(f"search.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("search.py: interrupted; the same command with --resume goes on from here", file=sys.stderr)
        return 130
    print(closing_page(summary, report, plan.store.place))
    return 0


if __name__ == "__main__":
    sys.exit(main())

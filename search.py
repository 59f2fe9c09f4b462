"""Search, promote, ensemble, report: the whole story of one search. `python search.py --help` lists the flags.

The same file runs on a laptop and under `ray submit cluster.yaml search.py -- FLAGS`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import analysis
from analysis.ensemble import choose, submission, ensemble_test_probs
from analysis.report import write_report
from analysis.summary import summarize
from cluster.folds import predict_test, promote
from cluster.plan import make_plan
from cluster.session import session
from cluster.tuner import SearchFailed, search
from search_spaces import InputError
from trainables.layout import write_whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done. 2: bad input, nothing was trained. 1: the search failed, and the message says how to go on."""
    started = time.monotonic()
    try:
        plan = make_plan(arguments)
        if plan is None:
            return 0
        with session(plan) as slots:
            trials = search(plan, slots)
            promoted = promote(plan, slots, trials)
            ensemble = choose(plan.search, plan.data, plan.folds, promoted, plan.metric)
            predict_test(plan, slots, promoted)
        write_whole(plan.search.submission, submission(plan.data.test_ids, ensemble_test_probs(plan.search)))
        summary = summarize(plan.search, plan.data, plan.folds, time.monotonic() - started)
        report = write_report(analysis.load(plan.search.path))
    except InputError as error:
        print(f"search.py: {error}", file=sys.stderr)
        return 2
    except SearchFailed as error:
        print(f"search.py: {error}", file=sys.stderr)
        return 1
    print(
        f"ensemble   out of fold {ensemble['oof_accuracy']:.4f} ± {ensemble['oof_se']:.4f}, members {ensemble['members']}"
    )
    if "test_accuracy" in summary["ensemble"]:
        print(
            f"true test  ensemble {summary['ensemble']['test_accuracy']:.4f}, best net {summary['best_trial']['test_accuracy']:.4f}"
        )
    print(f"report     {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What was learnt: load a finished search, ensemble its trials, draw and report it. Needs neither torch nor ray.

import analysis
found = analysis.load("runs/NAME")      # or a place in a bucket; without a name, the newest in runs/
found.trials        # one row a trial: its recipe, how it ended, its last scores
found.searched      # what differs between the recipes, indexed by trial
found.epochs        # one row a trial and epoch of the search; found.fold_epochs has promotion's too
found.rungs         # one row a rung and trial: its value there, whether it went on, its value at the end
found.images        # one row a labelled image: class, fold, source, duplicates, what the ensemble says
found.predictions   # one row an image and promoted model, out of fold: right or not, p_label, the metric
found.label_issues  # one row a suspicious label

`help(analysis.Found)` lists the rest. Modules take such frames and return frames and matplotlib figures, one a subject:
`rungs`, `importance`, `dependence`, `parallel_coordinates`, `cost`, `part_scores`, `differences`, `optimism`, `gains`,
`calibration`, `classes`, `image_files`, `label_noise`, `label_pairs`, `leaderboard`. `evidence` has the
rule by which they say that there is too little of it. The notebooks call them and explain, and
`python -m analysis.ledger OUT...` is the table over many searches.
"""

from analysis.loading import Found, load

__all__ = ["Found", "load"]

"""What was learnt: load a finished search, ensemble its trials, draw and report it. Needs neither torch nor ray.

import analysis
found = analysis.load("runs/NAME")
found.trials        # one row a trial: its recipe, how it ended, its last scores
found.epochs        # one row a trial and epoch
"""

from analysis.loading import Found, load

__all__ = ["Found", "load"]

"""How one trial runs: data, loss, loop, prediction. Ray is named in one file only, `ray_trial.py`."""

"""Python imports this where the folder is on PYTHONPATH: in Ray's workers it can turn one training loss into NaN.

The environment's CHAOS_NAN names a file. While it exists, the next optimizer step renames it and says NaN; one step of
one worker, since only one can rename a file.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


def strike(steps: ModuleType, flag: Path) -> None:
    """Have every step look for the flag."""
    step = steps.Stepper.step

    def struck(stepper: Any, *batch: Any) -> Any:
        value = step(stepper, *batch)
        try:
            flag.rename(flag.with_suffix(".taken"))
        except FileNotFoundError:
            return value
        return value * float("nan")

    steps.Stepper.step = struck


class AfterImport(importlib.abc.MetaPathFinder):
    """Strikes `trainables.steps` as soon as somebody imports it: torch need not be loaded for it before."""

    def __init__(self, flag: Path) -> None:
        self._flag = flag

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "trainables.steps":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def and_strike(module: ModuleType) -> None:
            execute(module)
            strike(module, self._flag)

        spec.loader.exec_module = and_strike  # type: ignore[method-assign]
        return spec


if "CHAOS_NAN" in os.environ and any("default_worker" in word for word in sys.argv):
    sys.meta_path.insert(0, AfterImport(Path(os.environ["CHAOS_NAN"])))

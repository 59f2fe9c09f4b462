"""From flags to the space that is searched. Imports neither torch nor ray: what is wrong with flags is said at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from cluster.flags import check_numbers, set_fields
from cluster.kinds import RANDOM
from search_spaces import InputError, Space, load_space, pipeline
from trainables.weights import has_weights, weights_file


def space_of(flags: argparse.Namespace) -> Space:
    """The space that was asked for, with all that the flags decide of its recipes."""
    custom = {"augment": "custom", "augment_pipeline": pipeline(flags.augment)} if flags.augment else {}
    space = load_space(flags.space)
    if flags.warm_start:
        from cluster.warm_start import warmed  # here, since it brings pandas

        space = warmed(space, flags.warm_start)
    space = space.fixed(**{**set_fields(flags.set), **custom})
    check_numbers(flags, space)
    if flags.searcher != RANDOM and space.grid:
        raise InputError(
            f"--searcher {flags.searcher}: the grid {space.name!r} tries every recipe; nothing is to learn"
        )
    if flags.weights is not None:
        space = _with_weights(space, flags.weights)
    return space.fixed(seed=flags.seed, epochs=flags.epochs or space.epochs)


def _with_weights(space: Space, folder: Path) -> Space:
    if space.fields.get("pretrained") is not True:
        raise InputError(f"--weights: the recipes of the space {space.name!r} train from scratch and read no weights")
    names = space.values("backbone")
    if not folder.is_dir() or not any(has_weights(name, folder) for name in names):
        wanted = ", ".join(weights_file(name, folder).name for name in names)
        raise InputError(
            f"--weights must be a folder that holds at least one of {wanted}; got {str(folder)!r}{_pickles(folder)}"
        )
    return space.keeping_backbones(lambda name: has_weights(name, folder))


def _pickles(folder: Path) -> str:
    """What there is instead, where that is weights that can run code."""
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    found = [path.name for path in files if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl")]
    return f". {', '.join(found)}: a pickle can run code when it is opened, and is not opened here" if found else ""

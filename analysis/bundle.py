"""One folder with all that a prediction needs, to be copied away and used offline: code, weights, recipes, evidence.

python predict.py OUT --export BUNDLE, and there: python BUNDLE/predict.py --images DIR --out submission.csv
It is a search's OUT without what only a search needs, so the same code reads both. No pickles, no Ray.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from analysis.fold_nets import FoldNets
from search_spaces.errors import InputError, shortened
from trainables.disk import check_writable, sha256_of
from trainables.files import load_object, save_json
from trainables.layout import SearchFolder
from trainables.member import member_nets

_CODE = ("predict.py", "search_spaces", "trainables", "analysis", "constraints.txt")
_ROOT = Path(__file__).parent.parent


def export(ensemble: FoldNets, folder: Path) -> None:
    """Copy into a new folder. Its list of hashes is written last: without it a bundle is no whole one."""
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise InputError(f"--export must be a new or an empty folder; got {folder}")
    check_writable(folder, "--export")
    search = ensemble.search
    wanted = [*_of_search(ensemble), *_of_code()]
    lacking = [str(source) for source, _ in wanted if not source.exists()]
    if lacking:
        raise InputError(
            "--export copies a finished search whole; without these, `search.py --resume` writes them again:", lacking
        )
    for source, relative in wanted:
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    there = SearchFolder(folder)
    hashes = {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    save_json(there.bundle, {"fold_hash": ensemble.folds.hash, "files": hashes})
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{len(ensemble.nets)} nets of {search.path} in {folder}, {size / 1e6:.0f} MB; there:")
    print(f"  python {folder / 'predict.py'} --images FOLDER --out submission.csv")


def _of_search(ensemble: FoldNets) -> Iterator[tuple[Path, Path]]:
    search = ensemble.search
    needed = [search.search, search.ensemble, search.view_mean, search.folds, search.oof]
    for member in ensemble.members:
        needed += member_nets(search, member)
        for number, fold in member.pairs:
            trial, folder = search.trial(number), search.trial(number).fold(fold)
            needed += [trial.recipe, folder.metrics, folder.pred_probs, folder.view_probs]
    return ((path, path.relative_to(search.path)) for path in dict.fromkeys(needed))


def _of_code() -> Iterator[tuple[Path, Path]]:
    for name in _CODE:
        path = _ROOT / name
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        yield from ((file, file.relative_to(_ROOT)) for file in files)


def check_bundle(search: SearchFolder) -> None:
    """Where the folder is a bundle, refuse one whose files are not as they were exported."""
    if not search.bundle.exists():
        return
    listed = load_object(search.bundle, "files")["files"]
    problems = [
        f"{name} {'has changed' if (search.path / name).is_file() else 'is not there'}"
        for name, digest in listed.items()
        if not (search.path / name).is_file() or sha256_of(search.path / name) != digest
    ]
    if problems:
        raise InputError(
            f"The files of {search.path} must be as they were exported; copy it again:", shortened(problems)
        )

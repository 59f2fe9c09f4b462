"""OUT before anything is written there: is it free or to be gone on with, whole, and does the disk take files?"""

from __future__ import annotations

from search_spaces import InputError
from search_spaces.errors import together
from trainables.disk import check_writable
from trainables.files import load_object, load_rows
from trainables.layout import SearchFolder
from trainables.trial import load_recipe


def check_out(search: SearchFolder, resume: bool) -> None:
    """Refuse an OUT that cannot be written, that holds something else, or that a resume cannot go on with."""
    check_writable(search.path)
    if resume:
        _check_resumable(search)
        return
    if search.search.exists():
        raise InputError(f"--out: {search.path} holds a search already; add --resume to go on with it, or name another")
    if search.path.exists() and not set(search.path.iterdir()) <= {search.digits, search.lock}:
        raise InputError(f"--out must be a new or an empty folder; {search.path} is neither")


def _check_resumable(search: SearchFolder) -> None:
    """Only what is read before a resumed search writes it again; rungs are rebuilt, and folds are rewritten."""
    if not search.search.exists():
        raise InputError(f"--resume: {search.path} holds no search; without --resume one is begun there")
    together(
        lambda: load_object(search.search, "trials", "space_hash", "code_hash", "libraries"),
        lambda: search.standings.exists() and load_rows(search.standings, "trial", "epoch", "promoted", "cut_is_tie"),
        lambda: search.denoised.exists() and load_rows(search.denoised, "trial"),
        lambda: search.micro_batches.exists() and load_object(search.micro_batches),
        lambda: search.spending.exists() and load_object(search.spending, "seconds", "ended_for", "cut"),
        lambda: [load_recipe(search.trial(number)) for number in search.trial_numbers()],
    )

"""The one owner of file names: where a search keeps what. Imports neither torch nor ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search_spaces.kinds import DENOISES
from search_spaces.recipe import Recipe

DENOISED_FROM = 100_000
"""Numbers of a search's own trials are below; those of denoised ones, `denoised_number`, are not."""

SEARCH, RECIPE = "search.json", "recipe.json"
_TEST_PROBS, _TEST_PARTS = "test_probs.npy", "test_parts"


def is_heavy(name: str) -> bool:
    """Whether only a resume, a prediction or a comparison of epochs would need this file of a fold.

    What its nets said of the test images goes with them: nets that are trained again may be others.
    """
    return name.endswith(".safetensors") or name.startswith("epoch") or name == _TEST_PROBS


def only_trainings_read(name: str) -> bool:
    """Whether this file of OUT is a checkpoint, of TensorBoard's events, or Ray's own."""
    return name.rpartition("/")[2].startswith(("checkpoint", "events.")) or name.startswith("ray/")


def is_test_part(name: str) -> bool:
    """Whether this file of OUT is what a worker said of some test images (`SearchFolder.test_parts`)."""
    return name.startswith(f"{_TEST_PARTS}/") and name.endswith(".npy")


@dataclass(frozen=True)
class FoldFolder:
    """What training a recipe on one fold leaves behind."""

    path: Path

    @property
    def metrics(self) -> Path:
        """One row an epoch, CSV."""
        return self.path / "metrics.csv"

    @property
    def checkpoint(self) -> Path:
        """All that the next epoch needs."""
        return self.path / "checkpoint.safetensors"

    @property
    def earlier_checkpoint(self) -> Path:
        """The one before it."""
        return self.path / "checkpoint.earlier.safetensors"

    @property
    def weights(self) -> Path:
        """The net that answers in the end, or the last of those; its header says how to build it."""
        return self.path / "weights.safetensors"

    @property
    def pred_probs(self) -> Path:
        """Validation rows' class probabilities (n, K) after the newest epoch, at the recipe's TTA count.

        After the last one they are those of what the recipe answers with.
        """
        return self.path / "pred_probs.npy"

    def epoch_probs(self, epoch: int) -> Path:
        """What `pred_probs` were after one epoch, by that epoch's net, whatever answers in the end."""
        return self.path / f"epoch{epoch:03d}.npy"

    def epoch_weights(self, epoch: int) -> Path:
        """The net after an epoch that is not the last, where a recipe answers by the mean of several."""
        return self.path / f"epoch{epoch:03d}.safetensors"

    def nets(self, recipe: Recipe) -> list[Path]:
        """The weight files whose mean answers, the last epoch's last."""
        return [*map(self.epoch_weights, recipe.answering_epochs[:-1]), self.weights]

    def trained(self, recipe: Recipe) -> bool:
        """Whether every net that answers is here."""
        return all(net.exists() for net in self.nets(recipe))

    @property
    def soup_probs(self) -> Path:
        """Validation rows' class probabilities (n, K) by the soup of the last epochs, whatever answers."""
        return self.path / "soup_probs.npy"

    @property
    def not_averaged_probs(self) -> Path:
        """The same by the last epoch's net itself, where its moving average answers."""
        return self.path / "not_averaged_probs.npy"

    @property
    def view_probs(self) -> Path:
        """After the last epoch: validation rows' class probabilities (views, n, K), by each view alone."""
        return self.path / "view_probs.npy"

    @property
    def search_probs(self) -> Path:
        """`pred_probs` of a promoted trial as they were when the search left it, which is what it was judged by."""
        return self.path / "search_probs.npy"

    @property
    def judged_probs(self) -> Path:
        """`pred_probs` as the search judged the trial by them: `search_probs`, if it went on since."""
        return self.search_probs if self.search_probs.exists() else self.pred_probs

    @property
    def tta_curve(self) -> Path:
        """The newest scores at every TTA count, JSON."""
        return self.path / "tta_curve.json"

    @property
    def test_probs(self) -> Path:
        """Test images' class probabilities (n, K), in the sample submission's order."""
        return self.path / _TEST_PROBS

    @property
    def cleaned(self) -> Path:
        """What `--denoise` changed of the training rows, `image_id,action,label,weight`; not there where nothing."""
        return self.path / "cleaned.csv"

    @property
    def retries(self) -> Path:
        """Epochs whose loss was not finite and that were trained once more, a line each."""
        return self.path / "retries.txt"

    def forget_weights(self) -> None:
        """Delete what is heavy."""
        for path in self.path.glob("*"):
            if is_heavy(path.name):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class TrialFolder:
    """A recipe and the folds that it ran."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / RECIPE

    @property
    def error(self) -> Path:
        """The traceback of a trial that failed."""
        return self.path / "error.txt"

    @property
    def attempts(self) -> Path:
        """The causes of attempts that ended in an error and were made again."""
        return self.path / "attempts.txt"

    def fold(self, number: int) -> FoldFolder:
        return FoldFolder(self.path / f"fold{number}")


@dataclass(frozen=True)
class SearchFolder:
    """OUT: everything that one search has."""

    path: Path

    @property
    def search(self) -> Path:
        """What this search is: its plan and the hashes that a resume must match."""
        return self.path / SEARCH

    @property
    def lock(self) -> Path:
        """Held by the driver that writes here."""
        return self.path / "lock"

    @property
    def digits(self) -> Path:
        """Where `--data digits` writes its images."""
        return self.path / "data"

    @property
    def folds(self) -> Path:
        return self.path / "folds.json"

    @property
    def groups(self) -> Path:
        """Duplicates that share a fold: `image_id,group`, as `--groups` reads it."""
        return self.path / "duplicates.csv"

    @property
    def skipped(self) -> Path:
        """Images that `--bad-images skip` left out, where it did: `image_id,folder,reason`."""
        return self.path / "skipped.csv"

    @property
    def rungs(self) -> Path:
        """ASHA's tables and decisions."""
        return self.path / "rungs.json"

    @property
    def spending(self) -> Path:
        """What the search has cost so far, and which trials its budget cut short."""
        return self.path / "spending.json"

    @property
    def forecast(self) -> Path:
        """What the plan said that the search would come to."""
        return self.path / "forecast.json"

    @property
    def preemptions(self) -> Path:
        """Trainings whose machine went, `trial,fold,epoch,lost_s`; not there where none did.

        A part of the prediction has its batches in place of epochs, and neither trial nor fold.
        """
        return self.path / "preemptions.csv"

    @property
    def micro_batches(self) -> Path:
        """Rows that fit a device at once, where a batch did not."""
        return self.path / "micro_batches.json"

    @property
    def ray(self) -> Path:
        """Ray Tune's own files."""
        return self.path / "ray"

    @property
    def tracking(self) -> Path:
        """With `--track`: this search's name there, and the last epoch of each trial that each tracker was told."""
        return self.path / "tracking.json"

    @property
    def page(self) -> Path:
        """Events of the search's own page in TensorBoard; a trial's are in its folder, and a fold's in the fold's."""
        return self.path / "search"

    @property
    def rungs_page(self) -> Path:
        """The same of how many trials are alive at each rung, a curve that is written anew as it changes."""
        return self.page / "rungs"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    @property
    def standings(self) -> Path:
        """Every judged trial at the end of the search, best first: how far behind, and which differences are ties."""
        return self.path / "standings.json"

    @property
    def promoted(self) -> Path:
        return self.path / "promoted.json"

    @property
    def dropped(self) -> Path:
        """Whom `--adaptive` ruled out, and after how many folds."""
        return self.path / "dropped.json"

    @property
    def view_mean(self) -> Path:
        """Whether the answer averages test-time views as probabilities or as logarithms, and by what evidence."""
        return self.path / "view_mean.json"

    @property
    def denoised(self) -> Path:
        """The denoised trials: each one's number, its origin's, the way, and the folds whose rows were changed."""
        return self.path / "denoised.json"

    @property
    def test_parts(self) -> Path:
        """What an interrupted prediction of the test images has so far, in a folder for the nets that predict."""
        return self.path / _TEST_PARTS

    @property
    def label_issues(self) -> Path:
        """Suspicious labels, worst first."""
        return self.path / "label_issues.csv"

    @property
    def label_gallery(self) -> Path:
        """The first of them as small pictures, base64, so that the report needs no images."""
        return self.path / "label_gallery.json"

    @property
    def ensemble(self) -> Path:
        return self.path / "ensemble.json"

    @property
    def oof(self) -> Path:
        return self.path / "oof.csv"

    @property
    def matrices(self) -> Path:
        """Who is like whom among the models that `python -m analysis.ensemble` was given."""
        return self.path / "members.png"

    @property
    def submission(self) -> Path:
        return self.path / "submission.csv"

    @property
    def leaderboard(self) -> Path:
        """Scores of a leaderboard, written down by hand: by trial, or `ensemble`."""
        return self.path / "leaderboard.json"

    @property
    def bundle(self) -> Path:
        """In a folder that `predict.py --export` wrote: the hashes of its files."""
        return self.path / "bundle.json"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def picture(self) -> Path:
        """The search as one picture, for where a page is too much."""
        return self.path / "search.png"

    def trial(self, number: int) -> TrialFolder:
        return TrialFolder(self.trials / f"{number:03d}")

    def trial_numbers(self) -> list[int]:
        """The search's own trials that have begun, in order."""
        numbers = [int(path.name) for path in self.trials.glob("*") if path.name.isdecimal()]
        return sorted(number for number in numbers if number < DENOISED_FROM and self.trial(number).recipe.exists())

    def sweep(self) -> None:
        """Delete what processes that died in the middle of `write_whole` left; nothing may be writing here."""
        for pattern in ("", f"{_TEST_PARTS}/*/", "trials/*/", "trials/*/*/"):
            for temporary in self.path.glob(f"{pattern}.*.tmp"):
                temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class LedgerFolder:
    """Where `python -m analysis.ledger` writes what it has of many searches."""

    path: Path

    @property
    def table(self) -> Path:
        """Numbers, CSV."""
        return self.path / "ledger.csv"

    @property
    def page(self) -> Path:
        """The same to read, Markdown."""
        return self.path / "ledger.md"

    @property
    def picture(self) -> Path:
        """CV against the leaderboard."""
        return self.path / "ledger.png"


def denoised_number(origin: int, kind: str) -> int:
    """Of the denoised version of a trial: 100007, 200007, 300007 for trial 7 with `drop`, `relabel`, `reweight`."""
    return DENOISED_FROM * list(DENOISES).index(kind) + origin

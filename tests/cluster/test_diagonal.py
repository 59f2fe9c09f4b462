"""`--promotion diagonal` from searched trials to the answer, without Ray: trainings run here, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
import predict
from analysis.closing import closing_page
from analysis.ensemble import choose, ensemble_test_probs, submission, write_submission
from analysis.report import write_report
from analysis.summary import summarize
from cluster import folds
from cluster.denoising import denoise
from cluster.flags import read_flags
from cluster.folds import promote
from cluster.identity import begin
from cluster.plan import Plan, make_plan
from cluster.promotion import turns
from cluster.resources import Resources, Slots
from cluster.space import space_of
from cluster.spending import Spending
from trainables.files import load_array, load_json, save_array, save_json, write_whole
from trainables.member import Member, Pair, ensemble_members
from trainables.predict import predict_images
from trainables.train import train_in_search
from trainables.trial import load_recipe, load_trials
from trainables.view_means import mean_of_search

pytestmark = pytest.mark.slow

SLOTS = Slots(1, 1, 0.0)
RECIPES = (
    {"backbone": "test_resnet", "tta_count": 3},
    {"backbone": "test_resnet", "smoothing": 0.2},
    {"backbone": "test_efficientnet", "image_size": 40, "tta_count": 2},
    {"backbone": "test_byobnet"},
)
STOPPED = 3


@dataclass
class Cluster:
    """In place of Ray's: it remembers what it trained, dies after so many trainings, and some of them diverge."""

    plan: Plan
    dies_after: int = 99
    diverges: set[Pair] = field(default_factory=set)
    trained: list[Pair] = field(default_factory=list)

    def train(self, number: int, fold: int, epochs: int = 2) -> None:
        for row in train_in_search(self.plan.place, self.plan.search, number, fold, self.plan.setting(SLOTS)):
            if row["epoch"] == epochs:
                break

    def run(self, plan: Plan, slots: Resources, pairs: Sequence[Pair], *_how: object) -> None:
        for pair in pairs:
            if len(self.trained) == self.dies_after:
                raise KeyboardInterrupt
            self.trained.append(pair)
            if pair in self.diverges:
                write_whole(plan.search.trial(pair[0]).fold(pair[1]).metrics, "epoch,seconds,diverged\n1,0.1,True\n")
            else:
                self.train(*pair)

    def promote(self) -> list[Member]:
        slots = Resources(SLOTS)
        return promote(self.plan, slots, Spending(self.plan, slots), load_trials(self.plan.search))

    def order(self) -> list[int]:
        """Of the trials in a diagonal, by the standings."""
        backbones = {number: str(recipe["backbone"]) for number, recipe in enumerate(RECIPES)}
        return turns({row["trial"]: row["epoch"] for row in load_json(self.plan.search.standings)}, backbones)


@pytest.fixture
def cluster(stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The search is over: ASHA stopped the last trial after the first of two epochs."""
    words = ["--data", stripes, "--out", tmp_path / "OUT", "--folds", "3", "--epochs", "2", "--trials", "4", "--quiet"]
    flags = read_flags([*map(str, words), "--promotion", "diagonal"])
    plan = make_plan(flags, space_of(flags))
    assert plan is not None
    begin(plan)
    cluster = Cluster(plan)
    base = replace(plan.space.recipes(1, 0)[0], image_size=32, batch_size=8, tta_count=1)
    for number, fields in enumerate(RECIPES):
        save_json(plan.search.trial(number).recipe, replace(base, **fields).to_dict())
        cluster.train(number, 0, 1 if number == STOPPED else 2)
    save_json(plan.search.rungs, {"stopped": {str(STOPPED): 1}, "values": {}})
    monkeypatch.setattr(folds, "_run", cluster.run)
    return cluster


def test_a_diagonal_through_a_death_to_the_answer(cluster: Cluster, tmp_path: Path) -> None:
    plan, search = cluster.plan, cluster.plan.search
    cluster.dies_after = 1
    with pytest.raises(KeyboardInterrupt):
        cluster.promote()
    cluster.dies_after = 99
    (member,) = promoted = cluster.promote()
    assert member.trials == tuple(cluster.order()[:3])
    assert STOPPED not in member.trials, "its backbone is nobody else's, but the search did not believe in it"
    assert cluster.trained == member.pairs[1:], "fold 0 is the search's, and nothing is trained twice"
    assert {row["trial"] for row in load_json(search.standings) if row["promoted"]} == {*member.trials}
    wanted = {search.trial(number).fold(fold).weights for number, fold in member.pairs}
    assert {*search.trials.glob("*/*/weights.safetensors")} == wanted, "nobody wants the others"

    slots = Resources(SLOTS)
    assert denoise(plan, slots, Spending(plan, slots), promoted) == []
    choose(search, plan.data, plan.folds, promoted, plan.metric)
    assert ensemble_members(search, 3) == promoted
    for number, fold in member.pairs:
        folder = search.trial(number).fold(fold)
        nets = folder.nets(load_recipe(search.trial(number)))
        save_array(folder.test_probs, predict_images(nets, plan.data.test_paths, mean=mean_of_search(search)))
    write_submission(search, plan.data.test_ids)
    _check_told(cluster, member)
    _check_predicted(cluster, tmp_path)


def _check_told(cluster: Cluster, member: Member) -> None:
    plan, search = cluster.plan, cluster.plan.search
    summary = summarize(search, plan.data, plan.folds, 1.0)
    (row,), (cost,) = summary["promoted"], summary["cost"]
    assert row["trial"] == cost["trial"] == member.stored
    assert [fold["trial"] for fold in row["folds"]] == list(member.trials)
    assert [recipe["backbone"] for recipe in row["recipe"]] == [RECIPES[n]["backbone"] for n in member.trials]
    assert summary["best_trial"]["trial"] == member.trials[0]
    rows = [pd.read_csv(search.trial(number).fold(fold).metrics) for number, fold in member.pairs]
    assert cost["epochs"] == 2 * 2
    assert cost["seconds"] == pytest.approx(sum(each["seconds"].sum() for each in rows[1:]))
    assert {way["trial"] for way in summary["ways"]} == {*member.trials}
    told = closing_page(summary, search.report, str(search.path))
    assert "promotion  diagonal: 4 epochs more" in told
    assert f"trials {member} x 1.00" in told
    page = write_report(analysis.load(search.path)).read_text()
    assert "Which recipe answers in which fold" in page
    assert f'<th scope="row"><span>{member}</span></th>' in page


def _check_predicted(cluster: Cluster, tmp_path: Path) -> None:
    """predict.py and a bundle, whose nets have sizes and views of their own, answer as the search does."""
    search, bundle = cluster.plan.search, tmp_path / "bundle"
    assert predict.main([str(search.path), "--export", str(bundle)]) == 0
    assert len([*bundle.glob("trials/*/*/weights.safetensors")]) == 3
    expected = ensemble_test_probs(search)
    seen: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.ensemble.submission", lambda ids, probs: seen.append(probs) or submission(ids, probs))
        words = ["--images", str(cluster.plan.data.root / "test_images"), "--out", str(tmp_path / "a.csv"), "--quiet"]
        assert predict.main([str(bundle), *words]) == 0
    order = np.argsort(cluster.plan.data.test_ids)  # predict.py answers in the order of names
    np.testing.assert_allclose(seen[0], expected[order], atol=1e-5)


def test_a_trial_that_diverges_is_replaced_in_its_fold_alone(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.dies_after = 0
    with pytest.raises(KeyboardInterrupt):  # once the standings are written
        cluster.promote()
    cluster.dies_after = 99
    first, second, third, spare = cluster.order()
    cluster.diverges = {(second, 1)}
    assert cluster.promote() == [Member((first, spare, third))]
    assert sorted(cluster.trained) == sorted([(second, 1), (third, 2), (spare, 1)])
    assert f"trial {second:03d} diverged on fold 1 and is replaced there" in capsys.readouterr().out
    assert cluster.promote() == [Member((first, spare, third))]
    assert len(cluster.trained) == 3, "a resume trains nothing again"
    assert np.isfinite(load_array(cluster.plan.search.trial(spare).fold(1).pred_probs)).all()

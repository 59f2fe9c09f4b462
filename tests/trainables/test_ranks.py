"""Several processes that train one net together do what one does alone."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from search_spaces import InputError, Recipe
from trainables.backbones import Build, build_net
from trainables.checks import check_divides
from trainables.data.images import batch_sizes
from trainables.joint_steps import JointStepper
from trainables.losses.of_recipe import loss_of
from trainables.optimizers import optimizer_of
from trainables.precision import scaler_of
from trainables.ranks import ALONE, Rank, rank_here, synchronized

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=6, learning_rate=0.1, epochs=1, optimizer="sgd")
CPU = torch.device("cpu")
MakeNet = Callable[[], nn.Module]
ROOT = Path(__file__).parents[2]
IMAGES = torch.arange(2 * 32 * 32 * 3).remainder(256).reshape(2, 32, 32, 3).to(torch.uint8)
STATISTIC = "body.bn1.running_mean"


@pytest.mark.parametrize(("size", "count"), [(8, 2), (7, 2), (5, 4), (2, 4), (6, 1)])
def test_a_batch_is_shared_out_in_order_and_evenly(size: int, count: int) -> None:
    batch = [10 + place for place in range(size)]
    parts = [Rank(index, count).rows(batch) for index in range(count)]
    assert len({len(part) for part in parts}) == 1
    assert [row for part in parts for row in part][:size] == batch
    assert sum(map(len, parts)) < size + count


def test_each_part_begins_after_the_row_that_it_is_mixed_with() -> None:
    batch = [10, 11, 12, 13]
    assert [Rank(index, 2).rows(batch, before=1) for index in range(2)] == [[13, 10, 11], [11, 12, 13]]


def test_the_last_batch_of_one_row_is_left_out_unless_all_are() -> None:
    assert batch_sizes(13, 6) == [6, 6]
    assert batch_sizes(14, 6) == [6, 6, 2]
    assert batch_sizes(3, 1) == [1, 1, 1]
    assert batch_sizes(1, 6) == [1]


def test_alone_nothing_is_shared() -> None:
    assert rank_here() is ALONE
    assert ALONE.first and ALONE.tell({"epoch": 1}) == {"epoch": 1} and ALONE.least(3) == 3
    net = build_net(RECIPE, Build(2))
    with ALONE.joined(net) as joined:
        assert joined is net


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of this process alone, in memory."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def gradient_of(net: nn.Module, rank: Rank, rows: int, micro_batch: int) -> tuple[Tensor, Tensor]:
    """One process's gradient and loss, of its part of a batch, with nobody to average with."""
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.randn(rows, 6, generator=generator), torch.randint(0, 3, (rows,), generator=generator)
    mine = rank.rows(range(rows))
    joined = DistributedDataParallel(net)
    stepper = JointStepper(
        joined, optimizer_of(RECIPE, net), loss_of(RECIPE), RECIPE, scaler_of(RECIPE, CPU), micro_batch, rank=rank
    )
    value = stepper._add_gradient(images[mine], labels[mine], rows)
    return torch.cat([parameter.grad.flatten() for parameter in net.parameters() if parameter.grad is not None]), value


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(("rows", "count", "micro_batch"), [(12, 2, 6), (12, 3, 2), (7, 2, 4), (7, 4, 1), (3, 4, 5)])
def test_the_mean_of_the_gradients_is_that_of_the_batch(
    plain: MakeNet, rows: int, count: int, micro_batch: int
) -> None:
    whole, loss = gradient_of(plain(), ALONE, rows, rows)
    parts = [gradient_of(plain(), Rank(index, count), rows, micro_batch) for index in range(count)]
    torch.testing.assert_close(torch.stack([gradient for gradient, _ in parts]).mean(0), whole, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(torch.stack([value for _, value in parts]).sum(), loss)


def test_batch_norm_is_the_net_s_own_again_afterwards() -> None:
    """What the epoch did to weights and statistics stays, and so do the activations that timm puts into norms."""
    net = build_net(RECIPE, Build(2)).train()
    before, weights = dict(net.named_modules()), dict(net.named_parameters())
    said = net.eval()(IMAGES)
    with synchronized(net, None):
        assert any(isinstance(module, nn.SyncBatchNorm) for module in net.modules())
        assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
        assert all(weights[name] is weight for name, weight in net.named_parameters()), "the optimizer holds these"
        torch.testing.assert_close(net.eval()(IMAGES), said)
        dict(net.named_buffers())[STATISTIC].fill_(7.0)
    assert all(before[name] is module for name, module in net.named_modules())
    assert dict(net.named_buffers())[STATISTIC][0] == 7.0


def test_what_does_not_divide_is_refused() -> None:
    check_divides([RECIPE], 1)
    check_divides([RECIPE], 3)
    with pytest.raises(InputError, match="batch_size must be a multiple of 4, got 6"):
        check_divides([RECIPE], 4)


TOGETHER = """
import json, sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist

from search_spaces import Recipe
from trainables.backbones import starting_net
from trainables.checkpoint import load_checkpoint
from trainables.data.folds import make_folds
from trainables.data.kaggle import load_data
from trainables.files import load_array
from trainables.layout import FoldFolder
from trainables.ranks import ALONE, rank_here
from trainables.setting import Setting
from trainables.train import train

root, scratch, index = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{scratch}/store", rank=index, world_size=2)
rank, data, setting = rank_here(), load_data(root), Setting()
folds = make_folds(data, 3, seed=0, data_hash="d")
plain = Recipe(backbone="test_vit", image_size=32, batch_size=10, learning_rate=0.02, epochs=2, optimizer="sgd")
cases = {
    "augmented, averaged and clipped": replace(
        plain, augment="shifts", ema_decay=0.9, clip_norm=0.5, answer="soup", answer_epochs=2
    ),
    "mixed": replace(plain, mix="cutmix", loss="bi_tempered", t1=0.8, t2=1.4),
    "mixed by what the net looks at": replace(
        plain, backbone="test_convnext", image_size=64, mix="snapmix", schedule="plateau"
    ),
    "sharp, mined, head first": replace(plain, sam_rho=0.05, ohem_keep=0.5, head_epochs=1, sampling="sqrt"),
    "half the bits": replace(plain, precision="bfloat16"),
}


def run(recipe, name, rank, epochs=None):
    folder = FoldFolder(scratch / name)
    folder.path.mkdir(parents=True, exist_ok=True)
    known = replace(setting, micro_batches=scratch / "micro_batches.json" if recipe.sam_rho else None)
    for row in train(recipe, data, folds, 0, folder, known, rank):
        if row["epoch"] == epochs:
            break
    return folder, row


def flat(weights):
    return torch.cat([weight.flatten().float() for weight in weights.values()])


def net_of(folder):
    return flat(load_checkpoint(folder)["net"])


found = {}
for name, recipe in cases.items():
    if recipe.sam_rho and rank.first:
        key = f"{recipe.backbone}, {recipe.image_size} px, {recipe.precision}, CPU"
        (scratch / "micro_batches.json").write_text(json.dumps({key: 2}))
    rank.least(0)
    together, row = run(recipe, f"{name} together", rank)
    if rank.first:
        (scratch / "micro_batches.json").unlink(missing_ok=True)
        alone, own = run(recipe, f"{name} alone", ALONE)
        torch.manual_seed(recipe.seed)
        fresh = flat(starting_net(recipe, len(data.classes), None)[0].state_dict())
        found[name] = {
            "weights": float((net_of(together) - net_of(alone)).abs().max()),
            "moved": float((net_of(alone) - fresh).abs().max()),
            "probs": float(abs(load_array(together.pred_probs) - load_array(alone.pred_probs)).max()),
            "train_loss": abs(row["train_loss"] - own["train_loss"]),
            "processes": [row["processes"], own["processes"]],
        }
    rank.least(0)
name, recipe = next(iter(cases.items()))
if rank.first:
    run(recipe, "resumed", ALONE, 1)
rank.least(0)
folder, row = run(recipe, "resumed", rank)
if rank.first:
    alone = FoldFolder(scratch / f"{name} alone")
    found["resumed"] = {
        "weights": float((net_of(folder) - net_of(alone)).abs().max()),
        "probs": float(abs(load_array(folder.pred_probs) - load_array(alone.pred_probs)).max()),
        "processes": [each["processes"] for each in load_checkpoint(folder)["rows"]],
    }
    print(json.dumps(found))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_train_as_one(more_stripes: Path, tmp_path: Path) -> None:
    """13 rows in batches of 10 and 3, the last of which does not divide; nets without BatchNorm, on CPUs."""
    words = [sys.executable, "-c", TOGETHER, str(more_stripes), str(tmp_path)]
    second = subprocess.Popen([*words, "1"], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        first = subprocess.run([*words, "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
        assert second.wait(timeout=60) == 0
    finally:
        second.kill()
        second.wait()
    found = json.loads(first.stdout)
    resumed = found.pop("resumed")
    assert len(found) == 5
    for name, apart in found.items():
        assert apart["processes"] == [2, 1]
        tolerance = 1e-3 if name == "half the bits" else 2e-5
        assert apart["weights"] < tolerance < apart["moved"], name
        assert apart["probs"] < tolerance and apart["train_loss"] < tolerance, name
    assert resumed["processes"] == [1, 2]
    assert resumed["weights"] < 2e-5 and resumed["probs"] < 2e-5

"""The contract that every loss keeps, and each loss beside its definition. A name in `LOSSES` inherits the tests."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces import InputError, Recipe
from search_spaces.kinds import LOSSES
from trainables.backbones import Build, build_net, load_net, save_net
from trainables.losses.loss import Loss, shares_and_weights
from trainables.losses.of_recipe import _OF_NAME, check_losses, loss_of
from trainables.losses.taylor_cross_entropy import log_taylor_softmax

GOOD = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8, "learning_rate": 1e-3, "epochs": 1}
CASES = {
    **{name: {"loss": name} for name in LOSSES},
    "bi_tempered, tempered": {"loss": "bi_tempered", "t1": 0.8, "t2": 1.4},
    "focal, gamma below 1": {"loss": "focal", "focal_gamma": 0.5},
    **{f"taylor of order {n}": {"loss": "taylor_cross_entropy", "taylor_order": n} for n in (1, 3, 4, 5, 6)},
    "OUSM of symmetric": {"loss": "symmetric_cross_entropy", "ousm_drop": 2},
    "OUSM of gamblers": {"loss": "gamblers", "ousm_drop": 2},
    "OHEM of gamblers": {"loss": "gamblers", "ohem_keep": 0.5},
    "OHEM of bi_tempered": {"loss": "bi_tempered", "t1": 0.8, "t2": 1.4, "ohem_keep": 0.5},
}
K = 5


def loss_for(case: str, **more: object) -> Loss:
    return loss_of(Recipe.from_dict({**GOOD, **CASES[case], **more}))


def some_logits(loss: Loss, rows: int = 8, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, K + loss.extra_outputs, generator=generator, dtype=torch.float64).mul(scale).to(dtype)


every_case = pytest.mark.parametrize("case", list(CASES))


def test_every_name_has_a_loss_and_a_file() -> None:
    assert set(_OF_NAME) == set(LOSSES)
    folder = Path(__file__).parents[2] / "trainables/losses"
    assert all((folder / f"{name}.py").is_file() for name in LOSSES)


@every_case
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 100.0])
def test_the_link_gives_probabilities_of_the_classes(case: str, scale: float) -> None:
    loss = loss_for(case)
    probs = loss.link(some_logits(loss, scale=scale))
    assert probs.shape == (8, K)
    assert (probs >= 0).all()
    torch.testing.assert_close(probs.sum(-1), torch.ones(8), atol=1e-6, rtol=0)


@every_case
def test_the_link_does_not_care_for_the_order_of_classes(case: str) -> None:
    loss, order = loss_for(case), torch.tensor([3, 0, 4, 1, 2])
    logits = some_logits(loss)
    shuffled = torch.cat([logits[:, order], logits[:, K:]], dim=1)
    torch.testing.assert_close(loss.link(shuffled), loss.link(logits)[:, order])


@every_case
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels_are_one_hot_targets(case: str, smoothing: float) -> None:
    loss = loss_for(case, smoothing=smoothing)
    logits, labels = some_logits(loss), torch.arange(8) % K
    torch.testing.assert_close(
        loss.by_row(logits, labels), loss.by_row(logits, F.one_hot(labels, K)), atol=1e-6, rtol=1e-5
    )


@every_case
def test_the_mean_is_of_the_rows(case: str) -> None:
    loss = loss_for(case, ousm_drop=0, ohem_keep=1.0)
    logits, targets = some_logits(loss), torch.rand(8, K, generator=torch.Generator().manual_seed(1)).softmax(-1)
    torch.testing.assert_close(loss(logits, targets), loss.by_row(logits, targets).mean())


def weighed(labels: Tensor, weights: Tensor) -> Tensor:
    return F.one_hot(labels, K) * weights.unsqueeze(1)


@every_case
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_shares_that_sum_to_more_or_less_weigh_the_row(case: str, smoothing: float) -> None:
    loss = loss_for(case, smoothing=smoothing, ousm_drop=0, ohem_keep=1.0)
    labels, weights = torch.arange(8) % K, torch.linspace(0.0, 2.0, 8, dtype=torch.float64)
    logits = some_logits(loss, dtype=torch.float64).requires_grad_()
    targets = weighed(labels, weights)
    torch.testing.assert_close(loss(logits, targets), (weights * loss.by_row(logits, labels)).mean())
    assert torch.autograd.gradcheck(lambda a: loss(a, targets), logits)


@every_case
def test_a_weight_of_0_drops_the_row(case: str) -> None:
    loss = loss_for(case, smoothing=0.1, ousm_drop=0, ohem_keep=1.0)
    logits, labels = some_logits(loss, dtype=torch.float64).requires_grad_(), torch.arange(8) % K
    weights = torch.ones(8, dtype=torch.float64)
    weights[2] = 0.0
    with_it = torch.autograd.grad(loss(logits, weighed(labels, weights)), logits)[0]
    rest = torch.arange(8) != 2
    without = torch.autograd.grad(loss(logits[rest], labels[rest]) * 7 / 8, logits)[0]
    torch.testing.assert_close(with_it, without)
    assert (with_it[2] == 0).all()


def test_the_rounding_of_mixed_shares_is_no_weight() -> None:
    shares = torch.rand(8, K, generator=torch.Generator().manual_seed(3)).softmax(-1)
    got, weights = shares_and_weights(shares)
    assert torch.equal(got, shares)
    assert (weights == 1.0).all()


@every_case
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_gradient_is_the_value_s(case: str, smoothing: float) -> None:
    loss = loss_for(case, smoothing=smoothing)
    logits = some_logits(loss, rows=4, dtype=torch.float64).requires_grad_()
    targets = torch.rand(4, K, generator=torch.Generator().manual_seed(2), dtype=torch.float64).softmax(-1)
    assert torch.autograd.gradcheck(lambda a: loss(a, targets), logits)


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_values_and_gradients_are_finite_in_every_precision(case: str, dtype: torch.dtype, scale: float) -> None:
    loss = loss_for(case)
    logits = some_logits(loss, scale=scale, dtype=dtype).requires_grad_()
    value = loss(logits, torch.arange(8) % K)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@every_case
def test_a_certain_right_answer_has_a_finite_gradient(case: str) -> None:
    loss = loss_for(case)
    logits = (60.0 * torch.eye(K)[:, : K + loss.extra_outputs]).requires_grad_()
    logits_all = F.pad(logits, (0, loss.extra_outputs))
    loss(logits_all, torch.arange(K)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("case", [case for case in CASES if "ousm_drop" not in CASES[case]])  # it gives some rows up
def test_descending_raises_the_label_s_probability_through_the_link(case: str) -> None:
    loss, labels = loss_for(case), torch.arange(8) % K
    logits = (0.1 * some_logits(loss)).requires_grad_()
    before = loss.link(logits.detach())[torch.arange(8), labels]
    optimizer = torch.optim.SGD([logits], lr=1.0)
    for _ in range(300):
        optimizer.zero_grad()
        loss(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    probs = loss.link(logits.detach())
    assert (probs[torch.arange(8), labels] > before).all()
    assert (probs.argmax(-1) == labels).all()


def test_cross_entropy_is_torch_s_and_bi_tempered_s_default() -> None:
    logits, labels = some_logits(loss_for("cross_entropy")), torch.arange(8) % K
    for case in ("cross_entropy", "bi_tempered"):
        got = loss_for(case, smoothing=0.1)(logits, labels)
        torch.testing.assert_close(got, F.cross_entropy(logits, labels, label_smoothing=0.1))


def test_focal_without_gamma_and_symmetric_without_its_reverse_are_cross_entropy() -> None:
    logits, labels = some_logits(loss_for("focal")), torch.arange(8) % K
    wanted = F.cross_entropy(logits, labels, label_smoothing=0.1)
    for case, fields in (("focal", {"focal_gamma": 0.0}), ("symmetric_cross_entropy", {"sce_alpha": 1, "sce_beta": 0})):
        torch.testing.assert_close(loss_for(case, smoothing=0.1, **fields)(logits, labels), wanted)


def test_each_loss_is_its_definition() -> None:
    a, y = torch.tensor([[1.0, -0.5, 0.3]], dtype=torch.float64), torch.tensor([1])
    p = np.exp(a[0].numpy()) / np.exp(a[0].numpy()).sum()
    unit = a[0].numpy() / np.sqrt((a[0].numpy() ** 2).sum())
    q = np.exp(unit) / np.exp(unit).sum()
    wanted = {
        "focal": -((1 - p[1]) ** 2) * math.log(p[1]),
        "symmetric_cross_entropy": -0.1 * math.log(p[1]) - (p[0] + p[2]) * math.log(1e-4),
        "focal_cosine": 1 - unit[1] - 0.1 * (1 - q[1]) ** 2 * math.log(q[1]),
        "gamblers": -math.log(2.0 * p[1] + p[2]),  # two classes and the reservation
    }
    for name, value in wanted.items():
        assert float(loss_for(name)(a, y)) == pytest.approx(value, rel=1e-9), name
    f = 1 + a[0].numpy() + a[0].numpy() ** 2 / 2
    assert float(loss_for("taylor_cross_entropy")(a, y)) == pytest.approx(-math.log(f[1] / f.sum()), rel=1e-9)


def test_a_symmetric_loss_has_a_constant_sum_over_labels() -> None:
    """What makes the reverse part robust (section 3 of the paper): over all labels it adds up to the same."""
    loss = loss_for("symmetric_cross_entropy", sce_alpha=0.0)
    logits = some_logits(loss)
    total = sum(loss.by_row(logits, torch.full((8,), k)) for k in range(K))
    torch.testing.assert_close(total, torch.full((8,), -(K - 1) * math.log(1e-4)))


def test_the_taylor_softmax_of_even_order_is_not_monotone_and_the_link_knows() -> None:
    logits = torch.tensor([[-4.0, 0.5, 1.0]])
    probs = loss_for("taylor_cross_entropy").link(logits)
    assert int(probs.argmax()) == 0, "1 + x + x^2/2 is 5 at -4 and 2.5 at 1"
    assert int(logits.argmax()) == 2


@pytest.mark.parametrize("order", [1, 3, 5])
def test_the_taylor_softmax_of_odd_order_is_monotone_and_smooth_at_zero(order: int) -> None:
    x = torch.linspace(-6, 6, 241, dtype=torch.float64)
    logs = log_taylor_softmax(x.unsqueeze(0), order)[0]
    assert (logs.diff() > 0).all()
    if order > 1:
        assert logs.diff().diff().abs().max() < 0.05 * 1.5, "no kink"


def test_a_great_order_is_softmax() -> None:
    logits = some_logits(loss_for("taylor_cross_entropy"), scale=0.5, dtype=torch.float64)
    torch.testing.assert_close(log_taylor_softmax(logits, 10).exp(), logits.softmax(-1), atol=1e-5, rtol=1e-4)


def test_ousm_leaves_the_greatest_rows_out_and_ohem_keeps_them() -> None:
    logits, labels = some_logits(loss_for("cross_entropy")), torch.arange(8) % K
    rows = F.cross_entropy(logits, labels, reduction="none").sort().values
    ousm, ohem = loss_for("cross_entropy", ousm_drop=3), loss_for("cross_entropy", ohem_keep=0.25)
    torch.testing.assert_close(ousm(logits, labels), rows[:5].mean())
    torch.testing.assert_close(ohem(logits, labels), rows[-2:].mean())
    torch.testing.assert_close(ousm(logits[:2], labels[:2]), ousm.by_row(logits[:2], labels[:2]).min())


def test_the_gambler_s_reservation_stays_inside(tmp_path: Path) -> None:
    recipe = Recipe.from_dict({**GOOD, "loss": "gamblers"})
    build = Build(n_classes=3)
    net = build_net(recipe, build)
    images = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    assert net.eval()(images).shape == (2, 4)
    assert loss_of(recipe).link(net(images)).shape == (2, 3)
    save_net(tmp_path / "net.safetensors", net, recipe, build)
    again, _ = load_net(tmp_path / "net.safetensors")
    torch.testing.assert_close(again(images), net(images))


def test_a_reward_above_the_number_of_classes_is_refused() -> None:
    recipe = Recipe.from_dict({**GOOD, "loss": "gamblers", "gamblers_reward": 4.0})
    check_losses([recipe], 4)
    with pytest.raises(InputError, match=r"in \(1, 3\].* got 4"):
        check_losses([recipe], 3)

"""The loss against its definition in arbitrary precision, against torch, and at its limits."""

import mpmath
import pytest
import torch
import torch.nn.functional as F

from trainables.losses.bi_tempered import BiTempered, bi_tempered_loss, tempered_softmax

GRID = [(1.0, 1.0), (0.8, 1.4), (0.9, 1.5), (0.3, 3.0), (0.0, 2.0), (0.7, 1.0), (1.0, 4.0)]


def exact_probs(logits: list[float], t: float) -> list[mpmath.mpf]:
    """The tempered softmax by bisection in 40 digits, straight from its definition."""
    mpmath.mp.dps = 40
    a = [mpmath.mpf(x) for x in logits]
    if t == 1.0:
        total = mpmath.fsum(mpmath.exp(x) for x in a)
        return [mpmath.exp(x) / total for x in a]
    q = 1 - mpmath.mpf(t)

    def exp_t(x: mpmath.mpf) -> mpmath.mpf:
        return max(mpmath.mpf(0), 1 + q * x) ** (1 / q)

    low, high = max(a), max(a) + 1
    while mpmath.fsum(exp_t(x - high) for x in a) > 1:
        high = low + 2 * (high - low)
    for _ in range(160):
        middle = (low + high) / 2
        low, high = (middle, high) if mpmath.fsum(exp_t(x - middle) for x in a) > 1 else (low, middle)
    return [exp_t(x - low) for x in a]


def exact_loss(logits: list[float], targets: list[float], t1: float, t2: float) -> mpmath.mpf:
    def log_t(x: mpmath.mpf) -> mpmath.mpf:
        return mpmath.log(x) if t1 == 1.0 else (x ** (1 - mpmath.mpf(t1)) - 1) / (1 - mpmath.mpf(t1))

    power = 2 - mpmath.mpf(t1)
    total = mpmath.mpf(0)
    for y, p in zip(map(mpmath.mpf, targets), exact_probs(logits, t2), strict=True):
        total += (y * (log_t(y) - log_t(p)) if y else 0) - (y**power - p**power) / power
    return total


@pytest.mark.parametrize(("t1", "t2"), GRID)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_value_is_the_definition(t1: float, t2: float, smoothing: float) -> None:
    logits = torch.tensor([[1.5, -0.7, 0.2], [-3.0, 4.0, 9.0]], dtype=torch.float64)
    labels = torch.tensor([1, 2])
    shares = F.one_hot(labels, 3).double() * (1 - smoothing) + smoothing / 3
    rows = zip(logits.tolist(), shares.tolist(), strict=True)
    wanted = mpmath.fsum(exact_loss(a, y, t1, t2) for a, y in rows) / 2
    if t1 == t2 == 1.0:  # there it is cross-entropy, which keeps the targets' own entropy
        wanted += float(-(shares * shares.clamp_min(1e-300).log()).sum(-1).mean())
    got = bi_tempered_loss(logits, labels, t1, t2, smoothing)
    assert float(got) == pytest.approx(float(wanted), rel=1e-9)


@pytest.mark.parametrize("t", [1.0, 1.2, 1.5, 2.0, 4.0, 0.5, 0.9])
def test_link_is_the_definition(t: float) -> None:
    logits = [3.0, -1.0, 0.5, 2.9]
    got = tempered_softmax(torch.tensor([logits]), t)[0].tolist()
    assert got == pytest.approx([float(p) for p in exact_probs(logits, t)], rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("t", [0.5, 0.999, 1.0, 1.001, 1.5, 2.0, 4.0])
@pytest.mark.parametrize("classes", [2, 5, 1000, 30_000])
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 100.0])
def test_probabilities_sum_to_one_and_keep_the_order(t: float, classes: int, scale: float) -> None:
    logits = torch.randn(4, classes, generator=torch.Generator().manual_seed(0)).clamp(-1, 1) * scale
    probs = tempered_softmax(logits, t)
    assert (probs.sum(-1) - 1).abs().max() < 1e-6
    assert probs.isfinite().all()
    assert (probs.gather(-1, logits.argmax(-1, keepdim=True)).squeeze(-1) == probs.max(-1).values).all()


def exact_gradient(logits: list[float], label: int, t1: float, t2: float) -> list[mpmath.mpf]:
    """dD/da in 40 digits: slope - escort * sum(slope)."""
    probs = exact_probs(logits, t2)
    slope = [(p - (k == label)) * p ** (mpmath.mpf(t2) - mpmath.mpf(t1)) for k, p in enumerate(probs)]
    escort = [p ** mpmath.mpf(t2) for p in probs]
    share = mpmath.fsum(slope) / mpmath.fsum(escort)
    return [s - e * share for s, e in zip(slope, escort, strict=True)]


@pytest.mark.parametrize(("t1", "t2"), GRID)
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_float32_is_exact_to_one_in_a_hundred_thousand(t1: float, t2: float, scale: float) -> None:
    logits = (torch.randn(4, 6, generator=torch.Generator().manual_seed(4)) * scale).clamp(-100, 100)
    for row, label in zip(logits, [0, 1, 2, 3], strict=True):
        row = row.unsqueeze(0).requires_grad_()
        loss = bi_tempered_loss(row, torch.tensor([label]), t1, t2)
        got = torch.autograd.grad(loss, row)[0][0]
        target = [float(k == label) for k in range(6)]
        assert loss.item() == pytest.approx(float(exact_loss(row[0].tolist(), target, t1, t2)), rel=1e-5, abs=1e-6)
        wanted = torch.tensor([float(g) for g in exact_gradient(row[0].tolist(), label, t1, t2)])
        assert (got - wanted).norm() <= 1e-5 * wanted.norm() + 1e-7


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("near", [1e-5, -1e-5])
def test_the_loss_is_continuous_where_a_temperature_is_one(smoothing: float, near: float) -> None:
    logits, labels = torch.tensor([[2.0, -1.0, 0.3]], dtype=torch.float64), torch.tensor([1])
    for t1, t2 in ((0.7, 1.0), (1.0, 1.4)):
        beside = (t1 + near, t2) if t1 == 1.0 and near < 0 else (t1, t2 + near) if t2 == 1.0 else (t1, t2 - near)
        got, limit = (bi_tempered_loss(logits, labels, *pair, smoothing) for pair in (beside, (t1, t2)))
        torch.testing.assert_close(got, limit, atol=1e-4, rtol=1e-4)


def test_the_loss_is_continuous_where_both_are_one() -> None:
    logits, labels = torch.tensor([[2.0, -1.0, 0.3]], dtype=torch.float64), torch.tensor([1])
    got = bi_tempered_loss(logits, labels, 1.0 - 1e-6, 1.0 + 1e-6)
    torch.testing.assert_close(got, F.cross_entropy(logits, labels), atol=1e-5, rtol=1e-5)


def test_a_second_derivative_is_refused() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.3]], requires_grad=True)
    (slope,) = torch.autograd.grad(bi_tempered_loss(logits, torch.tensor([1]), 0.8, 1.4), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        slope.sum().backward()


@pytest.mark.parametrize(("t1", "t2"), GRID)
def test_gradient_is_the_value_s(t1: float, t2: float) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.rand(3, 4, dtype=torch.float64, generator=generator).softmax(-1)
    assert torch.autograd.gradcheck(lambda a: bi_tempered_loss(a, targets, t1, t2), logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("soft", [False, True])
def test_both_temperatures_one_is_torch_s_cross_entropy(smoothing: float, soft: bool) -> None:
    logits = torch.randn(8, 5, generator=torch.Generator().manual_seed(2), requires_grad=True)
    targets = torch.rand(8, 5, generator=torch.Generator().manual_seed(3)).softmax(-1) if soft else torch.arange(8) % 5
    losses = (
        bi_tempered_loss(logits, targets, 1.0, 1.0, smoothing),
        F.cross_entropy(logits, targets, label_smoothing=smoothing),
    )
    torch.testing.assert_close(*losses, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in losses), atol=1e-6, rtol=1e-6)


# From the tests of the paper's reference implementation (github.com/google/bi-tempered-loss, Apache-2.0).
REFERENCE_LOGITS = torch.tensor([[-0.5, 0.1, 2.0], [0.1, 1.5, -5.0], [4.0, -3.0, -6.0]])
REFERENCE_TARGETS = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.2, 0.8, 0.0]])


@pytest.mark.parametrize(
    ("t1", "t2", "values"),
    [(0.5, 1.5, [0.02301914, 0.18972909, 0.93874922]), (0.5, 0.8, [0.21646356, 0.41836615, 1.33997854])],
)
def test_the_reference_implementation_s_values(t1: float, t2: float, values: list[float]) -> None:
    rows = zip(REFERENCE_LOGITS.split(1), REFERENCE_TARGETS.split(1), strict=True)
    assert [float(bi_tempered_loss(a, y, t1, t2)) for a, y in rows] == pytest.approx(values, abs=1e-5)


def test_the_reference_implementation_s_smoothing_is_ours_times_k_minus_one_over_k() -> None:
    got = [float(bi_tempered_loss(REFERENCE_LOGITS[[k]], torch.tensor([k]), 0.5, 1.5, 0.1 * 3 / 2)) for k in range(3)]
    assert got == pytest.approx([0.76652711, 0.08627685, 1.35443510], abs=1e-5)


def test_the_reference_implementation_s_values_for_changing_temperatures() -> None:
    targets, values = torch.tensor([[0.2, 0.5, 0.3]]), [1.6583576, 0.45677936, 0.34298314, 0.26295574]
    pairs = [(1.0, 1.0), (0.9, 1.1), (0.8, 1.2), (0.7, 1.3)]
    assert [float(bi_tempered_loss(REFERENCE_LOGITS[:1], targets, *pair)) for pair in pairs] == pytest.approx(values)


def test_the_reference_implementation_s_link_as_far_as_its_iterations_went() -> None:
    """Its five iterations leave sums of up to 1.002 at t = 4; ours differ from it by as much, and sum to 1."""
    wanted = [
        [0.3205458, 0.32714278, 0.3523402],
        [0.3430056, 0.36491093, 0.29220778],
        [0.41369352, 0.30534995, 0.28299212],
    ]
    got, theirs = tempered_softmax(REFERENCE_LOGITS, 4.0), torch.tensor(wanted)
    torch.testing.assert_close(got, theirs, atol=1.5e-3, rtol=0)
    torch.testing.assert_close(got, theirs / theirs.sum(-1, keepdim=True), atol=1e-3, rtol=0)
    torch.testing.assert_close(got.sum(-1), torch.ones(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("near", [1e-6, -1e-6])
def test_the_limit_t2_to_one_is_continuous(near: float) -> None:
    logits = torch.tensor([[2.0, -1.0, 0.3]])
    torch.testing.assert_close(tempered_softmax(logits, 1.0 + near), logits.softmax(-1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_finite_from_half_precision_logits(dtype: torch.dtype) -> None:
    logits = torch.tensor([[60.0, -60.0, 3.0]], dtype=dtype, requires_grad=True)
    loss = bi_tempered_loss(logits, torch.tensor([1]), 0.8, 1.4, 0.05)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_t1_below_one_bounds_what_a_wrong_label_costs() -> None:
    sure = torch.tensor([[100.0, -100.0]])
    wrong = torch.tensor([1])
    assert bi_tempered_loss(sure, wrong, 0.5, 1.0) < 2.0 / 0.5
    assert bi_tempered_loss(sure, wrong, 1.0, 1.0) > 80.0


def test_the_link_belongs_to_the_loss() -> None:
    loss = BiTempered(0.8, 1.5, 0.1)
    logits = torch.tensor([[1.0, 0.0, -2.0]])
    torch.testing.assert_close(loss.link(logits), tempered_softmax(logits, 1.5))
    assert not torch.allclose(loss.link(logits), logits.softmax(-1), atol=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("classes", [2, 5, 1000, 30_000])
@pytest.mark.parametrize("t", [0.5, 0.8, 1.001, 1.4, 2.0, 5.0])
def test_steps_that_nobody_looks_at_are_enough(
    t: float, classes: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = scale * torch.randn(8, classes, generator=torch.Generator().manual_seed(0))
    looked_at = tempered_softmax(logits, t)
    monkeypatch.setattr("trainables.losses.bi_tempered._looks", lambda logits: False)
    torch.testing.assert_close(tempered_softmax(logits, t), looked_at, atol=1e-6, rtol=1e-4)

"""Two images in one, and their labels as shares: torchvision's mixup and CutMix, and FMix, which it lacks.

Mixed on the whole effective batch, on the device, before it is cut into micro-batches. Each image meets its neighbour
in the shuffled batch. Randomness is torch's, which the training seeds anew for every epoch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Beta
from torchvision.transforms import v2

from search_spaces.recipe import Recipe

Mixed = tuple[Tensor, Tensor]


def mix(recipe: Recipe, images: Tensor, labels: Tensor, n_classes: int) -> Mixed:
    """With probability `mix_prob` the batch mixed, as images (n, S, S, 3) in [0, 255] and shares (n, K).

    Else, and with `mix` none, images and labels (n,) as they are.
    """
    if recipe.mix == "none" or float(torch.rand(())) >= recipe.mix_prob:
        return images, labels
    pixels = images.permute(0, 3, 1, 2).float()
    pixels, shares = _MIXERS[recipe.mix](pixels, labels, recipe.mix_alpha, n_classes)
    return pixels.permute(0, 2, 3, 1), shares


def _mixup(pixels: Tensor, labels: Tensor, alpha: float, n_classes: int) -> Mixed:
    """Zhang et al.: mixup, arXiv 1710.09412."""
    mixed: Mixed = v2.MixUp(alpha=alpha, num_classes=n_classes)(pixels, labels)
    return mixed


def _cutmix(pixels: Tensor, labels: Tensor, alpha: float, n_classes: int) -> Mixed:
    """Yun et al.: CutMix, arXiv 1905.04899. The share is the area that was pasted, as it fits into the image."""
    mixed: Mixed = v2.CutMix(alpha=alpha, num_classes=n_classes)(pixels, labels)
    return mixed


def _fmix(pixels: Tensor, labels: Tensor, alpha: float, n_classes: int) -> Mixed:
    """Harris et al.: FMix, arXiv 2002.12047. The share is that of the mask's pixels."""
    mask = fourier_mask(pixels.shape[-1], float(Beta(alpha, alpha).sample())).to(pixels.device)
    onehot = torch.nn.functional.one_hot(labels, n_classes).float()
    kept = mask.mean()
    return (
        torch.where(mask.bool(), pixels, pixels.roll(1, 0)),
        onehot * kept + onehot.roll(1, 0) * (1.0 - kept),
    )


def fourier_mask(size: int, share: float, decay: float = 3.0) -> Tensor:
    """(size, size) of ones, about `share` of them, and zeros, in smooth patches: low-frequency noise, cut at a level.

    The noise's amplitude falls as frequency^-decay (the paper's 3).
    """
    frequency = (torch.fft.fftfreq(size)[:, None] ** 2 + torch.fft.rfftfreq(size)[None, :] ** 2).sqrt()
    amplitude = frequency.clamp_min(1.0 / size) ** -decay
    noise = torch.complex(torch.randn(amplitude.shape), torch.randn(amplitude.shape))
    field = torch.fft.irfft2(noise * amplitude, s=(size, size)).flatten()
    mask = torch.zeros(size * size)
    mask[field.topk(round(share * size * size)).indices] = 1.0
    return mask.view(size, size)


_MIXERS: dict[str, Callable[[Tensor, Tensor, float, int], Mixed]] = {
    "mixup": _mixup,
    "cutmix": _cutmix,
    "fmix": _fmix,
}

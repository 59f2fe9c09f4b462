"""Two images in one, and their labels as shares: torchvision's mixup and CutMix, and FMix and SnapMix, which it lacks.

Mixed on the whole effective batch, on the device, before it is cut into micro-batches. Each image meets its neighbour
in the shuffled batch. Randomness is torch's, which the training seeds anew for every epoch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Beta
from torchvision.transforms import v2

from search_spaces.recipe import Recipe
from trainables.backbones import Net
from trainables.data.on_device import sent
from trainables.precision import autocast
from trainables.steps import in_parts

Mixed = tuple[Tensor, Tensor]


def mix(recipe: Recipe, images: Tensor, labels: Tensor, n_classes: int, net: Net) -> Mixed:
    """With probability `mix_prob` the batch mixed, as images (n, S, S, 3) in [0, 255] and shares (n, K).

    Labels are (n,), or (n, K) where they are shares already. Else, and with `mix` none, both as they are. SnapMix
    asks the net, in evaluation mode, what it looks at; its shares sum to 1 only on average.
    """
    if recipe.mix == "none" or float(torch.rand(())) >= recipe.mix_prob:
        return images, labels
    shares = labels if labels.dim() == 2 else F.one_hot(labels, n_classes).float()
    pixels = images.permute(0, 3, 1, 2).float()
    if recipe.mix == "snapmix":
        pixels, shares = _snapmix(pixels, shares, attention(recipe, net, images, shares), recipe.mix_alpha)
    else:
        pixels, shares = _MIXERS[recipe.mix](pixels, shares, recipe.mix_alpha)
    return pixels.permute(0, 2, 3, 1), shares


def _mixup(pixels: Tensor, shares: Tensor, alpha: float) -> Mixed:
    """Zhang et al.: mixup, arXiv 1710.09412."""
    mixed: Mixed = v2.MixUp(alpha=alpha)(pixels, shares)
    return mixed


def _cutmix(pixels: Tensor, shares: Tensor, alpha: float) -> Mixed:
    """Yun et al.: CutMix, arXiv 1905.04899. The share is the area that was pasted, as it fits into the image."""
    mixed: Mixed = v2.CutMix(alpha=alpha)(pixels, shares)
    return mixed


def _fmix(pixels: Tensor, shares: Tensor, alpha: float) -> Mixed:
    """Harris et al.: FMix, arXiv 2002.12047. The share is that of the mask's pixels."""
    mask = sent(fourier_mask(pixels.shape[-1], float(Beta(alpha, alpha).sample())), pixels.device)
    kept = mask.mean()
    return torch.where(mask.bool(), pixels, pixels.roll(1, 0)), shares * kept + shares.roll(1, 0) * (1.0 - kept)


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


def _snapmix(pixels: Tensor, shares: Tensor, attended: Tensor, alpha: float) -> Mixed:
    """Huang et al.: SnapMix, arXiv 2012.04846. A box of the neighbour, enlarged or shrunk into another box.

    What is covered is taken from an image's share, and what is pasted is given to its neighbour's, both measured by
    the attention (n, S, S) that they hold; hence rows that sum to more or less than 1.
    """
    covered, pasted = _box(pixels.shape[-1], alpha), _box(pixels.shape[-1], alpha)
    patch = pixels.roll(1, 0)[:, :, *pasted]
    if 0 in (*patch.shape, *pixels[:, :, *covered].shape):
        return pixels, shares
    mixed = pixels.clone()
    mixed[:, :, *covered] = F.interpolate(patch, mixed[:, :, *covered].shape[-2:], mode="bilinear")
    kept = 1.0 - attended[:, *covered].sum((1, 2))
    gained = attended.roll(1, 0)[:, *pasted].sum((1, 2))
    return mixed, shares * kept[:, None] + shares.roll(1, 0) * gained[:, None]


def _box(size: int, alpha: float) -> tuple[slice, slice]:
    """Rows and columns of a box about a random point, of a share of the image's area that Beta(alpha, alpha) draws."""
    half = 0.5 * size * float(Beta(alpha, alpha).sample()) ** 0.5
    centres = (torch.rand(2) * size).tolist()
    rows, columns = (slice(max(0, round(c - half)), min(size, round(c + half))) for c in centres)
    return rows, columns


@torch.no_grad()
def attention(recipe: Recipe, net: Net, images: Tensor, shares: Tensor) -> Tensor:
    """How much of what speaks for its label lies in each pixel, (n, S, S); an image's pixels sum to 1.

    From class activation maps (arXiv 1512.04150) of the net as it is, enlarged to the image. Even where a map is flat.
    """
    training = net.training
    net.eval()
    try:
        with autocast(recipe, images.device):
            maps = in_parts(net.class_maps, images).float()
    finally:
        net.train(training)
    maps = torch.einsum("nkhw,nk->nhw", maps[:, : shares.shape[1]], shares)
    size = images.shape[1]
    maps = F.interpolate(maps[:, None], (size, size), mode="bilinear")[:, 0]
    maps = maps - maps.amin((1, 2), keepdim=True)
    total = maps.sum((1, 2), keepdim=True)
    return torch.where(total > 0, maps / total.clamp_min(torch.finfo(maps.dtype).tiny), 1.0 / size**2)


_MIXERS: dict[str, Callable[[Tensor, Tensor, float], Mixed]] = {
    "mixup": _mixup,
    "cutmix": _cutmix,
    "fmix": _fmix,
}

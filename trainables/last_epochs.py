"""What answers after the last epoch: its net, a soup of the last nets, or the mean of what they say.

A soup is one net whose weights are the uniform mean of several: of models fine-tuned apart (arXiv 2203.05482), and here
of the last epochs of one training, which is stochastic weight averaging (arXiv 1803.05407). It costs what one net
costs. The mean of what k nets say costs k predictions.
"""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.data import DataLoader

from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.backbones import Net, check_nets, load_net
from trainables.data.images import PlainImages, square
from trainables.files import save_array
from trainables.layout import FoldFolder
from trainables.precision import autocast
from trainables.predict import device
from trainables.validation import Validation, Validator, mean_of


def stir_in(soup: AveragedModel | None, net: Net) -> AveragedModel:
    """The uniform mean of what was in the soup and one net more. Buffers are the newest net's."""
    soup = AveragedModel(net) if soup is None else soup
    soup.update_parameters(net)
    return soup


def renew_statistics(
    net: Net, recipe: Recipe, images: PlainImages, batch_size: int, seed: int, loader_workers: int
) -> None:
    """BatchNorm's statistics from one pass over images as they are predicted, in batches of one size, in random order.

    In the order of a table whose classes lie together a batch would vary less than the images do. Nets without
    BatchNorm stay as they are, and so do those whose statistics a recipe has frozen.
    """
    if recipe.freeze_bn or not any(isinstance(module, _BatchNorm) for module in net.modules()):
        return
    size, order = min(batch_size, len(images)), torch.Generator().manual_seed(seed)
    loader = DataLoader(
        images,
        size,
        shuffle=True,
        generator=order,
        drop_last=True,
        num_workers=loader_workers,
        pin_memory=torch.cuda.is_available(),
    )
    where = next(net.parameters()).device
    torch.manual_seed(seed)  # stochastic depth, as it was when the other nets' statistics were taken
    with autocast(recipe, where):
        update_bn((batch[square(recipe)] for batch in loader), net.head_only(False), where)


def last_answer(
    of_last: Validation,
    soup: Net,
    not_averaged: Net | None,
    validator: Validator,
    folder: FoldFolder,
) -> Validation:
    """What the recipe answers with. The soup is asked whatever that is, so that the report can compare.

    `of_last` is what the last epoch's net says; `not_averaged` is that net itself where its moving average says it.
    """
    recipe, views = validator.recipe, len(of_last.views)
    of_soup = validator.ask(soup, views)
    save_array(folder.soup_probs, of_soup.means[recipe.tta_count - 1])
    if not_averaged:
        save_array(folder.not_averaged_probs, validator.ask(not_averaged, recipe.tta_count).means[-1])
    if recipe.answer == "mean":
        earlier = [load_net(path)[0].to(device()) for path in folder.nets(recipe)[:-1]]
        return mean_of([*(validator.ask(net, views) for net in earlier), of_last])
    return of_soup if recipe.answer == "soup" else of_last


def lost_nets(folder: FoldFolder, recipe: Recipe, epoch: int) -> str:
    """Why a training that stands at `epoch` cannot go on: nets of earlier epochs are to answer, and are not whole."""
    earlier = zip(recipe.answering_epochs[:-1], folder.nets(recipe)[:-1], strict=True)
    try:
        check_nets(path for trained, path in earlier if trained < epoch)
    except InputError as error:
        return "; ".join(error.problems)
    return ""

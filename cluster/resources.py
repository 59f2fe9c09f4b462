"""How many trials run at once, and what each gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.gpu_memory import training_bytes
from trainables.memory import CONTEXT_BYTES

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of a GPU. Each is half of the next one, so that mixed ones leave no gap that none of them fills."""

_HEADROOM = 1.25
"""What CUDA's caching allocator holds for each byte that tensors take, and cuDNN's workspaces: assumed, not measured.
Who has more takes its batch in smaller parts (`trainables/memory.py`), at the cost of its own speed."""

_LEAST_SHARE_BYTES = 2 * CONTEXT_BYTES
"""A smaller share would be mostly a process's CUDA context."""

_MOST_CPUS_BESIDE_A_GPU = 8
_CPUS_OF_A_NODE_TO_COME = 4

Nodes = Sequence[Mapping[str, float]]
"""The resources of each, as Ray names them."""


@dataclass(frozen=True)
class Slots:
    """The share of the cluster that one trial, fold or part of a prediction takes."""

    concurrent: int
    cpus: int
    gpus: float
    processes: int = 1
    """Among which it is divided evenly: several train one fold together."""

    def ray(self) -> dict[str, float]:
        """As Ray names them."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}

    def fits(self, node: Mapping[str, float]) -> bool:
        """Whether the node could have one of them, if nothing else ran there."""
        return all(node.get(name, 0.0) >= wanted for name, wanted in self.ray().items())

    def __str__(self) -> str:
        return " and ".join(f"{wanted:g} {name}{'s' if wanted > 1 else ''}" for name, wanted in self.ray().items())


@dataclass(frozen=True)
class Wishes:
    """What flags and space say of it; None leaves it to the cluster and to the recipes."""

    trials: int
    concurrent: int | None = None
    gpus_per_trial: float | None = None
    cpus_per_trial: int | None = None
    space_gpus: float = 0.0
    """What the space asks for a trial where the GPUs' memory is not known."""
    gpus_per_fold: int = 1
    """Of one node, that train a fold of promotion together."""

    @property
    def at_once(self) -> int:
        """Trials that are wished to run at once, if there is room."""
        return min(self.concurrent or self.trials, self.trials)


@dataclass(frozen=True)
class Resources:
    """What each trial of a search gets: `usual` for all, or a share of a GPU that follows from its recipe."""

    usual: Slots
    nodes: Nodes = ()
    wishes: Wishes = Wishes(1)
    can_grow: bool = False
    gpu_bytes: int = 0
    """Memory of the smallest GPU; 0 has all trials get the usual slot."""
    n_classes: int = 0

    @property
    def concurrent(self) -> int:
        """Trials at once, at most."""
        return self._with_share(SHARES[0]).concurrent if self.gpu_bytes else self.usual.concurrent

    def of(self, recipe: Recipe) -> Slots:
        """What a trial of this recipe gets, and how many of its kind could run at once."""
        return self._with_share(gpu_share(recipe, self.n_classes, self.gpu_bytes)) if self.gpu_bytes else self.usual

    def predicting(self, nodes: Nodes) -> Slots:
        """What each part of a prediction by many nets gets, and how many of them these machines hold at once.

        Where the memory of the GPUs is known, a whole one: all nets lie there, and are loaded once for each GPU.
        """
        slot = self._with_share(SHARES[-1]) if self.gpu_bytes else self.usual
        fitting = sum(_fitting(node, slot.gpus, slot.cpus) for node in nodes)
        return replace(slot, concurrent=max(1, min(self.wishes.concurrent or fitting, fitting)))

    @property
    def of_folds(self) -> Resources:
        """What each fold of promotion gets to be trained: the same as a trial, or several whole GPUs of one node."""
        if self.wishes.gpus_per_fold == 1:
            return self
        return replace(self, usual=_fold_slots(self.nodes, self.wishes, self.can_grow), gpu_bytes=0)

    def has_room(self, running: Iterable[Slots], another: Slots) -> bool:
        """Whether it would fit beside these, all nodes taken together; where it does not, those behind it wait too."""
        if not self.gpu_bytes or self.can_grow:
            return True
        wanted, gpu_nodes = [*running, another], _gpu_nodes(self.nodes, another.gpus)
        return all(
            sum(each.ray().get(name, 0.0) for each in wanted) <= sum(node.get(name, 0.0) for node in gpu_nodes)
            for name in ("CPU", "GPU")
        )

    def _with_share(self, share: float) -> Slots:
        wishes, nodes = self.wishes, _gpu_nodes(self.nodes, share)
        cpus_of_a_gpu = min((node.get("CPU", 0.0) / node["GPU"] for node in nodes), default=_CPUS_OF_A_NODE_TO_COME)
        cpus = wishes.cpus_per_trial or max(1, min(int(cpus_of_a_gpu * share), _MOST_CPUS_BESIDE_A_GPU))
        fitting = sum(_fitting(node, share, cpus) for node in nodes)
        most = wishes.trials if self.can_grow else fitting
        return Slots(max(1, min(wishes.at_once, most)), cpus, share)


def gpu_share(recipe: Recipe, n_classes: int, gpu_bytes: int) -> float:
    """The least of `SHARES` whose part of a GPU's memory holds a training of the recipe, or else all of it."""
    wanted = max(_HEADROOM * training_bytes(recipe, n_classes) + CONTEXT_BYTES, _LEAST_SHARE_BYTES)
    return next((share for share in SHARES if wanted <= share * gpu_bytes), SHARES[-1])


def resources(
    nodes: Nodes, wishes: Wishes, gpu_bytes: int = 0, n_classes: int = 0, can_grow: bool = False
) -> Resources:
    """Decide from what Ray's nodes have, the memory of their smallest GPU (0 where it is not known), and the flags.

    `InputError` where a trial would never be placed.
    """
    if wishes.gpus_per_fold > 1:
        _check_placed(_fold_slots(nodes, wishes, can_grow), nodes, can_grow)
    shared = gpu_bytes > 0 and wishes.gpus_per_trial is None and wishes.space_gpus <= 1
    usual = slots(nodes, wishes, can_grow)
    if not (shared and usual.gpus):
        return Resources(usual, nodes, wishes, can_grow)
    found = Resources(usual, nodes, wishes, can_grow, gpu_bytes, n_classes)
    _check_placed(found._with_share(SHARES[-1]), nodes, can_grow)
    return found


def slots(nodes: Nodes, wishes: Wishes, can_grow: bool = False) -> Slots:
    """What every trial gets where its recipe does not matter.

    Without `concurrent`: a trial for each share of a GPU, or for each CPU core. A trial runs on one node, and asks for
    no more than the largest has. Where a cluster `can_grow`, every trial may ask for its share of nodes that are not
    there yet; elsewhere what is not there is an `InputError`.
    """
    cpus, have = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
    gpus = wishes.gpus_per_trial if wishes.gpus_per_trial is not None else (wishes.space_gpus or min(1.0, have))
    asked = wishes.cpus_per_trial
    fitting = sum(_fitting(node, gpus, asked or 1) for node in nodes) if gpus or asked else int(cpus)
    if fitting < 1 and can_grow:
        return Slots(wishes.at_once, asked or _CPUS_OF_A_NODE_TO_COME, gpus)
    many = max(1, min(wishes.at_once, fitting))
    asked_for = wishes.at_once if can_grow and gpus else many
    largest = max((node.get("CPU", 0.0) for node in nodes if node.get("GPU", 0.0) >= gpus), default=0.0)
    per_trial = max(1, int(min(cpus // many, largest)))
    found = Slots(asked_for, asked or (min(per_trial, _MOST_CPUS_BESIDE_A_GPU) if gpus else per_trial), gpus)
    _check_placed(found, nodes, can_grow)
    return found


def _fold_slots(nodes: Nodes, wishes: Wishes, can_grow: bool) -> Slots:
    """Whole GPUs of one node for each fold, with the CPUs that go with them, and as many folds as there is room for."""
    gpus, able = wishes.gpus_per_fold, _gpu_nodes(nodes, wishes.gpus_per_fold)
    beside_each = min((int(node.get("CPU", 0.0) / node["GPU"]) for node in able), default=_CPUS_OF_A_NODE_TO_COME)
    cpus = gpus * (wishes.cpus_per_trial or max(1, min(beside_each, _MOST_CPUS_BESIDE_A_GPU)))
    fitting = sum(_fitting(node, gpus, cpus) for node in nodes)
    return Slots(max(1, fitting, wishes.at_once if can_grow else 0), cpus, gpus, gpus)


def _fitting(node: Mapping[str, float], gpus: float, cpus: int) -> int:
    """How many trials the node holds by its GPUs, where they want some, and by its CPUs."""
    by_cpus = int(node.get("CPU", 0.0) / cpus)
    return min(int(node.get("GPU", 0.0) / gpus), by_cpus) if gpus else by_cpus


def _gpu_nodes(nodes: Nodes, gpus: float) -> list[Mapping[str, float]]:
    """Those that could hold a trial with so much of a GPU, which takes a CPU too."""
    return [node for node in nodes if node.get("GPU", 0.0) >= max(gpus, SHARES[0]) and node.get("CPU", 0.0) >= 1]


def _check_placed(found: Slots, nodes: Nodes, can_grow: bool) -> None:
    if can_grow or any(found.fits(node) for node in nodes):
        return
    most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in ("GPU", "CPU")}
    who, flag = ("trial", "--gpus-per-trial") if found.processes == 1 else ("fold", "--gpus-per-fold")
    if found.gpus > most["GPU"]:
        raise InputError(
            f"A {who} wants {found.gpus:g} GPUs of one node and no node has more than {most['GPU']:g}; {flag} says"
            f" otherwise{', 0 is the CPU' if found.processes == 1 else ''}"
        )
    raise InputError(
        f"A {who} wants {found} of one node and no node has it; the most that any has is {most['CPU']:g} CPUs,"
        f" {most['GPU']:g} GPUs (--cpus-per-trial, {flag})"
    )

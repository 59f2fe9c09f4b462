"""How this process uses its machine: as many threads as its training asked for, in every library that has some."""

from __future__ import annotations

import os

import torch
from threadpoolctl import threadpool_limits

from trainables.setting import Setting


def use_machine(setting: Setting) -> None:
    """torch's and OpenMP's threads, and those of the BLAS of numpy and OpenCV, which else take every core they see.

    OpenCV itself has one, wherever it is imported for (`trainables/augment.py`). On a GPU cuDNN tries its algorithms
    for each shape it meets and keeps the fastest, unless a training is to give the same bits each time.
    """
    torch.set_num_threads(setting.threads)
    threadpool_limits(setting.threads)
    torch.backends.cudnn.benchmark = not setting.deterministic
    if setting.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first called
        torch.use_deterministic_algorithms(True)

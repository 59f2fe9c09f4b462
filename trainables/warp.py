"""Crop, resize, flips and an affine move as one step: a pixel is looked up in the image once, and interpolated once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
"""(3, 3): from where a pixel's centre is in the image to where it comes to be; centres are at whole numbers."""


@dataclass(frozen=True, eq=False)
class Warp:
    """What becomes of the part `box` of an image; each step gives a new one."""

    box: tuple[int, int, int, int]
    """Left, top, right and bottom, px; what lies beyond is not seen."""
    size: tuple[int, int]
    """Width and height of what is made of it, px."""
    mirrored: tuple[bool, bool] = (False, False)
    """Left to right, upside down; first of all, the box resized."""
    transposed: bool = False
    """After that."""
    moved: Matrix | None = None
    """After all this."""
    border: int = cv2.BORDER_CONSTANT

    def mirror(self, axis: int) -> Warp:
        """Along x (0) or y (1)."""
        along = 1 - axis if self.transposed else axis
        flags = [flag != (place == along) for place, flag in enumerate(self.mirrored)]
        return replace(self, mirrored=(flags[0], flags[1]))

    def transpose(self) -> Warp:
        return replace(self, transposed=not self.transposed, size=self.size[::-1])

    def move(self, matrix: Matrix, border: int) -> Warp:
        """Last of all."""
        return replace(self, moved=matrix, border=border)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) to (height, width, 3), uint8."""
        left, top, right, bottom = self.box
        part = image[top:bottom, left:right]
        if self.moved is None:
            return self._turned(cv2.resize(part, self._resized, interpolation=cv2.INTER_LINEAR))  # type: ignore[arg-type]
        matrix = self.moved @ self._turn() @ self._resize()
        return cv2.warpAffine(part, matrix[:2], self.size, flags=cv2.INTER_LINEAR, borderMode=self.border)  # type: ignore[return-value]

    @property
    def _resized(self) -> tuple[int, int]:
        return self.size[::-1] if self.transposed else self.size

    def _turned(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        code = {(True, False): 1, (False, True): 0, (True, True): -1}.get(self.mirrored)
        flipped = image if code is None else cv2.flip(image, code)
        return cv2.transpose(flipped) if self.transposed else flipped  # type: ignore[return-value]

    def _resize(self) -> Matrix:
        """As `cv2.resize` has it: edges come to edges, so centres move by half a pixel's growth."""
        left, top, right, bottom = self.box
        x, y = self._resized[0] / (right - left), self._resized[1] / (bottom - top)
        return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])

    def _turn(self) -> Matrix:
        width, height = self._resized
        x, y = (-1 if flag else 1 for flag in self.mirrored)
        mirror = np.array([[x, 0, (width - 1) * (x < 0)], [0, y, (height - 1) * (y < 0)], [0, 0, 1]])
        return mirror[[1, 0, 2]] if self.transposed else mirror

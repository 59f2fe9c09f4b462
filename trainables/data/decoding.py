"""Whether an image file can be used: decoded once, whole, before a search begins. No torch."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainables.data.duplicates import thumbnail

_THREADS = 8
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
"""What both Pillow, which checks images, and OpenCV, which reads them, can decode."""
_PNG_END = b"IEND\xaeB`\x82"
_LONGEST_SIDE = 1_000_000
"""OpenCV (and libpng in it) takes no more, px."""


@dataclass(frozen=True, eq=False)
class SeenImage:
    """An image that can be decoded."""

    digest: bytes
    thumbnail: NDArray[np.uint8]


def see_image(path: Path) -> SeenImage | str:
    """Decode an image whole, at the smallest scale that its format offers; or why it cannot be used."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if max(image.size) > _LONGEST_SIDE:
                return f"cannot be decoded: a side is longer than {_LONGEST_SIDE:,} px"
            image.draft("RGB", (64, 64))
            image.load()
            content = path.read_bytes()
            seen = SeenImage(hashlib.sha256(content).digest(), thumbnail(image))
        return _what_opencv_minds(path, content, str(image.format)) or seen
    except UnidentifiedImageError:
        return f"is not an image ({', '.join(_FORMATS)})"
    except Exception as error:  # of a broken file Pillow raises nearly anything
        return f"cannot be decoded: {' '.join(str(error).split())}"


def see_images(paths: list[Path], on_image: Callable[[int, int], object]) -> list[SeenImage | str]:
    """`see_image` of every path, in order."""
    results: list[SeenImage | str] = []
    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        warnings.simplefilter("ignore")  # torn metadata, and sizes that are large but allowed
        for done, result in enumerate(pool.map(see_image, paths), start=1):
            on_image(done, len(paths))
            results.append(result)
    return results


def _what_opencv_minds(path: Path, content: bytes, format_: str) -> str | None:
    """Why OpenCV cannot decode what Pillow just did. Of JPEG, BMP and WEBP no case is known."""
    if format_ == "PNG" and _PNG_END not in content:
        return "cannot be decoded: image file is truncated (it lacks its end)"
    if format_ == "TIFF" and not _opencv_decodes(path):
        return "cannot be decoded: OpenCV reads no TIFF of this kind"
    return None


def _opencv_decodes(path: Path) -> bool:
    import cv2  # here, since it is slow to import and TIFFs are rare

    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) is not None
    except cv2.error:
        return False
    finally:
        cv2.utils.logging.setLogLevel(level)

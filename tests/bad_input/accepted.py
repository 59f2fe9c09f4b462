"""Every unusual input that is accepted: images with their shape and colour, and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # by a quarter
    Image.new("RGB", (40, 24), (255, 0, 0)).save(path, "JPEG", exif=exif, quality=100, subsampling=0)


def plain_png(path: Path) -> None:
    Image.new("RGB", (40, 24), (255, 0, 0)).save(path, "PNG")


def torn_exif(path: Path) -> None:
    Image.new("RGB", (40, 24), (255, 0, 0)).save(
        path, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09", quality=100, subsampling=0
    )


RED = (255, 0, 0)
ACCEPTED: dict[str, tuple[str, Callable[[Path], object], tuple[int, int], tuple[int, int, int]]] = {
    "CMYK": ("cmyk.jpg", lambda p: Image.new("CMYK", (40, 24), (0, 255, 255, 0)).save(p, quality=100), (24, 40), RED),
    "grey": ("grey.png", lambda p: Image.new("L", (40, 24), 90).save(p), (24, 40), (90, 90, 90)),
    "16 bits": ("deep.png", lambda p: Image.new("I;16", (40, 24), 90 * 256).save(p), (24, 40), (90, 90, 90)),
    "palette": ("few.png", lambda p: Image.new("RGB", (40, 24), RED).convert("P").save(p), (24, 40), RED),
    "transparent": ("glass.webp", lambda p: Image.new("RGBA", (40, 24), RED).save(p, lossless=True), (24, 40), RED),
    "one bit": ("bit.tiff", lambda p: Image.new("1", (40, 24), 1).save(p), (24, 40), (255, 255, 255)),
    "turned by EXIF": ("turned.jpg", turned, (40, 24), RED),
    "EXIF that is torn": ("torn.jpg", torn_exif, (24, 40), RED),
    "name with spaces": ("a leaf, the second.png", plain_png, (24, 40), RED),
    "name beyond ASCII": ("Blätter 葉.bmp", lambda p: Image.new("RGB", (40, 24), RED).save(p), (24, 40), RED),
    "suffix of another format": ("png.jpg", plain_png, (24, 40), RED),
}  # fmt: skip


TABLES: dict[str, bytes] = {
    "byte order mark": b"\xef\xbb\xbfimage_id,label\n%s",
    "Windows line ends": b"image_id,label\r\n%s",
    "columns in another order": b"label,image_id\n%s",
    "a further column": b"image_id,label,note\n%s",
}

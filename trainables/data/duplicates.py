"""Exact and near duplicates: one leaf photographed twice must not train a net that it then validates.

Two images are duplicates if their bytes are equal, or if both hold of their 32 x 32 grey thumbnails: the 64-bit
perceptual hashes (signs of the 8 x 8 lowest DCT frequencies against their median) differ in at most 8 bits, and
their pixels correlate by at least 0.97. The hash alone confuses leaves that lie alike on the same table. On 1,263
coffee leaves the rule finds 4 pairs, all of them the same leaf on a second photo; on 1,167 bean leaves none.
Groups are what is connected by such pairs.

scipy is imported where it is used: only the driver looks for duplicates, and it takes longer to import than all else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from search_spaces.errors import InputError, shortened, together

THUMBNAIL = 32
"""Side of a thumbnail, px."""

MOST_BITS = 8
LEAST_CORRELATION = 0.97

_LOWEST = 8
_BLOCK = 1024


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """(32, 32) grey."""
    return np.asarray(image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(N, 32, 32) to (N,): 64 bits that a change of size, brightness or compression hardly touches."""
    from scipy.fft import dctn

    frequencies = dctn(thumbnails.astype(np.float32), axes=(1, 2), norm="ortho")[:, :_LOWEST, :_LOWEST]
    lowest = frequencies.reshape(len(thumbnails), -1)
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    hashes: NDArray[np.uint64] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def duplicate_groups(thumbnails: NDArray[np.uint8], digests: Sequence[bytes]) -> NDArray[np.int64]:
    """The group (N,) of every image, numbered from 0 in order of first appearance; most groups are of one image.

    `thumbnails` (N, 32, 32), `digests` (N,) of the files' bytes. Every pair is compared: 0.4 s of CPU for 13,000
    images, 1.1 s for 26,000.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.concatenate([_near_pairs(thumbnails), _equal_pairs(digests)])
    count = len(digests)
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    return numbered(component)


def numbered(groups: Sequence[object] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Group names of any kind as numbers from 0, in order of first appearance."""
    numbers: NDArray[np.int64] = pd.factorize(pd.Series(list(groups), dtype=object))[0].astype(np.int64)
    return numbers


def _near_pairs(thumbnails: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(P, 2) rows of near duplicates, the smaller row first."""
    hashes, flat = _in_blocks(thumbnails), _standardized(thumbnails)
    found = [np.empty((0, 2), dtype=np.int64)]
    for pairs in _pairs_of_near_hashes(hashes):
        alike = np.einsum("pi,pi->p", flat[pairs[:, 0]], flat[pairs[:, 1]]) >= LEAST_CORRELATION
        found.append(pairs[alike])
    return np.concatenate(found)


def _in_blocks(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """`perceptual_hashes`, whose frequencies take eight times the thumbnails' own memory."""
    blocks = [perceptual_hashes(thumbnails[start : start + _BLOCK]) for start in range(0, len(thumbnails), _BLOCK)]
    return np.concatenate([np.empty(0, np.uint64), *blocks])


def _pairs_of_near_hashes(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """(p, 2), p at most `_BLOCK`: where leaves lie alike on a table, most pairs of images may be among them.

    Hashes are compared in squares that stay in the processor's cache: 2.2 ns a pair, half of what long rows take.
    """
    starts = range(0, len(hashes), _BLOCK)
    for one, other in combinations_with_replacement(starts, 2):
        bits = np.bitwise_count(hashes[one : one + _BLOCK, None] ^ hashes[None, other : other + _BLOCK])
        pairs = np.argwhere(bits <= MOST_BITS) + np.array((one, other))
        pairs = pairs[pairs[:, 1] > pairs[:, 0]]
        for start in range(0, len(pairs), _BLOCK):
            yield pairs[start : start + _BLOCK]


def _standardized(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 1024) of mean 0 and length 1, so that a product of rows is their correlation."""
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    lengths = np.sqrt(np.einsum("ni,ni->n", flat, flat))[:, None]
    flat /= np.maximum(lengths, 1e-6)
    return flat


def _equal_pairs(digests: Sequence[bytes]) -> NDArray[np.int64]:
    """(P, 2): every file that equals an earlier one, with the first of its kind."""
    first: dict[bytes, int] = {}
    pairs = [(first.setdefault(digest, row), row) for row, digest in enumerate(digests)]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], dtype=np.int64).reshape(-1, 2)


def read_groups(path: Path, image_ids: Sequence[str], left_out: Sequence[str] = ()) -> NDArray[np.int64]:
    """The groups (N,) that a CSV of `image_id,group` gives, in place of those that were found.

    Images that it does not name are groups of their own; it may name those that are left out. Raises `InputError` for
    a table that cannot be read, and for names that train.csv does not have or that stand in two groups, all at once.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        pairs = set(zip(table["image_id"], table["group"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"--groups must be a CSV with image_id,group; {path}: {error!r}") from None
    named = dict(pairs)
    unknown = sorted(set(named) - set(image_ids) - set(left_out))
    torn = sorted({image_id for image_id, group in pairs if named[image_id] != group})
    together(
        lambda: _refuse(f"--groups names images that train.csv does not have ({len(unknown)}):", unknown),
        lambda: _refuse(f"--groups puts images in two groups ({len(torn)}):", torn),
    )
    return numbered([("named", named[i]) if i in named else ("alone", i) for i in image_ids])


def _refuse(rule: str, names: list[str]) -> None:
    if names:
        raise InputError(rule, shortened(names))


def groups_csv(groups: NDArray[np.int64], image_ids: Sequence[str]) -> str:
    """`image_id,group` of the images that are not alone, as `--groups` reads it."""
    table = pd.DataFrame({"image_id": list(image_ids), "group": groups})
    return table[table["group"].duplicated(keep=False)].sort_values("group", kind="stable").to_csv(index=False)

"""Names of image files: no id of a table leads out of its folder, by path or by link."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

LEAVES = "is a link that leaves the folder"

_LONGEST_NAME = 255
"""Bytes that file systems allow."""


def is_plain_name(image_id: str) -> bool:
    """Whether it is the name of a file and no path."""
    plain = bool(image_id) and PurePosixPath(image_id).name == image_id and image_id != ".."
    return plain and not {"\\", "\0"} & set(image_id) and len(image_id.encode()) <= _LONGEST_NAME


def file_problem(path: Path) -> str | None:
    """Why the file of an image cannot be used: its absence, or a link that leaves the folder."""
    try:
        if not path.is_file():
            return "is missing"
        leaves = path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve())
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return LEAVES if leaves else None


def name_problem(image_id: str, folder: str) -> str | None:
    """Why an image_id is not the name of a file in a folder."""
    return None if is_plain_name(image_id) else f"image_id must be a plain file name of {folder}/, got {image_id!r}"


def id_problem(image_id: str, folder: Path) -> str | None:
    """Why an image of a folder cannot be used: its name, its absence, or a link that leaves the folder."""
    problem = name_problem(image_id, folder.name)
    if problem:
        return problem
    problem = file_problem(folder / image_id)
    return problem and f"{folder.name}/{image_id} {problem}"

"""A user's own albumentations pipeline, from its file to the text that a recipe keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from search_spaces.errors import InputError


def pipeline(path: str | Path) -> str:
    """The JSON text of a pipeline that `albumentations.save` wrote as JSON or YAML, for `augment_pipeline`.

    The text becomes part of the recipe, so that a changed file is another recipe. Raises `InputError` where the file
    is no such thing; whether its transforms exist, `trainables.augment` knows.
    """
    path = Path(path)
    try:
        content = _parsed(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"--augment: {path} cannot be read as JSON or YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not isinstance(content.get("transform"), dict):
        raise InputError(f"--augment: {path} must be a pipeline as albumentations.save writes it, with a `transform`")
    return json.dumps(content, sort_keys=True)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)  # first, since YAML reads 1e-3 as text
    except ValueError:
        return yaml.safe_load(text)

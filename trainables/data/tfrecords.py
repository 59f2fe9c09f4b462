"""TFRecord files of images, as Kaggle ships them beside the folders, without TensorFlow.

A file is a row of records: length, its checksum, content, its checksum. The content is a `tf.train.Example`, whose
messages are declared here, since protobuf is installed anyway and TensorFlow is not. (The reader of the `tfrecord`
package compares no checksum; tensorboard's computes them byte by byte in Python.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from search_spaces.errors import InputError


@dataclass(frozen=True)
class Record:
    """One image of a file."""

    image_id: str
    content: bytes
    """As it was encoded, JPEG for one."""
    label: int | None
    """None in files of test images."""


def read_tfrecords(path: Path) -> Iterator[Record]:
    """The images of a file in order. Raises `InputError` where it is torn or holds something else."""
    for number, content in enumerate(_contents(path), start=1):
        try:
            features = _Example.FromString(content).features.feature
        except message.DecodeError as error:
            raise InputError(f"{path} record {number} is no tf.train.Example: {error}") from None
        images, names = features["image"].bytes_list.value, features["image_name"].bytes_list.value
        labels = features["target"].int64_list.value
        if len(images) != 1 or len(names) != 1 or len(labels) > 1:
            raise InputError(
                f"{path} record {number} must have one `image`, one `image_name` and at most one `target`; "
                f"it has {len(images)}, {len(names)} and {len(labels)}"
            )
        yield Record(names[0].decode(), images[0], int(labels[0]) if labels else None)


def _contents(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while length := file.read(8):
            _check(path, length, file.read(4))
            content = file.read(struct.unpack("<Q", length)[0])
            _check(path, content, file.read(4))
            yield content


def _check(path: Path, content: bytes, stored: bytes) -> None:
    if stored != masked_crc(content):
        raise InputError(f"{path} is torn: a checksum does not agree")


def masked_crc(content: bytes) -> bytes:
    """TFRecord's checksum: CRC-32C, turned by 15 bits and moved, little-endian."""
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _example_class() -> Any:
    """`tf.train.Example` (tensorflow/core/example/example.proto), of the kinds of features that are read here.

    A map is, on the wire, a repeated message of key and value.
    """
    file = descriptor_pb2.FileDescriptorProto(name="leafsearch/example.proto", package="leafsearch", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    messages: dict[str, list[tuple[str, int, int, str | None, bool]]] = {
        "BytesList": [("value", 1, kinds.TYPE_BYTES, None, True)],
        "Int64List": [("value", 1, kinds.TYPE_INT64, None, True)],
        "Feature": [
            ("bytes_list", 1, kinds.TYPE_MESSAGE, "BytesList", False),
            ("int64_list", 3, kinds.TYPE_MESSAGE, "Int64List", False),
        ],
        "Features": [("feature", 1, kinds.TYPE_MESSAGE, "Features.FeatureEntry", True)],
        "Example": [("features", 1, kinds.TYPE_MESSAGE, "Features", False)],
    }
    for name, fields in messages.items():
        _declare(file.message_type.add(name=name), fields)
    entry = file.message_type[list(messages).index("Features")].nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _declare(entry, [("key", 1, kinds.TYPE_STRING, None, False), ("value", 2, kinds.TYPE_MESSAGE, "Feature", False)])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("leafsearch.Example"))


def _declare(declared: descriptor_pb2.DescriptorProto, fields: list[tuple[str, int, int, str | None, bool]]) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, number, kind, of_type, repeated in fields:
        field = declared.field.add(name=name, number=number, type=kind)
        field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
        if of_type:
            field.type_name = f".leafsearch.{of_type}"


_Example = _example_class()

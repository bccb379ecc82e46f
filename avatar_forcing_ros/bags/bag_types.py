# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Message classes without ROS: those of the distribution, ours, and what a bag defines; bytes <-> messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rosbags.interfaces import Connection, MessageDefinitionFormat, Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

from avatar_forcing_ros.files.resources import PACKAGE, resource

_AUDIO_COMMON = {
    "AudioData": "uint8[] data",
    "AudioDataStamped": "std_msgs/Header header\naudio_common_msgs/AudioData audio",
    "AudioInfo": "uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\nstring coding_format",
}
"""Definitions of the audio_common_msgs that is released with ROS, since old recorders keep no definitions."""
_OTHER_AUDIO_COMMON = {
    "AudioData": (
        "float32[] float32_data\nint32[] int32_data\nint16[] int16_data\nint8[] int8_data\nuint8[] uint8_data"
    ),
    "AudioInfo": "int32 format\nint32 channels\nint32 rate\nint32 chunk",
    "Audio": "audio_common_msgs/AudioData audio_data\naudio_common_msgs/AudioInfo info",
    "AudioStamped": "std_msgs/Header header\naudio_common_msgs/Audio audio",
}
"""Definitions of the other package of that name, version 4; a bag has messages of one of the two."""
_HRI = "hri_msgs/msg/Expression"
_DTYPES = {"byte": "uint8", "octet": "uint8", "char": "uint8"}
_ZEROS: dict[str, Any] = {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}


class BagTypes:
    """The classes of one bag. What a bag does not define is taken from ROS 2 Jazzy and from our own msg folder."""

    def __init__(self) -> None:
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._ours = {f"{PACKAGE}/msg/{file.stem}": file for file in sorted(resource("msg").glob("*.msg"))}
        self._defaults: dict[str, dict[str, Callable[[], Any]]] = {}

    @property
    def store(self) -> Any:
        """The classes as rosbags keeps them."""
        return self._store

    def knows(self, connection: Connection) -> bool:
        """Take the bag's definition of a type; returns whether its messages can be read."""
        name = connection.msgtype
        text, kind = connection.msgdef.data, connection.msgdef.format
        try:
            if text and name not in self._store.types:
                read = (
                    get_types_from_idl(text) if kind == MessageDefinitionFormat.IDL else get_types_from_msg(text, name)
                )
                self._store.register({k: v for k, v in read.items() if k not in self._store.types})
            self._define_ours(name)
            if not text and name not in self._store.types:
                self._define_audio_common(name)
            if name == _HRI and name not in self._store.types:  # field for field ours
                text = self._ours[f"{PACKAGE}/msg/Expression"].read_text(encoding="utf-8")
                self._store.register(get_types_from_msg(text, name))
        except TypesysError:
            return False
        return name in self._store.types

    def make(self, kind: str, **fields: Any) -> Any:
        """A message of a kind, `package/Name`; see `messages.making.Make`."""
        name = kind.replace("/", "/msg/")
        self._define_ours(name)
        if name not in self._defaults:
            self._defaults[name] = {field: self._default(*told) for field, told in self._store.fielddefs[name][1]}
        missing = {field: default() for field, default in self._defaults[name].items() if field not in fields}
        return self._store.types[name](**fields, **missing)

    def read(self, data: bytes | memoryview, name: str) -> Any:
        """The message in some bytes.

        Raises:
            ValueError: they are not a message of that type.
        """
        try:
            return self._store.deserialize_cdr(data, name)
        except (SerdeError, IndexError) as error:
            raise ValueError(f"a message of {name} cannot be read: {error}") from None

    def write(self, message: Any) -> memoryview:
        """The bytes of a message."""
        return self._store.serialize_cdr(message, message.__msgtype__)

    def _define_ours(self, name: str) -> None:
        if name not in self._store.types and name in self._ours:
            self._store.register(get_types_from_msg(self._ours[name].read_text(encoding="utf-8"), name))

    def _define_audio_common(self, name: str) -> None:
        package, _, kind = name.partition("/msg/")
        if package == "audio_common_msgs" and kind in ("Audio", "AudioStamped"):
            texts = {f"{package}/msg/{other}": text for other, text in _OTHER_AUDIO_COMMON.items()}
            if not texts.keys() & self._store.types.keys():
                for other, text in texts.items():
                    self._store.register(get_types_from_msg(text, other))
        if package != "audio_common_msgs" or kind not in _AUDIO_COMMON:
            return
        if kind == "AudioDataStamped":
            self._define_audio_common("audio_common_msgs/msg/AudioData")
        if name not in self._store.types:
            self._store.register(get_types_from_msg(_AUDIO_COMMON[kind], name))

    def _default(self, node: Nodetype, detail: Any) -> Callable[[], Any]:
        """What makes the value of a field that is not given."""
        if node == Nodetype.NAME:
            return lambda: self.make(detail.replace("/msg/", "/"))
        if node == Nodetype.BASE:
            return lambda: _ZEROS.get(detail[0], 0)
        (inner, (kind, *_)), length = detail
        if inner == Nodetype.NAME or kind == "string":
            return list
        return lambda: np.zeros(length if node == Nodetype.ARRAY else 0, _DTYPES.get(kind, kind))

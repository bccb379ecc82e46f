# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Speech with phoneme times from espeak-ng, through its C library.

`espeak-ng --pho` prints nothing for formant voices, so the library's synthesis callback is the only source of phoneme
times. Source: speak_lib.h of espeak-ng 1.51.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SYNCHRONOUS = 2
_PHONEME_EVENTS_IN_IPA = 0b11
_TEXT_IS_UTF8 = 1
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_PARAMETER_PITCH_RANGE = 4
_EVENT_END = 0
_EVENT_WORD = 1
_EVENT_PHONEME = 7


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class SpeechEngineError(RuntimeError):
    """A speech engine is missing or failed. The message says what to install."""


class Espeak:
    """The espeak-ng library. It keeps one voice per process, so use one object per process.

    Timing and sound of an utterance depend a little on what was said before; only fresh processes repeat exactly.
    """

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise SpeechEngineError("espeak-ng is needed to simulate conversations: apt-get install espeak-ng")
        self._library = ctypes.CDLL(name)
        self.sample_rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IN_IPA)
        if self.sample_rate <= 0:
            raise SpeechEngineError("espeak-ng could not start: is the package espeak-ng-data installed?")
        self._pieces: list[NDArray[np.int16]] = []
        self._starts: list[tuple[float, str, bool]] = []
        self._at_word_start = False
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, voice: str, words_per_minute: int = 170, pitch: int = 50, pitch_range: int = 50
    ) -> tuple[NDArray[np.float32], list[tuple[float, str, bool]]]:
        """Speak a text.

        Returns:
            (N,) float32 samples in [-1, 1] at `sample_rate`, and for each phoneme (start in seconds, IPA symbol,
            whether it is the first of a word). An empty symbol is a pause.

        Raises:
            SpeechEngineError: the voice does not exist, or the text gave no sound.
        """
        self._pieces.clear()
        self._starts.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise SpeechEngineError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in (
            (_PARAMETER_RATE, words_per_minute),
            (_PARAMETER_PITCH, pitch),
            (_PARAMETER_PITCH_RANGE, pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _TEXT_IS_UTF8, None, None)
        if not self._pieces:
            raise SpeechEngineError(f"espeak-ng made no sound of {text!r} with voice {voice!r}")
        return np.concatenate(self._pieces).astype(np.float32) / np.float32(32768), list(self._starts)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            self._note(events[index])
            index += 1
        return 0

    def _note(self, event: Any) -> None:
        if event.type == _EVENT_WORD:
            self._at_word_start = True
        elif event.type == _EVENT_PHONEME:
            symbol = bytes(event.id.string).split(b"\0")[0].decode("utf8", "ignore")
            self._starts.append((event.audio_position / 1000, symbol, self._at_word_start))
            self._at_word_start = False

# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Chooses an agent's recogniser, mind and voice, by its parameters and by what is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from avatar_forcing_ros.agent.agent import AgentConfig, Parts
from avatar_forcing_ros.agent.parts import Mind, Recogniser, Voice
from avatar_forcing_ros.agent.recognisers import Deaf, PocketSphinx, has_pocketsphinx
from avatar_forcing_ros.agent.servers import ChatServer, Server, SpeechServer, TranscriptionServer
from avatar_forcing_ros.agent.small_talk import SmallTalk
from avatar_forcing_ros.agent.voices import Espeak, Piper, has_espeak, has_piper


@dataclass(frozen=True)
class RecogniserConfig:
    """Turns speech into text.

    Attributes:
        kind: auto is pocketsphinx if it is installed, else none, so that the user has to type. server is any server
            with OpenAI's interface, whisper_ros the node of that project.
        url: URL of the server, up to and including the version.
        model: name of the model on the server.
        language: language of the user for the server, such as "en"; empty lets the model find out.
        key_variable: environment variable with the server's key; empty sends none.
        silence_s: a server that sends nothing for this long has failed.
    """

    kind: Literal["auto", "pocketsphinx", "server", "whisper_ros", "none"] = "auto"
    url: str = "http://localhost:8000/v1"
    model: str = ""
    language: str = ""
    key_variable: str = ""
    silence_s: float = field(default=5.0, metadata={"range": (0.1, 600.0)})


@dataclass(frozen=True)
class MindConfig:
    """Finds answers.

    Attributes:
        kind: small_talk is built in. server is a language model on a server with OpenAI's interface, llama_ros the node
            of that project.
        url: URL of the server, up to and including the version.
        model: name of the model on the server; servers with a single model accept any.
        key_variable: environment variable with the server's key; empty sends none.
        silence_s: a server that sends nothing for this long has failed.
        temperature: temperature of the language model; 0 always chooses the likeliest word.
        most_tokens: longest answer, in tokens.
    """

    kind: Literal["small_talk", "server", "llama_ros"] = "small_talk"
    url: str = "http://localhost:8080/v1"
    model: str = "default"
    key_variable: str = ""
    silence_s: float = field(default=20.0, metadata={"range": (0.1, 600.0)})
    temperature: float = field(default=0.7, metadata={"range": (0.0, 2.0)})
    most_tokens: int = field(default=300, metadata={"range": (1, 100_000)})


@dataclass(frozen=True)
class VoiceConfig:
    """Turns text into speech.

    Attributes:
        kind: auto is piper if it and its packaged voice are installed, else espeak. server is any server with OpenAI's
            interface, audio_common the action of its tts_node.
        model: piper's .onnx file, empty for its packaged voice; or the name of the server's model.
        voice: voice of the server's model.
        url: URL of the server, up to and including the version.
        key_variable: environment variable with the server's key; empty sends none.
        silence_s: a server that sends nothing for this long has failed.
        pcm_rate: sample rate of a server that sends bare samples; 0 asks for WAV, which states its rate.
        language: language of espeak and audio_common, such as "en" or "de"; empty uses their default.
        words_per_minute: speed of espeak.
    """

    kind: Literal["auto", "espeak", "piper", "server", "audio_common"] = "auto"
    model: str = ""
    voice: str = ""
    url: str = "http://localhost:8000/v1"
    key_variable: str = ""
    silence_s: float = field(default=5.0, metadata={"range": (0.1, 600.0)})
    pcm_rate: int = field(default=0, metadata={"range": (0, 192_000)})
    language: str = ""
    words_per_minute: int = field(default=165, metadata={"range": (80, 450)})


@dataclass(frozen=True)
class PartsConfig:
    """An agent and its parts.

    Attributes:
        agent: behaviour of the agent.
        recogniser: what turns speech into text.
        mind: what finds answers.
        voice: what turns text into speech.
    """

    agent: AgentConfig = field(default_factory=AgentConfig)
    recogniser: RecogniserConfig = field(default_factory=RecogniserConfig)
    mind: MindConfig = field(default_factory=MindConfig)
    voice: VoiceConfig = field(default_factory=VoiceConfig)


Stacks = Mapping[str, Callable[[PartsConfig], Any]]
"""Makers of parts that come from elsewhere, by kind."""


def assemble(config: PartsConfig, local_time: Callable[[], datetime], stacks: Stacks | None = None) -> Parts:
    """The parts that the parameters name, with parts of this machine as spares for those that may fail.

    Args:
        config: the parameters.
        local_time: gives the time of day, for users who ask.
        stacks: makes parts that need ROS.

    Raises:
        ValueError: a part is not installed, or a parameter that it needs is missing.
    """
    kinds: set[str] = {config.recogniser.kind, config.mind.kind, config.voice.kind}
    made = {kind: make(config) for kind, make in (stacks or {}).items() if kind in kinds}
    recognisers, voices = _recognisers(config.recogniser, made), _voices(config.voice, made)
    return Parts(recognisers, made.get(config.mind.kind) or _mind(config.mind, local_time), voices)


def _recognisers(config: RecogniserConfig, made: Mapping[str, Any]) -> list[Recogniser]:
    own: list[Recogniser] = []
    if config.kind in ("server", *made):
        own = [PocketSphinx()] if has_pocketsphinx() else []
    if config.kind in made:
        return [made[config.kind], *own]
    if config.kind == "server":
        server = Server(config.url, config.key_variable, config.silence_s)
        return [TranscriptionServer(server, config.model, config.language), *own]
    if config.kind == "none" or (config.kind == "auto" and not has_pocketsphinx()):
        return [Deaf()]
    return [PocketSphinx()]


def _mind(config: MindConfig, local_time: Callable[[], datetime]) -> Mind:
    if config.kind == "server":
        server = Server(config.url, config.key_variable, config.silence_s)
        return ChatServer(server, config.model, temperature=config.temperature, max_tokens=config.most_tokens)
    return SmallTalk(local_time)


def _voices(config: VoiceConfig, made: Mapping[str, Any]) -> list[Voice]:
    own: list[Voice] = []
    if config.kind in ("server", *made):
        own = [Espeak(config.words_per_minute, config.language)] if has_espeak() else []
    if config.kind in made:
        return [made[config.kind], *own]
    if config.kind == "server":
        server = Server(config.url, config.key_variable, config.silence_s)
        return [SpeechServer(server, config.model, config.voice, config.pcm_rate), *own]
    if config.kind == "piper" or (config.kind == "auto" and has_piper()):
        return [Piper(config.model)]
    return [Espeak(config.words_per_minute, config.language)]

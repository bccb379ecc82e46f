# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A mind without a language model, in the manner of ELIZA: it uses patterns, and the user's own words turned round.

Source: J. Weizenbaum, ELIZA - a computer program for the study of natural language communication between man and
machine, Communications of the ACM 9 (1966). The patterns and answers are our own. An answer takes a millisecond and no
network.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from avatar_forcing_ros.agent.conversation import Message

_TURNED = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "am": "are", "i'm": "you are", "i've": "you have",
    "myself": "yourself", "you": "I", "your": "my", "yours": "mine", "yourself": "myself", "you're": "I am",
    "was": "were", "i'll": "you will", "i'd": "you would", "our": "your", "us": "you", "we": "you",
}  # fmt: skip
_NO_NAMES = frozenset({
    "a", "an", "the", "not", "so", "very", "just", "here", "fine", "good", "well", "ok", "okay", "sad", "happy",
    "tired", "sorry", "glad", "from", "in", "at", "on", "looking", "going", "trying", "feeling", "doing",
    "hungry", "bored", "lonely", "angry", "afraid", "really",
})  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A pattern and the answers to it; "{0}" is the pattern's first group turned round, "{name}" the user's name."""

    pattern: re.Pattern[str]
    answers: tuple[str, ...]


def _rule(pattern: str, *answers: str) -> Rule:
    return Rule(re.compile(pattern), answers)


RULES = (
    _rule(
        r"\b(goodbye|good bye|bye|see you)\b",
        "[happy] Goodbye! It was nice to talk with you.",
        "[happy] See you! Have a good day.",
    ),
    _rule(
        r"\b(?:my name is|call me|i am called|i'm called) (\w+)",
        "[happy] Nice to meet you, {name}! What brings you here?",
        "[happy] Hello {name}! How can I help you?",
    ),
    _rule(r"\bwhat(?:'s| is) my name\b|\bdo you know my name\b", "{known}"),
    _rule(
        r"\bwhat(?:'s| is) your name\b|\bwho are you\b",
        "[happy] I am the avatar of this robot. Some call me Aria. And who are you?",
    ),
    _rule(r"\bwhat time\b|\bthe time\b", "It is {time}."),
    _rule(r"\bwhat day\b|\bwhat date\b|\bthe date\b|\bdate today\b", "Today is {date}."),
    _rule(
        r"\bhow are you\b|\bhow do you do\b|\bhow is it going\b|\bhow's it going\b",
        "[happy] I am fine, thank you! And how are you?",
        "[happy] Very well, I like company. How is your day?",
    ),
    _rule(
        r"\b(?:tell me|know|hear|have) .*\bjokes?\b|\bmake me laugh\b|\bjoke\b",
        "[happy] Why did the robot go on holiday? It had to recharge its batteries.",
        "[happy] My first face was made of cardboard. It could not keep a straight line.",
        "[happy] I would tell you a joke about silence, but nobody ever hears it.",
    ),
    _rule(
        r"\bare you (?:a |an )?(robot|human|person|machine|computer|real|alive|ai)\b",
        "I am a computer program with a face. Nobody sits behind it, I promise.",
        "I am no person, only a face that a computer draws. But I do listen.",
    ),
    _rule(
        r"\bwho (?:made|built|created|programmed) you\b|\bwhere (?:are|do) you (?:come )?from\b",
        "I was made by people who write free software. My face is drawn afresh twenty-five times a second.",
    ),
    _rule(r"\bhow old are you\b", "[amazed] I am younger than most of your shoes."),
    _rule(
        r"\bwhat can you do\b|\bhelp\b",
        "I can listen, talk a little, tell you the time, and I know a joke or two.",
        "Right now I only know small talk. Ask me about the time, or tell me about your day.",
    ),
    _rule(
        r"\b(?:thank you|thanks)\b",
        "[happy] You are welcome!",
        "[happy] My pleasure.",
    ),
    _rule(
        r"\bwhere (?:is|are|can i find) (?:the |a |an )?(.+)", "[confused] I do not know where to find {0}, I am sorry."
    ),
    _rule(r"\bweather\b|\brain(?:ing)?\b|\bsunny\b", "I cannot see the sky from in here. What is it like outside?"),
    _rule(r"\bi (?:love|like) you\b", "[embarrassed] Oh! That is very kind of you."),
    _rule(
        r"\bi hate you\b|\b(?:you are|you're) (?:stupid|dumb|useless|ugly|bad)\b",
        "[sad] That hurts a little. I do my best.",
    ),
    _rule(
        r"\b(?:you are|you're) (?:nice|pretty|beautiful|clever|smart|great|cute|good|funny)\b",
        "[happy] Thank you, you are very kind!",
    ),
    _rule(
        r"\bi(?:'m| am| feel)(?: feeling| a little| a bit| very| so| really)* "
        r"(sad|unhappy|tired|lonely|sick|ill|afraid|scared|angry|bored|stressed|depressed|upset)\b",
        "[sad] I am sorry to hear that you are {0}. Do you want to tell me why?",
        "[sad] Oh. What makes you {0}?",
    ),
    _rule(
        r"\bi(?:'m| am| feel)(?: feeling| very| so| really)* (happy|fine|good|great|well|glad|excited|okay|ok)\b",
        "[happy] I am glad to hear that! What made your day?",
        "[happy] Wonderful. Tell me more!",
    ),
    _rule(
        r"\b(?:is|are|was|were) (?:very )?(?:sick|ill|dead|hurt)\b|\bdied\b",
        "[sad] I am so sorry. How are you coping with it?",
    ),
    _rule(r"\bi(?:'m| am) looking for (.+)", "[confused] I have not seen {0} here. Have you asked at the desk?"),
    _rule(r"\bi (?:need|want) (.+)", "What would it mean to you to have {0}?", "Why do you want {0}?"),
    _rule(r"\bi (?:like|love|enjoy) (.+)", "[happy] Oh, you like {0}? What do you like best about it?"),
    _rule(r"\bi (?:can't|cannot|can not) (.+)", "What keeps you from it? Perhaps one day you can {0}."),
    _rule(r"\bi (?:think|believe|guess) (?:that )?(.+)", "Do you really think {0}?", "What makes you think so?"),
    _rule(r"\bbecause\b", "Is that the real reason?", "I see. And are there other reasons?"),
    _rule(
        r"\bmy (mother|father|sister|brother|son|daughter|wife|husband|family|friend|dog|cat|boss)\b",
        "Tell me more about your {0}.",
    ),
    _rule(r"\bwhy\b.*", "[confused] That is a good question. What do you think?"),
    _rule(r"^(?:can|could|will|would) you (.+)", "[confused] I wish I could {0}. I only know small talk."),
    _rule(r"^do you (?:know|like|have|want) (.+)", "What about you, what do you think of {0}?"),
    _rule(r"^(?:what|who|which|when|how|where)\b", "[confused] I do not know that, I am sorry. Why do you ask?"),
    _rule(r"^(?:yes|yeah|yep|sure|right|exactly)\b", "I see. Go on.", "Good. Tell me more."),
    _rule(r"^(?:no|nope|not really|never)\b", "Why not?", "Are you sure?"),
    _rule(
        r"\b(?:hello|hi|hey|good morning|good afternoon|good evening)\b",
        "[happy] Hello! It is nice to meet you. What brings you here today?",
        "[happy] Hello! How are you today?",
    ),
    _rule(
        r"",
        "I see. Tell me a little more about that, please.",
        "That is interesting. How did it come about?",
        "What does that mean to you?",
        "And how do you feel about it?",
    ),
)


class SmallTalk:
    """Answers by the first rule that matches, using the rule's answers in turn.

    Args:
        local_time: gives the time of day, for users who ask.
    """

    def __init__(self, local_time: Callable[[], datetime]) -> None:
        self._local_time, self._name = local_time, ""
        self._used: dict[Rule, int] = {}

    async def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """See `Mind`."""
        yield self.reply(messages[-1].text)

    async def close(self) -> None:
        """See `Mind`."""

    def reply(self, text: str) -> str:
        """The whole answer, with its expression in brackets."""
        text = re.sub(r"[^\w' ]+", " ", text.lower().replace("’", "'"))
        text = " ".join(text.split())
        for rule in RULES:
            if match := rule.pattern.search(text):
                return self._fill(rule, match)
        raise AssertionError("the last rule matches everything")

    def _fill(self, rule: Rule, match: re.Match[str]) -> str:
        count = self._used[rule] = self._used.get(rule, -1) + 1
        found = match[1] if match.re.groups else None
        if "{name}" in rule.answers[0] and found and found not in _NO_NAMES:
            self._name = found.capitalize()
        now = self._local_time()
        return rule.answers[count % len(rule.answers)].format(
            turned(found or ""),
            name=self._name or "friend",
            known=f"[happy] You are {self._name}, of course." if self._name else "You have not told me yet.",
            time=f"{now.hour % 12 or 12} {f'{now.minute:02d} ' if now.minute else ''}{'ap'[now.hour >= 12]}m",
            date=f"{now:%A}, {now:%B} {now.day}",
        )


def turned(words: str) -> str:
    """Words with "me" and "you" exchanged, to be said back to the user."""
    return " ".join(_TURNED.get(word, word) for word in words.split())

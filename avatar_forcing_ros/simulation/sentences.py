# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Texts to speak: random everyday words in several languages, from our own lists.

The simulation needs the sounds and rhythm of a language but no meaning, so a phrase is a string of words.
"""

from __future__ import annotations

import numpy as np

WORDS: dict[str, str] = {
    "en": "maybe people remember blue apple bread of the my mother while we put some more pepper before people moved "
    "five vans over that river think this weather should change today very soon friend open window problem number "
    "morning paper about hello always robot ask answer you know what I mean because nobody bought those shoes with "
    "brown buttons happy music probably beautiful watch water wonderful home family people job big small room speak "
    "listen voice a is was are it in to for and but really yesterday tomorrow evening zebra measure pleasure yes no",
    "de": "guten morgen wir haben heute viel vor und die blumen blühen im garten mein bruder bringt brot butter bitte "
    "aber manchmal möchte ich über das wetter sprechen weil es schöner war als gestern warum kommt ihr später fünf "
    "freunde wohnen neben dem bahnhof öffne das fenster schnell zurück gemüse problem arbeit musik vielleicht immer "
    "jemand pfeife apfel topf bäume häuser wunderbar natürlich genau also doch nicht",
    "fr": "bonjour madame nous avons beaucoup de problèmes avec la pluie mon frère mange une pomme rouge devant la "
    "maison peut-être demain vous pouvez venir voir le bateau bleu parce que personne ne parle jamais de cette "
    "musique un bon petit vin blanc le temps passe vite heureusement chaque femme homme enfant fenêtre ouverte "
    "bientôt toujours beaucoup merci pourquoi oui non",
    "es": "buenos días mi abuela prepara un poco de pan para la familia porque nunca hemos visto tanta lluvia mañana "
    "vamos a comprar manzanas verdes y flores bonitas el problema es que nadie quiere hablar ahora mismo siempre "
    "ventana puerta música trabajo amigo pequeño bebé primavera hombre mujer bueno claro quizás tampoco viaje",
    "it": "buongiorno amica mia oggi abbiamo bisogno di pane e pomodori perché domani verrà mio fratello con sua "
    "moglie la bambina beve sempre un bicchiere di acqua fresca vorrei parlare della musica che amiamo piccolo "
    "problema finestra aperta lavoro bello giorno sempre forse mai tempo uomo casa mare buono grazie",
    "pt": "bom dia minha amiga hoje precisamos de pão e de frutas porque amanhã vem meu irmão com a família dele "
    "sempre bebo um copo de água fresca queria falar sobre a música que ouvimos pequeno problema janela aberta "
    "trabalho bonito nunca talvez tempo homem mulher casa mar obrigado também muito",
    "nl": "goede morgen wij hebben vandaag brood en appels nodig omdat mijn broer morgen met zijn gezin komt misschien "
    "wil je over de muziek praten die we mooi vinden klein probleem open raam werk altijd nooit tijd man vrouw huis "
    "water bloemen beter buiten voor over veel weer leuk eigenlijk gewoon",
}

BACKCHANNELS: dict[str, tuple[str, ...]] = {
    "en": ("mhm", "yeah", "okay", "right", "oh", "I see", "really", "wow"),
    "de": ("mhm", "ja", "genau", "ach so", "okay", "stimmt"),
    "fr": ("mm", "oui", "d'accord", "ah bon", "okay"),
    "es": ("mm", "sí", "claro", "ya", "vale"),
    "it": ("mm", "sì", "certo", "ah", "va bene"),
    "pt": ("mm", "sim", "claro", "pois", "está bem"),
    "nl": ("mm", "ja", "precies", "oké", "echt"),
}
"""Backchannels, the short words by which people show that they listen. Source: Yngve, 1970."""

_LISTS = {language: tuple(words.split()) for language, words in WORDS.items()}


def random_phrase(rng: np.random.Generator, language: str, least: int = 2, most: int = 11) -> str:
    """A phrase of `least` to `most` words. Its last punctuation mark makes the melody fall, rise or continue."""
    words = rng.choice(_LISTS[language], rng.integers(least, most + 1))
    return " ".join(words) + str(rng.choice((".", ".", ".", ",", "?", "!")))


def random_backchannel(rng: np.random.Generator, language: str) -> str:
    """A listener's short word."""
    return str(rng.choice(BACKCHANNELS[language]))


def laughter(rng: np.random.Generator) -> str:
    """Laughter as a text. Source: Bachorowski et al., 2001 (three to four calls in a bout, often several bouts)."""
    return " ".join([str(rng.choice(("ha", "he", "ha", "hah", "ho")))] * int(rng.integers(4, 16))) + "!"

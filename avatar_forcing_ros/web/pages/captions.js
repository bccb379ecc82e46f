// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Captions: the avatar's as they are heard, the user's once they are recognised.

const STAY_MS = 4000;
const MOST = 3;

/** The text of what is said, below the face. */
export class Captions {
  #said = new Map(); // utterance -> {startedAt, texts: [{position, text}]}
  #timers = new Set();

  /** @param element holds the captions; @param due gives the time on the page's clock at which a stamp is heard. */
  constructor(element, due) {
    this.element = element;
    this.due = due;
  }

  /** Take a message of type "caption". */
  caption({ speaker, utterance, position_ms: position, text }) {
    if (!text) return;
    if (speaker === "user") return void this.#show(text, "user");
    const entry = this.#of(utterance);
    entry.texts.push({ position, text });
    if (entry.startedAt !== null) this.#plan(entry, { position, text });
  }

  /** Take a message of type "playback". */
  playback({ event, utterance, stamp_ms: stamp }) {
    const entry = this.#of(utterance);
    if (event === "started") {
      entry.startedAt = this.due(stamp);
      for (const piece of entry.texts) this.#plan(entry, piece);
    } else if (event === "interrupted" || event === "finished") {
      this.#said.delete(utterance);
      if (event === "interrupted") this.#cut(entry);
    }
  }

  /** Show text that the user typed here. */
  typed(text) {
    this.#show(text, "user");
  }

  #of(utterance) {
    if (!this.#said.has(utterance)) this.#said.set(utterance, { startedAt: null, texts: [], timers: [] });
    while (this.#said.size > 20) this.#said.delete(this.#said.keys().next().value);
    return this.#said.get(utterance);
  }

  #plan(entry, { position, text }) {
    const wait = Math.max(0, entry.startedAt + position - performance.now());
    entry.timers.push(setTimeout(() => this.#show(text, "avatar"), wait));
  }

  #cut(entry) {
    entry.timers.forEach(clearTimeout);
    const last = [...this.element.querySelectorAll(".avatar")].at(-1);
    if (last && entry.startedAt !== null) last.classList.add("cut");
  }

  #show(text, speaker) {
    const line = document.createElement("p");
    line.className = speaker;
    line.textContent = text;
    this.element.append(line);
    while (this.element.children.length > MOST) this.element.firstElementChild.remove();
    setTimeout(() => line.remove(), STAY_MS + text.length * 60);
  }
}

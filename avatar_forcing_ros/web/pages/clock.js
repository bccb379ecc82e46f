// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Three clocks on one page: ROS's (stamps), the page's (performance.now()), the sound card's. All times in ms.

const KEPT_MS = 60_000;
const DRIFT = 1e-4; // crystals differ by up to 100 ppm, so a sample loses accuracy with age
const JUMP_MS = 50;
const SET_MS = 2000; // no picture takes so long
const SLEW = 0.005; // ms per ms: an error below a jump is corrected so slowly that nobody notices

/** This page's estimate of ROS time, from requests to the server. */
export class ServerClock {
  #samples = [];
  #movedAt = 0;

  constructor() {
    /** How often the server's clock was set, as far as this page has noticed. */
    this.jumps = 0;
    this.reset();
  }

  /** Forget everything, because another server may have another clock. */
  reset() {
    this.#samples = [];
    /** ROS time minus the page's time; null while unknown. */
    this.offset = null;
    /** Half of the fastest round trip. */
    this.uncertainty = Infinity;
  }

  /** Whether a stamp of this moment is so far off that the server's clock must have been set. */
  doubts(stamp) {
    return this.offset !== null && Math.abs(this.toRos(performance.now()) - stamp) > SET_MS;
  }

  /** Take an answer: when the request was sent and answered, by the page's clock, and the server's time. */
  learn(sent, server, received) {
    const sample = { at: received, trip: received - sent, offset: server - (sent + received) / 2 };
    this.#samples = this.#samples.filter((s) => received - s.at < KEPT_MS);
    this.#samples.push(sample);
    const doubt = (s) => s.trip / 2 + (received - s.at) * DRIFT;
    const best = this.#samples.reduce((a, b) => (doubt(b) < doubt(a) ? b : a));
    if (Math.abs(sample.offset - best.offset) > JUMP_MS + sample.trip + best.trip) {
      this.#samples = [sample]; // the server's clock was set, or this computer slept
      this.jumps += 1;
      this.#move(sample.offset, received);
      this.uncertainty = sample.trip / 2;
      return;
    }
    this.#move(best.offset, received);
    this.uncertainty = doubt(best);
  }

  #move(target, now) {
    if (this.offset === null || Math.abs(target - this.offset) > JUMP_MS) {
      this.offset = target;
    } else {
      const most = Math.max(0.2, (now - this.#movedAt) * SLEW);
      this.offset += Math.max(-most, Math.min(most, target - this.offset));
    }
    this.#movedAt = now;
  }

  /** Convert ROS time to the page's time. */
  toPage(ros) {
    return ros - this.offset;
  }

  /** Convert the page's time to ROS time. */
  toRos(page) {
    return page + this.offset;
  }
}

const FIRST_DELAY_MS = 60;
const MOST_DELAY_MS = 250;
const PICTURE_MARGIN_MS = 6;
const VOICE_MARGIN_MS = 10;
const REMEMBERED_MS = 10_000;
const SHRINK = 0.008; // ms per ms: the voice follows by playing faster
const SHRINK_IN_SILENCE = 0.03;
const SETTLING_MS = 2000; // at first, everything is late: a decoder starts, a page loads

/** The delay after its stamp at which everything is shown and heard: as short as pictures and voice allow. */
export class Playout {
  #pictures = [];
  #voices = [];
  #movedAt = 0;
  #beganAt = null;

  constructor(clock) {
    this.clock = clock;
    /** Whether the voice is sounding now. */
    this.sounding = false;
    this.reset();
  }

  /** The time on the page's clock at which a stamp is to be seen and heard. */
  due(ros) {
    return this.clock.toPage(ros) + this.delay;
  }

  /** Note that a picture with this stamp can be shown from a time on. */
  pictureReady(ros, page) {
    if (this.#isSettling(page)) return;
    this.#pictures.push({ at: page, need: page - this.clock.toPage(ros) + PICTURE_MARGIN_MS });
    this.#adapt(page);
  }

  /** Note how many ms before it was needed speech arrived. */
  voiceReady(spare, page) {
    if (this.#isSettling(page)) return;
    const need = this.delay - spare + VOICE_MARGIN_MS;
    const second = Math.floor(page / 1000);
    const last = this.#voices.at(-1);
    if (last?.second === second) last.need = Math.max(last.need, need);
    else this.#voices.push({ at: page, second, need });
    this.#adapt(page);
  }

  #isSettling(now) {
    this.#beganAt ??= now;
    return now - this.#beganAt < SETTLING_MS;
  }

  #adapt(now) {
    for (const kept of [this.#pictures, this.#voices]) {
      while (kept.length && now - kept[0].at > REMEMBERED_MS) kept.shift();
    }
    const late = this.#pictures.map((p) => p.need).sort((a, b) => a - b);
    const forPictures = late.length ? late[Math.floor((late.length - 1) * 0.97)] : 0;
    // The worst second in ten is left out: waiting for it all the time would cost more than its gap.
    const forVoice = this.#voices.map((v) => v.need).sort((a, b) => b - a)[this.#voices.length > 2 ? 1 : 0] ?? 0;
    /** The delays that pictures and voice need, in ms. */
    this.needs = { pictures: forPictures, voice: forVoice };
    const wanted = Math.min(MOST_DELAY_MS, Math.max(forPictures, forVoice));
    const down = (now - this.#movedAt) * (this.sounding ? SHRINK : SHRINK_IN_SILENCE);
    this.delay = wanted > this.delay ? wanted : Math.max(wanted, this.delay - down);
    this.#movedAt = now;
  }

  /** Start again after a pause in which everything may have changed. */
  reset() {
    this.#pictures = [];
    this.#voices = [];
    this.#beganAt = null;
    this.delay = FIRST_DELAY_MS;
    this.needs = { pictures: 0, voice: 0 };
  }
}

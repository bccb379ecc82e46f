// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Passes the microphone on in chunks of 20 ms, as 16-bit samples at the sound card's rate.

const CHUNK_S = 0.02;

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.length = Math.round(sampleRate * CHUNK_S);
    this.begin();
  }

  begin() {
    this.samples = new Int16Array(this.length);
    this.filled = 0;
  }

  process([[sound]]) {
    if (!sound) return true;
    for (let i = 0; i < sound.length; i += 1) {
      if (this.filled === 0) this.at = currentTime + i / sampleRate;
      this.samples[this.filled] = Math.max(-32768, Math.min(32767, Math.round(sound[i] * 32768)));
      this.filled += 1;
      if (this.filled === this.length) {
        this.port.postMessage({ at: this.at, samples: this.samples }, [this.samples.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("microphone", MicrophoneProcessor);

# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything for a block of the published network: ten pictures of the user read, ten frames generated and drawn.

    python bench/published_block.py [--device cuda] [--conversations 16 32] [--repeats 20] [--variants] [--seconds 540]

Runs from a checkout, with torch, NumPy and safetensors alone (transformers too for what the avatar hears). Without
--device a GPU is taken when there is one, else the CPU, where a block is far from real time; --tiny is a small network,
to see whether the bench works. Pictures are read as they come from a camera, one by one; of a block the first frame is
drawn alone, so that it is not late, and the rest together. Several conversations share network and programs: what is
due together is done together. Weights are random: time does not depend on them.

Two starts come first, each in a process of its own: with nothing compiled, and with what the first one kept. --variants
adds what else could be done, beside what is done (bench/published_variants.py). Each part is printed as it is measured;
one that fails costs its own figures alone, and makes the exit status 1. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published_parts import (
    SIZES,
    Hall,
    Report,
    error_of,
    gpu_gb,
    kernel_times,
    load_network,
    make_hall,
    median_ms,
    percentile,
    primed,
    random_conditions,
    wall_ms,
    write_weights,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.joint_generator import JointGenerator
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, check_autoencoder
from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables
from avatar_forcing_ros.network.model import AvatarForcingNetwork

FPS = 25
BLOCKS_COMPARED = 10
PLAIN = ComputeConfig(captured=False)
AUTOENCODER = "motion_autoencoder.safetensors"
_CACHES = {"TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor"}


class Bench:
    """One run over networks whose files are in a folder."""

    def __init__(self, folder: Path, sizes: str, device: torch.device, repeats: int, report: Report) -> None:
        self.folder, self.sizes, self.device, self.repeats, self.report = folder, sizes, device, repeats, report
        self.on_gpu = device.type == "cuda"
        self._hall: Hall | None = None
        self._ears: Any = None

    @property
    def hall(self) -> Hall:
        """One conversation, all programs recorded."""
        if self._hall is None:
            self._hall = make_hall(self.folder, self.sizes, self.device, ComputeConfig())
            self._hall.block()
        return self._hall

    def ms(self, job: Callable[[], Any], repeats: int | None = None) -> float:
        """Median wall time."""
        return median_ms(job, repeats or self.repeats, self.device)

    def start(self, name: str) -> dict[str, float]:
        """Seconds from the start of a fresh process until its first block is drawn, and where they went."""
        command = [sys.executable, __file__, "--start", str(self.folder), "--device", str(self.device)]
        began = time.time()
        done = subprocess.run(
            [*command, *(["--tiny"] if self.sizes == "tiny" else [])], capture_output=True, text=True, timeout=180
        )
        print(done.stderr[-2000:], end="", flush=True)
        if done.returncode:
            raise RuntimeError(f"the process ended with {done.returncode}: {done.stderr[-300:]}")
        times = {"process": began} | json.loads(done.stdout.splitlines()[-1])
        return {f"{name} s": round(times["live"] - began, 1)} | {
            f"{name}: {what} s": round(times[what] - times[before], 2)
            for before, what in zip(list(times), list(times)[1:], strict=False)
        }

    def recorded(self) -> dict[str, float]:
        """Whether programs are what runs, or the card was left to the steps; bfloat16 against float32 on the way."""
        runtime, generator = self.hall.runtime, self.hall.generator
        if not self.on_gpu:
            return {}
        used = {"pictures are recorded": runtime._programs, "motion is recorded": generator._programs}
        missing = [name for name, programs in used.items() if programs is None]
        if missing:
            raise RuntimeError(f"not so on this card: {', '.join(missing)}; the figures below are of single steps")
        return dict.fromkeys(used, 1.0)

    def parts(self) -> dict[str, float]:
        """Every part of a block of one conversation, in milliseconds."""
        hall = self.hall
        jobs = {
            "encode one": hall.read_one,
            "encode ten, one by one": hall.read,
            "encode ten together": hall.read_together,
            "motion of a block": hall.generate,
            "decode one": hall.draw_one,
            "decode ten together": hall.draw_together,
            "decode 1 + 9": hall.draw,
            "whole block": hall.block,
        }
        return {f"{name} ms": self.ms(job) for name, job in jobs.items()}

    def memory(self) -> dict[str, float]:
        """GPU memory of one conversation, and of each of three more, each with a portrait and programs of its batch."""
        hall = self.hall
        torch.cuda.empty_cache()
        one = gpu_gb()
        more = Hall(hall.runtime, hall.generator, 4)
        more.block()
        torch.cuda.empty_cache()
        return {"GPU GB, one conversation": one, "GPU GB, each further one": round((gpu_gb() - one) / 3, 3)}

    def conversations(self, count: int) -> dict[str, float]:
        """Twenty blocks of several conversations that are due together; on a GPU with what they hear."""
        hall = Hall(self.hall.runtime, self.hall.generator, count)
        repeats = 20 if self.on_gpu else 1
        hear = self._hearing_of(2 * count)

        def block() -> None:
            hear()
            hall.block()

        times = wall_ms(block, repeats, self.device, before=5)
        return {
            f"{count} conversations: hearing ms": self.ms(hear, 3),
            f"{count} conversations, median ms": percentile(times, 0.5),
            f"{count} conversations, p99 ms": percentile(times, 0.99),
            f"{count} conversations: encode ms": self.ms(hall.read, 3),
            f"{count} conversations: motion ms": self.ms(hall.generate, 3),
            f"{count} conversations: decode ms": self.ms(hall.draw, 3),
            f"{count} conversations: GPU GB": gpu_gb() if self.on_gpu else 0.0,
        }

    def joint(self) -> dict[str, float]:
        """Blocks of four conversations in threads of their own, as a server of avatars has them, against one by one."""
        generator = self.hall.generator
        config = generator.network.config
        several = JointGenerator(generator, pads=self.on_gpu)
        several.users = count = 4
        given = [random_conditions(config, 1, config.window_frames) for _ in range(count)]
        noise = torch.randn(count, 1, config.block_frames, config.motion_size)
        alone = [primed(generator, 1) for _ in range(count)]
        together = [state.snapshot() for state in alone]
        several.warm_up(together[0].snapshot(), given[0], noise[0], None)
        made: list[Tensor] = [noise[0]] * count

        def draw(i: int) -> None:
            made[i] = several.generate(together[i], given[i], noise[i]).cpu()

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(draw, range(count)))
            wanted = [generator.generate(*one).cpu() for one in zip(alone, given, noise, strict=True)]
            figures = {"joint blocks against alone, relative": error_of(torch.cat(made), torch.cat(wanted))}
            figures["four blocks of threads ms"] = self.ms(lambda: list(pool.map(draw, range(count))))
        figures["four blocks one by one ms"] = self.ms(
            lambda: [generator.generate(*one).cpu() for one in zip(alone, given, noise, strict=True)]
        )
        return figures

    def _hearing_of(self, voices: int) -> Callable[[], Any]:
        """Features of so many voices, where there are transformers to compute them."""
        if not self.on_gpu:
            return lambda: None
        from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Encoder, Wav2Vec2Sizes
        from avatar_forcing_ros.audio.wav2vec2_together import Heard, Wav2Vec2Together

        if self._ears is None:
            encoder = Wav2Vec2Encoder(Wav2Vec2Sizes()).eval().requires_grad_(False).half()
            self._ears = Wav2Vec2Together(encoder.to(self.device))
        ears, sound = self._ears, np.random.default_rng(0).standard_normal((voices, 60 * 640), np.float32)
        return lambda: ears._hear([Heard(one, 10) for one in sound])

    def accuracy_of_motion(self) -> dict[str, float]:
        """Relative difference of ten blocks from float32, step by step, on the same device."""
        network = self.hall.generator.network
        exact = AvatarForcingNetwork(network.config)
        exact.load_state_dict(load_file(self.folder / "network.safetensors"))
        found = []
        for one, how in ((network, ComputeConfig()), (exact.to(self.device).freeze(), PLAIN)):
            torch.manual_seed(1)
            generator = BlockGenerator(one, compute=how)
            state, made = primed(generator, 1), []
            for _ in range(BLOCKS_COMPARED):
                conditions = random_conditions(one.config, 1, one.config.window_frames)
                noise = torch.randn(1, one.config.block_frames, one.config.motion_size)
                made.append(generator.generate(state, conditions, noise))
            found.append(torch.cat(made, 1).cpu())
        return {"motion against float32, relative": error_of(*found)}

    def accuracy_of_pictures(self) -> dict[str, float]:
        """Coefficients and drawn pictures against float32, step by step; ten together against one by one.

        Random weights make flows that lead anywhere, so that the least rounding leads to another place. Flows a tenth
        as wide still move each pixel on its own by tens of pixels, more than a face that turns.
        """
        figures = picture_errors(self.hall.runtime, self.folder / AUTOENCODER, "random flows")
        calm = {
            name: x * (0.1 if ".to_flows." in name and "modulation" not in name and "kernel" not in name else 1.0)
            for name, x in load_file(self.folder / AUTOENCODER).items()
        }
        save_file(calm, self.folder / "calm.safetensors")
        runtime = AutoencoderRuntime(self.folder / "calm.safetensors", self.device)
        return figures | picture_errors(runtime, self.folder / "calm.safetensors", "calm flows")

    def hearing(self) -> dict[str, float]:
        """wav2vec2 of two seconds and a block, once for each of user and avatar; and of 32 conversations."""
        from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Encoder, Wav2Vec2Sizes
        from avatar_forcing_ros.audio.wav2vec2_together import Heard, Wav2Vec2Together

        exact = Wav2Vec2Encoder(Wav2Vec2Sizes()).eval().requires_grad_(False).to(self.device)
        sound = np.random.default_rng(0).standard_normal((64, 60 * 640), np.float32)
        with torch.inference_mode():
            one = torch.from_numpy(sound[:1]).to(self.device)
            wanted = exact(one)[0, -10:].cpu()
            figures = {"hear one voice, step by step in float32 ms": self.ms(lambda: exact(one).cpu(), 5)}
        together = Wav2Vec2Together(exact.half() if self.on_gpu else exact)
        found = [torch.from_numpy(together(sound[0], 10)) for _ in range(4)]  # by steps, then recorded
        figures["hear: half against float32, relative"] = error_of(found[0], wanted)
        figures["hear: recorded against steps, relative"] = error_of(found[-1], found[0])
        for count in (2, 64) if self.on_gpu else (2,):
            several = [Heard(one, 10) for one in sound[:count]]
            figures[f"hear {count} voices ms"] = median_ms(lambda jobs=several: together._hear(jobs), 5, self.device, 5)
        return figures

    def plainly(self) -> dict[str, float]:
        """The same step by step."""
        hall = make_hall(self.folder, self.sizes, self.device, PLAIN)
        jobs = {"encode one": hall.read_one, "motion of a block": hall.generate, "decode one": hall.draw_one,
                "whole block": hall.block}  # fmt: skip
        return {f"step by step: {name} ms": self.ms(job, 3) for name, job in jobs.items()}

    def profile(self) -> dict[str, float]:
        """Kernels of each job, longest first: how often, and microseconds in all."""
        hall = self.hall
        jobs = {
            "encode one": hall.read_one,
            "encode ten": hall.read_together,
            "decode one": hall.draw_one,
            "decode ten": hall.draw_together,
            "motion": hall.generate,
        }
        figures = {}
        for name, job in jobs.items():
            figures[f"kernels of {name} ms"] = print_kernels(name, job)
        return figures


def print_kernels(name: str, job: Callable[[], Any], rows: int = 16) -> float:
    """Print the longest kernels of a job on the GPU; all of them in milliseconds."""
    found = kernel_times(job)
    total = sum(map(sum, found.values()))
    print(f"   kernels of {name}: {sum(map(len, found.values()))} in {total / 1e3:.3f} ms")
    for kernel, times in sorted(found.items(), key=lambda item: -sum(item[1]))[:rows]:
        print(f"     {sum(times):9.1f} us {len(times):5} x  longest {max(times):8.1f}  {kernel[:110]}")
    return round(total / 1e3, 3)


def picture_errors(runtime: AutoencoderRuntime, weights: Path, name: str) -> dict[str, float]:
    """How far a runtime is from float32, step by step, for a smooth picture in ten motions."""
    device = runtime.device
    config, state = check_autoencoder(load_file(weights))
    exact = build_autoencoder(state, config, torch.float32).to(device)
    line = np.linspace(0, 2 * np.pi, config.image_size)
    waves = np.stack([np.sin(line * k)[:, None] * np.cos(line * (4 - k))[None] for k in (1, 2, 3)], -1)
    picture = np.round(127.5 + 127.5 * waves).astype(np.uint8)
    portrait = runtime.prepare(picture)
    noise = np.random.default_rng(0).standard_normal((10, config.latent_size)).astype(np.float32)
    motions = portrait.reference + 0.1 * noise
    together = runtime.draw(portrait, motions)
    singly = np.concatenate([runtime.draw(portrait, motion[None]) for motion in motions])
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        pixels = torch.from_numpy(picture[None]).to(device).movedim(-1, 1).float() / 127.5 - 1
        encoding = exact.encode(pixels)
        tables = feature_tables(encoding.features)
        drawn = exact.decode(encoding.identity, tables, torch.from_numpy(motions).to(device))
        wanted = ((drawn.clamp(-1, 1) + 1) * 127.5).round().movedim(1, -1).cpu().numpy()
    many = np.stack([np.roll(picture, 40 * n, 1) for n in range(10)])
    apart = np.concatenate([runtime.read(one[None]) for one in many])
    return {
        f"{name}: coefficients, relative": error_of(
            torch.from_numpy(runtime.read(picture[None])), encoding.coefficients.cpu()
        ),
        f"{name}: coefficients of ten against one": error_of(
            torch.from_numpy(runtime.read(many)), torch.from_numpy(apart)
        ),
        f"{name}: PSNR of one dB": psnr_db(singly, wanted),
        f"{name}: PSNR of ten together dB": psnr_db(together, wanted),
        f"{name}: PSNR of ten against one dB": psnr_db(together, singly),
    }


def psnr_db(found: np.ndarray, wanted: np.ndarray) -> float:
    """Peak signal to noise ratio of pictures."""
    rms = np.sqrt(((found.astype(np.float64) - wanted) ** 2).mean())
    return round(float(20 * np.log10(255 / max(1e-9, rms))), 1)


def live(folder: Path, sizes: str, device: torch.device) -> dict[str, float]:
    """When a fresh process was where, in seconds of the clock, until its first block is drawn."""
    times = {"torch imported": time.time()}
    if device.type == "cuda":
        torch.zeros(1, device=device)
        times["device opened"] = time.time()
    runtime = AutoencoderRuntime(folder / AUTOENCODER, device)
    times["pictures ready"] = time.time()
    generator = BlockGenerator(load_network(folder, sizes, device))
    times["motion network loaded"] = time.time()
    hall = Hall(runtime, generator, 1)
    times["portrait prepared, past made up"] = time.time()
    hall.generate()
    times["motion recorded"] = time.time()
    hall.block()
    times["live"] = time.time()
    return times


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--conversations", type=int, nargs="*", help="blocks due together (16, 32 and 48 on a GPU)")
    parser.add_argument("--repeats", type=int, help="blocks measured (20, 1 on a CPU)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tiny", action="store_true", help="a small network, to try the bench")
    parser.add_argument(
        "--variants", nargs="*", help="and what else could be done: all, or parts whose names hold these"
    )
    parser.add_argument("--seconds", type=float, default=540, help="after so long no further part begins")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="   %(name)s: %(message)s")
    torch.set_num_threads(args.threads)
    device, sizes = torch.device(args.device), "tiny" if args.tiny else "published"
    if args.start:
        print(json.dumps(live(args.start, sizes, device)))
        return 0
    on_gpu = device.type == "cuda"
    report = Report(deadline=time.perf_counter() + args.seconds)
    block_ms = 1000 * SIZES[sizes][0].block_frames / FPS
    chip = torch.cuda.get_device_name() if on_gpu else platform.processor() or platform.machine()
    print(f"{sizes} network, a block of {block_ms:.0f} ms, {chip}, torch {torch.__version__}, {args.threads} thread(s)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {variable: str(folder / place) for variable, place in _CACHES.items()}
        torch.set_num_threads(os.cpu_count() or 1)
        report.part("files of random weights", lambda: write_weights(folder, sizes))
        torch.set_num_threads(args.threads)
        bench = Bench(folder, sizes, device, args.repeats or (20 if on_gpu else 1), report)
        if on_gpu:
            report.part("a first start", lambda: bench.start("first start until live"))
            report.part("a second start", lambda: bench.start("second start until live"))
        report.part("programs", bench.recorded)
        report.part("parts of a block", bench.parts)
        if on_gpu:
            report.part("memory", bench.memory)
        report.part("joint blocks", bench.joint)
        report.part("motion against float32", bench.accuracy_of_motion)
        report.part("pictures against float32", bench.accuracy_of_pictures)
        if on_gpu:
            report.part("hearing", bench.hearing)
        several = args.conversations if args.conversations is not None else [16, 32, 48] if on_gpu else []
        for count in several:
            report.part(f"{count} conversations", lambda count=count: bench.conversations(count))
        if on_gpu:
            kept = [n for n in several if report.figures.get(f"{n} conversations, p99 ms", block_ms + 1) <= block_ms]
            report.figures["conversations live"] = float(max(kept, default=1))
            report.part("kernels", bench.profile)
            report.part("step by step", bench.plainly)
        if args.variants is not None:
            from published_variants import compare

            compare(report, folder, sizes, device, args.variants)
    print(f"\n{'figure':<56}{'':>12}")
    for name, figure in report.figures.items():
        print(f"{name:<56}{figure:>12.4g}")
    for name, reason in report.failed.items():
        print(f"FAILED {name}: {reason}")
    told = {"device": str(device), "chip": chip, "torch": torch.__version__, "threads": args.threads, "sizes": sizes}
    print(json.dumps(told | {"block_ms": block_ms, **report.figures, "failed": report.failed}))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What else could be done on a GPU for the published network, beside what is done; `published_block.py --variants`.

Times are of recorded programs alone, without copies from and to the host. Compilers run in processes of their own, so
that one that takes too long can be ended.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from published_parts import SIZES, Report, error_of, kernel_times, load_network, median_ms, primed, random_conditions
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, check_autoencoder
from avatar_forcing_ros.motion.autoencoder.resampling import smooth, smoothing_kernel
from avatar_forcing_ros.motion.autoencoder.warping import base_grid, feature_tables, warp

BATCHES = (1, 10) if torch.cuda.is_available() else (1, 2)
CHILD_SECONDS = {"default": 110, "channels first": 110, "max-autotune": 170, "motion": 90}


def recorded_ms(job: Callable[[], Any], device: torch.device, benchmark: bool = True, repeats: int = 20) -> float:
    """Milliseconds of a job as a CUDA graph (on a CPU: as it is), the median of several."""
    if device.type != "cuda":
        began = time.perf_counter()
        job()
        return (time.perf_counter() - began) * 1e3
    stream, graph = torch.cuda.Stream(device), torch.cuda.CUDAGraph()
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, deterministic=False, allow_tf32=False)
    with torch.cuda.stream(stream), flags:
        for _ in range(2):
            job()
        stream.synchronize()
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            job()
        times = []
        for _ in range(repeats + 2):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record(stream)
            graph.replay()
            end.record(stream)
            end.synchronize()
            times.append(start.elapsed_time(end))
    return statistics.median(times[2:])


@dataclass
class Pictures:
    """An auto-encoder with random weights and something to read and draw."""

    model: MotionAutoencoder
    pixels: Tensor
    latents: Tensor

    @classmethod
    def load(cls, folder: Path, device: torch.device, dtype: torch.dtype = torch.float16) -> Pictures:
        """From a folder's file, for the largest batch."""
        config, state = check_autoencoder(load_file(folder / "motion_autoencoder.safetensors"))
        model = build_autoencoder(state, config, dtype).to(device)
        torch.manual_seed(0)
        side, count = config.image_size, max(BATCHES)
        pixels = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8).to(device)
        return cls(model, pixels, torch.randn(count, config.latent_size).to(device))


def fused_jobs(pictures: Pictures, count: int) -> dict[str, Callable[[], Tensor]]:
    """What programs do for so many pictures."""
    from avatar_forcing_ros.motion.autoencoder.fused import FusedDecoder, FusedEncoder

    encoder, decoder = FusedEncoder(pictures.model.encoder), FusedDecoder(pictures.model.decoder)
    pixels, latents = pictures.pixels[:count], pictures.latents[:count]
    maps = [map_[0].movedim(0, -1).contiguous() for map_ in encoder(pixels[:1]).features]
    addresses = torch.tensor([[map_.data_ptr()] * count for map_ in maps]).to(pixels.device)

    def draw() -> Tensor:
        assert maps  # an address keeps nothing alive
        return decoder(latents, addresses)

    return {f"encode {count}": lambda: encoder(pixels).coefficients, f"decode {count}": draw}


def of_programs(
    folder: Path, device: torch.device, dtype: torch.dtype = torch.float16, benchmark: bool = True
) -> dict[str, float]:
    """Milliseconds of our programs."""
    pictures = Pictures.load(folder, device, dtype)
    jobs = [job for count in BATCHES for job in fused_jobs(pictures, count).items()]
    return {name: recorded_ms(job, device, benchmark) for name, job in jobs}


def of_numbers(folder: Path, device: torch.device) -> dict[str, float]:
    """What each type of number makes of the same latents and pictures, against float32."""
    exact, found = Pictures.load(folder, device, torch.float32), {}
    wanted = {name: job() for count in (2,) for name, job in fused_jobs(exact, count).items()}
    for dtype in (torch.bfloat16, torch.float16):
        for name, job in fused_jobs(Pictures.load(folder, device, dtype), 2).items():
            found[f"{name}, error of {str(dtype).removeprefix('torch.')}"] = error_of(
                job().float(), wanted[name].float()
            )
    return found


@dataclass(frozen=True)
class Tiles:
    """Sizes of our picture kernels: numbers that a program holds, warps, and from which map on rows go by fours."""

    tile: int = 2048
    warps: int = 4
    many: int = 1 << 21

    @property
    def name(self) -> str:
        """As figures have it."""
        return f"tiles of {self.tile}, {self.warps} warps, fours from 2^{self.many.bit_length() - 1}"


TILES = [Tiles(1024), Tiles(4096, 8), Tiles(1024, 2), Tiles(many=1 << 19), Tiles(many=1 << 23)]


@contextmanager
def with_tiles(tiles: Tiles) -> Iterator[None]:
    """Our kernels in other sizes."""
    from avatar_forcing_ros.motion.autoencoder import kernels

    before = kernels._TILE, kernels._WARPS, kernels._MANY
    kernels._TILE, kernels._WARPS, kernels._MANY = vars(tiles).values()
    try:
        yield
    finally:
        kernels._TILE, kernels._WARPS, kernels._MANY = before


def of_tiles(folder: Path, device: torch.device, tiles: Tiles) -> dict[str, float]:
    """Our programs with other sizes of our kernels, and microseconds of these kernels in all."""
    with with_tiles(tiles):
        found = of_programs(folder, device)
        if device.type == "cuda":
            pictures = Pictures.load(folder, device)
            for name, job in [job for count in BATCHES for job in fused_jobs(pictures, count).items()]:
                times = kernel_times(job)
                found |= {f"{name}: {kernel} us": sum(x) for kernel, x in times.items() if kernel[0] == "_"}
    return found


def of_halves(folder: Path, device: torch.device) -> dict[str, float]:
    """Ten pictures read by one program, and by two of five: the second five are copied while the first are read."""
    from avatar_forcing_ros.motion.autoencoder.captured import CapturedAutoencoder

    pictures = Pictures.load(folder, device)
    images = pictures.pixels.cpu().numpy()
    found = {}
    for sizes in ((1, 10), (1, 5)):
        programs = CapturedAutoencoder(pictures.model, sizes)
        found[f"ten read by {sizes[-1]} ms"] = median_ms(lambda p=programs: p.read([images]), 20, device)
    return found


def compile_ahead(folder: Path, sizes: str, device: torch.device, names: list[str], seconds: float) -> None:
    """Kernels of variants, each by a process of its own at the same time; they are kept for who measures them."""
    command = [sys.executable, __file__, "--folder", str(folder), "--device", str(device), "--sizes", sizes]

    def wanted(name: str) -> bool:
        return not names or any(one in name for one in names)

    others = [["--tiles", *map(str, vars(tiles).values())] for tiles in TILES if wanted(tiles.name)]
    others += [["--kind", kind] for kind in ("bfloat16", "float32") if wanted("numbers") or wanted("bfloat16")]
    running = [subprocess.Popen([*command, "--child", "compile", *one], stdout=subprocess.DEVNULL) for one in others]
    end = time.perf_counter() + seconds
    try:
        for process in running:
            process.wait(max(0.1, end - time.perf_counter()))
    finally:
        for process in running:
            process.kill()
            process.wait()


def phase_weights(weight: Tensor) -> Tensor:
    """A doubling convolution (O, I, 3, 3) and the filter after it as one of four phases (4 O, I, 3, 3)."""
    o, i = weight.shape[:2]
    taps = smoothing_kernel(4.0).to(weight)[None, None]
    wide = functional.conv2d(weight.reshape(o * i, 1, 3, 3), taps, padding=3).view(o, i, 6, 6)
    phases = [wide[:, :, [4 + p, 2 + p, p]][..., [4 + q, 2 + q, q]] for p in range(2) for q in range(2)]
    return torch.cat(phases)


def of_layers(config: AutoencoderConfig, device: torch.device, count: int) -> dict[str, float]:
    """Each convolution: as done, chosen by heuristics, channels first, and doubling ones as four phases."""
    found: dict[str, float] = {}
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    print(f"     {'layer':<34}{'GFLOP':>8}{'done':>9}{'heuristic':>11}{'first':>9}{'+filter':>9}{'phases':>9}  ms")

    def random(*shape: int, last: bool = True) -> Tensor:
        x = torch.randn(shape, device=device, dtype=kind)
        return x.contiguous(memory_format=torch.channels_last) if last else x

    def row(name: str, flop: float, job: Callable[[bool], Callable[[], Tensor]], more: dict[str, Any]) -> None:
        times = [recorded_ms(job(True), device), recorded_ms(job(True), device, benchmark=False)]
        times += [recorded_ms(job(False), device), *(recorded_ms(one, device) for one in more.values())]
        found[f"{name} x {count}"] = times[0]
        print(f"     {name:<34}{flop / 1e9:>8.2f}" + "".join(f"{time_ms:>10.4f}" for time_ms in times), flush=True)

    for side in config.level_sizes:
        wide, narrow = config.channels(side // 2), config.channels(side)
        flop = 18 * count * side**2

        def same(last: bool, side: int = side, c: int = narrow) -> Callable[[], Tensor]:
            x, w = random(count, c, side, side, last=last), random(c, c, 3, 3, last=last)
            return lambda: functional.conv2d(x, w, padding=1)

        def halve(last: bool, side: int = side, c: int = narrow, o: int = wide) -> Callable[[], Tensor]:
            x, w = random(count, c, side + 1, side + 1, last=last), random(o, c, 3, 3, last=last)
            return lambda: functional.conv2d(x, w, stride=2)

        def up(last: bool, side: int = side, c: int = wide, o: int = narrow) -> Callable[[], Tensor]:
            x, w = random(count, c, side // 2, side // 2, last=last), random(c, o, 3, 3, last=last)
            return lambda: functional.conv_transpose2d(x, w, stride=2)

        row(f"same {narrow} at {side}", flop * narrow**2, same, {})
        row(f"halve {narrow}-{wide} from {side}", flop * narrow * wide / 4, halve, {})
        more = {}
        with suppress(ImportError):
            more = _with_filters(random, count, side, wide, narrow, device)
        row(f"double {wide}-{narrow} to {side}", flop * narrow * wide / 4, up, more)
    return found


def _with_filters(
    random: Callable[..., Tensor], count: int, side: int, wide: int, narrow: int, device: torch.device
) -> dict[str, Callable[[], Tensor]]:
    """A doubling with its filter and style: as done, and as four phases of one convolution."""
    from avatar_forcing_ros.motion.autoencoder import kernels

    x, w = random(count, wide, side // 2, side // 2), random(wide, narrow, 3, 3)
    phased = phase_weights(w.transpose(0, 1)).contiguous(memory_format=torch.channels_last)
    vectors = [torch.randn(shape, device=device) for shape in ((count, narrow), (narrow,), (count, narrow))]
    many = [torch.randn(shape, device=device) for shape in ((count, 4 * narrow), (4 * narrow,), (count, 4 * narrow))]

    def done() -> Tensor:
        y = functional.conv_transpose2d(x, w, stride=2).contiguous(memory_format=torch.channels_last)
        return kernels.smooth(y, 1, gain=4.0, style=kernels.Style(*vectors))

    def phases() -> Tensor:
        y = functional.conv2d(x, phased, padding=1).contiguous(memory_format=torch.channels_last)
        return kernels.styled(y, kernels.Style(*many))

    return {"done with filter": done, "phases": phases}


def of_phases() -> dict[str, float]:
    """That four phases are the doubling convolution and its filter."""
    torch.manual_seed(0)
    x, w = torch.randn(2, 6, 5, 5).double(), torch.randn(4, 6, 3, 3).double()
    wanted = smooth(functional.conv_transpose2d(x, w.transpose(0, 1), stride=2), padding=1, gain=4.0)
    found = functional.conv2d(x, phase_weights(w), padding=1).view(2, 2, 2, 4, 5, 5)
    return {"four phases against a doubling": error_of(found.permute(0, 3, 4, 1, 5, 2).reshape(2, 4, 10, 10), wanted)}


def of_warps(config: AutoencoderConfig, device: torch.device, count: int) -> dict[str, float]:
    """Reading a portrait's features at every level: a bag of embeddings, and grid_sample with features shared."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    bags, grids = 0.0, 0.0
    for side in config.level_sizes:
        feature = torch.randn(1, config.channels(side), side, side, device=device, dtype=kind)
        flow, (table,) = torch.randn(count, 3, side, side, device=device), feature_tables([feature])
        shared = feature.contiguous(memory_format=torch.channels_last).expand(count, -1, -1, -1)
        bags += recorded_ms(lambda t=table, f=flow: warp(t, f), device)
        grids += recorded_ms(lambda x=shared, f=flow, s=side: _sampled(x, f, s), device)
    return {f"warps as bags x {count}": bags, f"warps by grid_sample x {count}": grids}


def _sampled(feature: Tensor, flow: Tensor, side: int) -> Tensor:
    grid = (base_grid(side, flow) + torch.tanh(flow[:, :2])).movedim(1, -1).to(feature.dtype)
    return functional.grid_sample(feature, grid, align_corners=False) * torch.sigmoid(flow[:, 2:]).to(feature.dtype)


def compiled(module: torch.nn.Module, device: torch.device, mode: str | None = None) -> Callable[..., Any]:
    """A module under torch's compiler; on a CPU only traced, to see that it can be."""
    if device.type != "cuda":
        return torch.compile(module, backend="eager", dynamic=False, fullgraph=True)
    return torch.compile(module, dynamic=False, fullgraph=True, mode=mode)


def compiled_pictures(folder: Path, device: torch.device, how: str) -> dict[str, float]:
    """The layers themselves under torch.compile, recorded."""
    pictures = Pictures.load(folder, device)
    model = pictures.model
    first = how == "channels first"
    if first:
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    mode = "max-autotune-no-cudagraphs" if how == "max-autotune" else None
    encode, decode = (compiled(module, device, mode) for module in (model.encoder, model.decoder))
    portrait = model.encode(pictures.pixels[:1].movedim(-1, 1).float() / 127.5 - 1)
    tables = feature_tables(portrait.features)
    found = {}
    for count in BATCHES if how != "max-autotune" else BATCHES[:1]:
        images = (pictures.pixels[:count].movedim(-1, 1).float() / 127.5 - 1).contiguous(
            memory_format=torch.contiguous_format if first else torch.channels_last
        )
        latents = pictures.latents[:count]
        for name, job in {
            f"encode {count}": lambda x=images: encode(x).coefficients,
            f"decode {count}": lambda x=latents: decode(x, tables),
        }.items():
            began = time.perf_counter()
            job()
            found[f"{name}: compiled in s"] = time.perf_counter() - began
            found[name] = recorded_ms(job, device)
            print(f"     {how}, {name}: {found[name]:.3f} ms", flush=True, file=sys.stderr)
    return found


def compiled_motion(folder: Path, sizes: str, device: torch.device) -> dict[str, float]:
    """One pass of the motion network: its layers, these compiled, and with our few kernels; and opening a window."""
    network = load_network(folder, sizes, device)
    config, plain = network.config, network.transformer
    generator = BlockGenerator(network)
    state = primed(generator, 1)
    conditions = generator._stack(random_conditions(config, 1, config.window_frames))
    x = torch.randn(1, config.window_frames, config.motion_size, device=device)
    modulation = generator._modulation(config.lookahead_frames, config.block_frames, 1)
    c = network.encode_conditions(conditions)
    found, jobs = {}, {}
    window = plain.open_window(c, state.cache, fold=True)
    jobs["pass of layers"] = lambda: plain(x, state.reference, modulation, window)
    jobs["opening of layers"] = lambda: plain.open_window(c, state.cache, fold=True)
    jobs["conditions"] = lambda: network.encode_conditions(conditions)
    with suppress(ImportError):
        from avatar_forcing_ros.network.fused import FusedTransformer

        fused = FusedTransformer(plain)
        small = fused.open_window(c, state.cache)
        jobs["pass of few kernels"] = lambda: fused(x, state.reference, modulation, small)
        jobs["opening of few kernels"] = lambda: fused.open_window(c, state.cache)
    quick = compiled(plain, device)
    jobs["pass compiled"] = lambda: quick(x, state.reference, modulation, window)
    for name, job in jobs.items():
        found[name] = recorded_ms(job, device)
        print(f"     {name}: {found[name]:.3f} ms", flush=True, file=sys.stderr)
    return found


def in_child(folder: Path, sizes: str, device: torch.device, how: str, deadline: float) -> dict[str, float]:
    """The same in a process that is ended when it takes too long; what it had printed by then is seen."""
    command = [sys.executable, __file__, "--child", how, "--folder", str(folder), "--device", str(device)]
    command += ["--sizes", sizes]
    seconds = max(1.0, min(CHILD_SECONDS[how], deadline - time.perf_counter()))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds)
    if done.returncode:
        raise RuntimeError(f"the process ended with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(report: Report, folder: Path, sizes: str, device: torch.device, names: list[str]) -> None:
    """Everything, or parts whose names hold one of these, one after the other; those that take longest last."""
    config = SIZES[sizes][1]
    print("\nvariants: milliseconds of recorded programs alone", flush=True)

    def part(name: str, job: Callable[[], dict[str, float]]) -> None:
        if names and not any(one in name for one in names):
            return

        def with_name() -> dict[str, float]:
            with torch.inference_mode():
                return {f"{name}: {figure}": value for figure, value in job().items()}

        report.part(name, with_name)
        if device.type == "cuda":
            torch.cuda.empty_cache()

    if device.type == "cuda":
        report.part(
            "variants compiled",
            lambda: compile_ahead(folder, sizes, device, names, min(80, report.deadline - time.perf_counter() - 15)),
        )
    part("as it is", lambda: of_programs(folder, device))
    part("cuDNN by heuristics", lambda: of_programs(folder, device, benchmark=False))
    part("bfloat16", lambda: of_programs(folder, device, torch.bfloat16))
    for tiles in TILES:
        part(tiles.name, lambda tiles=tiles: of_tiles(folder, device, tiles))
    if device.type == "cuda":
        part("halves", lambda: of_halves(folder, device))
    part("numbers", lambda: of_numbers(folder, device))
    part("phases", of_phases)
    for count in reversed(BATCHES):
        part("layers", lambda count=count: of_layers(config, device, count))
    part("warps", lambda: of_warps(config, device, max(BATCHES)))
    part("motion", lambda: in_child(folder, sizes, device, "motion", report.deadline))
    part("torch.compile, default", lambda: in_child(folder, sizes, device, "default", report.deadline))
    for how in ("channels first", "max-autotune"):
        part(f"torch.compile, {how}", lambda how=how: in_child(folder, sizes, device, how, report.deadline))


def main() -> None:
    """One variant that needs a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", required=True, choices=["compile", *CHILD_SECONDS])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--sizes", required=True)
    parser.add_argument("--tiles", type=int, nargs=3)
    parser.add_argument("--kind", default="float16")
    args = parser.parse_args()
    device = torch.device(args.device)
    found: dict[str, float] = {}
    with torch.inference_mode():
        if args.child == "compile":
            with with_tiles(Tiles(*args.tiles) if args.tiles else Tiles()):
                pictures = Pictures.load(args.folder, device, getattr(torch, args.kind))
                for count in (*BATCHES, 2) if args.kind != "float16" else BATCHES:
                    for job in fused_jobs(pictures, count).values():
                        job()
        elif args.child == "motion":
            found = compiled_motion(args.folder, args.sizes, device)
        else:
            found = compiled_pictures(args.folder, device, args.child)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

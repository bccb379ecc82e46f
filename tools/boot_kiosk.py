# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Boots a real systemd with the kiosk's unit, on an overlay of this machine's own system, and notes when pictures come.

    sudo .venv/bin/python tools/boot_kiosk.py        # a minute; needs Debian's or Ubuntu's systemd-container

systemd is process 1 of a container (`systemd-nspawn --boot`) whose files are this machine's; what it writes lies in
memory and is gone afterwards. The unit, its user, start.sh and the environment of `make setup` are the real ones. Once
the generator is on stage it is killed (-9), then the kiosk's main process, which systemd has to start anew. Times are
in seconds since process 1 began; boot loader, kernel, camera and sound card are not in it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNIT = "avatar-forcing-kiosk.service"
DOMAIN = 7
PATIENCE_S = 120.0
WATCH = "watch-pictures.service"
WATCHER = f"""[Unit]
DefaultDependencies=no
[Service]
User=avatar
Environment=HOME=/tmp ROS_LOG_DIR=/tmp
ExecStart={ROOT}/.venv/bin/python {ROOT}/tools/boot_kiosk.py --watch
StandardOutput=append:/pictures.log
StandardError=append:/pictures.log
"""


def now_s() -> float:
    """Since the machine started; the same in every container."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def watch() -> None:
    """In the container: say when pictures come, and from whom."""
    from avatar_forcing_ros.graph import settings
    from avatar_forcing_ros.graph.environment import local_graph

    os.environ.update(local_graph(DOMAIN) | settings.PROCESS_ENVIRONMENT)
    import rclpy
    from avatar_forcing_ros.msg import FrameInfo
    from rclpy.node import Node

    from avatar_forcing_ros.nodes import qos

    last_s, who = now_s(), -1

    def see(info: FrameInfo) -> None:
        nonlocal last_s, who
        came_s = now_s()
        if who >= 0 and came_s - last_s > 0.2:
            print(f"{came_s} nothing for {came_s - last_s:.2f} s", flush=True)
        if info.on_stage != who:
            print(f"{came_s} on stage: {'understudy' if info.on_stage else 'generator'}", flush=True)
        last_s, who = came_s, info.on_stage

    rclpy.init()
    node = Node("watch_pictures")
    node.create_subscription(FrameInfo, "avatar/frame_info", see, qos.STREAM)
    print(f"{now_s()} the watcher looks", flush=True)
    rclpy.spin(node)


@contextmanager
def system(folder: Path) -> Iterator[Path]:
    """This machine's files under an overlay, with the kiosk installed as docs/deployment.md says."""
    above, root = folder / "above", folder / "root"
    for path in (above, root):
        path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", above], check=True)
    for name in ("files", "work"):
        (above / name).mkdir()
    layers = f"lowerdir=/,upperdir={above}/files,workdir={above}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, root], check=True)
    try:
        units = root / "etc" / "systemd" / "system"
        for wants in units.glob("*.target.wants"):  # what else this machine starts is not the kiosk's
            shutil.rmtree(wants)
        (units / "multi-user.target.wants").mkdir()
        shutil.copy(ROOT / "deploy" / UNIT, units)
        (units / WATCH).write_text(WATCHER)
        for unit in (UNIT, WATCH):
            (units / "multi-user.target.wants" / unit).symlink_to(f"../{unit}")
        (root / "opt" / "avatar_forcing_ros").unlink(missing_ok=True)
        (root / "opt" / "avatar_forcing_ros").symlink_to(ROOT)
        subprocess.run(["chroot", root, "useradd", "--system", "--groups", "audio,video", "avatar"], check=True)
        (root / "etc" / "avatar_forcing_ros.conf").write_text(f"ROS_DOMAIN_ID={DOMAIN}\n")
        (root / "etc" / "machine-id").write_text("")
        (root / "root").chmod(0o711)  # the interpreter of the environment may lie there
        log = root / "pictures.log"
        log.touch()
        log.chmod(0o666)
        yield root
    finally:
        for path in (root, above):
            subprocess.run(["umount", "--lazy", path], check=False)


def processes(words: str) -> list[int]:
    """Of whoever has these words in its command line, the youngest last."""
    found = subprocess.run(["pgrep", "-f", words], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]


def until(log: Path, words: str, after: int = 0) -> int:
    """Wait until a line with these words is there; the number of lines by then."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        lines = log.read_text().splitlines()
        if any(words in line for line in lines[after:]):
            return len(lines)
        time.sleep(0.1)
    raise TimeoutError(f"no {words!r} within {PATIENCE_S:.0f} s; {log.read_text()[-500:]}")


def main() -> int:
    """Run it; the exit status is 0 when pictures came each time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--watch", action="store_true", help="in the container")
    args = parser.parse_args()
    if args.watch:
        watch()
        return 0
    if os.geteuid() or not shutil.which("systemd-nspawn"):
        print("expected root and systemd-nspawn (apt install systemd-container)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, system(Path(folder)) as root:
        log, kiosk = root / "pictures.log", "/opt/avatar_forcing_ros/.venv/bin/python"
        options = ["--register=no", "--keep-unit", "--private-network", "--machine=kiosk", "--console=pipe"]
        began_s, notes = now_s(), list[str]()
        container = subprocess.Popen(
            ["systemd-nspawn", "-D", root, "--boot", *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            lines = until(log, "on stage: generator")
            time.sleep(8)
            for who in ("generator_node", "kiosk"):
                notes.append(f"{now_s()} kill -9 of {who}")
                os.kill(processes(f"^{kiosk} -m avatar_forcing_ros.nodes.{who}")[-1], signal.SIGKILL)
                lines = until(log, "on stage: generator", lines)
                time.sleep(8)
                lines = len(log.read_text().splitlines())
        finally:
            for line in sorted([*notes, *log.read_text().splitlines()]):
                at, _, what = line.partition(" ")
                print(f"{float(at) - began_s:8.2f} {what}" if at[:1].isdigit() else line)
            container.terminate()
            container.wait(30)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

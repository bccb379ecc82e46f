#!/usr/bin/env bash
# What rosdep does not know, for a machine with a ROS distribution: torch and the Python packages of the core.
#
#   requirements/robot.sh [PYTHON] [TORCH_BACKEND]      default: python3 cpu
#
# Where the system's Python refuses pip (Ubuntu 24.04), make an environment that sees ROS first:
#   python3 -m venv --system-site-packages ~/ws/venv && . ~/ws/venv/bin/activate
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3} backend=${2:-cpu}
"$here/install_torch.sh" "$python" "$backend"
"$python" -m pip install -r "$here/runtime.txt"
"$python" -m pip install --no-deps -r "$here/bare.txt"
"$python" -m pip install 'sounddevice>=0.5,<1'  # this machine's microphone and loudspeaker; wants the system's libportaudio2

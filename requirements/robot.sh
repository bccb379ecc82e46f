#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# What rosdep does not know, for a machine with a ROS distribution: the Python packages of the core.
#
#   requirements/robot.sh [PYTHON] [TORCH_BACKEND]      default: python3 none
#
# The bundled model needs no torch. The authors' network and training do: TORCH_BACKEND is cpu, or cu126, cu128 ... for a
# GPU, or installed, for the torch that is there, as on a Jetson.
#
# Where the system's Python refuses pip (Ubuntu 24.04), make an environment that sees ROS first:
#   python3 -m venv --system-site-packages ~/ws/venv && . ~/ws/venv/bin/activate
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3} backend=${2:-none}
PYTHON=$python "$here/system.sh" robot
[ "$backend" = none ] || "$here/install_torch.sh" "$python" "$backend"

# The messages of ROS distributions up to Jazzy are compiled against NumPy 1 and do not load beside NumPy 2.
numpy=numpy
if "$python" -c 'import numpy; assert numpy.__version__ < "2"' 2>/dev/null; then numpy='numpy<2'; fi
"$python" -m pip install "$numpy" -r "$here/runtime.txt"
"$python" -m pip install --no-deps -r "$here/bare.txt"
"$python" -m pip install 'sounddevice>=0.5,<1'  # this machine's microphone and loudspeaker; wants the system's libportaudio2

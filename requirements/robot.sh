#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Installs the Python packages that rosdep does not know, on a machine with a ROS distribution.
#
#   requirements/robot.sh [PYTHON] [TORCH_BACKEND]      default: python3 none
#
# The bundled model needs no torch. The authors' network and training do: TORCH_BACKEND is cpu, or cu126, cu128 ... for a
# GPU, or installed, to use the torch that is there, as on a Jetson.
#
# From Ubuntu 24.04 on, pip may not install into the system's Python. Run this in a virtual environment that sees ROS,
# as the README shows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3} backend=${2:-none}
PYTHON=$python "$here/system.sh" robot

# Source: PEP 668.
is_managed() {
  "$python" -c 'import os, sys, sysconfig
sys.exit(sys.prefix != sys.base_prefix or not os.path.exists(sysconfig.get_path("stdlib") + "/EXTERNALLY-MANAGED"))'
}
if [ -z "${PIP_BREAK_SYSTEM_PACKAGES:-}" ] && is_managed >/dev/null; then
  echo "Expected a virtual environment, got the system's Python, where pip may not install: first run python3 -m venv --system-site-packages ~/ws/venv && . ~/ws/venv/bin/activate" >&2
  exit 1
fi
[ "$backend" = none ] || "$here/install_torch.sh" "$python" "$backend"

# The messages of ROS distributions up to Jazzy are compiled against NumPy 1 and do not load beside NumPy 2.
numpy=numpy
if "$python" -c 'import numpy; assert numpy.__version__ < "2"' 2>/dev/null; then numpy='numpy<2'; fi
"$python" -m pip install "$numpy" -r "$here/runtime.txt"
"$python" -m pip install --no-deps -r "$here/bare.txt"
"$python" -m pip install --no-deps -r "$here/recogniser.txt" ||
  echo "PocketSphinx could not be compiled, see above. All else works; to the voice agent one types, or it asks a server to recognise speech." >&2
"$python" -m pip install 'sounddevice>=0.5,<1'  # this machine's microphone and loudspeaker; needs the system's libportaudio2

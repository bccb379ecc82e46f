#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Runs a command that is silent for long, and says every ten seconds that it is still at work. Its status is the command's.
#
#   requirements/alive.sh COMMAND [ARGUMENT ...]
#   requirements/alive.sh --log FILE COMMAND [ARGUMENT ...]     its output goes to FILE, and is shown if it fails
set -uo pipefail

log=
[ "$1" = --log ] && { log=$2; shift 2; }

watch() {
  while sleep 10 > /dev/null 2>&1; do echo "  ... still working, ${SECONDS} s" >&2; done
}
watch &
watcher=$!
disown
trap 'kill "$watcher"' EXIT

if [ -z "$log" ]; then
  "$@"
else
  "$@" > "$log" 2>&1 || { status=$?; cat "$log" >&2; exit "$status"; }
fi

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Writes locked.txt: what runtime.txt comes to, every version and the hashes of its files, for every promised Python and
# processor at once. Versions stay as they are while they fit; with `upgrade` they become the newest, with `check`
# nothing is written, and the status is 1 when locked.txt is not what runtime.txt asks for.
#
#   requirements/lock.sh .venv/bin/uv [upgrade | check]
set -euo pipefail
uv=$1 word=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
made=$(mktemp)
trap 'rm -f "$made"' EXIT
head='# Written by requirements/lock.sh from runtime.txt, torch aside: pip install --require-hashes -r requirements/locked.txt'
options=()
if [ "$word" = upgrade ]; then options=(--upgrade); elif [ -f "$here/locked.txt" ]; then cp "$here/locked.txt" "$made"; fi
"$uv" pip compile --quiet --native-tls --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links "${options[@]}" -o "$made" "$here/runtime.txt" >/dev/null
{ echo "$head"; grep -v '^# Written by' "$made"; } > "$made.whole" && mv "$made.whole" "$made"
if [ "$word" = check ]; then
  cmp -s "$made" "$here/locked.txt" && exit
  echo "requirements/locked.txt is not what runtime.txt asks for: run requirements/lock.sh" >&2
  exit 1
fi
cp "$made" "$here/locked.txt"

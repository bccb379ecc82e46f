#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Wheel and sdist into out/dist, from what git tracks. Then each is installed into an empty environment far from the
# checkout, as a stranger would, and renders one of the demo's voices there. About 2 minutes.
#
#   tools/dist.sh .venv/bin/python
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git archive HEAD | tar -x -C "$work" --one-top-level=source
"$python" -m venv "$work/builder"
"$work/builder/bin/pip" install -qq --disable-pip-version-check 'build>=1.2,<2'
rm -rf out/dist
"$work/builder/bin/python" -m build --outdir out/dist "$work/source" > "$work/build.log" || { cat "$work/build.log"; exit 1; }

for kind in whl tar.gz; do
  file=$(echo "$here"/out/dist/*."$kind")
  echo "Trying ${file##*/} ..."
  "$python" -m venv --clear "$work/user"
  "$work/user/bin/pip" install -qq --no-compile --disable-pip-version-check "$file"
  (cd "$work" && env -u PYTHONPATH user/bin/avatar-forcing render --speech "$here/examples/demo/avatar.flac" --output talk.mp4)
  test -s "$work/talk.mp4"
  rm "$work/talk.mp4"
done
ls -l out/dist

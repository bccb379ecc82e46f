#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Installs the torch of torch.txt, built for one backend, into an environment:
#
#   requirements/install_torch.sh .venv/bin/python cpu
#
# PyPI's own Linux build is the CUDA one, several GB, so a plain `pip install torch` is never called. Where pip knows a
# mirror or a folder that has the CPU build, that one is taken; else uv fetches it, because uv knows PyTorch's own indexes.
set -euo pipefail
python=$1 backend=$2
wanted=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$(dirname "$0")/torch.txt")

# A local version names the build: 2.13.0+cpu, 2.13.0+cu126. `auto` accepts whichever is there.
is_installed() {
  local have
  have=$("$python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null) || return 1
  [ "$have" = "$wanted+$backend" ] || { [ "$backend" = auto ] && [ "${have%%+*}" = "$wanted" ]; }
}

with_pip() { "$python" -m pip install -qq --no-compile "torch==$wanted+$backend" 2>/dev/null; }

with_uv() {
  local uv status=0
  uv=$(mktemp -d)  # needed once, and larger than most packages: it does not stay
  "$python" -m pip install -qq --target "$uv" 'uv>=0.8,<1'
  "$uv/bin/uv" pip install --quiet --python "$python" --torch-backend "$backend" --reinstall-package torch "torch==$wanted" || status=$?
  rm -rf "$uv"
  return $status
}

# Builds of others, such as NVIDIA's for Jetson, carry versions of their own: `installed` takes what is there.
if [ "$backend" = installed ]; then
  "$python" -c 'import torch' && exit 0
  echo "Expected a torch that $python can import, as the backend 'installed' says; got none" >&2
  exit 1
fi

is_installed && exit 0
with_pip || with_uv || {
  echo "No build of torch $wanted for the backend '$backend' could be fetched. Expected: cpu, cu126, cu128, auto, installed ..., and" >&2
  echo "access to PyTorch's package index, or PIP_FIND_LINKS naming a folder that has the wheel." >&2
  exit 1
}

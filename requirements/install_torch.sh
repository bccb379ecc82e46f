#!/usr/bin/env bash
# Installs the torch of torch.txt, built for one backend, into an environment:
#
#   requirements/install_torch.sh .venv/bin/python cpu
#
# PyPI's own Linux build is the CUDA one, several GB, so a plain `pip install torch` is never called. Where pip knows a
# mirror or a folder that has the CPU build, that one is taken; else uv fetches it, because uv knows PyTorch's own indexes.
set -euo pipefail
python=$1 backend=$2
wanted=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$(dirname "$0")/torch.txt")

have=$("$python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)
# Local versions name the build: 2.13.0+cpu, 2.13.0+cu126. `auto` accepts whichever build is there.
case $have in
  "$wanted+$backend") exit 0 ;;
  "$wanted"*) [ "$backend" = auto ] && exit 0 ;;
esac

if "$python" -m pip install --quiet --no-compile "torch==$wanted+$backend" 2>/dev/null; then exit 0; fi

uv=$(mktemp -d)
trap 'rm -rf "$uv"' EXIT
"$python" -m pip install --quiet --no-compile --target "$uv" 'uv>=0.8,<1'
"$uv/bin/uv" pip install --python "$python" --torch-backend "$backend" --reinstall-package torch "torch==$wanted" || {
  echo "No build of torch $wanted for the backend '$backend' could be fetched. Expected cpu, cu126, cu128, auto ... and" >&2
  echo "access to PyTorch's package index, or a folder with the wheel named by PIP_FIND_LINKS." >&2
  exit 1
}

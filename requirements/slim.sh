#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Removes from an environment what nothing here runs, about 600 MB of 2 GB:
#
#   requirements/slim.sh .venv/bin/python
set -euo pipefail
read -r prefix packages < <("$1" -c 'import sys, sysconfig; print(sys.prefix, sysconfig.get_path("platlib"))')

# Tests of other people's packages. NumPy 2.2, the last for Python 3.10, imports one of its own.
find "$packages" -mindepth 2 -type d \( -name tests -o -path "$packages/torch/test" \) ! -path "$packages/numpy/_core/tests" \
  -prune -exec rm -rf {} +

# The CPU build of torch carries its own test programs and the headers for C++ extensions. A GPU build keeps them: its
# compiler reads the headers.
case $("$1" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null) in
  *+cpu) rm -rf "$packages"/torch/{include,bin/test_*,bin/*Test,bin/protoc*,bin/*.pt,bin/*.ptl,bin/upgrader_models} ;;
esac

# Of transformers' two hundred models one is used; hf_xet only downloads.
find "$packages"/transformers/models -mindepth 1 -maxdepth 1 -type d ! -name wav2vec2 ! -name auto ! -name encoder_decoder \
  -exec rm -rf {} + 2>/dev/null || true
rm -rf "$packages"/hf_xet "$packages"/hf_xet-*

# Data for tests of other people's ONNX runtimes.
rm -rf "$packages"/onnx/backend/test

# Of scikit-image one photograph is used.
find "$packages"/skimage -mindepth 1 -maxdepth 1 ! -name data ! -name __init__.py -exec rm -rf {} + 2>/dev/null || true
find "$packages"/skimage/data -type f ! -name astronaut.png -delete 2>/dev/null || true

# CMake's packer, its tester and its manual.
rm -rf "$packages"/cmake/data/bin/{cpack,ctest} "$packages"/cmake/data/share/cmake-*/Help

# Symbol tables, which only a debugger reads: 170 MB. A running program may have the library open, so a new file takes its
# place. Libraries in *.libs were renamed by their packager and are left alone: strip has been known to break such files.
find "$packages" -type f -name '*.so' -size +200k ! -path '*.libs/*' | while read -r library; do
  strip --strip-unneeded -o "$library.slim" "$library" && mv -f "$library.slim" "$library"
done

# A wheel holds no links, so each name of a library is a copy of it: 30 MB for Fast DDS alone.
for library in "$prefix"/lib/lib*.so.*.*.*; do
  for name in "${library%.*}" "${library%.*.*}" "${library%.so.*}.so"; do
    if [ ! -L "$name" ] && cmp -s "$library" "$name"; then ln -sf "${library##*/}" "$name"; fi
  done
done

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# The ROS wheels' CMake exports name the Python and NumPy headers of the machine that built them, and CMake refuses include
# paths that do not exist. Names this environment's instead:
#
#   requirements/repair_ros_wheels.sh .venv/bin/python
set -euo pipefail
read -r prefix python_headers numpy_headers < <("$1" -c '
import sys, sysconfig, numpy
print(sys.prefix, sysconfig.get_path("include"), numpy.get_include())')

# NumPy's place is named again when it has moved, as it did with NumPy 2.
built_with='/opt/python/cp3[0-9t]+-cp3[0-9t]+'
numpy_of_any='[^";]*/site-packages/numpy/_?core/include'
{ grep -rlE --include='*.cmake' "$built_with|$numpy_of_any" "$prefix/share" || true; } | xargs -r sed -i -E \
  -e "s#$built_with/include/python3\.[0-9]+t?#$python_headers#g" \
  -e "s#$numpy_of_any#$numpy_headers#g"

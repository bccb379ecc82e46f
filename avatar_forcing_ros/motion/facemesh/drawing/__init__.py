# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0

try:
    from avatar_forcing_ros import _drawing as _drawing
except ImportError as error:
    how = "`make setup`, colcon build and `pip install .` compile it, with a C compiler"
    raise ImportError(f"the renderer's compiled part avatar_forcing_ros._drawing is not there: {how}") from error

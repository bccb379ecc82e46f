# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a dialogue manager wants from the face besides speech: an expression, and where to look."""

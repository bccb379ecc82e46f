# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a dialogue manager wants of the face beside what it says: an expression, and where to look."""

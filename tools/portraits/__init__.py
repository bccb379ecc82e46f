# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws the project's own portraits: a head sculpted from signed distances, lit, groomed with strands and developed.

All lengths are centimetres. x runs to the viewer's right, y up, z towards the camera; the origin lies between the eyes,
in the middle of the head. Colours are linear RGB until `develop` turns them into a picture.
"""

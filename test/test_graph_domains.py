# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests, demo and kiosk of one machine take ROS domains of their own."""

from __future__ import annotations

import socket

import pytest

from avatar_forcing_ros.graph import environment


def test_a_domain_is_claimed_once_and_none_in_which_somebody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_claims", [])
    monkeypatch.delenv("ROS_DOMAIN_ID")
    first, second = environment.claim_domain(), environment.own_domain()
    assert first != second and {first, second} <= set(range(1, 101))
    assert not environment._claim(first)
    monkeypatch.setattr(environment, "_SPARE", 248)  # as if it were not claimed: nobody else comes into it
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        somebody.bind(("", 7410 + 250 * first))  # as the first process of a domain does
        assert not environment._claim(first)
    assert environment._claim(first)
    for claim in environment._claims:
        claim.close()


def test_a_domain_that_is_said_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    assert environment.own_domain() == 42

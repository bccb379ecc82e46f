# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests, demo and kiosk of one machine take ROS domains of their own."""

from __future__ import annotations

import socket
from pathlib import Path

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


def test_only_an_understudy_that_stays_on_this_machine_goes_without_shared_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    here = environment.local_graph(7)
    apart = environment.without_shared_memory(here)
    assert apart["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    profile = Path(apart["FASTRTPS_DEFAULT_PROFILES_FILE"]).read_text()
    assert "<type>SHM</type>" not in profile and "<address>127.0.0.1</address>" in profile
    for name, value in (
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET"),
        ("ROS_STATIC_PEERS", "10.0.0.2"),
        ("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp"),  # it would take SYSTEM_DEFAULT for the network
        ("FASTRTPS_DEFAULT_PROFILES_FILE", "/etc/ours.xml"),
    ):
        assert environment.without_shared_memory(here | {name: value}) == {}
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    assert environment.without_shared_memory(environment.local_graph(7)) == {}

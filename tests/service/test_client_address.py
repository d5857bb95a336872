"""Who calls: what strangers write into X-Forwarded-For changes nothing."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.service.client_address import is_in_networks, resolve_client_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "want"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # no proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # the first is what a stranger wrote
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("::1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["2001:db8::5"], "2001:db8::5"),
        ("10.0.0.1", ["unknown"], None),
        ("10.0.0.1", ["198.51.100.1, "], None),
        ("", ["198.51.100.1"], None),
    ],
)
def test_the_last_stranger_is_the_caller(peer: str, forwarded: list[str], want: str | None) -> None:
    assert resolve_client_address(peer, forwarded, PROXIES) == (ip_address(want) if want else None)


def test_without_trusted_proxies_only_the_peer_counts() -> None:
    assert resolve_client_address("10.0.0.1", ["198.51.100.1"], []) == ip_address("10.0.0.1")


@given(st.lists(st.text(max_size=20), max_size=4))
def test_nothing_in_front_of_strangers_address_is_read(lies: list[str]) -> None:
    assert resolve_client_address("10.0.0.1", [*lies, "198.51.100.1"], PROXIES) == ip_address("198.51.100.1")


def test_networks_of_both_kinds() -> None:
    assert is_in_networks(ip_address("10.9.9.9"), PROXIES)
    assert not is_in_networks(ip_address("2001:db8::5"), PROXIES)

"""Who calls: the address behind proxies that are trusted, and whether it may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def caller(peer: str, forwarded: Iterable[str], proxies: Sequence[Network]) -> Address | None:
    """Return the address a request comes from; None if it cannot be told.

    ``forwarded``: the values of X-Forwarded-For, in order. They are believed from right to left, as long as whoever
    wrote the entry is a trusted proxy: what a stranger puts in front of them is never reached.
    """
    at = address(peer)
    if not proxies:
        return at
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while at is not None and hops and inside(at, proxies):
        at = address(hops.pop())
    return at


def inside(at: Address, networks: Iterable[Network]) -> bool:
    """Say whether an address is in one of some networks."""
    return any(at in network for network in networks)


def address(text: str) -> Address | None:
    """Read an address; an IPv4 one that came over an IPv6 socket is an IPv4 one."""
    try:
        at = ip_address(text)
    except ValueError:
        return None
    return at.ipv4_mapped or at if isinstance(at, IPv6Address) else at

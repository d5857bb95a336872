"""The IP address of a client behind trusted proxies, and whether it is in an allowed network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network


def resolve_client_address(
    peer: str, forwarded: Iterable[str], proxies: Sequence[IpNetwork]
) -> IpAddress | None:
    """Return the address that a request comes from; None if it cannot be determined.

    Entries of X-Forwarded-For are read from right to left, as long as the one who wrote the entry is a trusted proxy:
    entries that a stranger puts in front are never reached.

    Args:
        peer: the address at the other end of the connection.
        forwarded: the values of X-Forwarded-For, in order.
        proxies: the trusted proxies.
    """
    address = parse_address(peer)
    if not proxies:
        return address
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while address is not None and hops and is_in_networks(address, proxies):
        address = parse_address(hops.pop())
    return address


def is_in_networks(address: IpAddress, networks: Iterable[IpNetwork]) -> bool:
    """Return whether an address is in one of the networks."""
    return any(address in network for network in networks)


def parse_address(text: str) -> IpAddress | None:
    """Parse an IP address; None: it is not one. An IPv4 address from an IPv6 socket becomes IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address

//! The address under which a server can be reached that listens on all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses that are kept free for examples (RFC 5737 and RFC 3849). Nothing is sent there.
const ELSEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
];

/// Where to point a browser for a server that listens on `address`, and whether other machines reach it there.
pub(super) fn reachable(address: SocketAddr) -> (SocketAddr, bool) {
    let ip = address.ip();
    if !ip.is_unspecified() {
        return (address, !ip.is_loopback());
    }
    // One that listens on all IPv6 addresses has the IPv4 ones, too, almost everywhere.
    let outward = ELSEWHERE.into_iter().filter(|it| ip.is_ipv6() || it.is_ipv4()).find_map(source_address);
    match outward {
        Some(ip) => (SocketAddr::new(ip, address.port()), true),
        None => (SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()), false),
    }
}

/// The address that this machine would send from, if it sent something there.
fn source_address(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // Asks the routing table; UDP says nothing until something is sent.
    socket.connect(to).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_one_is_kept() {
        for (address, others) in [("127.0.0.1:80", false), ("[::1]:80", false), ("192.168.0.7:80", true)] {
            let address = address.parse().unwrap();
            assert_eq!(reachable(address), (address, others));
        }
    }

    #[test]
    fn all_addresses_together_are_none_to_point_a_browser_to() {
        for all in ["0.0.0.0:80", "[::]:80"] {
            let (address, others) = reachable(all.parse().unwrap());
            assert!(!address.ip().is_unspecified() && address.port() == 80);
            assert_eq!(others, !address.ip().is_loopback());
        }
    }
}

//! Places for those who connect, so that no address can take them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An address may hold up to this many times as many places as are free. One that takes all it can get leaves
/// a ninth of the places to others (the dynamic threshold of Choudhury and Hahne 1998, *Dynamic Queue Length
/// Thresholds for Shared-Memory Packet Switches*).
const TIMES_FREE: usize = 8;

/// So many places, and who holds how many of them.
#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by: HashMap<IpAddr, usize>,
}

/// A place that is held until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    from: IpAddr,
    shares: Arc<Shares>,
}

impl Shares {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    /// A place for somebody who comes from this address, if there is one left for them.
    pub(super) fn take(self: &Arc<Self>, from: IpAddr) -> Option<Share> {
        let from = neighbourhood(from);
        let mut held = self.lock();
        let free = self.most - held.total;
        let own = held.by.get(&from).copied().unwrap_or(0);
        if own >= TIMES_FREE * free {
            return None;
        }
        held.total += 1;
        held.by.insert(from, own + 1);
        Some(Share { from, shares: self.clone() })
    }

    /// A panic of another thread leaves counts that are whole.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.lock();
        held.total -= 1;
        let own = held.by.get(&self.from).copied().unwrap_or(0);
        if own > 1 {
            held.by.insert(self.from, own - 1);
        } else {
            held.by.remove(&self.from);
        }
    }
}

/// What counts as one address: this machine; an IPv4 address, however it is written; and an IPv6 network of 64
/// bits, because that is what one household is given.
pub(super) fn neighbourhood(ip: IpAddr) -> IpAddr {
    let ip = ip.to_canonical();
    if ip.is_loopback() {
        return IpAddr::V4(Ipv4Addr::LOCALHOST);
    }
    match ip {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(shares: &Arc<Shares>, from: &str) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(from.parse().unwrap())).collect()
    }

    #[test]
    fn an_address_that_takes_all_it_can_leaves_places_for_others() {
        let shares = Shares::new(64);
        let greedy = take_all(&shares, "192.168.0.7");
        assert_eq!(greedy.len(), 57);
        let second = take_all(&shares, "192.168.0.8");
        assert_eq!(second.len(), 7);
        drop(greedy);
        assert!(take_all(&shares, "192.168.0.9").len() > 40, "places come back");
    }

    #[test]
    fn the_addresses_of_one_household_count_as_one() {
        let shares = Shares::new(64);
        let first = take_all(&shares, "2001:db8::1");
        assert!(shares.take("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(shares.take("2001:db8:0:1::1".parse().unwrap()).is_some());
        drop(first);
        let mapped = take_all(&shares, "::ffff:10.0.0.1");
        assert!(!mapped.is_empty() && shares.take("10.0.0.1".parse().unwrap()).is_none());
        drop(mapped);
        let here = take_all(&shares, "127.0.0.1");
        assert!(!here.is_empty() && shares.take("::1".parse().unwrap()).is_none());
    }

    #[test]
    fn few_places_can_all_be_taken() {
        let shares = Shares::new(2);
        assert_eq!(take_all(&shares, "127.0.0.1").len(), 2);
        assert!(Shares::new(0).take("127.0.0.1".parse().unwrap()).is_none());
    }
}

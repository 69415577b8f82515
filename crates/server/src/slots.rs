//! Slots: how many connections there may be, together and from one address.
//!
//! Counts; nothing waits for a slot. Start at [`Slots::take`].

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::limits::Limits;
use crate::throttle::Throttle;

static REFUSALS: Throttle = Throttle::new();

/// The connections that there are.
pub(crate) struct Slots {
    all_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one connection, free again when this is dropped.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            all_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            taken: Mutex::default(),
        })
    }

    /// The place of a connection from this address, if there is one.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let address = counted_together(address);
        let mut taken = self.taken();
        let of_address = taken.by_address.get(&address).copied().unwrap_or_default();
        if taken.all >= self.all_max || of_address >= self.per_address_max {
            taken.tell(address, of_address);
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, of_address + 1);
        Some(Slot { slots: Arc::clone(self), address })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn tell(&self, address: IpAddr, of_address: usize) {
        if let Some(untold) = REFUSALS.admits(Instant::now()) {
            let all = self.all;
            tracing::warn!(%address, of_address, all, untold, "there are too many connections: one is refused");
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.all -= 1;
        let of_address = taken.by_address.remove(&self.address).unwrap_or_default();
        if of_address > 1 {
            taken.by_address.insert(self.address, of_address - 1);
        }
    }
}

/// The address that stands for all that one peer may have: of IPv6 that is a network of 64 bits.
fn counted_together(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(all_max: usize, per_address_max: usize) -> Arc<Slots> {
        Slots::new(&Limits {
            connections_max: all_max,
            connections_per_address_max: per_address_max,
            ..Limits::default()
        })
    }

    #[test]
    fn addresses_are_counted_for_themselves_and_together() {
        let slots = slots(3, 2);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = slots.take(one).unwrap();
        let _second = slots.take(one).unwrap();
        assert!(slots.take(one).is_none(), "the address has two");
        let _third = slots.take(other).unwrap();
        assert!(slots.take(other).is_none(), "there are three");
        drop(first);
        let _fourth = slots.take(one).unwrap();
        assert!(slots.take(one).is_none());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let slots = slots(10, 10);
        drop([slots.take("192.0.2.1".parse().unwrap()), slots.take("::1".parse().unwrap())]);
        let taken = slots.taken();
        assert!(taken.all == 0 && taken.by_address.is_empty());
    }

    #[test]
    fn what_one_peer_may_have_is_one_address() {
        for (one, other, together) in [
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let [one, other]: [IpAddr; 2] = [one, other].map(|text| text.parse().unwrap());
            assert_eq!(counted_together(one) == counted_together(other), together, "{one} {other}");
        }
    }
}

//! How often strangers may ask for mail: to one address, from one place, and in all.
//!
//! The form on the public page sends mail to an address that anybody may type. So an
//! address gets a letter an hour at most (kept in the file, restarts included), one place on
//! the internet may ask [`PLACE_MAX`] times an hour, and all together [`ALL_MAX`]. A proxy in
//! front of the page is one place for everybody: a private address is not counted as one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::address::is_public;

/// Letters with a link to one address: the shortest time between two.
pub const LETTER_EVERY: Duration = Duration::from_secs(3600);

/// Who has not confirmed by then is erased.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(3 * 24 * 3600);

/// How often one place may ask in an hour. An office behind one address may be many people.
pub const PLACE_MAX: u32 = 20;

/// How often all together may ask in an hour: an outage brings many at once.
pub const ALL_MAX: u32 = 2000;

/// Places that are told apart; more ask together.
const PLACES_MAX: usize = 10_000;

const HOUR: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Debug, Default)]
pub struct Limits(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    since: Instant,
    all: u32,
    places: HashMap<IpAddr, u32>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            all: 0,
            places: HashMap::new(),
        }
    }
}

impl Limits {
    /// Whether somebody may ask now; if so, it is counted.
    pub fn may_ask(&self, place: Option<IpAddr>, now: Instant) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(counted.since) >= HOUR {
            *counted = Counted {
                since: now,
                ..Counted::default()
            };
        }
        if counted.all >= ALL_MAX {
            return false;
        }
        if let Some(place) = place.filter(|place| is_public(*place)) {
            // A whole /64 is one customer's.
            let place = match place {
                IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
                v4 => v4,
            };
            if counted.places.len() >= PLACES_MAX && !counted.places.contains_key(&place) {
                return false;
            }
            let count = counted.places.entry(place).or_default();
            if *count >= PLACE_MAX {
                return false;
            }
            *count += 1;
        }
        counted.all += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_cannot_ask_for_ever_and_does_not_keep_others_out() {
        let limits = Limits::default();
        let now = Instant::now();
        let place = |text: &str| Some(text.parse().unwrap());
        let asked = (0..100)
            .filter(|_| limits.may_ask(place("9.9.9.9"), now))
            .count();
        assert_eq!(asked, PLACE_MAX as usize);
        assert!(limits.may_ask(place("1.1.1.1"), now));
        // The same house.
        let asked = (0..100).filter(|n| limits.may_ask(place(&format!("2606:4700::{n:x}")), now));
        assert_eq!(asked.count(), PLACE_MAX as usize);
        assert!(limits.may_ask(place("9.9.9.9"), now + HOUR));
    }

    #[test]
    fn a_proxy_in_front_is_not_one_place_and_all_together_have_an_end() {
        let limits = Limits::default();
        let now = Instant::now();
        let asked = (0..2 * ALL_MAX)
            .filter(|_| limits.may_ask(place_of_proxy(), now))
            .count();
        assert_eq!(asked, ALL_MAX as usize);
    }

    fn place_of_proxy() -> Option<IpAddr> {
        Some("10.0.0.2".parse().unwrap())
    }
}

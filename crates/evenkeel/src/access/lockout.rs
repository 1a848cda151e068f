//! Waiting times after failed logins: they grow, they have a cap, and nobody can use them
//! to keep the operator out for good.
//!
//! Three counts, each with a wait of its own; a login waits for the longest:
//!
//! | of | free | cap | against |
//! |---|---|---|---|
//! | a name from one address | 5 | 60 s | guessing one password |
//! | an address, all names | 20 | 60 s | trying one password on everybody |
//! | a name, all addresses | 20 | 60 s | guessing from many addresses |
//!
//! After the free tries the wait is a second and doubles. A try while waiting is answered
//! at once, is not looked at and does not make the wait longer: otherwise whoever keeps
//! trying would keep it up for ever. The last count passes over an address from which that
//! name has logged in before, so that strangers cannot lock a name where it lives.
//! [`Lockout::unlock`] ends all of it for a name for [`PASS`].
//!
//! At 60 s a guesser has 1,440 tries a day: nothing, against a password of 12 letters.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Failures are forgotten after so long without another.
const FORGET: Duration = Duration::from_secs(3600);

/// How long a name that was unlocked does not wait.
pub const PASS: Duration = Duration::from_secs(600);

/// Counts that are kept; the one quiet longest goes.
const KEPT_MAX: usize = 10_000;

/// Tries of a name from one address before it waits.
const FREE: u32 = 5;
/// Tries of an address, or of a name from anywhere, before it waits.
const FREE_WIDE: u32 = 20;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(String, IpAddr),
    Address(IpAddr),
    Name(String),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: Instant,
}

impl Count {
    fn wait(&self, free: u32, now: Instant) -> Duration {
        let Some(over) = self.failures.checked_sub(free) else {
            return Duration::ZERO;
        };
        let wait = Duration::from_secs(1 << over.min(6)).min(WAIT_MAX);
        (self.last + wait).saturating_duration_since(now)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lockout {
    counts: HashMap<Key, Count>,
    /// Where a name has logged in, and when last.
    homes: HashMap<(String, IpAddr), Instant>,
    passes: HashMap<String, Instant>,
}

/// An address as counted: an IPv6 network is as easily had as one address.
fn counted(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        four => four,
    }
}

impl Lockout {
    /// Whether a login may be tried now; else how long to wait.
    pub(super) fn may_try(&self, name: &str, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let from = counted(from);
        if self.passes.get(name).is_some_and(|until| *until > now) {
            return Ok(());
        }
        let wait = |key: &Key, free| {
            let count = self.counts.get(key);
            count.map_or(Duration::ZERO, |count| count.wait(free, now))
        };
        let mut longest =
            wait(&Key::Both(name.to_owned(), from), FREE).max(wait(&Key::Address(from), FREE_WIDE));
        if !self.homes.contains_key(&(name.to_owned(), from)) {
            longest = longest.max(wait(&Key::Name(name.to_owned()), FREE_WIDE));
        }
        if longest.is_zero() {
            Ok(())
        } else {
            Err(longest)
        }
    }

    /// A login failed.
    pub(super) fn failed(&mut self, name: &str, from: IpAddr, now: Instant) {
        let from = counted(from);
        for key in [
            Key::Both(name.to_owned(), from),
            Key::Address(from),
            Key::Name(name.to_owned()),
        ] {
            self.make_room(now);
            let count = self.counts.entry(key).or_insert(Count {
                failures: 0,
                last: now,
            });
            if now.duration_since(count.last) >= FORGET {
                count.failures = 0;
            }
            count.failures = count.failures.saturating_add(1);
            count.last = now;
        }
    }

    /// A login succeeded: its own counts begin anew. That of the address does not, or one
    /// good password would buy tries on all the others.
    pub(super) fn succeeded(&mut self, name: &str, from: IpAddr, now: Instant) {
        let from = counted(from);
        self.counts.remove(&Key::Both(name.to_owned(), from));
        if self.homes.len() >= KEPT_MAX {
            drop_oldest(&mut self.homes, |at| *at);
        }
        self.homes.insert((name.to_owned(), from), now);
    }

    /// A name need not wait for [`PASS`], from anywhere.
    pub(super) fn unlock(&mut self, name: &str, now: Instant) {
        self.counts.retain(|key, _| match key {
            Key::Both(known, _) | Key::Name(known) => known != name,
            Key::Address(_) => true,
        });
        self.passes.retain(|_, until| *until > now);
        if self.passes.len() < KEPT_MAX {
            self.passes.insert(name.to_owned(), now + PASS);
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.counts.len() >= KEPT_MAX {
            self.counts
                .retain(|_, count| now.duration_since(count.last) < FORGET);
        }
        if self.counts.len() >= KEPT_MAX {
            drop_oldest(&mut self.counts, |count| count.last);
        }
    }
}

fn drop_oldest<K: Clone + Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    last: impl Fn(&V) -> Instant,
) {
    let oldest = map.iter().min_by_key(|(_, value)| last(value));
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9));

    #[test]
    fn waits_grow_to_a_cap_and_trying_meanwhile_does_not_lengthen_them() {
        let mut lockout = Lockout::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..14 {
            if let Err(wait) = lockout.may_try("ana", AWAY, now) {
                waits.push(wait.as_secs());
                assert!(lockout.may_try("ana", AWAY, now + wait / 2).is_err());
                now += wait;
            }
            assert!(lockout.may_try("ana", AWAY, now).is_ok());
            lockout.failed("ana", AWAY, now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn strangers_cannot_lock_a_name_where_it_lives() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        lockout.succeeded("ana", HOME, now);
        for n in 0..200_u8 {
            lockout.failed("ana", IpAddr::from([203, 0, 113, n]), now);
        }
        assert!(lockout.may_try("ana", AWAY, now).is_err());
        assert!(lockout.may_try("ana", HOME, now).is_ok());
    }

    #[test]
    fn a_name_that_is_unlocked_need_not_wait_anywhere() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        for _ in 0..100 {
            lockout.failed("ana", HOME, now);
        }
        lockout.unlock("ana", now);
        for _ in 0..100 {
            lockout.failed("ana", AWAY, now);
        }
        assert!(lockout.may_try("ana", HOME, now).is_ok());
        assert!(lockout.may_try("ana", AWAY, now).is_ok());
        assert!(lockout.may_try("ana", AWAY, now + PASS).is_ok());
    }

    #[test]
    fn failures_are_forgotten_and_never_more_kept_than_there_is_room_for() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        for _ in 0..10 {
            lockout.failed("ana", HOME, now);
        }
        lockout.failed("ana", HOME, now + FORGET);
        assert!(lockout.may_try("ana", HOME, now + FORGET).is_ok());
        for n in 0..KEPT_MAX {
            lockout.failed(&format!("n{n}"), AWAY, now + FORGET);
        }
        assert!(lockout.counts.len() <= KEPT_MAX);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        for n in 0..40 {
            let from: IpAddr = format!("2001:db8::{n}").parse().unwrap();
            lockout.failed(&format!("n{n}"), from, now);
        }
        let other: IpAddr = "2001:db8::ffff".parse().unwrap();
        assert!(lockout.may_try("ana", other, now).is_err());
    }
}

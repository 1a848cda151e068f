//! Sessions: who is logged in, in memory only. A restart logs everybody out.
//!
//! | what | bound | why |
//! |---|---|---|
//! | a session nobody uses | [`IDLE`] | a browser left open in a train |
//! | a session in use | [`WHOLE`] | a night on call |
//! | of one person | [`EACH_MAX`] | the oldest goes |
//! | of all | [`ALL_MAX`] | the one unused longest goes |

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::mark;

/// How long a session lasts that nobody uses.
pub const IDLE: Duration = Duration::from_secs(2 * 3600);

/// How long a session lasts at all.
pub const WHOLE: Duration = Duration::from_secs(12 * 3600);

/// Sessions of one person.
pub const EACH_MAX: usize = 8;

/// Sessions of all.
pub const ALL_MAX: usize = 256;

/// What is to be said on the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Whether what was asked for was done.
    pub good: bool,
    /// What came of it.
    pub text: String,
}

/// Somebody is logged in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) name: String,
    pub(super) csrf: String,
    password: [u8; 32],
    begun: Instant,
    used: Instant,
    word: Option<Word>,
}

impl Session {
    pub(super) fn new(name: &str, password_hash: &str, csrf: String, now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            csrf,
            password: mark(password_hash),
            begun: now,
            used: now,
            word: None,
        }
    }

    /// Whether it was begun with this password.
    pub(super) fn is_of(&self, password_hash: &str) -> bool {
        self.password == mark(password_hash)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= IDLE || now.duration_since(self.begun) >= WHOLE
    }
}

/// Everybody who is logged in, by the hash of their cookie.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<[u8; 32], Session>);

impl Sessions {
    pub(super) fn begin(&mut self, cookie: &str, session: Session, now: Instant) {
        self.0.retain(|_, session| !session.is_over(now));
        let theirs = |known: &Session| known.name == session.name;
        while self.0.values().filter(|known| theirs(known)).count() >= EACH_MAX {
            self.drop_oldest(theirs);
        }
        while self.0.len() >= ALL_MAX {
            self.drop_oldest(|_| true);
        }
        self.0.insert(mark(cookie), session);
    }

    fn drop_oldest(&mut self, of: impl Fn(&Session) -> bool) {
        let oldest = self.0.iter().filter(|(_, session)| of(session));
        if let Some(key) = oldest
            .min_by_key(|(_, session)| session.used)
            .map(|(key, _)| *key)
        {
            self.0.remove(&key);
        }
    }

    pub(super) fn find(&mut self, cookie: &str, now: Instant, is_act: bool) -> Option<Session> {
        let key = mark(cookie);
        let session = self.0.get_mut(&key)?;
        if session.is_over(now) {
            self.0.remove(&key);
            return None;
        }
        if is_act {
            session.used = now;
        }
        Some(session.clone())
    }

    pub(super) fn end(&mut self, cookie: &str) {
        self.0.remove(&mark(cookie));
    }

    pub(super) fn leave_word(&mut self, cookie: &str, word: Word) {
        if let Some(session) = self.0.get_mut(&mark(cookie)) {
            session.word = Some(word);
        }
    }

    pub(super) fn take_word(&mut self, cookie: &str) -> Option<Word> {
        self.0.get_mut(&mark(cookie))?.word.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, now: Instant) -> Session {
        Session::new(name, "hash", String::new(), now)
    }

    #[test]
    fn a_session_that_nobody_uses_falls_asleep_and_one_in_use_ends_too() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        sessions.begin("a", of("ana", start), start);
        assert!(sessions.find("a", start + IDLE, true).is_none());
        sessions.begin("b", of("ana", start), start);
        let step = IDLE / 2;
        let mut now = start;
        while now + step < start + WHOLE {
            now += step;
            assert!(sessions.find("b", now, true).is_some());
        }
        assert!(sessions.find("b", start + WHOLE, true).is_none());
    }

    #[test]
    fn a_page_that_renews_itself_keeps_nobody_logged_in() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        sessions.begin("a", of("ana", start), start);
        assert!(sessions.find("a", start + IDLE / 2, false).is_some());
        assert!(sessions.find("a", start + IDLE, false).is_none());
    }

    #[test]
    fn there_are_never_more_than_there_is_room_for() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        for n in 0..2 * ALL_MAX {
            let now = start + Duration::from_millis(n as u64);
            sessions.begin(&n.to_string(), of(&format!("p{}", n % 100), now), now);
        }
        assert_eq!(sessions.0.len(), ALL_MAX);
        let later = start + Duration::from_secs(60);
        for n in 0..20 {
            sessions.begin(&format!("x{n}"), of("ana", later), later);
        }
        let anas = sessions.0.values().filter(|session| session.name == "ana");
        assert_eq!(anas.count(), EACH_MAX);
    }

    #[test]
    fn a_word_is_said_once() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        sessions.begin("a", of("ana", start), start);
        let word = Word {
            good: true,
            text: "done".into(),
        };
        sessions.leave_word("a", word.clone());
        assert_eq!(sessions.take_word("a"), Some(word));
        assert_eq!(sessions.take_word("a"), None);
    }
}

//! Who may open the console and use the API: people with passwords, programs with tokens.
//!
//! What always holds:
//!
//! - **A password is kept as argon2id, a session and a token as a hash.** Who reads the
//!   file or the memory cannot log in with what is there.
//! - **The list is the file** ([`roll`]): who is taken off it is out at the next request,
//!   sessions included, whether the server was told or not. A list that cannot be read
//!   lets nobody in.
//! - **A wrong name costs what a wrong password costs**, in time and in words.
//! - **A flood of logins cannot eat the machine** ([`password`]) **and cannot keep the
//!   operator out** ([`lockout`]): waiting times have a cap, an address that has logged in
//!   before does not wait for what others do to its name, and `evenkeel people unlock`
//!   works for whoever owns the data folder.
//! - **What people do is in the journal** ([`audit`]), failed logins in bounded number.

pub mod audit;
pub mod lockout;
pub mod password;
pub mod roll;
pub mod sessions;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::Act;
use evenkeel_guards::outlet::Outlet;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use audit::Audit;
use lockout::Lockout;
use password::{Kiln, Verdict};
pub use roll::{Role, Scope};
use roll::{Roll, RollFile};
use sessions::{Session, Sessions};

/// A secret nobody can guess: 32 bytes of the kernel's randomness.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A fresh one.
    ///
    /// # Errors
    /// The kernel has no randomness to give; nothing secret can be made then.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// As 64 digits: what goes into cookies, forms and token files.
    pub fn text(&self) -> String {
        hex(&self.0)
    }
}

/// Bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// What is kept of a secret.
pub(crate) fn mark(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub fn same(one: &str, other: &str) -> bool {
    bool::from(mark(one).ct_eq(&mark(other)))
}

/// Who is at a page.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What every form of theirs carries.
    pub csrf: String,
}

/// A program that shows a token.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnedAway {
    /// Name and password do not belong together.
    Wrong,
    /// Too many failed before: how long to wait.
    Wait(Duration),
    /// Too many log in at once.
    Busy,
    /// Nobody can: the list cannot be read, or the kernel has no randomness.
    Broken,
}

/// See the module.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    file: RollFile,
    kiln: Kiln,
    sessions: Mutex<Sessions>,
    lockout: Mutex<Lockout>,
    audit: Audit,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind these is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Access by the list in a data folder; `outlet` is the way to the journal.
    pub fn new(data_dir: &Path, outlet: &Outlet) -> Self {
        Self(Arc::new(Inner {
            file: RollFile::new(data_dir),
            kiln: Kiln::default(),
            sessions: Mutex::default(),
            lockout: Mutex::default(),
            audit: Audit::new(outlet.clone()),
        }))
    }

    fn roll(&self) -> Option<Arc<Roll>> {
        self.0.file.read()
    }

    /// The audit.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// Whether anybody can log in at all.
    pub fn has_people(&self) -> bool {
        self.roll().is_some_and(|roll| !roll.people.is_empty())
    }

    /// Lets somebody in: what goes into their cookie.
    ///
    /// # Errors
    /// Why not.
    pub async fn log_in(
        &self,
        name: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<String, TurnedAway> {
        let name = name.trim().to_lowercase();
        let roll = self.roll().ok_or(TurnedAway::Broken)?;
        let known = roll.person(&name);
        // Waiting times are kept for names nobody has, too: else they would tell.
        held(&self.0.lockout)
            .may_try(&name, from, Instant::now())
            .map_err(TurnedAway::Wait)?;
        let stored = known.map(|person| person.password.clone());
        match self.0.kiln.verify(password, stored.clone()).await {
            Verdict::Right => {}
            Verdict::Wrong => {
                held(&self.0.lockout).failed(&name, from, Instant::now());
                // A name nobody has may be a password in the wrong field: it is not kept.
                let who = known.map(|person| person.name.as_str());
                self.0.audit.login_failed(who, from).await;
                return Err(TurnedAway::Wrong);
            }
            Verdict::Busy => return Err(TurnedAway::Busy),
        }
        let now = Instant::now();
        held(&self.0.lockout).succeeded(&name, from, now);
        let (Ok(id), Ok(csrf)) = (Secret::fresh(), Secret::fresh()) else {
            return Err(TurnedAway::Broken);
        };
        let session = Session::new(&name, &stored.unwrap_or_default(), csrf.text(), now);
        held(&self.0.sessions).begin(&id.text(), session, now);
        self.note(&name, Act::LoggedIn, "", &from.to_string()).await;
        Ok(id.text())
    }

    /// Who has this cookie. `is_act` is a person's own doing, and not a page that renews
    /// itself: only that keeps a session from falling asleep.
    pub fn visitor(&self, cookie: &str, is_act: bool) -> Option<Visitor> {
        let roll = self.roll()?;
        let now = Instant::now();
        let mut sessions = held(&self.0.sessions);
        let session = sessions.find(cookie, now, is_act)?;
        let person = roll.person(&session.name);
        let Some(person) = person.filter(|person| session.is_of(&person.password)) else {
            // Shut out, or given another password.
            sessions.end(cookie);
            return None;
        };
        Some(Visitor {
            name: person.name.clone(),
            role: person.role,
            csrf: session.csrf.clone(),
        })
    }

    /// Ends a session.
    pub async fn log_out(&self, cookie: &str, name: &str, from: IpAddr) {
        held(&self.0.sessions).end(cookie);
        self.note(name, Act::LoggedOut, "", &from.to_string()).await;
    }

    /// Keeps what is to be said on the next page of a session.
    pub fn leave_word(&self, cookie: &str, word: sessions::Word) {
        held(&self.0.sessions).leave_word(cookie, word);
    }

    /// Takes it.
    pub fn take_word(&self, cookie: &str) -> Option<sessions::Word> {
        held(&self.0.sessions).take_word(cookie)
    }

    /// Who has this token, while it is good.
    pub fn bearer(&self, token: &str) -> Option<Bearer> {
        let roll = self.roll()?;
        let shown = hex(&mark(token));
        let now = Timestamp::now();
        let mut found = None;
        for token in &roll.tokens {
            if bool::from(token.hash.as_bytes().ct_eq(shown.as_bytes())) && token.expires_at > now {
                found = Some(Bearer {
                    name: token.name.clone(),
                    scope: token.scope,
                });
            }
        }
        found
    }

    /// Ends the waiting time of a name: the owner of the data folder says that they are
    /// who they say.
    pub fn unlock(&self, name: &str) {
        held(&self.0.lockout).unlock(&name.to_lowercase(), Instant::now());
    }

    /// Writes what somebody did into the journal.
    pub async fn note(&self, by: &str, act: Act, about: &str, from: &str) {
        self.0.audit.note(by, act, about, from).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_core::observation::{Observation, Seen};
    use roll::Person;
    use tokio::sync::mpsc;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const GOOD: &str = "correct horse battery";

    fn access() -> (Access, tempfile::TempDir, mpsc::Receiver<Observation>) {
        let folder = tempfile::tempdir().unwrap();
        roll::change(folder.path(), |roll| {
            roll.add(Person {
                name: "ana".into(),
                role: Role::Operator,
                password: password::hash(GOOD).unwrap(),
            })
        })
        .unwrap();
        let (sender, receiver) = mpsc::channel(64);
        let outlet = Outlet::new("console".into(), sender);
        (Access::new(folder.path(), &outlet), folder, receiver)
    }

    #[tokio::test]
    async fn who_knows_the_password_is_let_in_and_it_is_kept() {
        let (access, _folder, mut told) = access();
        let cookie = access.log_in("Ana ", GOOD, HOME).await.unwrap();
        let visitor = access.visitor(&cookie, true).unwrap();
        assert_eq!(
            (visitor.name.as_str(), visitor.role),
            ("ana", Role::Operator)
        );
        let seen = told.recv().await.unwrap();
        assert_eq!(seen.by.as_str(), "operator:ana");
        assert!(matches!(seen.seen, Seen::PersonAct(act) if act.act == Act::LoggedIn));
        access.log_out(&cookie, "ana", HOME).await;
        assert!(access.visitor(&cookie, true).is_none());
    }

    #[tokio::test]
    async fn a_wrong_name_and_a_wrong_password_are_answered_alike() {
        let (access, _folder, mut told) = access();
        let wrong = access.log_in("ana", "wrong", HOME).await;
        let nobody = access.log_in("hunter2", "wrong", HOME).await;
        assert_eq!(wrong, Err(TurnedAway::Wrong));
        assert_eq!(nobody, wrong);
        assert_eq!(told.recv().await.unwrap().by.as_str(), "operator:ana");
        // What was typed for a name may have been a password.
        let second = told.recv().await.unwrap();
        assert!(!format!("{second:?}").contains("hunter2"), "{second:?}");
    }

    #[tokio::test]
    async fn another_password_ends_every_session() {
        let (access, folder, _told) = access();
        let cookie = access.log_in("ana", GOOD, HOME).await.unwrap();
        roll::change(folder.path(), |roll| {
            roll.set_password("ana", password::hash("another good one").unwrap())
        })
        .unwrap();
        assert!(access.visitor(&cookie, true).is_none());
    }

    #[tokio::test]
    async fn who_is_taken_off_the_list_is_out_at_once() {
        let (access, folder, _told) = access();
        let cookie = access.log_in("ana", GOOD, HOME).await.unwrap();
        roll::change(folder.path(), |roll| roll.remove("ana")).unwrap();
        assert!(access.visitor(&cookie, true).is_none());
        assert_eq!(
            access.log_in("ana", GOOD, HOME).await,
            Err(TurnedAway::Wrong)
        );
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_lets_nobody_in() {
        let (access, folder, _told) = access();
        let cookie = access.log_in("ana", GOOD, HOME).await.unwrap();
        std::fs::write(folder.path().join(roll::FILE), "[[person]]\nname = 3\n").unwrap();
        assert!(access.visitor(&cookie, true).is_none());
        assert_eq!(
            access.log_in("ana", GOOD, HOME).await,
            Err(TurnedAway::Broken)
        );
    }

    #[tokio::test]
    async fn a_token_is_good_until_it_expires() {
        let (access, folder, _told) = access();
        let now = Timestamp::now();
        let (good, late) = roll::change(folder.path(), |roll| {
            let day = jiff::SignedDuration::from_hours(24);
            let good = roll.make_token("graphs", Scope::Read, now + day)?;
            let late = roll.make_token("old", Scope::Operate, now - day)?;
            Ok((good, late))
        })
        .unwrap();
        assert_eq!(access.bearer(&good).unwrap().scope, Scope::Read);
        assert!(access.bearer(&late).is_none());
        assert!(access.bearer("").is_none());
        let file = std::fs::read_to_string(folder.path().join(roll::FILE)).unwrap();
        assert!(!file.contains(&good), "{file}");
        roll::change(folder.path(), |roll| roll.revoke("graphs")).unwrap();
        assert!(access.bearer(&good).is_none());
    }

    #[tokio::test]
    async fn many_failures_wait_and_unlocking_ends_it() {
        let (access, _folder, _told) = access();
        let mut last = Ok(String::new());
        for _ in 0..12 {
            last = access.log_in("ana", "wrong", HOME).await;
        }
        assert!(matches!(last, Err(TurnedAway::Wait(_))), "{last:?}");
        // The right one waits too: else the waiting would tell that it is right.
        let right = access.log_in("ana", GOOD, HOME).await;
        assert!(matches!(right, Err(TurnedAway::Wait(_))), "{right:?}");
        access.unlock("ana");
        access.log_in("ana", GOOD, HOME).await.unwrap();
    }
}

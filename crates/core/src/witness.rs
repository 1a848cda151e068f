//! What a witness says: whether the keeper is silent, and what that means.
//!
//! The witness is an Evenkeel on another host. It hears the keeper in two ways: from the
//! keeper itself, and by what the keeper publishes elsewhere. When neither goes on, it
//! speaks in the keeper's place. Deciding that is this module, and like the rest of the
//! core it reads no clock and asks nobody: a [`Sight`] goes in, a [`Word`] comes out.
//!
//! What always holds:
//!
//! - **It doubts itself.** When none of its references answers, it is the witness that is
//!   cut off, and it says nothing. What was silent meanwhile is counted anew from when it
//!   sees again: a network that comes back is not the keeper's fault. So, too, when nobody
//!   looked for a while, because the machine slept or its clock was set.
//! - **Who never heard the keeper says nothing of it.** A wrong address is not an outage.
//! - **Clocks are not compared.** A statement's time is the keeper's clock; whether the
//!   keeper lives is judged by whether that time moves on, measured by the witness's own.
//!   A statement that is played back does not move on, and is believed for no longer than
//!   it is valid. Whoever can play several back in order keeps the witness quiet; the copies
//!   say then by their own end that how things are is unknown.
//! - **It never says that all is well.** At best the service answers from where it stands.
//! - **One lost question is nothing**: the keeper has to be silent for
//!   [`WitnessPolicy::silent_after`].

use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time;

/// When silence counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WitnessPolicy {
    /// How long the keeper has to be silent before anything is said. Longer than a restart
    /// takes, and short enough that with what a copy's renewal may take customers read the
    /// first word within a minute.
    pub silent_after: Duration,
    /// The longest time between two looks; after a longer one, nobody was looking.
    pub look_every_max: Duration,
}

/// How the service looks from where the witness stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Every check passes.
    Answers,
    /// At least one fails.
    Fails,
    /// It cannot be said.
    #[default]
    Unknown,
}

impl Service {
    /// Its word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Fails => "fails",
            Self::Unknown => "unknown",
        }
    }

    /// What a word means.
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Answers, Self::Fails, Self::Unknown];
        all.into_iter().find(|service| service.as_str() == word)
    }
}

/// What the keeper stated, as it was read: signed by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// When it was made, by the keeper's clock.
    pub made_at: Timestamp,
    /// How long it speaks of now.
    pub valid_for: Duration,
}

/// All that the witness knows at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The moment, by its own clock.
    pub now: Timestamp,
    /// What the keeper itself answers; `None` where it does not.
    pub keeper: Option<Stated>,
    /// The newest statement of the keeper among the copies that can be read.
    pub copies: Option<Stated>,
    /// How many references answer.
    pub references_up: usize,
    /// How the checks of the service go.
    pub service: Service,
}

/// A way in which the keeper is heard: how far its statements are, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Track {
    made_at: Timestamp,
    /// When it moved on, by the witness's clock.
    moved_at: Timestamp,
    valid_for: Duration,
}

/// What the witness has to remember, across restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WitnessMemory {
    keeper: Option<Track>,
    copies: Option<Track>,
    /// When the keeper was last heard.
    heard_at: Option<Timestamp>,
    /// Since when the witness sees without a break; `None` while it does not.
    sees_since: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    /// Since when the keeper is said to be silent, and when that was said first.
    said: Option<Said>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    since: Timestamp,
    at: Timestamp,
}

/// What the witness has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Nothing: the keeper speaks for itself.
    KeeperSpeaks,
    /// Nothing: the keeper was never heard.
    NeverHeard,
    /// Nothing: the witness itself is cut off.
    Blind,
    /// Nothing yet: the keeper is silent since then, for too short a time.
    Waits {
        /// Since when.
        since: Timestamp,
    },
    /// That the keeper cannot be reached.
    Unreachable(Gap),
}

/// What is said of a keeper that cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Since when it is silent, by the witness's clock.
    pub since: Timestamp,
    /// When that was said first, by the same clock.
    pub said_at: Timestamp,
    /// How the service looks from outside.
    pub service: Service,
}

impl Track {
    /// After a statement was read; whether it moved on, beyond what was `heard` otherwise.
    fn follow(
        track: &mut Option<Self>,
        stated: Stated,
        heard: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let known = *track;
        let moves = known.is_none_or(|known| known.made_at < stated.made_at)
            && heard.is_none_or(|heard| heard < stated.made_at);
        *track = Some(Self {
            made_at: stated.made_at,
            // One that is older than the last is played back, or the keeper's clock was set
            // back: then the next one moves on.
            moved_at: match (moves, known) {
                (true, _) => now,
                (false, Some(known)) => known.moved_at,
                (false, None) => Timestamp::MIN,
            },
            valid_for: stated.valid_for,
        });
        moves
    }

    fn moved_within(self, span: Duration, now: Timestamp) -> bool {
        self.moved_at <= now && time::since(self.moved_at, now) <= span
    }
}

/// How the keeper is heard at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// It just said something.
    Now,
    /// What it published lately need not have been renewed yet.
    Lately,
    /// It is silent.
    Not,
}

/// What is to be said after `sight`; `memory` is what it was after the sight before.
pub fn judge(policy: &WitnessPolicy, memory: &mut WitnessMemory, sight: &Sight) -> Word {
    let now = sight.now;
    let looked_at = memory.looked_at.replace(now);
    let has_looked = looked_at.is_some_and(|looked_at| {
        looked_at <= now && time::since(looked_at, now) <= policy.look_every_max
    });
    if !has_looked {
        // Nobody knows what was said meanwhile, nor what the clock did.
        memory.sees_since = None;
        for track in [&mut memory.keeper, &mut memory.copies] {
            if let Some(track) = track
                .as_mut()
                .filter(|track| track.moved_at > Timestamp::MIN)
            {
                track.moved_at = now;
            }
        }
    }
    let heard = hear(memory, sight);
    if heard == Heard::Now {
        memory.heard_at = Some(now);
        memory.said = None;
    }
    match sight.references_up {
        0 => memory.sees_since = None,
        _ => memory.sees_since = memory.sees_since.or(Some(now)),
    }
    let Some(heard_at) = memory.heard_at else {
        return Word::NeverHeard;
    };
    // Also where no reference answers: who is heard speaks.
    if heard == Heard::Now || heard == Heard::Lately && memory.said.is_none() {
        return Word::KeeperSpeaks;
    }
    let Some(sees_since) = memory.sees_since else {
        return Word::Blind;
    };
    let since = heard_at.min(now).max(sees_since);
    if time::since(since, now) < policy.silent_after {
        return Word::Waits { since };
    }
    let said = *memory.said.get_or_insert(Said { since, at: now });
    Word::Unreachable(Gap {
        since: said.since,
        said_at: said.at,
        service: sight.service,
    })
}

fn hear(memory: &mut WitnessMemory, sight: &Sight) -> Heard {
    let now = sight.now;
    let mut heard = Heard::Not;
    if let Some(stated) = sight.keeper {
        let moved = Track::follow(&mut memory.keeper, stated, None, now);
        // It renews what it states before the end: what stands still is played back.
        let stands = memory.keeper.is_some_and(|track| {
            track.made_at == stated.made_at && track.moved_within(track.valid_for, now)
        });
        if moved || stands {
            heard = Heard::Now;
        }
    }
    if let Some(stated) = sight.copies {
        // An edition that the keeper itself has stated, just now too, is no further sign of
        // it: it was published before the keeper was lost.
        let itself = memory.keeper.map(|track| track.made_at);
        if Track::follow(&mut memory.copies, stated, itself, now) {
            heard = Heard::Now;
        }
    }
    // Only copies go on. One is renewed after a third of its time: until a half of it, it is
    // no silence that nothing new was published.
    let copies = memory.copies.as_ref();
    if heard == Heard::Not && copies.is_some_and(|copy| copy.moved_within(copy.valid_for / 2, now))
    {
        heard = Heard::Lately;
    }
    heard
}

#[cfg(test)]
mod tests;

//! One making of one check: where it stands, what was seen on the way, what it came to.
//!
//! A probe is dropped when its time is over, wherever it stands. The trial outlives it, so
//! that "no answer within 10 s" can say what was being waited for.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use evenkeel_core::Timestamp;

/// The longest reason that is told, bytes: a server's own words may be a megabyte.
const WHY_MAX: usize = 500;

/// The most lines of a story: a journey has at most some hundred.
const STORY_MAX: usize = 1_000;

/// Why a probe did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The target is to blame.
    Target(String),
    /// We are: it says nothing about the target.
    Own(String),
}

/// What a part of a probe comes to.
pub(super) type Tried<T> = Result<T, Trouble>;

pub(super) fn target<T>(why: impl Into<String>) -> Tried<T> {
    Err(Trouble::Target(why.into()))
}

/// One line of the story of a trial.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Said {
    /// Milliseconds after it began.
    pub at_ms: u32,
    /// What was seen.
    pub what: String,
}

/// See the module.
pub(super) struct Trial {
    began: Instant,
    stage: Cow<'static, str>,
    /// Whether what is waited for is of this host's.
    waits_for_own: bool,
    story: Option<Vec<Said>>,
    /// Bytes of the answer's body so far.
    pub(super) body_bytes: u64,
    /// When it was decided that it failed, where something is cleaned up after that.
    pub(super) failed_ms: Option<u32>,
    /// The earliest end of any certificate served.
    pub(super) certificate_expires_at: Option<Timestamp>,
    /// The step of a journey that is being made.
    pub(super) step: Option<String>,
    /// Texts that nobody may read.
    hidden: Vec<String>,
}

impl Trial {
    /// A trial that begins now; `tells` its story where somebody listens.
    pub(super) fn new(tells: bool) -> Self {
        Self {
            began: Instant::now(),
            stage: "beginning".into(),
            waits_for_own: false,
            story: tells.then(Vec::new),
            body_bytes: 0,
            failed_ms: None,
            certificate_expires_at: None,
            step: None,
            hidden: Vec::new(),
        }
    }

    /// What is being waited for, from now on: `connecting to 192.0.2.7:443`.
    pub(super) fn stage(&mut self, stage: impl Into<Cow<'static, str>>) {
        self.stage = stage.into();
        self.waits_for_own = false;
    }

    /// The same, for what this host itself has to provide: its silence is not the target's.
    pub(super) fn stage_of_own(&mut self, stage: impl Into<Cow<'static, str>>) {
        self.stage = stage.into();
        self.waits_for_own = true;
    }

    /// Why a probe whose time is over has not passed.
    pub(super) fn over(&self, patience: Duration) -> Trouble {
        let after = match patience.subsec_millis() {
            0 => format!("{} s", patience.as_secs()),
            _ => format!("{} ms", patience.as_millis()),
        };
        let why = format!("no answer within {after}: it was {}", self.stands_at());
        match self.waits_for_own {
            true => Trouble::Own(why),
            false => Trouble::Target(why),
        }
    }

    /// Where it stands, for a probe whose time is over.
    fn stands_at(&self) -> String {
        match self.body_bytes {
            0 => self.stage.to_string(),
            bytes => format!("{}, after {bytes} bytes of it", self.stage),
        }
    }

    /// A line of the story; made only where it is told.
    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        let at_ms = self.took_ms();
        if self.story.as_ref().is_some_and(|s| s.len() < STORY_MAX) {
            let what = self.cleaned(&what());
            if let Some(story) = &mut self.story {
                story.push(Said { at_ms, what });
            }
        }
    }

    /// From now on `text` is shown nowhere.
    pub(super) fn hide(&mut self, text: &str) {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for form in [text.to_owned(), encoded] {
            if !form.is_empty() && !self.hidden.contains(&form) {
                self.hidden.push(form);
            }
        }
        // A secret that holds another one goes as a whole.
        self.hidden
            .sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// `text` without secrets, on one line, and of a length one can read.
    pub(super) fn cleaned(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for hidden in &self.hidden {
            if text.contains(hidden.as_str()) {
                text = text.replace(hidden.as_str(), "***");
            }
        }
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        short(&text.chars().map(plain).collect::<String>(), WHY_MAX)
    }

    pub(super) fn took_ms(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    /// A certificate that was served ends then.
    pub(super) fn served_until(&mut self, at: Timestamp) {
        let earliest = self
            .certificate_expires_at
            .map_or(at, |known| known.min(at));
        self.certificate_expires_at = Some(earliest);
    }

    pub(super) fn into_story(self) -> Vec<Said> {
        self.story.unwrap_or_default()
    }
}

/// At most `most` bytes of `text`, cut between letters.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut at = most;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    format!("{}…", &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_shown_nowhere_in_no_form() {
        let mut trial = Trial::new(true);
        trial.hide("g&heim");
        trial.hide("g&heim-und-mehr");
        trial.say(|| "sent password=g%26heim and g&heim-und-mehr".into());
        assert_eq!(trial.cleaned("it was `g&heim`\n"), "it was `***` ");
        assert_eq!(trial.into_story()[0].what, "sent password=*** and ***");
    }

    #[test]
    fn the_silence_of_our_own_name_server_is_not_the_target_s() {
        let mut trial = Trial::new(false);
        trial.stage_of_own("asking for the address of shop.example");
        let over = trial.over(Duration::from_secs(2));
        let why = "no answer within 2 s: it was asking for the address of shop.example";
        assert_eq!(over, Trouble::Own(why.into()));
        trial.stage("connecting to 192.0.2.7:443");
        let over = trial.over(Duration::from_millis(250));
        let why = "no answer within 250 ms: it was connecting to 192.0.2.7:443";
        assert_eq!(over, Trouble::Target(why.into()));
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(short("aé", 2), "a…");
        assert_eq!(short("ab", 2), "ab");
    }
}

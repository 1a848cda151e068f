//! The text of the hotline: what a voice says to whoever calls, in at most
//! [`SPOKEN_MAX`].
//!
//! The facts are those of the page's answer; the sentences are shorter, name less, and
//! have their numbers in words, since not every voice reads figures well. Times are of
//! where callers live, without naming the zone; where nobody configured one they are UTC
//! and say so.
//!
//! **How long it takes to say.** Nobody knows the voice, so length is bounded in letters:
//! [`letters_per_second`] is a slow voice's pace in each language, [`PAUSE`] lies between two
//! sentences, and figures and capitals count for as many letters as it takes to spell them
//! ([`letters`]). What has no bound of its own, a function's name, is counted instead of
//! named beyond [`NAME_MAX`]. Where it would still take too long, what matters least is left
//! out: since when, then the second sort of trouble. The test holds every text in every
//! language, with the longest facts there are, against the bound.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::status::Status;
use evenkeel_core::time;
use jiff::tz::TimeZone;

use super::sentences::capital;
use super::{Answer, Language, Words};

/// The longest that any text takes to say.
pub const SPOKEN_MAX: Duration = Duration::from_secs(20);

/// What a voice waits between two sentences.
const PAUSE: Duration = Duration::from_millis(400);

/// [`letters`] of all names in one sentence; with more, functions are counted.
const NAME_MAX: u32 = 40;

/// Sentences that say how functions are: the worst.
const STATES_MAX: usize = 2;

/// Times of the last days name the day; beyond that, a weekday would be ambiguous.
const WEEK: Duration = Duration::from_secs(6 * 86400);

/// A text to be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Its sentences; none when all is well.
    pub sentences: Vec<String>,
}

impl Spoken {
    /// All of it.
    pub fn text(&self) -> String {
        self.sentences.join(" ")
    }

    /// How long a slow voice takes to say it.
    pub fn takes(&self, language: Language) -> Duration {
        let letters: u32 = self.sentences.iter().map(|said| letters(said)).sum();
        let pauses = self.sentences.len().saturating_sub(1);
        let pauses = PAUSE * u32::try_from(pauses).unwrap_or(u32::MAX);
        pauses + Duration::from_secs(1) * letters / letters_per_second(language)
    }
}

/// The pace of a slow voice: letters, spaces and stops of written text a second. What
/// espeak-ng says at 150 words a minute, its pauses included, is 13.8 of them in English,
/// 13.2 in Dutch, 14.0 in German, 12.8 in Polish and 15.3 in Danish; voices on the
/// telephone are faster as they come.
fn letters_per_second(language: Language) -> u32 {
    match language {
        Language::English | Language::German | Language::Danish => 14,
        Language::Dutch | Language::Polish => 13,
    }
}

/// How many letters a voice says: a figure is a word, and what is written in capitals may
/// be spelled.
fn letters(text: &str) -> u32 {
    let said = text.chars().map(|letter| match letter {
        _ if letter.is_numeric() => 8,
        _ if letter.is_uppercase() => 4,
        _ => 1,
    });
    said.sum()
}

/// What of the moment a text depends on.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// When it is said.
    pub now: Timestamp,
    /// Where callers live; `None` where nobody said.
    pub zone: Option<&'a TimeZone>,
    /// When the next word was promised.
    pub next_update_at: Option<Timestamp>,
}

impl Words {
    /// What is said to whoever calls; nothing where all is well or nothing is watched.
    pub fn spoken(&self, answer: &Answer<'_>, call: Call<'_>) -> Spoken {
        let mut sentences = Vec::new();
        match answer {
            Answer::Well | Answer::NothingWatched => {}
            Answer::Stale { .. } => sentences.push(self.spoken_blind()),
            Answer::PartlyUnknown { components, .. } => {
                let (count, functions) = self.called(components);
                sentences.push(self.spoken_unknown(count, &functions));
            }
            Answer::Maintenance { components, .. } => {
                sentences.push(self.state(components, Status::UnderMaintenance));
                sentences.push(self.spoken_planned());
            }
            Answer::Recovered { components } => {
                let (count, functions) = self.called(components);
                let said = self.spoken_recovered(count, &functions);
                sentences.push(capital(&said, components));
            }
            Answer::Harm { components, since } => {
                return self.spoken_harm(components, *since, call);
            }
        }
        Spoken { sentences }
    }

    /// Of harm as much as can be said in time.
    fn spoken_harm(
        &self,
        components: &[(&str, Status)],
        since: Timestamp,
        call: Call<'_>,
    ) -> Spoken {
        let states = self.states(components);
        let since = match time::since(since, call.now) < WEEK {
            true => self.spoken_since(&self.moment_said(since, call)),
            false => self.spoken_since_long(),
        };
        let next = call.next_update_at.filter(|next| *next > call.now);
        let next = next.map(|next| self.spoken_next(&self.moment_said(next, call)));
        let of = |states: &[String], since: Option<&String>| {
            let ours = [self.spoken_ours()];
            let said = states.iter().chain(&ours).chain(since).chain(&next);
            Spoken {
                sentences: said.cloned().collect(),
            }
        };
        let least = of(&states[..1], None);
        let less = [of(&states, Some(&since)), of(&states, None)];
        let fits = |said: &Spoken| said.takes(self.language()) <= SPOKEN_MAX;
        less.into_iter().find(fits).unwrap_or(least)
    }

    /// How the worst of them are, a sentence for each sort.
    fn states(&self, components: &[(&str, Status)]) -> Vec<String> {
        let sorts = Status::ALL.into_iter().rev().filter_map(|of| {
            let those = components.iter().filter(|(_, status)| *status == of);
            let names: Vec<&str> = those.map(|(name, _)| *name).collect();
            (!names.is_empty()).then(|| self.state(&names, of))
        });
        sorts.take(STATES_MAX).collect()
    }

    fn state(&self, names: &[&str], of: Status) -> String {
        let (count, functions) = self.called(names);
        format!("{}.", capital(&self.clause(of, count, &functions), names))
    }

    /// Functions as they are spoken, two at most by name, and what number the rest of the
    /// sentence agrees with.
    fn called(&self, names: &[&str]) -> (u64, String) {
        let letters: u32 = names.iter().map(|name| letters(name)).sum();
        match names {
            [one] if letters <= NAME_MAX => (1, self.functions_named(1, one)),
            [one, other] if letters <= NAME_MAX => {
                (2, self.functions_named(2, &self.list(one, other)))
            }
            [_] => (1, self.spoken_functions(1)),
            // More than a few, and as many as every language's "several".
            _ => (5, self.spoken_functions(5)),
        }
    }

    /// A time as it is spoken: with its day where that is another than today.
    fn moment_said(&self, at: Timestamp, call: Call<'_>) -> String {
        let zone = call.zone.cloned().unwrap_or(TimeZone::UTC);
        let (at, now) = (at.to_zoned(zone.clone()), call.now.to_zoned(zone));
        let number = |part: i8| u64::try_from(part).unwrap_or_default();
        let half = u64::from(at.hour() >= 12);
        let hour = self.spoken_hour(number(at.hour()));
        let said = match at.minute() {
            0 => self.spoken_time_full(&hour, half),
            minute => self.spoken_time(&hour, &self.spoken_minute(number(minute)), half),
        };
        let said = match call.zone {
            Some(_) => said,
            None => self.spoken_zone(&said),
        };
        if at.date() == now.date() {
            return said;
        }
        let day = self.spoken_day(number(at.weekday().to_monday_one_offset()));
        self.spoken_day_time(&day, &said)
    }
}

#[cfg(test)]
mod tests;

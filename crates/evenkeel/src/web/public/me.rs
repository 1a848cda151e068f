//! Is it me? One sentence: it is us, or we see no fault and here is what to check.
//!
//! Two look: Evenkeel from outside, whose view is the answer at the top, and the visitor's
//! own browser, where `[page] ask_url` names an address of the service. A script of under
//! 1 KB asks it once, and again when the device comes online, and puts one of the sentences
//! that stand ready beside it:
//!
//! | the browser | what a script can tell |
//! |---|---|
//! | `reached` | the service answered (2xx; or, where it does not let other origins read, anything) |
//! | `wrong` | it answered with an error, and lets other origins read that |
//! | `silent` | no answer within eight seconds |
//! | `blocked` | the request failed at once, and this page can still be reached |
//! | `offline` | the browser says so, or this page cannot be reached either |
//!
//! A browser does not say *why* a request failed: a server that is gone, a name that is
//! not found, a firewall and an extension that blocks look alike. So where we see no fault,
//! `blocked` sends the visitor to all of them, and claims none.
//!
//! While we know that it is us, no browser says otherwise. Without script the sentence is
//! from what we know.

use maud::{Markup, PreEscaped, html};

use super::view::View;
use crate::public::words::{Answer, Words};

/// What asks the service, minified by hand.
pub(super) const SCRIPT: &str = include_str!("me.js");

/// What the answer at the top means for whoever asks.
enum Known {
    /// It is us.
    Ours,
    /// It was us, a moment ago.
    Over,
    /// We see no fault.
    Well,
    /// We cannot see.
    Unknown,
}

impl Known {
    fn of(answer: &Answer<'_>) -> Self {
        match answer {
            Answer::Harm { .. } | Answer::Maintenance { .. } => Self::Ours,
            Answer::Recovered { .. } => Self::Over,
            Answer::Well => Self::Well,
            Answer::Stale { .. } | Answer::PartlyUnknown { .. } | Answer::NothingWatched => {
                Self::Unknown
            }
        }
    }

    /// Without the browser.
    fn said(&self, words: &Words) -> String {
        match self {
            Self::Ours => words.me_ours(),
            Self::Over => words.me_over(),
            Self::Well => words.me_well(),
            Self::Unknown => words.me_unknown(),
        }
    }

    /// With it: the sentence for each of the table's rows.
    fn seen(&self, words: &Words) -> [(&'static str, String); 5] {
        let of = |reached, wrong, silent, blocked| {
            [
                ("reached", reached),
                ("wrong", wrong),
                ("silent", silent),
                ("blocked", blocked),
                ("offline", words.me_offline()),
            ]
        };
        match self {
            // What the browser found changes nothing about it.
            Self::Ours => {
                let ours = || words.me_ours();
                of(ours(), ours(), ours(), ours())
            }
            Self::Over => {
                let out = words.me_blocked();
                of(words.me_over(), words.me_wrong(), words.me_silent(), out)
            }
            Self::Well => {
                let out = words.me_blocked();
                of(words.me_reached(), words.me_wrong(), words.me_silent(), out)
            }
            Self::Unknown => {
                let not = || words.me_unknown_unreached();
                of(words.me_unknown_reached(), not(), not(), not())
            }
        }
    }
}

impl View<'_> {
    /// The sentence, below the answer.
    pub(super) fn is_it_me(&self) -> Markup {
        let (words, known) = (self.words, Known::of(&self.judged()));
        let asks = self.site().settings.ask.as_ref();
        html! {
            section.me aria-labelledby="is-it-me" {
                h2 id="is-it-me" { (words.me_heading()) }
                @match asks {
                    None => p { (known.said(words)) },
                    Some(ask) => {
                        @let [reached, wrong, silent, blocked, offline] = known.seen(words);
                        p id="me" role="status" data-ask=(ask.url) data-reached=(reached.1) data-wrong=(wrong.1)
                            data-silent=(silent.1) data-blocked=(blocked.1) data-offline=(offline.1) { (known.said(words)) }
                        script { (PreEscaped(SCRIPT)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public::words::Language;

    #[test]
    fn the_script_is_under_one_kilobyte() {
        assert!(SCRIPT.len() < 1024, "{}", SCRIPT.len());
        for word in ["eval", "innerHTML", "cookie", "http"] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }

    /// What a browser finds changes nothing about harm that we see, and never makes it ours.
    #[test]
    fn who_is_to_blame_is_said_only_where_it_is_known() {
        for language in Language::ALL {
            let words = Words::of(language);
            let ours = words.me_ours();
            for (known, is_ours) in [
                (Known::Ours, true),
                (Known::Over, false),
                (Known::Well, false),
                (Known::Unknown, false),
            ] {
                let seen = known.seen(words);
                let online = seen.iter().filter(|(name, _)| *name != "offline");
                for (name, said) in online {
                    assert_eq!(*said == ours, is_ours, "{language:?} {name}: {said}");
                }
                assert_eq!(known.said(words) == ours, is_ours);
            }
        }
    }
}

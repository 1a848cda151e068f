//! The languages that customers are told in.
//!
//! The core only names them, for what a person writes is kept with its language. The words
//! are made where they are shown.

use serde::{Deserialize, Serialize};

/// A language that customers are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Language {
    /// The language of whoever likes none of the others.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Of the Netherlands and Flanders.
    #[serde(rename = "nl")]
    Dutch,
    /// Of Germany, Austria and Switzerland.
    #[serde(rename = "de")]
    German,
    /// Of Poland.
    #[serde(rename = "pl")]
    Polish,
    /// Of Denmark.
    #[serde(rename = "da")]
    Danish,
}

impl Language {
    /// Every language, in the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::English,
        Self::Dutch,
        Self::German,
        Self::Polish,
        Self::Danish,
    ];

    /// The tag of BCP 47: `de`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Dutch => "nl",
            Self::German => "de",
            Self::Polish => "pl",
            Self::Danish => "da",
        }
    }

    /// The language of a tag written as [`Self::tag`] writes it, and of no other.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// Its name in English.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Dutch => "Dutch",
            Self::German => "German",
            Self::Polish => "Polish",
            Self::Danish => "Danish",
        }
    }

    /// Its name in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Dutch => "Nederlands",
            Self::German => "Deutsch",
            Self::Polish => "Polski",
            Self::Danish => "Dansk",
        }
    }

    /// The language of a tag, a longer one such as `de-AT` included.
    pub fn of(tag: &str) -> Option<Self> {
        let short = tag.split('-').next().unwrap_or(tag);
        let mut all = Self::ALL.into_iter();
        all.find(|language| language.tag().eq_ignore_ascii_case(short))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_leads_to_its_language_and_back() {
        for language in Language::ALL {
            assert_eq!(Language::of(language.tag()), Some(language));
            let kept = serde_json::to_string(&language).unwrap();
            assert_eq!(kept, alloc::format!("\"{}\"", language.tag()));
        }
        assert_eq!(Language::of("DE-at"), Some(Language::German));
        assert_eq!(Language::of("deutsch"), None);
    }
}

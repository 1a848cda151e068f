//! What visitors of each language read of a text that a person gave.

use std::collections::BTreeMap;

pub use evenkeel_core::language::Language;

/// The name of a language; its tag where it is none of ours.
fn name(tag: &str) -> &str {
    let known = Language::ALL.into_iter().find(|known| known.tag() == tag);
    known.map_or(tag, |language| language.name())
}

/// `visitors who read Polish or Danish see it in English`, where a text lacks languages of
/// the edge's own pages. `None` where it lacks none, and where there is no text at all: then
/// everyone reads the edge's own words in their language.
pub fn others(texts: &BTreeMap<String, String>) -> Option<String> {
    // As the edge chooses: English, else the first.
    let instead = texts.get_key_value("en").or_else(|| texts.iter().next());
    let (instead, _) = instead?;
    let lacking = Language::ALL
        .into_iter()
        .filter(|language| !texts.contains_key(language.tag()));
    let lacking: Vec<&str> = lacking.map(Language::name).collect();
    let (last, rest) = lacking.split_last()?;
    let listed = match rest {
        [] => (*last).to_owned(),
        rest => format!("{} or {last}", rest.join(", ")),
    };
    Some(format!(
        "visitors who read {listed} see it in {}",
        name(instead)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_another_language_is_named() {
        let texts = |tags: &[&str]| {
            let texts = tags
                .iter()
                .map(|tag| ((*tag).to_owned(), "Slow".to_owned()));
            others(&texts.collect())
        };
        assert_eq!(texts(&[]), None);
        assert_eq!(texts(&["en", "nl", "de", "pl", "da"]), None);
        assert_eq!(
            texts(&["en", "nl", "de", "pl"]).as_deref(),
            Some("visitors who read Danish see it in English")
        );
        assert_eq!(
            texts(&["pl", "nl"]).as_deref(),
            Some("visitors who read English, German or Danish see it in Dutch")
        );
    }
}

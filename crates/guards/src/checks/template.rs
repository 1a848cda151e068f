//! Texts with places to fill: `/invoices/{id}`.
//!
//! `{name}` is a place where `name` is a word of letters, digits and `_` that begins with a
//! letter; every other brace is text, so that JSON can be written as it is. A value is
//! never read as a template again.

use std::collections::BTreeMap;

/// The longest text a template may become, bytes: a captured value may be long, and a
/// template may name it often.
const FILLED_MAX: usize = 1 << 20;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(String),
}

/// What a journey knows by now: secrets, and what earlier steps captured.
pub(super) type Known = BTreeMap<String, String>;

impl Template {
    /// A template from its text; every text is one.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            let inner = &from[1..];
            match inner.find('}') {
                Some(end) if is_name(&inner[..end]) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Place(inner[..end].to_owned()));
                    rest = &inner[end + 1..];
                }
                _ => {
                    plain.push('{');
                    rest = inner;
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self { parts }
    }

    /// The names of its places.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text before its first place.
    pub fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The text it was made from.
    pub fn source(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Place(name) => format!("{{{name}}}"),
        });
        parts.collect()
    }

    /// The text with every place filled by what `encode` makes of its value; `encode` gets
    /// the number of its part, 0 where the template begins with it.
    ///
    /// # Errors
    /// Which place has no value, or that the text would be too long.
    pub(super) fn fill(
        &self,
        known: &Known,
        encode: impl Fn(usize, &str) -> String,
    ) -> Result<String, String> {
        let mut filled = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Place(name) => {
                    let value = known.get(name);
                    let value = value.ok_or_else(|| format!("nothing is known as `{name}`"))?;
                    filled.push_str(&encode(at, value));
                }
            }
            if filled.len() > FILLED_MAX {
                return Err("with its values filled in it is longer than 1 MiB".into());
            }
        }
        Ok(filled)
    }
}

/// Whether `text` can be the name of a place.
pub fn is_name(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known() -> Known {
        Known::from([("id".into(), "7".into()), ("token".into(), "{id}".into())])
    }

    #[test]
    fn places_are_filled_and_other_braces_are_text() {
        for (text, filled) in [
            ("/invoices/{id}", Ok("/invoices/7")),
            ("{id}{id}", Ok("77")),
            ("{\"id\": {id}, \"x\": {}}", Ok("{\"id\": 7, \"x\": {}}")),
            ("{token}", Ok("{id}")),
            ("{ id }", Ok("{ id }")),
            ("{", Ok("{")),
            ("{{id}}", Ok("{7}")),
            ("", Ok("")),
            ("{nobody}", Err("nothing is known as `nobody`")),
        ] {
            let made = Template::parse(text).fill(&known(), |_, value| value.to_owned());
            let made = made.as_deref().map_err(String::as_str);
            assert_eq!(made, filled, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_a_template_and_comes_back(text in ".{0,60}") {
            prop_assert_eq!(Template::parse(&text).source(), text);
        }

        #[test]
        fn texts_full_of_braces_never_fail_to_parse(text in "[{}a-z0-9_ \"]{0,80}") {
            let template = Template::parse(&text);
            prop_assert_eq!(template.source(), text);
            let _ = template.fill(&known(), |_, value| value.to_owned());
        }
    }
}

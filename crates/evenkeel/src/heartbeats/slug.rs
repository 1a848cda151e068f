//! Slugs: names in URLs, of `a-z`, `0-9`, `-` and `_`.

/// The longest slug, bytes: Healthchecks' own limit.
const SLUG_MAX: usize = 100;

/// Whether a text can be a slug.
pub fn is_one(text: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    text.len() <= SLUG_MAX && text.bytes().all(plain)
}

/// A name as a slug: lower case, words joined by `-`, other signs left out.
pub fn of_name(name: &str) -> String {
    let kept: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' '))
        .collect();
    let words = kept.split([' ', '-']).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-");
    slug.trim_matches('_').chars().take(SLUG_MAX).collect()
}

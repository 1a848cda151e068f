//! Query texts without the secrets people put into them.

/// The longest query text kept, bytes.
const QUERY_MAX: usize = 600;

/// `query` in one line, bounded, with what follows `password` (and the passwords of
/// connection strings) blotted out.
pub(super) fn query(query: &str) -> String {
    let mut text = String::with_capacity(query.len().min(QUERY_MAX));
    let mut blot_next = false;
    for word in query.split_whitespace() {
        if text.len() + word.len() > QUERY_MAX {
            text.push('…');
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        let lower = word.to_ascii_lowercase();
        if blot_next && lower != "=" && lower != ":=" && lower != "to" {
            text.push_str("'***'");
            // A quoted text may go on over several words.
            blot_next = word.starts_with('\'') && !word[1..].contains('\'');
            continue;
        }
        match lower.find("password=").or_else(|| lower.find("password =")) {
            Some(at) => {
                text.push_str(&word[..at]);
                text.push_str("password=***");
            }
            None if lower.contains("://") && lower.contains('@') => text.push_str("***"),
            None => text.push_str(word),
        }
        blot_next |= lower.trim_matches(|c: char| !c.is_alphanumeric()) == "password";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn passwords_are_blotted_out() {
        for (given, kept) in [
            (
                "alter role a password 'geheim'",
                "alter role a password '***'",
            ),
            (
                "ALTER ROLE a WITH PASSWORD 'two words'",
                "ALTER ROLE a WITH PASSWORD '***' '***'",
            ),
            (
                "select dblink('host=a password=geheim user=b')",
                "select dblink('host=a password=*** user=b')",
            ),
            (
                "copy x to program 'curl https://a:geheim@b/'",
                "copy x to program 'curl ***",
            ),
            ("select\n  1", "select 1"),
        ] {
            assert_eq!(query(given), kept);
            assert!(!query(given).contains("geheim"));
        }
    }

    #[test]
    fn long_queries_are_cut() {
        let text = query(&"select 1, ".repeat(1000));
        assert!(text.len() < 700 && text.ends_with('…'), "{}", text.len());
    }
}

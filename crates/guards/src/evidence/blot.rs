//! Texts without the secrets people put into them.

/// The longest query text kept, bytes.
const QUERY_MAX: usize = 600;

/// `query` in one line, bounded, with what follows `password` (and the passwords of
/// connection strings) blotted out.
pub fn blotted(query: &str) -> String {
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

/// A command's words, with passwords in options and addresses blotted out: `--password x`,
/// `--token=x`, `ftp://user:x@host`.
pub fn blotted_command(words: &[String]) -> Vec<String> {
    let mut blot_next = false;
    words
        .iter()
        .map(|word| {
            if std::mem::take(&mut blot_next) && !word.starts_with('-') {
                return "***".to_owned();
            }
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let lower = name.to_ascii_lowercase();
            let secret = ["password", "passwd", "secret", "token", "api-key", "apikey"]
                .iter()
                .any(|secret| lower.ends_with(secret));
            if secret && !value.is_empty() {
                return format!("{name}=***");
            }
            blot_next = secret && word.starts_with('-');
            without_address_password(word)
        })
        .collect()
}

fn without_address_password(word: &str) -> String {
    let parts = word.split_once("://").and_then(|(scheme, rest)| {
        let (login, host) = rest.split_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{host}"))
    });
    parts.unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{blotted as query, blotted_command};

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

    #[test]
    fn commands_keep_their_words_and_lose_their_passwords() {
        let words =
            "dump --password geheim --token=geheim -v ftp://anna:geheim@host/x PGPASSWORD=geheim";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        assert_eq!(
            blotted_command(&words).join(" "),
            "dump --password *** --token=*** -v ftp://anna:***@host/x PGPASSWORD=***"
        );
    }
}

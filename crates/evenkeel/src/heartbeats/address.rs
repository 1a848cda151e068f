//! What the URL of a ping says: which heartbeat, and what of it.
//!
//! `/ping/UUID` and `/ping/KEY/SLUG`, each with `/start`, `/fail`, `/log` or an exit status;
//! the same without `/ping`, as on Healthchecks' own ping host. Everything else is refused
//! with Healthchecks' words. No URL, however odd, makes this fail otherwise.

use std::borrow::Cow;

use evenkeel_core::heartbeat::Signal;

use super::uuid::Uuid;

/// The longest key or slug that is looked up, bytes: Healthchecks' own.
const NAME_MAX: usize = 100;

/// What a ping's URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address<'a> {
    /// Which heartbeat.
    pub of: Of<'a>,
    /// What is said of it; `None` where it is an exit status that no process can have.
    pub signal: Option<Signal>,
}

/// Which heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of<'a> {
    /// By its UUID.
    Uuid(Uuid),
    /// By its slug.
    Slug {
        /// The ping key.
        key: &'a str,
        /// Its slug.
        slug: &'a str,
    },
}

impl<'a> Address<'a> {
    /// Reads the path of a URL; `None` where it is no ping's.
    pub fn parse(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let parts = path.strip_prefix("ping/").unwrap_or(path);
        let mut parts = parts.split('/');
        let (first, second, third) = (parts.next()?, parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        // Upper case is no UUID to Healthchecks; here it is the same one.
        if let Some(uuid) = Uuid::parse(first)
            && third.is_none()
            && let Some(signal) = signal(second.unwrap_or_default())
        {
            let of = Of::Uuid(uuid);
            return Some(Self { of, signal });
        }
        let (key, slug) = (first, second?);
        let is_name = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain)
        };
        if !is_name(key) || !is_name(slug) || third == Some("") {
            return None;
        }
        Some(Self {
            of: Of::Slug { key, slug },
            signal: signal(third.unwrap_or_default())?,
        })
    }
}

/// What the last part of a path says; `Some(None)` for an exit status over 255.
fn signal(part: &str) -> Option<Option<Signal>> {
    match part {
        "" => Some(Some(Signal::Success)),
        "start" => Some(Some(Signal::Start)),
        "fail" => Some(Some(Signal::Fail)),
        "log" => Some(Some(Signal::Log)),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let significant = digits.trim_start_matches('0');
            let significant = if significant.is_empty() {
                "0"
            } else {
                significant
            };
            Some(significant.parse().ok().map(Signal::Exit))
        }
        _ => None,
    }
}

/// The values a query has for a name, in order.
pub fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    })
}

/// The last value a query has for a name, which is the one that counts.
pub fn value<'a>(query: &'a str, name: &'a str) -> Option<Cow<'a, str>> {
    values(query, name).last()
}

/// A part of a query as it was meant: `+` is a space, `%41` a letter; what is no such
/// thing stands for itself.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (byte, digit(place + 1), digit(place + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                place += 3;
            }
            (b'+', ..) => {
                plain.push(b' ');
                place += 1;
            }
            (byte, ..) => {
                plain.push(*byte);
                place += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// What `?rid=` names, in lower case; `Err` where it is no UUID.
pub fn rid(query: &str) -> Result<Option<String>, NotAUuid> {
    match value(query, "rid") {
        None => Ok(None),
        Some(text) => match Uuid::parse(&text) {
            Some(uuid) => Ok(Some(uuid.to_string())),
            None => Err(NotAUuid),
        },
    }
}

/// A run's name that is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAUuid;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: &str = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";

    #[test]
    fn the_last_value_counts_and_is_decoded() {
        for (query, rid) in [
            ("", Ok(None)),
            ("create=1", Ok(None)),
            (&format!("rid={UUID}")[..], Ok(Some(UUID.to_owned()))),
            (
                &format!("rid={}", UUID.to_uppercase()),
                Ok(Some(UUID.to_owned())),
            ),
            (&format!("rid=x&rid={UUID}"), Ok(Some(UUID.to_owned()))),
            (
                &format!("r%69d={}", UUID.replace('-', "%2D")),
                Ok(Some(UUID.to_owned())),
            ),
            (&format!("rid={UUID}&rid="), Err(NotAUuid)),
            ("rid", Err(NotAUuid)),
            ("rid=%zz%", Err(NotAUuid)),
        ] {
            assert_eq!(super::rid(query), rid, "{query}");
        }
        let tags: Vec<_> = values("tag=a+b&tag=c%2Bd&x=y", "tag").collect();
        assert_eq!(tags, ["a b", "c+d"]);
    }

    proptest! {
        #[test]
        fn any_path_is_read_or_refused(path in "\\PC{0,200}") {
            let _read = Address::parse(&path);
        }

        #[test]
        fn paths_made_of_the_right_parts_are_read_or_refused(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("ping".to_owned()), Just(UUID.to_owned()), Just("start".to_owned()),
                    Just("fail".to_owned()), Just("log".to_owned()), Just(String::new()),
                    "[0-9]{1,40}", "[a-zA-Z0-9_-]{1,120}", "\\PC{0,8}",
                ],
                0..6,
            )
        ) {
            let path = format!("/{}", parts.join("/"));
            if let Some(address) = Address::parse(&path) {
                // What was read can be written, and is read as the same again.
                let of = match &address.of {
                    Of::Uuid(uuid) => uuid.to_string(),
                    Of::Slug { key, slug } => format!("{key}/{slug}"),
                };
                let what = match address.signal {
                    Some(Signal::Success) => String::new(),
                    Some(Signal::Start) => "/start".into(),
                    Some(Signal::Fail) => "/fail".into(),
                    Some(Signal::Log) => "/log".into(),
                    Some(Signal::Exit(status)) => format!("/{status}"),
                    None => "/256".into(),
                };
                let again = format!("/ping/{of}{what}");
                prop_assert_eq!(Address::parse(&again), Some(address.clone()), "{}", again);
            }
        }

        #[test]
        fn any_query_is_read_or_refused(query in "\\PC{0,200}") {
            if let Ok(Some(rid)) = rid(&query) {
                prop_assert!(Uuid::parse(&rid).is_some());
            }
            let _values = values(&query, "tag").count();
        }
    }
}

//! The parts of `deny.toml` that are checked here, read strictly: an entry in a
//! form this does not know is an error, not an entry without effect.

use toml::{Table, Value};

pub(super) struct Policy {
    pub(super) targets: Vec<String>,
    pub(super) allowed: Vec<String>,
    /// Crate, and licences allowed for it alone.
    pub(super) exceptions: Vec<(String, Vec<String>)>,
    pub(super) banned: Vec<Entry>,
    /// Versions that may stand beside another of the same crate.
    pub(super) skipped: Vec<Entry>,
}

/// A crate, perhaps with a version (`syn@2`), and why it is listed.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) reason: String,
}

impl Policy {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let deny: Table = text.parse().map_err(|e| format!("{e}"))?;
        let list = |section: &str, key: &str| -> Result<&[Value], String> {
            deny.get(section)
                .and_then(|s| s.get(key)?.as_array())
                .map(Vec::as_slice)
                .ok_or_else(|| format!("[{section}] {key} is missing, or no list"))
        };
        Ok(Policy {
            targets: strings(list("graph", "targets")?)?,
            allowed: strings(list("licenses", "allow")?)?,
            exceptions: list("licenses", "exceptions")?
                .iter()
                .map(exception)
                .collect::<Result<_, _>>()?,
            banned: entries(list("bans", "deny")?)?,
            skipped: entries(list("bans", "skip")?)?,
        })
    }
}

impl Entry {
    /// `syn@2` is every 2.x.y, `getrandom@0.2` every 0.2.x, and a bare name all.
    pub(super) fn matches(&self, name: &str, version: &str) -> bool {
        let version_fits = |wanted: &String| {
            version
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.name == name && self.version.as_ref().is_none_or(version_fits)
    }

    pub(super) fn shown(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}

fn strings(list: &[Value]) -> Result<Vec<String>, String> {
    list.iter()
        .map(|v| {
            v.as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{v} is no text"))
        })
        .collect()
}

fn exception(value: &Value) -> Result<(String, Vec<String>), String> {
    let name = text_of(value, "crate")?;
    let licences = value.get("allow").and_then(Value::as_array);
    let licences = licences.ok_or_else(|| format!("the exception for {name} allows nothing"))?;
    Ok((name, strings(licences)?))
}

fn entries(list: &[Value]) -> Result<Vec<Entry>, String> {
    list.iter()
        .map(|value| {
            let spec = text_of(value, "crate")?;
            let (name, version) = match spec.split_once('@') {
                Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
                None => (spec, None),
            };
            Ok(Entry {
                name,
                version,
                reason: text_of(value, "reason")?,
            })
        })
        .collect()
}

fn text_of(value: &Value, key: &str) -> Result<String, String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| format!("{value} has no {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_matches_whole_numbers_only() {
        let entry = Entry {
            name: "syn".into(),
            version: Some("2".into()),
            reason: "r".into(),
        };
        assert!(entry.matches("syn", "2.0.119"));
        assert!(!entry.matches("syn", "20.0.0"));
        assert!(!entry.matches("synstructure", "2.0.0"));
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        let text = r#"
            graph = { targets = [] }
            licenses = { allow = ["MIT"], exceptions = [] }
            bans = { deny = [], skip = [{ crate = "syn@2" }] }
        "#;
        let refusal = Policy::parse(text).err().expect("refused");
        assert!(refusal.contains("reason"), "{refusal}");
    }
}

//! Reads a TOML file section by section, and goes on after each problem, so that all of
//! them are told at once, each with its place.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{self, Kind};

/// One problem in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// Whether Evenkeel starts all the same.
    pub is_warning: bool,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_warning { "warning: " } else { "" };
        write!(f, "{}:{}: {kind}{}", self.line, self.column, self.what)
    }
}

/// The text of a file, and what was found wrong in it.
pub(super) struct Report<'a> {
    text: &'a str,
    pub(super) folder: PathBuf,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str, folder: &Path) -> Self {
        Self {
            text,
            folder: folder.to_owned(),
            problems: Vec::new(),
        }
    }

    /// A report of the same file for what may have to be said otherwise.
    pub(super) fn aside(&self) -> Self {
        Self::new(self.text, &self.folder)
    }

    pub(super) fn error(&mut self, at: &Range<usize>, what: impl Into<String>) {
        self.add(at, what.into(), false);
    }

    pub(super) fn warn(&mut self, at: &Range<usize>, what: impl Into<String>) {
        self.add(at, what.into(), true);
    }

    /// The line a place is in, from 1.
    pub(super) fn line_of(&self, at: &Range<usize>) -> usize {
        let before = &self.text[..at.start.min(self.text.len())];
        before.matches('\n').count() + 1
    }

    fn add(&mut self, at: &Range<usize>, what: String, is_warning: bool) {
        let before = &self.text[..at.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.problems.push(Problem {
            line: self.line_of(at),
            column: before[line_start..].chars().count() + 1,
            is_warning,
            what,
        });
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

impl<T> At<T> {
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: make(self.value),
            at: self.at,
        }
    }
}

/// One section of the file. What nobody asked for when it is finished is unknown.
pub(super) struct Section<'t> {
    name: &'static str,
    table: Option<&'t DeTable<'t>>,
    pub(super) at: Range<usize>,
    asked: BTreeSet<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) fn new(
        name: &'static str,
        table: Option<&'t DeTable<'t>>,
        at: Range<usize>,
    ) -> Self {
        Self {
            name,
            table,
            at,
            asked: BTreeSet::new(),
        }
    }

    /// Whether it stands in the file at all.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Whether a key or section of this name stands in it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// How a setting of it is written, for example.
    pub(super) fn example(&self, key: &str) -> &'static str {
        settings::find(self.name, key).example
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.insert(key);
        self.table?.get(key)
    }

    fn of_kind<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        kind: Kind,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, String>,
    ) -> Option<At<T>> {
        let setting = settings::find(self.name, key);
        assert!(
            setting.kind == kind,
            "{}.{key} is read as {kind:?}",
            self.name
        );
        let value = self.value(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(At {
                value: read,
                at: value.span(),
            }),
            Err(why) => {
                let example = setting.example;
                report.error(
                    &value.span(),
                    format!("`{key}` {why}; write for example {key} = {example}"),
                );
                None
            }
        }
    }

    pub(super) fn text_of(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        kind: Kind,
    ) -> Option<At<String>> {
        self.of_kind(report, key, kind, |value| {
            let text = value.as_str().ok_or("is not a text")?;
            if text.trim().is_empty() {
                return Err("is empty".into());
            }
            Ok(text.to_owned())
        })
    }

    pub(super) fn text(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<At<String>> {
        self.text_of(report, key, Kind::Text)
    }

    /// A text that must be there.
    pub(super) fn required(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<At<String>> {
        self.demand(report, key);
        self.text(report, key)
    }

    /// Says so where a setting that must be given is not.
    pub(super) fn demand(&mut self, report: &mut Report<'_>, key: &'static str) {
        let is_there = self.value(key).is_some();
        if !is_there {
            let example = settings::find(self.name, key).example;
            let name = self.name.trim_matches(['[', ']']);
            report.error(
                &self.at,
                format!("this {name} has no `{key}`; write for example {key} = {example}"),
            );
        }
    }

    pub(super) fn path(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        kind: Kind,
    ) -> Option<At<PathBuf>> {
        let folder = report.folder.clone();
        let text = self.text_of(report, key, kind)?;
        Some(text.map(|text| folder.join(text)))
    }

    pub(super) fn number(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        within: std::ops::RangeInclusive<i64>,
    ) -> Option<At<i64>> {
        self.of_kind(report, key, Kind::Number, |value| {
            let number = match value {
                DeValue::Integer(number) => {
                    let digits = number.as_str().replace('_', "");
                    i64::from_str_radix(digits.trim_start_matches('+'), number.radix()).ok()
                }
                _ => None,
            };
            let number = number.ok_or("is not a whole number")?;
            if within.contains(&number) {
                Ok(number)
            } else {
                Err(format!(
                    "is {number}, and must be between {} and {}",
                    within.start(),
                    within.end()
                ))
            }
        })
    }

    /// One of some words, and what it stands for.
    pub(super) fn word<T: Copy>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let given = self.text(report, key)?;
        let found = words.iter().find(|(word, _)| *word == given.value);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let (last, first) = names.split_last()?;
            let what = format!("`{}` is no {key}", given.value);
            report.error(
                &given.at,
                format!("{what}; write {} or {last}", first.join(", ")),
            );
        }
        found.map(|(_, meant)| *meant)
    }

    pub(super) fn yes_no(&mut self, report: &mut Report<'_>, key: &'static str) -> Option<bool> {
        self.yes_no_at(report, key).map(|at| at.value)
    }

    pub(super) fn yes_no_at(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<At<bool>> {
        self.of_kind(report, key, Kind::YesNo, |value| {
            value
                .as_bool()
                .ok_or_else(|| "is neither true nor false".into())
        })
    }

    pub(super) fn duration(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<At<Duration>> {
        self.of_kind(report, key, Kind::Duration, |value| {
            duration(value.as_str().ok_or("is not a text")?)
        })
    }

    /// A duration of at least `least`: what is shorter is told, and the default holds.
    pub(super) fn duration_of(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        least: Duration,
    ) -> Option<At<Duration>> {
        let given = self.duration(report, key)?;
        if given.value >= least {
            return Some(given);
        }
        let least = match least.subsec_millis() {
            0 => format!("{}s", least.as_secs()),
            _ => format!("{}ms", least.as_millis()),
        };
        report.error(
            &given.at,
            format!("`{key}` is too short to mean anything; write at least \"{least}\""),
        );
        None
    }

    /// The same, or what holds without it.
    pub(super) fn time(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        least: Duration,
        default: Duration,
    ) -> Duration {
        let given = self.duration_of(report, key, least);
        given.map_or(default, |at| at.value)
    }

    /// A number, or what holds without it.
    pub(super) fn count<T: TryFrom<i64>>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        within: std::ops::RangeInclusive<i64>,
        default: T,
    ) -> T {
        let given = self.number(report, key, within);
        let given = given.and_then(|at| T::try_from(at.value).ok());
        given.unwrap_or(default)
    }

    /// How many bytes: `512MiB`.
    pub(super) fn size(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        within: std::ops::RangeInclusive<u64>,
    ) -> Option<At<u64>> {
        self.of_kind(report, key, Kind::Size, |value| {
            let text = value.as_str().ok_or("is not a text")?;
            let bytes = size(text)?;
            if within.contains(&bytes) {
                Ok(bytes)
            } else {
                Err(format!(
                    "is {text}, and must be between {} and {} bytes",
                    within.start(),
                    within.end()
                ))
            }
        })
    }

    pub(super) fn list(&mut self, report: &mut Report<'_>, key: &'static str) -> Vec<At<String>> {
        let texts = |value: &DeValue<'t>| {
            let list = value.as_array().ok_or("is not a list")?;
            list.iter()
                .map(|item| {
                    let text = item.get_ref().as_str();
                    Ok(At {
                        value: text.ok_or("is not a list of texts")?.to_owned(),
                        at: item.span(),
                    })
                })
                .collect()
        };
        self.of_kind(report, key, Kind::List, texts)
            .map(|at| at.value)
            .unwrap_or_default()
    }

    pub(super) fn map(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<At<Vec<(String, String)>>> {
        let texts = |value: &DeValue<'t>| {
            let table = value.as_table().ok_or("is not a table")?;
            table
                .iter()
                .map(|(name, value)| {
                    let text = value.get_ref().as_str();
                    let text = text.ok_or("has a value that is not a text")?;
                    Ok((name.get_ref().to_string(), text.to_owned()))
                })
                .collect()
        };
        self.of_kind(report, key, Kind::Map, texts)
    }

    /// The raw value of a setting that has more than one form.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        settings::find(self.name, key);
        self.value(key)
    }

    /// A section below this one: `[job.retry]`; empty where it is not there.
    pub(super) fn below(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        name: &'static str,
    ) -> Section<'t> {
        match self.value(key) {
            None => Section::new(name, None, self.at.clone()),
            Some(value) => {
                let table = value.get_ref().as_table();
                if table.is_none() {
                    report.error(
                        &value.span(),
                        format!("`{key}` is not a section; write [{name}] on a line of its own"),
                    );
                }
                Section::new(name, table, value.span())
            }
        }
    }

    /// A section at the top of the file, whose name is its key.
    pub(super) fn below_root(
        &mut self,
        report: &mut Report<'_>,
        name: &'static str,
    ) -> Section<'t> {
        self.below(report, name, name)
    }

    /// Sections of one name: `[[job]]`.
    pub(super) fn many(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        name: &'static str,
    ) -> Vec<Section<'t>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            report.error(
                &value.span(),
                format!("there can be several of `{key}`; write [{name}] on a line of its own, with two brackets"),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in list.iter() {
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section::new(name, Some(table), item.span())),
                None => report.error(&item.span(), format!("`{key}` is not a section")),
            }
        }
        sections
    }

    /// Says what nobody asked for.
    pub(super) fn finish(self, report: &mut Report<'_>) {
        let Some(table) = self.table else {
            return;
        };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if self.asked.contains(name) {
                continue;
            }
            let asked: Vec<&str> = self.asked.iter().copied().collect();
            let hint = hint(name, &asked);
            report.error(&key.span(), format!("`{name}` is no setting here; {hint}"));
        }
    }
}

/// What was perhaps meant by `name`, else what there is.
pub(super) fn hint(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|known| (distance(name, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3 + 1);
    match nearest {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// A duration as people write it: `90s`, `1h 30m`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let signed: jiff::Span = text
        .parse()
        .map_err(|_| format!("`{text}` is no duration"))?;
    let relative = jiff::SpanRelativeTo::days_are_24_hours();
    let signed = signed
        .to_duration(relative)
        .map_err(|_| format!("`{text}` has months or years, which have no fixed length"))?;
    Duration::try_from(signed).map_err(|_| format!("`{text}` is negative"))
}

/// The units a size is written with. Those of a thousand are not among them: what is
/// bounded by them here is memory, which is counted in the others.
const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];

/// How many bytes: `64KiB`, `512MiB`, `2GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bytes = UNITS.iter().find_map(|(unit, shift)| {
        let number = text.strip_suffix(unit)?.trim_end();
        let number: u64 = number.parse().ok()?;
        number.checked_mul(1 << shift)
    });
    bytes.ok_or_else(|| format!("`{text}` is no size: a whole number and B, KiB, MiB, GiB or TiB"))
}

/// How many letters differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, of_a) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, of_b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(of_a != *of_b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

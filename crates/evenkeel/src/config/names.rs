//! Names that sections have, and by which others mean them.

use evenkeel_core::ids::ComponentId;
use evenkeel_core::policy::Policy;
use evenkeel_core::status::Status;
use evenkeel_guards::locks::DatabaseSpec;

use super::reader::{At, Report, Section};

/// How components can be hurt, as it is written.
pub(super) const HARMS: &[(&str, Status)] = &[
    ("degraded_performance", Status::DegradedPerformance),
    ("partial_outage", Status::PartialOutage),
    ("major_outage", Status::MajorOutage),
];

/// Whether `named` is a database of the file; says so where it is not.
pub(super) fn known_database(
    named: &At<String>,
    databases: &[DatabaseSpec],
    report: &mut Report<'_>,
) -> bool {
    let known = databases.iter().any(|spec| spec.id.as_str() == named.value);
    if !known {
        let names: Vec<&str> = databases.iter().map(|spec| spec.id.as_str()).collect();
        report.error(
            &named.at,
            format!("there is no database `{}`{}", named.value, those(&names)),
        );
    }
    known
}

/// `components`: those of the file that are named; says which are not.
pub(super) fn components(
    section: &mut Section<'_>,
    policy: &Policy,
    report: &mut Report<'_>,
) -> Vec<ComponentId> {
    let named = section.list(report, "components").into_iter();
    let known = named.filter(|named| {
        let known = policy.components.contains_key(&named.value.as_str().into());
        if !known {
            let names: Vec<&str> = policy.components.keys().map(ComponentId::as_str).collect();
            let what = format!("there is no component `{}`{}", named.value, those(&names));
            report.error(&named.at, what);
        }
        known
    });
    known.map(|named| named.value.into()).collect()
}

pub(super) fn those(names: &[&str]) -> String {
    match names {
        [] => "; there is none at all".into(),
        names => format!("; there is {}", names.join(", ")),
    }
}

/// An `id` that is a name: letters, digits, `-` and `_`.
pub(super) fn identity(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    of: &str,
) -> Option<At<String>> {
    name_in(section, report, "id", of)
}

/// The same under another key.
pub(super) fn name_in(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
    of: &str,
) -> Option<At<String>> {
    let id = section.required(report, key)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let good = id.value.len() <= 64
        && id.value.chars().all(plain)
        && id.value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !good {
        report.error(
            &id.at,
            format!(
                "`{}` cannot be the {key} of a {of}: it has to be at most 64 letters, digits, `-` and \
                 `_`, and begin with a letter or digit",
                id.value
            ),
        );
        return None;
    }
    Some(id)
}

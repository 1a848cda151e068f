//! What a client of the management API asks for, checked as Healthchecks checks it and
//! refused in its words.

use std::time::Duration;

use evenkeel_core::heartbeat::{Expectation, HeartbeatSpec, MailWords};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::due::{Due, is_cron};
use super::slug;

/// Bounds of `timeout` and `grace`: a minute to a year.
const SECONDS: std::ops::RangeInclusive<i64> = 60..=31_536_000;

/// The longest description and list of tags that are kept, bytes. Healthchecks bounds tags
/// in its database, and descriptions not at all.
const DESC_MAX: usize = 4000;
const TAGS_MAX: usize = 500;

/// What a client asks for; what it does not name stays as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    name: Option<String>,
    slug: Option<String>,
    tags: Option<String>,
    desc: Option<String>,
    timeout: Option<Duration>,
    grace: Option<Duration>,
    schedule: Option<String>,
    tz: Option<String>,
    manual_resume: Option<bool>,
    post_only: Option<bool>,
    start_kw: Option<String>,
    success_kw: Option<String>,
    failure_kw: Option<String>,
    filter_subject: Option<bool>,
    filter_body: Option<bool>,
    /// What names an existing check.
    pub(super) unique: Vec<&'static str>,
}

/// What is wrong, in Healthchecks' words.
fn wrong<T>(what: String) -> Result<T, String> {
    Err(format!("json validation error: {what}"))
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, key: &str, longest: usize) -> Result<Option<String>, String> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() > longest => {
                wrong(format!("{key} is too long"))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => wrong(format!("{key} is not a string")),
        }
    }

    fn yes_no(&self, key: &str) -> Result<Option<bool>, String> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => wrong(format!("{key} is not a boolean")),
        }
    }

    fn seconds(&self, key: &str) -> Result<Option<Duration>, String> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        let Some(number) = value.as_i64().filter(|_| !value.is_f64()) else {
            return match value.is_u64() {
                true => wrong(format!("{key} is too large")),
                false => wrong(format!("{key} is not a number")),
            };
        };
        if number < *SECONDS.start() {
            return wrong(format!("{key} is too small"));
        }
        if number > *SECONDS.end() {
            return wrong(format!("{key} is too large"));
        }
        Ok(Some(Duration::from_secs(number.unsigned_abs())))
    }
}

impl Wanted {
    /// Reads a request's body, in the order in which Healthchecks tells its problems.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn read(body: &Map<String, Value>) -> Result<Self, String> {
        let fields = Fields(body);
        if let Some(channels) = fields.text("channels", 10_000)? {
            check_channels(&channels)?;
        }
        let desc = fields.text("desc", DESC_MAX)?;
        let failure_kw = fields.text("failure_kw", 200)?;
        let filter_body = fields.yes_no("filter_body")?;
        let filter_subject = fields.yes_no("filter_subject")?;
        let grace = fields.seconds("grace")?;
        let manual_resume = fields.yes_no("manual_resume")?;
        let post_only = match body.get("methods") {
            None => None,
            Some(Value::String(text)) if text.is_empty() => Some(false),
            Some(Value::String(text)) if text == "POST" => Some(true),
            Some(_) => return wrong("methods has unexpected value".into()),
        };
        let name = fields.text("name", 100)?;
        let schedule = fields.text("schedule", 100)?;
        let tz = fields.text("tz", 100)?;
        if let Some(schedule) = &schedule
            && Due::read(&expectation(schedule, "UTC")).is_err()
        {
            return wrong("schedule is not a valid cron or OnCalendar expression".into());
        }
        let slug = fields.text("slug", 100)?;
        if slug.as_ref().is_some_and(|slug| !slug::is_one(slug)) {
            return wrong("slug does not match pattern".into());
        }
        let start_kw = fields.text("start_kw", 200)?;
        let subject = fields.text("subject", 200)?;
        let subject_fail = fields.text("subject_fail", 200)?;
        let success_kw = fields.text("success_kw", 200)?;
        let tags = fields.text("tags", TAGS_MAX)?;
        let timeout = fields.seconds("timeout")?;
        if let Some(tz) = &tz
            && TimeZone::get(tz).is_err()
        {
            return wrong("tz is not a valid timezone".into());
        }
        let by_subject = (subject.is_some() || subject_fail.is_some()).then_some(true);
        Ok(Self {
            name,
            slug,
            tags,
            desc,
            timeout,
            grace,
            schedule: schedule.filter(|schedule| !schedule.is_empty()),
            tz,
            manual_resume,
            post_only,
            start_kw,
            success_kw: success_kw.or(subject),
            failure_kw: failure_kw.or(subject_fail),
            filter_subject: filter_subject.or(by_subject),
            filter_body,
            unique: unique(body)?,
        })
    }

    /// What a heartbeat becomes; before version 3 its slug is made of its name.
    pub(super) fn apply(&self, spec: &HeartbeatSpec, version: u8) -> HeartbeatSpec {
        let mut spec = spec.clone();
        let set = |place: &mut String, wanted: &Option<String>| {
            if let Some(wanted) = wanted {
                place.clone_from(wanted);
            }
        };
        if let Some(name) = &self.name
            && version < 3
            && *name != spec.name
        {
            spec.slug = slug::of_name(name);
        }
        set(&mut spec.name, &self.name);
        if version >= 3 {
            set(&mut spec.slug, &self.slug);
        }
        set(&mut spec.tags, &self.tags);
        set(&mut spec.desc, &self.desc);
        let known_zone = match &spec.expected {
            Expectation::Every { .. } => None,
            Expectation::Cron { time_zone, .. } | Expectation::OnCalendar { time_zone, .. } => {
                Some(time_zone.clone())
            }
        };
        let zone = self.tz.clone().or(known_zone);
        match (&self.schedule, self.timeout, &mut spec.expected) {
            (Some(schedule), ..) => {
                spec.expected = expectation(schedule, zone.as_deref().unwrap_or("UTC"));
            }
            (None, Some(period), _) => spec.expected = Expectation::Every { period },
            (
                None,
                None,
                Expectation::Cron { time_zone, .. } | Expectation::OnCalendar { time_zone, .. },
            ) => set(time_zone, &self.tz),
            (None, None, Expectation::Every { .. }) => {}
        }
        spec.grace = self.grace.unwrap_or(spec.grace);
        spec.manual_resume = self.manual_resume.unwrap_or(spec.manual_resume);
        spec.post_only = self.post_only.unwrap_or(spec.post_only);
        let mut mail = spec.mail.as_deref().cloned().unwrap_or_default();
        set(&mut mail.start, &self.start_kw);
        set(&mut mail.success, &self.success_kw);
        set(&mut mail.failure, &self.failure_kw);
        mail.in_subject = self.filter_subject.unwrap_or(mail.in_subject);
        mail.in_body = self.filter_body.unwrap_or(mail.in_body);
        spec.mail = (mail != MailWords::default()).then(|| Box::new(mail));
        spec
    }

    /// Whether an existing heartbeat is the one that `unique` means.
    pub(super) fn means(&self, spec: &HeartbeatSpec) -> bool {
        let fits = |field: &&str| match *field {
            "name" => self.name.as_ref() == Some(&spec.name),
            "slug" => self.slug.as_ref() == Some(&spec.slug),
            "tags" => self.tags.as_ref() == Some(&spec.tags),
            "grace" => self.grace == Some(spec.grace),
            "timeout" => match &spec.expected {
                Expectation::Every { period } => self.timeout == Some(*period),
                _ => false,
            },
            _ => false,
        };
        !self.unique.is_empty() && self.unique.iter().all(fits)
    }
}

fn expectation(expression: &str, zone: &str) -> Expectation {
    let (expression, time_zone) = (expression.to_owned(), zone.to_owned());
    match is_cron(&expression) {
        true => Expectation::Cron {
            expression,
            time_zone,
        },
        false => Expectation::OnCalendar {
            expression,
            time_zone,
        },
    }
}

/// There are no integrations here to assign: all of none is none.
fn check_channels(channels: &str) -> Result<(), String> {
    match channels {
        "" | "*" => Ok(()),
        some => match some.split(',').next() {
            None | Some("") => Err("empty channel identifier".into()),
            Some(first) => Err(format!("invalid channel identifier: {first}")),
        },
    }
}

fn unique(body: &Map<String, Value>) -> Result<Vec<&'static str>, String> {
    const FIELDS: [&str; 5] = ["name", "slug", "tags", "timeout", "grace"];
    let items = match body.get("unique") {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return wrong("unique is not an array".into()),
    };
    items
        .iter()
        .map(|item| {
            let known = FIELDS.iter().find(|field| item.as_str() == Some(**field));
            known.copied().map_or_else(
                || wrong("an item in 'unique' has unexpected value".into()),
                Ok,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Wanted, String> {
        Wanted::read(value.as_object().expect("an object"))
    }

    #[test]
    fn what_is_wrong_is_said_in_healthchecks_words() {
        for (body, said) in [
            (json!({"name": "n".repeat(101)}), "name is too long"),
            (json!({"name": null}), "name is not a string"),
            (json!({"name": 7}), "name is not a string"),
            (json!({"slug": "Upper"}), "slug does not match pattern"),
            (json!({"timeout": 59}), "timeout is too small"),
            (json!({"timeout": 31_536_001}), "timeout is too large"),
            (json!({"timeout": "60"}), "timeout is not a number"),
            (json!({"grace": 1}), "grace is too small"),
            (json!({"tz": "Mars/Base"}), "tz is not a valid timezone"),
            (
                json!({"schedule": "61 * * * *"}),
                "schedule is not a valid cron or OnCalendar expression",
            ),
            (
                json!({"schedule": "sometimes"}),
                "schedule is not a valid cron or OnCalendar expression",
            ),
            (json!({"methods": "GET"}), "methods has unexpected value"),
            (
                json!({"manual_resume": 1}),
                "manual_resume is not a boolean",
            ),
            (json!({"unique": "name"}), "unique is not an array"),
            (
                json!({"unique": ["status"]}),
                "an item in 'unique' has unexpected value",
            ),
        ] {
            let expected = format!("json validation error: {said}");
            assert_eq!(read(body), Err(expected));
        }
        let said = read(json!({"channels": "email"}));
        assert_eq!(said, Err("invalid channel identifier: email".into()));
    }

    #[test]
    fn what_is_not_named_stays() {
        let before = HeartbeatSpec {
            name: "Backup".into(),
            slug: "backup".into(),
            grace: Duration::from_secs(600),
            ..HeartbeatSpec::default()
        };
        let wanted = read(json!({"schedule": "Mon 02:00", "tz": "Europe/Riga"})).unwrap();
        let after = wanted.apply(&before, 3);
        assert_eq!((&after.name, after.grace), (&before.name, before.grace));
        let expected = Expectation::OnCalendar {
            expression: "Mon 02:00".into(),
            time_zone: "Europe/Riga".into(),
        };
        assert_eq!(after.expected, expected);
        let zoned = read(json!({"schedule": "0 2 * * *"})).unwrap();
        let Expectation::Cron { time_zone, .. } = zoned.apply(&after, 3).expected else {
            panic!("five words are cron");
        };
        assert_eq!(time_zone, "Europe/Riga");
    }

    #[test]
    fn older_versions_make_the_slug_of_the_name() {
        let wanted = read(json!({"name": "Filesystem  Backup, (daily)"})).unwrap();
        let spec = HeartbeatSpec::default();
        assert_eq!(wanted.apply(&spec, 2).slug, "filesystem-backup-daily");
        assert_eq!(wanted.apply(&spec, 3).slug, "");
    }
}

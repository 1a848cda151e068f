//! Lists of subscribers as CSV, in and out.
//!
//! Columns: `kind,address,language,components,maintenance_only,standing`. On the way in only
//! `address` is needed, in any order and under a heading; a line that cannot be taken is told
//! with its number and why, and the others are taken. Whoever left before is not taken:
//! only they can come back.
//!
//! What is written out begins no formula in a spreadsheet: `=`, `+`, `-` and `@` at the start
//! of a field are led by `'`, which reading takes off again.

use std::io::{Read, Write};

use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::language::Language;

use super::address::{self, Network};
use super::store::people::Brought;
use super::store::{Kind, Standing, Store, StoreError, Wishes};

/// The most lines of one file.
pub const LINES_MAX: usize = 1_000_000;

/// Lines that are brought in with one change of the file.
const AT_ONCE: usize = 5000;

/// Lines that are told one by one; more are counted.
pub const TOLD_MAX: usize = 1000;

const HEADING: [&str; 6] = [
    "kind",
    "address",
    "language",
    "components",
    "maintenance_only",
    "standing",
];

/// What came of reading a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// Taken anew.
    pub new: usize,
    /// There already, and wanting something else now.
    pub changed: usize,
    /// There already, as they are.
    pub same: usize,
    /// Not taken.
    pub refused: usize,
    /// Which and why, the first [`TOLD_MAX`].
    pub why: Vec<(u64, String)>,
}

/// A list that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// It is no CSV, or has no heading.
    #[error("{0}")]
    Shape(String),
    /// The subscribers' file cannot be used. Lines before are taken, each whole.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be written.
    #[error("the list cannot be written: {0}")]
    Write(String),
}

/// Where each column is.
struct Columns {
    address: usize,
    kind: Option<usize>,
    language: Option<usize>,
    components: Option<usize>,
    maintenance_only: Option<usize>,
    standing: Option<usize>,
}

/// What a list may name.
pub struct Known<'a> {
    /// The components there are.
    pub components: &'a [ComponentId],
    /// Where webhooks may go.
    pub networks: &'a [Network],
    /// The most subscribers.
    pub most: u32,
    /// Of who names none.
    pub language: Language,
}

impl Came {
    fn refuse(&mut self, line: u64, why: String) {
        self.refused += 1;
        if self.why.len() < TOLD_MAX {
            self.why.push((line, why));
        }
    }
}

/// Reads a list and brings in who is on it.
///
/// # Errors
/// It cannot be read at all, or the subscribers' file cannot be used.
pub fn bring_in(from: impl Read, store: &Store, known: &Known<'_>) -> Result<Came, PaperError> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(from);
    let shape = |error: csv::Error| PaperError::Shape(format!("this is no CSV: {error}"));
    let heading = reader.headers().map_err(shape)?.clone();
    let columns = columns(&heading)?;
    let mut came = Came::default();
    let mut some: Vec<(u64, (Kind, String, Wishes))> = Vec::new();
    let mut record = csv::StringRecord::new();
    let mut lines = 0;
    loop {
        let read = reader.read_record(&mut record);
        let line = record.position().map_or(0, csv::Position::line);
        match read {
            Ok(false) => break,
            Ok(true) => match one(&record, &columns, known) {
                Ok(one) => some.push((line, one)),
                Err(why) => came.refuse(line, why),
            },
            Err(error) if error.is_io_error() => return Err(shape(error)),
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                came.refuse(line, error.to_string());
            }
        }
        lines += 1;
        if lines > LINES_MAX {
            let why = format!("more than {LINES_MAX} lines are not read: cut the list in two");
            came.refuse(line, why);
            break;
        }
        if some.len() >= AT_ONCE {
            take(&mut some, store, known, &mut came)?;
        }
    }
    take(&mut some, store, known, &mut came)?;
    Ok(came)
}

fn columns(heading: &csv::StringRecord) -> Result<Columns, PaperError> {
    // Spreadsheets write a mark at the start that nobody sees.
    let names: Vec<String> = heading
        .iter()
        .map(|name| {
            name.trim_start_matches('\u{feff}')
                .trim()
                .to_ascii_lowercase()
        })
        .collect();
    let of = |wanted: &str| names.iter().position(|name| name == wanted);
    let unknown = names.iter().find(|name| !HEADING.contains(&name.as_str()));
    let address = of("address").or_else(|| of("email")).or_else(|| of("mail"));
    let Some(address) = address else {
        return Err(PaperError::Shape(format!(
            "the first line names no column `address`; begin the list with {}",
            HEADING.join(",")
        )));
    };
    if let Some(unknown) = unknown.filter(|name| !["email", "mail"].contains(&name.as_str())) {
        return Err(PaperError::Shape(format!(
            "`{}` is no column here; there is {}",
            unknown.chars().take(60).collect::<String>().escape_debug(),
            HEADING.join(", ")
        )));
    }
    Ok(Columns {
        address,
        kind: of("kind"),
        language: of("language"),
        components: of("components"),
        maintenance_only: of("maintenance_only"),
        standing: of("standing"),
    })
}

fn one(
    record: &csv::StringRecord,
    columns: &Columns,
    known: &Known<'_>,
) -> Result<(Kind, String, Wishes), String> {
    let field = |at: Option<usize>| {
        let text = at.and_then(|at| record.get(at)).unwrap_or_default();
        match text.strip_prefix('\'') {
            Some(rest) if rest.starts_with(FORMULAS) => rest,
            _ => text,
        }
    };
    let shown = |text: &str| {
        text.chars()
            .take(80)
            .collect::<String>()
            .escape_debug()
            .to_string()
    };
    let given = field(Some(columns.address));
    let kind = match field(columns.kind) {
        "" | "mail" | "email" => Kind::Mail,
        "webhook" => Kind::Webhook,
        other => {
            return Err(format!(
                "`{}` is no kind; there is mail and webhook",
                shown(other)
            ));
        }
    };
    let address = match kind {
        Kind::Mail => match address::mail(given) {
            Ok(address) => address.to_string(),
            Err(why) => return Err(format!("`{}` cannot be written to: {why}", shown(given))),
        },
        _ => match address::webhook(given, known.networks) {
            Ok(uri) => uri.to_string(),
            Err(why) => return Err(format!("`{}` cannot be sent to: {why}", shown(given))),
        },
    };
    let language = match field(columns.language) {
        "" => known.language,
        tag => Language::of(tag).ok_or_else(|| {
            format!(
                "`{}` is no language; there is en, nl, de, pl, da",
                shown(tag)
            )
        })?,
    };
    let mut components = Vec::new();
    let named = field(columns.components).split([' ', ';']);
    for name in named.filter(|name| !name.is_empty() && *name != "all") {
        let id = ComponentId::from(name);
        if !known.components.contains(&id) {
            let all: Vec<&str> = known.components.iter().map(ComponentId::as_str).collect();
            return Err(format!(
                "there is no component `{}`; there is {}",
                shown(name),
                all.join(", ")
            ));
        }
        components.push(id);
    }
    components.sort();
    components.dedup();
    let maintenance_only = match field(columns.maintenance_only) {
        "" | "false" | "no" | "0" => false,
        "true" | "yes" | "1" => true,
        other => return Err(format!("`{}` is neither true nor false", shown(other))),
    };
    match field(columns.standing) {
        "" | "active" => {}
        standing if Standing::of(standing).is_some() => {
            return Err(format!(
                "it is {standing}, and only who agreed and is reached is taken: `active`"
            ));
        }
        other => return Err(format!("`{}` is no standing", shown(other))),
    }
    let wishes = Wishes {
        language,
        components,
        maintenance_only,
    };
    Ok((kind, address, wishes))
}

fn take(
    some: &mut Vec<(u64, (Kind, String, Wishes))>,
    store: &Store,
    known: &Known<'_>,
    came: &mut Came,
) -> Result<(), PaperError> {
    let (lines, many): (Vec<u64>, Vec<_>) = some.drain(..).unzip();
    if many.is_empty() {
        return Ok(());
    }
    let brought = store.bring(&many, known.most, Timestamp::now())?;
    for (line, brought) in lines.into_iter().zip(brought) {
        match brought {
            Brought::New(_) => came.new += 1,
            Brought::Changed(_) => came.changed += 1,
            Brought::Same(_) => came.same += 1,
            Brought::Left(at) => came.refuse(
                line,
                format!("they left on {}, and only they can come back", at.strftime("%Y-%m-%d")),
            ),
            Brought::Full => came.refuse(
                line,
                format!("there are {} subscribers, which is the most: raise [subscribers] subscribers_max", known.most),
            ),
        }
    }
    Ok(())
}

const FORMULAS: [char; 4] = ['=', '+', '-', '@'];

/// Writes everybody out. How many.
///
/// # Errors
/// It cannot be written, or the subscribers' file cannot be used.
pub fn take_out(to: impl Write, store: &Store) -> Result<usize, PaperError> {
    let unwritten = |error: &dyn std::fmt::Display| PaperError::Write(error.to_string());
    let mut writer = csv::Writer::from_writer(to);
    writer
        .write_record(HEADING)
        .map_err(|error| unwritten(&error))?;
    let (mut after, mut count) = (0, 0);
    loop {
        let some = store.after(after, 1000)?;
        let Some(last) = some.last() else {
            break;
        };
        after = last.id;
        for one in &some {
            let components: Vec<&str> = one
                .wishes
                .components
                .iter()
                .map(ComponentId::as_str)
                .collect();
            let harmless = |text: String| match text.starts_with(FORMULAS) {
                true => format!("'{text}"),
                false => text,
            };
            writer
                .write_record([
                    one.kind.as_str(),
                    &harmless(one.address.clone()),
                    one.wishes.language.tag(),
                    &harmless(components.join(" ")),
                    if one.wishes.maintenance_only {
                        "true"
                    } else {
                        "false"
                    },
                    one.standing.as_str(),
                ])
                .map_err(|error| unwritten(&error))?;
            count += 1;
        }
    }
    writer.flush().map_err(|error| unwritten(&error))?;
    Ok(count)
}

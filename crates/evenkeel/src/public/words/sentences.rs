//! Sentences from facts: whole ones side by side, so that no language has to build its own
//! around pieces of another's.

use evenkeel_core::Timestamp;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::maintenance::{MaintenanceNews, PlannedImpact, Stretch};
use evenkeel_core::status::Status;

use super::Words;

/// Functions that are named one by one; more are counted.
const NAMED_MAX: usize = 3;
/// Clauses of one sentence: the worst.
const CLAUSES_MAX: usize = 3;

/// The answer at the top of the page.
pub enum Answer<'a> {
    /// No picture of now.
    Stale {
        /// The last moment something was known.
        since: Timestamp,
    },
    /// No component is configured.
    NothingWatched,
    /// Customers are hurt.
    Harm {
        /// Who is hurt, and how.
        components: Vec<(&'a str, Status)>,
        /// Since when.
        since: Timestamp,
    },
    /// Nobody is known to be hurt, but not everything can be seen.
    PartlyUnknown {
        /// What cannot be seen.
        components: Vec<&'a str>,
        /// Since when.
        since: Timestamp,
    },
    /// Planned work, and nothing worse.
    Maintenance {
        /// On what.
        components: Vec<&'a str>,
        /// Until when, as far as is known.
        until: Option<Timestamp>,
    },
    /// All is well again and still watched.
    Recovered {
        /// What was hurt.
        components: Vec<&'a str>,
    },
    /// All is well.
    Well,
}

/// How a component's ninety days were spent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// All that is known of.
    pub all_ms: u64,
    /// Of it: customers were hurt.
    pub harmed_ms: u64,
    /// Of it: under planned work.
    pub maintained_ms: u64,
    /// Of it: unknown.
    pub unknown_ms: u64,
}

impl Words {
    /// The answer in one sentence, on a page that says the day of `known`.
    pub fn answer(&self, answer: &Answer<'_>, known: Timestamp) -> String {
        match answer {
            Answer::Stale { since } => self.answer_stale(&self.minute(*since, known)),
            Answer::NothingWatched => self.answer_nothing_watched(),
            Answer::Harm { components, since } => {
                let state = self.state_of(components.iter().copied());
                self.answer_harm(&state, &self.minute(*since, known))
            }
            Answer::PartlyUnknown { components, since } => {
                let (count, functions) = self.functions(components);
                let since = self.minute(*since, known);
                capital(&self.answer_unknown(count, &functions, &since), components)
            }
            Answer::Maintenance { components, until } => {
                let clause = self.clause_of(components, Status::UnderMaintenance);
                let state = capital(&clause, components);
                match until {
                    Some(until) => self.answer_maintenance(&state, &self.minute(*until, known)),
                    None => state,
                }
            }
            Answer::Recovered { components } => {
                let (count, functions) = self.functions(components);
                capital(&self.answer_recovered(count, &functions), components)
            }
            Answer::Well => self.answer_well(),
        }
    }

    /// What goes on working while something else is hurt: `well` of all that are not.
    /// `None` where nothing is known to.
    pub fn unharmed(&self, well: &[&str], all_others: bool) -> Option<String> {
        match (well, all_others) {
            ([], _) => None,
            (_, true) => Some(self.all_else_works()),
            (_, false) => {
                let (count, functions) = self.functions(well);
                Some(capital(&self.still_works(count, &functions), well))
            }
        }
    }

    /// `Quotes does not work; Login is slow`: worst first, at most three parts.
    pub fn state_of<'a>(&self, components: impl IntoIterator<Item = (&'a str, Status)>) -> String {
        let components: Vec<(&str, Status)> = components.into_iter().collect();
        let clauses = Status::ALL.into_iter().rev().filter_map(|of| {
            let those = components.iter().filter(|(_, status)| *status == of);
            let named: Vec<&str> = those.map(|(name, _)| *name).collect();
            (!named.is_empty()).then(|| self.clause_of(&named, of))
        });
        let clauses: Vec<String> = clauses.take(CLAUSES_MAX).collect();
        let names: Vec<&str> = components.iter().map(|(name, _)| *name).collect();
        capital(&clauses.join("; "), &names)
    }

    /// An incident's title: what was hurt, at its worst.
    pub fn incident_title(&self, harmed: &[(&str, Status)], over: bool) -> String {
        let worst = harmed.iter().map(|(_, status)| *status).max();
        let worst = worst.unwrap_or_default();
        let names: Vec<&str> = harmed.iter().map(|(name, _)| *name).collect();
        let title = if over {
            let (count, functions) = self.functions(&names);
            self.clause_over(worst, count, &functions)
        } else {
            self.clause_of(&names, worst)
        };
        capital(&title, &names)
    }

    /// One public update of the moment `at`, as a few sentences.
    pub fn update(
        &self,
        status: IncidentStatus,
        components: &[(&str, Status)],
        next_update_at: Option<Timestamp>,
        at: Timestamp,
    ) -> String {
        let state = self.state_of(components.iter().copied());
        let mut said = format!("{state}. {}", self.stands(status));
        if let Some(next) = next_update_at {
            said.push(' ');
            said.push_str(&self.next_word(&self.minute(next, at)));
        }
        said
    }

    /// The title of planned work.
    pub fn maintenance_named(&self, names: &[&str]) -> String {
        let (_, functions) = self.functions(names);
        capital(&self.maintenance_of(&functions), names)
    }

    /// What is to be expected of planned work.
    pub fn maintenance_expected(&self, impact: PlannedImpact, names: &[&str]) -> String {
        let (count, functions) = self.functions(names);
        self.maintenance_impact(impact, count, &functions)
    }

    /// One word about planned work, said at the moment `at`, in a sentence or two.
    pub fn maintenance_word(&self, news: MaintenanceNews, when: Stretch, at: Timestamp) -> String {
        let (from, to) = (self.minute(when.from, at), self.minute(when.until, at));
        match news {
            MaintenanceNews::Announced => self.maintenance_announced(&from, &to),
            MaintenanceNews::Reminder => self.maintenance_reminder(&from, &to),
            MaintenanceNews::Moved => self.maintenance_moved(&from, &to),
            MaintenanceNews::Began => self.maintenance_began(&to),
            MaintenanceNews::Extended => self.maintenance_extended(&to),
            MaintenanceNews::Overdue => self.maintenance_overdue(&to),
            MaintenanceNews::Verifying
            | MaintenanceNews::Completed
            | MaintenanceNews::Cancelled => self.maintenance_said(news),
        }
    }

    /// What a component's ninety days were like.
    /// The parts of `all_ms` are milliseconds.
    pub fn history(&self, spent: &Spent) -> String {
        let Spent {
            all_ms,
            harmed_ms,
            maintained_ms,
            unknown_ms,
        } = *spent;
        if all_ms == 0 {
            return self.history_none();
        }
        let said = match harmed_ms {
            0 => self.history_calm(),
            harmed_ms => self.history_disturbed(&self.total(harmed_ms)),
        };
        let said = match maintained_ms {
            0 => said,
            maintained_ms => self.history_maintained(&said, &self.total(maintained_ms)),
        };
        match unknown_ms {
            0 => said,
            unknown_ms => self.history_unknown(&said, &self.total(unknown_ms)),
        }
    }

    /// What a status does to one function or several: `Login is slow`.
    fn clause_of(&self, names: &[&str], of: Status) -> String {
        let (count, functions) = self.functions(names);
        self.clause(of, count, &functions)
    }

    /// `Login`, `Login and Invoices`, `Login, Invoices and Quotes`, or how many from four on;
    /// with their number, which the rest of the sentence agrees with.
    fn functions(&self, names: &[&str]) -> (u64, String) {
        let count = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let named = match names {
            [one] => (*one).to_owned(),
            [rest @ .., last] if names.len() <= NAMED_MAX => self.list(&rest.join(", "), last),
            _ => return (count, self.functions_counted(count)),
        };
        (count, self.functions_named(count, &named))
    }
}

/// A sentence begins with a capital, but for a name, which is written as it is.
pub(super) fn capital(text: &str, names: &[&str]) -> String {
    if names.iter().any(|name| text.starts_with(name)) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

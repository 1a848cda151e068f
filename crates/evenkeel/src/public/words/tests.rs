//! Every template in every language, with every fact; and all of it in `golden/` for people
//! who speak the language.

mod golden;

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::Timestamp;
use evenkeel_core::action::ActionKind;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::maintenance::Stretch;
use evenkeel_core::maintenance::{MaintenanceNews, MaintenanceStatus, PlannedImpact};
use evenkeel_core::status::Status;
use fluent_bundle::FluentValue;
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_syntax::ast::{Variant, VariantKey};

use super::{Fact, Language, TEMPLATES, Words, templates_of};

/// What a language's template takes.
#[derive(Default)]
struct Takes {
    /// Facts that stand in the text.
    shown: BTreeSet<String>,
    /// Facts that the text depends on, with the cases that are told apart.
    chosen: BTreeMap<String, BTreeSet<String>>,
}

impl Takes {
    fn of(pattern: &Pattern<&str>) -> Self {
        let mut takes = Self::default();
        takes.read(pattern);
        takes
    }

    fn read(&mut self, pattern: &Pattern<&str>) {
        for element in &pattern.elements {
            let PatternElement::Placeable { expression } = element else {
                continue;
            };
            match expression {
                Expression::Inline(InlineExpression::VariableReference { id }) => {
                    self.shown.insert(id.name.to_owned());
                }
                Expression::Select { selector, variants } => {
                    let InlineExpression::VariableReference { id } = selector else {
                        panic!("a choice by something else than a fact");
                    };
                    let cases = self.chosen.entry(id.name.to_owned()).or_default();
                    cases.extend(variants.iter().map(key));
                    variants
                        .iter()
                        .for_each(|variant| self.read(&variant.value));
                }
                Expression::Inline(_) => panic!("templates take facts and nothing else"),
            }
        }
    }

    fn names(&self) -> BTreeSet<&str> {
        let all = self.shown.iter().chain(self.chosen.keys());
        all.map(String::as_str).collect()
    }
}

fn key(variant: &Variant<&str>) -> String {
    match variant.key {
        VariantKey::Identifier { name } => name.to_owned(),
        VariantKey::NumberLiteral { value } => value.to_owned(),
    }
}

/// The templates of a language's file, in its order.
fn written(language: Language) -> Vec<(String, Takes)> {
    let templates = fluent_syntax::parser::parse(templates_of(language)).expect("it parses");
    let entries = templates.body.iter().filter_map(|entry| match entry {
        Entry::Message(message) => {
            assert!(message.attributes.is_empty(), "{}", message.id.name);
            let pattern = message.value.as_ref().expect("a text");
            Some((message.id.name.to_owned(), Takes::of(pattern)))
        }
        Entry::Term(_) | Entry::Junk { .. } => panic!("{entry:?}"),
        _ => None,
    });
    entries.collect()
}

#[test]
fn every_language_has_every_template_in_the_same_order_and_no_other() {
    let expected: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    for language in Language::ALL {
        let written = written(language);
        let names: Vec<&str> = written.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, expected, "{language:?}");
    }
}

/// A number may be there only for words to agree with; a language in which none do leaves it
/// out. Everything else is said in every language.
#[test]
fn every_template_says_every_fact_and_asks_for_no_other() {
    for language in Language::ALL {
        let written: BTreeMap<String, Takes> = written(language).into_iter().collect();
        let english: BTreeMap<String, Takes> =
            self::written(Language::English).into_iter().collect();
        for (name, facts) in TEMPLATES {
            let takes = &written[*name];
            let known: BTreeSet<&str> = facts.iter().map(|(fact, _)| *fact).collect();
            let unknown: Vec<_> = takes.names().difference(&known).copied().collect();
            assert!(unknown.is_empty(), "{language:?} {name}: {unknown:?}");
            for (fact, kind) in *facts {
                let agrees_only = *kind == "u64" && !english[*name].shown.contains(*fact);
                let said = takes.names().contains(fact);
                assert!(said || agrees_only, "{language:?} {name}: {fact}");
            }
        }
    }
    // A number that no language needs is no fact.
    for (name, facts) in TEMPLATES {
        for (fact, _) in *facts {
            let needed = Language::ALL.into_iter().any(|language| {
                let (_, takes) = written(language)
                    .into_iter()
                    .find(|(written, _)| written == name)
                    .expect("it is there");
                takes.names().contains(fact)
            });
            assert!(needed, "{name}: {fact}");
        }
    }
}

#[test]
fn what_depends_on_a_number_knows_the_plurals_of_its_language() {
    for language in Language::ALL {
        let allowed: &[&str] = match language {
            Language::Polish => &["one", "few", "many"],
            _ => &["one", "other"],
        };
        for (name, takes) in written(language) {
            let Some(cases) = takes.chosen.get("count") else {
                continue;
            };
            for case in cases {
                assert!(
                    allowed.contains(&case.as_str()),
                    "{language:?} {name}: {case}"
                );
            }
        }
    }
}

/// Values of a kind of fact that stand for all.
fn samples(fact: &str, kind: &str) -> Vec<FluentValue<'static>> {
    let owned = |value: FluentValue<'_>| value.into_owned();
    match kind {
        "u64" => [1_u64, 2, 3, 4, 5, 11, 12, 21, 22, 90]
            .iter()
            .map(|number| owned(number.value()))
            .collect(),
        "&str" => vec![FluentValue::from(format!("<{fact}>"))],
        "Status" => Status::ALL
            .iter()
            .map(|status| owned(status.value()))
            .collect(),
        "IncidentStatus" => INCIDENT_STATUSES
            .iter()
            .map(|status| owned(status.value()))
            .collect(),
        "MaintenanceStatus" => MaintenanceStatus::ALL
            .iter()
            .map(|status| owned(status.value()))
            .collect(),
        "MaintenanceNews" => MaintenanceNews::ALL
            .iter()
            .map(|news| owned(news.value()))
            .collect(),
        "PlannedImpact" => PlannedImpact::ALL
            .iter()
            .map(|impact| owned(impact.value()))
            .collect(),
        "ActionKind" => ActionKind::ALL
            .iter()
            .map(|kind| owned(kind.value()))
            .collect(),
        other => panic!("no samples of {other}"),
    }
}

const INCIDENT_STATUSES: [IncidentStatus; 4] = [
    IncidentStatus::Investigating,
    IncidentStatus::Identified,
    IncidentStatus::Monitoring,
    IncidentStatus::Resolved,
];

/// Every combination of values of a template's facts.
fn combinations(
    facts: &'static [(&'static str, &'static str)],
) -> Vec<Vec<(&'static str, FluentValue<'static>)>> {
    let mut all = vec![Vec::new()];
    for (fact, kind) in facts {
        let with = |known: &Vec<_>| -> Vec<Vec<_>> {
            let values = samples(fact, kind).into_iter();
            values
                .map(|value| known.iter().cloned().chain([(*fact, value)]).collect())
                .collect()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

#[test]
fn every_template_renders_with_every_combination_of_facts() {
    let mut rendered = 0;
    for language in Language::ALL {
        let words = Words::of(language);
        for (name, facts) in TEMPLATES {
            for combination in combinations(facts) {
                // It asserts that nothing is wrong with it.
                let text = words.render(name, &combination);
                let marks = [
                    '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '{', '}', '$',
                ];
                assert!(!text.contains(marks), "{language:?} {name}: {text:?}");
                assert!(
                    !text.is_empty() && text == text.trim(),
                    "{language:?} {name}: {text:?}"
                );
                assert!(
                    !text.contains("  ") && !text.contains('\n'),
                    "{language:?} {name}: {text:?}"
                );
                for (fact, kind) in *facts {
                    if *kind == "&str" {
                        assert!(
                            text.contains(&format!("<{fact}>")),
                            "{language:?} {name}: {text}"
                        );
                    }
                }
                rendered += 1;
            }
        }
    }
    assert!(rendered > 1000, "{rendered}");
}

/// Where a language says what English says: some months, and patterns without a word.
const SAME: &[(Language, &[&str])] = &[
    (
        Language::Dutch,
        &[
            "date",
            "date_year",
            "functions_named",
            "moment",
            "spoken_zone",
        ],
    ),
    (
        Language::German,
        &[
            "functions_named",
            "moment",
            "month",
            "spoken_day_time",
            "spoken_zone",
        ],
    ),
    (
        Language::Polish,
        &["date", "date_year", "moment", "spoken_day_time"],
    ),
    (Language::Danish, &["functions_named", "spoken_zone"]),
];

#[test]
fn no_language_says_it_in_english() {
    let english = Words::of(Language::English);
    for (language, same) in SAME {
        let words = Words::of(*language);
        let mut found = BTreeSet::new();
        for (name, facts) in TEMPLATES {
            for combination in combinations(facts) {
                if words.render(name, &combination) == english.render(name, &combination) {
                    found.insert(*name);
                }
            }
        }
        assert_eq!(found, same.iter().copied().collect(), "{language:?}");
    }
}

#[test]
fn no_two_states_are_said_alike() {
    for language in Language::ALL {
        let words = Words::of(language);
        let count = |texts: Vec<String>| BTreeSet::from_iter(texts).len();
        let status = Status::ALL.map(|status| words.status(status));
        assert_eq!(count(status.to_vec()), 6, "{language:?}");
        let clauses = Status::ALL.map(|status| words.clause(status, 1, "Login"));
        assert_eq!(count(clauses.to_vec()), 6, "{language:?}");
        let over = Status::ALL.map(|status| words.clause_over(status, 1, "Login"));
        // Of what is over, only harm is told.
        assert_eq!(count(over.to_vec()), 4, "{language:?}");
        let incident = INCIDENT_STATUSES.map(|status| words.incident_status(status));
        assert_eq!(count(incident.to_vec()), 4, "{language:?}");
        let stands = INCIDENT_STATUSES.map(|status| words.stands(status));
        assert_eq!(count(stands.to_vec()), 4, "{language:?}");
        let kinds = || ActionKind::ALL.iter();
        let acts = kinds().map(|kind| words.doing(*kind));
        let acts = acts.chain(kinds().map(|kind| words.done(*kind)));
        assert_eq!(
            count(acts.collect()),
            2 * ActionKind::ALL.len(),
            "{language:?}"
        );
        let planned = MaintenanceStatus::ALL.map(|status| words.maintenance_status(status));
        assert_eq!(count(planned.to_vec()), 5, "{language:?}");
        let expected =
            PlannedImpact::ALL.map(|impact| words.maintenance_impact(impact, 1, "Login"));
        assert_eq!(count(expected.to_vec()), 4, "{language:?}");
        let when = Stretch {
            from: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
        };
        let said = MaintenanceNews::ALL
            .map(|news| words.maintenance_word(news, when, Timestamp::UNIX_EPOCH));
        assert_eq!(count(said.to_vec()), 9, "{language:?}");
        let months = (1..=12).map(|month| words.month(month));
        assert_eq!(count(months.collect()), 12, "{language:?}");
    }
}

#[test]
fn each_language_finds_its_words() {
    for language in Language::ALL {
        assert_eq!(Words::of(language).language(), language);
    }
}

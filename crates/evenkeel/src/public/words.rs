//! Every word that customers read, made from facts, in their language.
//!
//! Nothing an operator, a detector or a configuration file wrote is among the facts but
//! the public names of components: titles and reasons of findings name machines, jobs and
//! people.
//!
//! The templates are Project Fluent's, one file for each language in `words/`, compiled in.
//! The table below gives each of them a function, so that a call without a fact does not
//! compile; the tests hold the table against every file, both ways, and render all of it,
//! so that no template is missing when it is needed. What people who speak a language read
//! to judge it is in `words/golden/`.
//!
//! Names of functions are proper names: no template inflects them, or has something in it
//! that would have to agree with their gender. Every time is absolute and carries its zone,
//! so that a copy that is read later is as true as it was.

mod sentences;
mod spoken;
#[cfg(test)]
mod tests;
mod times;

use std::sync::LazyLock;

use evenkeel_core::action::ActionKind;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::maintenance::{MaintenanceNews, MaintenanceStatus, PlannedImpact};
use evenkeel_core::status::Status;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

pub use evenkeel_core::language::Language;
pub use sentences::{Answer, Spent};
pub use spoken::{Call, SPOKEN_MAX, Spoken};

/// The words of one language.
pub struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

static WORDS: LazyLock<[Words; 5]> = LazyLock::new(|| Language::ALL.map(Words::new));

impl Words {
    /// The words of a language.
    pub fn of(language: Language) -> &'static Self {
        let mut all = WORDS.iter();
        let found = all.find(|words| words.language == language);
        found.expect("every language has its words")
    }

    /// Whose words they are.
    pub fn language(&self) -> Language {
        self.language
    }

    fn new(language: Language) -> Self {
        let templates = FluentResource::try_new(templates_of(language).to_owned());
        let templates = templates.expect("the templates are Fluent's: a test renders them");
        let tag = language.tag().parse().expect("a tag of ours");
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        // The marks are for text that runs in two directions; none of ours does.
        bundle.set_use_isolating(false);
        bundle
            .add_resource(templates)
            .expect("no template is there twice: a test renders them");
        Self { language, bundle }
    }

    fn render(&self, id: &str, facts: &[(&'static str, FluentValue<'_>)]) -> String {
        let message = self.bundle.get_message(id);
        let template = message.and_then(|message| message.value());
        let template = template.expect("every template is there: a test renders them");
        let facts: FluentArgs<'_> = facts.iter().cloned().collect();
        let mut errors = Vec::new();
        let text = self
            .bundle
            .format_pattern(template, Some(&facts), &mut errors);
        assert!(errors.is_empty(), "{id}: {errors:?}");
        text.into_owned()
    }
}

fn templates_of(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("words/en.ftl"),
        Language::Dutch => include_str!("words/nl.ftl"),
        Language::German => include_str!("words/de.ftl"),
        Language::Polish => include_str!("words/pl.ftl"),
        Language::Danish => include_str!("words/da.ftl"),
    }
}

/// A fact as templates take it.
trait Fact {
    fn value(&self) -> FluentValue<'_>;
}

impl Fact for &str {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(*self)
    }
}

/// A number that words agree with.
impl Fact for u64 {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(*self)
    }
}

impl Fact for Status {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self.as_str())
    }
}

impl Fact for IncidentStatus {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self.as_str())
    }
}

impl Fact for MaintenanceStatus {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self.as_str())
    }
}

impl Fact for MaintenanceNews {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self.as_str())
    }
}

impl Fact for PlannedImpact {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self.as_str())
    }
}

impl Fact for ActionKind {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self.as_str())
    }
}

/// Makes a function of each template, and for the tests the list of all.
macro_rules! templates {
    ($($(#[$doc:meta])* $reach:vis $name:ident($($fact:ident: $kind:ty),*);)*) => {
        impl Words {
            $(
                $(#[$doc])*
                $reach fn $name(&self, $($fact: $kind),*) -> String {
                    self.render(stringify!($name), &[$((stringify!($fact), $fact.value())),*])
                }
            )*
        }

        /// Every template with the names and the kinds of its facts.
        #[cfg(test)]
        const TEMPLATES: &[(&str, &[(&str, &str)])] = &[
            $((stringify!($name), &[$((stringify!($fact), stringify!($kind))),*])),*
        ];
    };
}

templates! {
    month(month: u64);
    date(day: u64, month: &str);
    date_year(day: u64, month: &str, year: &str);
    time(hour: &str, minute: &str);
    time_exact(hour: &str, minute: &str, second: &str);
    moment(date: &str, time: &str);
    seconds(count: u64);
    minutes(count: u64);
    hours(count: u64);
    days(count: u64);

    list(names: &str, last: &str);
    functions_named(count: u64, names: &str);
    functions_counted(count: u64);
    clause(status: Status, count: u64, functions: &str);
    clause_over(status: Status, count: u64, functions: &str);
    /// How a component is, in its row.
    pub status(status: Status);
    /// The same, with since when.
    pub status_since(status: &str, since: &str);

    answer_stale(since: &str);
    answer_nothing_watched();
    answer_harm(state: &str, since: &str);
    answer_unknown(count: u64, functions: &str, since: &str);
    answer_maintenance(state: &str, until: &str);
    answer_recovered(count: u64, functions: &str);
    answer_well();
    still_works(count: u64, functions: &str);
    all_else_works();
    /// A witness reaches neither the service nor its operators.
    pub unreachable(since: &str);
    /// A witness reaches the service, and not its operators.
    pub unreachable_operators(since: &str);
    /// A witness does not reach the operators, and cannot say how the service is.
    pub unreachable_unknown(since: &str);
    /// Who says so.
    pub witnessed();

    /// Where an incident stands, in a word or two.
    pub incident_status(status: IncidentStatus);
    stands(status: IncidentStatus);
    next_word(at: &str);
    /// A person says that it hurts everybody.
    pub affected_all();
    /// That it hurts some.
    pub affected_some();
    /// That it hurts a group of customers, by its name.
    pub affected_group(group: &str);
    /// That no data is affected.
    pub data_safe();
    /// That data is.
    pub data_affected();
    /// That nobody knows yet.
    pub data_checked();
    /// The link to the update that one corrects.
    pub corrects();
    /// Before what a person wrote, in the language of this name.
    pub original(language: &str);
    /// What is being done about an incident.
    pub doing(kind: ActionKind);
    /// What has been done about an incident.
    pub done(kind: ActionKind);
    /// When an incident began, while it goes on.
    pub began(from: &str);
    /// From when to when an incident was, and how long that is.
    pub lasted(from: &str, to: &str, span: &str);
    /// The link to an incident's updates that are not shown beside it.
    pub earlier_updates();
    /// Where there are more than its own page shows.
    pub earlier_updates_gone();

    /// That whoever reads it is hurt.
    pub banner_you();
    /// The button that takes a banner away.
    pub banner_hide();

    spoken_hour(hour: u64);
    spoken_minute(minute: u64);
    spoken_day(day: u64);
    spoken_time(hour: &str, minute: &str, half: u64);
    spoken_time_full(hour: &str, half: u64);
    spoken_zone(time: &str);
    spoken_day_time(day: &str, time: &str);
    spoken_functions(count: u64);
    spoken_ours();
    spoken_since(at: &str);
    spoken_since_long();
    spoken_next(at: &str);
    spoken_unknown(count: u64, functions: &str);
    spoken_blind();
    spoken_recovered(count: u64, functions: &str);
    spoken_planned();

    maintenance_of(functions: &str);
    /// Where planned work stands, in a word or two.
    pub maintenance_status(status: MaintenanceStatus);
    maintenance_impact(impact: PlannedImpact, count: u64, functions: &str);
    maintenance_announced(from: &str, to: &str);
    maintenance_reminder(from: &str, to: &str);
    maintenance_moved(from: &str, to: &str);
    maintenance_began(to: &str);
    maintenance_extended(to: &str);
    maintenance_overdue(to: &str);
    maintenance_said(news: MaintenanceNews);
    /// Heading of planned work.
    pub heading_maintenance();
    /// Where none is planned.
    pub maintenance_none();
    /// Heading of work that is over.
    pub maintenance_past();
    /// The link to all of it.
    pub maintenance_all();
    /// Title of the page with all of it.
    pub maintenance_title();
    /// What the link to the calendar's file is.
    pub maintenance_calendar();

    /// What a post-mortem is called.
    pub postmortem();
    /// Its title.
    pub postmortem_of(title: &str);
    /// The link to it.
    pub postmortem_read();
    /// The update that says where it is.
    pub postmortem_published(link: &str);
    /// Where its facts come from.
    pub postmortem_source();
    /// Heading of the figures.
    pub heading_figures();
    /// From when to when customers were hurt, and how long that is.
    pub hurt(from: &str, to: &str, span: &str);
    /// When the first sign was seen, where nobody was hurt yet.
    pub first_sign(at: &str);
    /// When it was found, and how long that took.
    pub found_after(at: &str, span: &str);
    /// When the first public word came, and how long that took.
    pub first_word(at: &str, span: &str);
    /// Where there was none.
    pub first_word_none();
    /// How often it came back.
    pub came_back(count: u64);
    /// How many requests failed.
    pub failed_requests(count: u64);
    /// How often our own tests failed.
    pub failed_checks(count: u64);
    /// That it hurt everybody.
    pub affected_all_then();
    /// That it hurt some.
    pub affected_some_then();
    /// That it hurt a group of customers, by its name.
    pub affected_group_then(group: &str);
    /// That no data was affected.
    pub data_safe_then();
    /// That data was.
    pub data_affected_then();
    /// That nobody knew yet.
    pub data_checked_then();
    /// Heading of the timeline.
    pub heading_timeline();
    /// The first sign, in the timeline.
    pub moment_sign();
    /// That it was found.
    pub moment_found();
    /// That customers were told, and what.
    pub moment_told(word: &str);
    /// That they were told that something was wrong.
    pub moment_corrected();
    /// That nobody was hurt any more.
    pub moment_recovered();
    /// That it was over.
    pub moment_over();
    /// That it came back.
    pub moment_back();
    /// How many moments found no room.
    pub moments_left_out(count: u64);
    /// Heading of what happened.
    pub heading_summary();
    /// Heading of why.
    pub heading_cause();
    /// Heading of what made it worse.
    pub heading_factors();
    /// Heading of what went well.
    pub heading_went_well();
    /// Heading of the measures.
    pub heading_measures();
    /// By when a measure is to be done.
    pub measure_open(due: &str);
    /// That it is late.
    pub measure_late(due: &str);
    /// That it is done.
    pub measure_done(at: &str);
    /// That it will not be done.
    pub measure_dropped(at: &str);
    /// For when it was first promised.
    pub measure_moved(from: &str);
    /// When the post-mortem was published.
    pub edition_first(at: &str);
    /// When it was corrected.
    pub edition_corrected(at: &str);

    history_none();
    history_calm();
    history_disturbed(span: &str);
    history_unknown(history: &str, span: &str);
    history_maintained(history: &str, span: &str);
    /// Of whom, from when to when, what: the text of a strip.
    pub strip(name: &str, from: &str, to: &str, history: &str);
    /// Heading of the list of bad days.
    pub bad_days();

    /// The link to, and the heading of, the form to subscribe.
    pub subscribe();
    /// What is written, and when.
    pub subscribe_about();
    /// Beside a field.
    pub mail_address();
    /// Above the functions.
    pub functions_wanted();
    /// Beside a box.
    pub maintenance_only();
    /// Beside the languages.
    pub mail_language();
    /// On the button.
    pub subscribe_send();
    /// Heading after it was pressed.
    pub subscribe_sent();
    /// What follows; the same whoever asks.
    pub subscribe_sent_how();
    /// Where an address cannot be written to.
    pub address_wrong();
    /// Where no function is chosen.
    pub functions_none();
    /// Where too many ask.
    pub subscribe_busy();
    /// Heading of a subscription.
    pub subscription();
    /// Whose it is.
    pub subscription_of(address: &str);
    /// On the button.
    pub subscribe_confirm();
    /// After it was pressed.
    pub subscribe_confirmed();
    /// Where mails did not arrive.
    pub subscription_paused();
    /// On the button.
    pub subscription_save();
    /// After it was pressed.
    pub subscription_saved();
    /// On the button.
    pub unsubscribe();
    /// What it does.
    pub unsubscribe_how();
    /// After it was pressed.
    pub unsubscribed();
    /// Heading where a link leads nowhere.
    pub link_gone();
    /// Why.
    pub link_gone_why();
    /// Subject of the letter with the link.
    pub letter_confirm(service: &str);
    /// What it says.
    pub letter_confirm_why(service: &str);
    /// And to whom did not ask.
    pub letter_confirm_else();
    /// Subject of the letter to who is told already.
    pub letter_known(service: &str);
    /// What it says.
    pub letter_known_why(service: &str);
    /// Subject of a correction.
    pub letter_correction(title: &str);
    /// Before the address of the page.
    pub letter_page();
    /// At the end of each mail.
    pub letter_why(service: &str);
    /// Before the link that ends it.
    pub letter_end();

    /// The name of the page.
    pub site(service: &str);
    /// What picture the page shows.
    pub as_of(at: &str);
    /// Beside it, where the picture is old.
    pub as_of_old();
    /// Heading of the components.
    pub heading_functions();
    /// Heading of the open incidents.
    pub heading_open();
    /// Heading of the incidents that are over.
    pub heading_past();
    /// Where there are none.
    pub past_none(since: &str);
    /// The link to the front page.
    pub home();
    /// Title of a page that is not there.
    pub missing_title();
    /// Heading of a page that is not there.
    pub missing();
    /// Why it may not be there any more.
    pub missing_why();
    /// What the links to the other languages are.
    pub languages();
    /// Heading of what is said of whose fault it is.
    pub me_heading();
    /// It is ours.
    pub me_ours();
    /// It was ours.
    pub me_over();
    /// We see no fault.
    pub me_well();
    /// We cannot see.
    pub me_unknown();
    /// The browser reaches the service, too.
    pub me_reached();
    /// It got an error that we do not see.
    pub me_wrong();
    /// It got no answer in time.
    pub me_silent();
    /// It does not get through.
    pub me_blocked();
    /// It is offline.
    pub me_offline();
    /// We cannot see, the browser gets through.
    pub me_unknown_reached();
    /// We cannot see, and it does not either.
    pub me_unknown_unreached();
    /// The link to who is behind it.
    pub imprint();
    /// The link to what is done with data.
    pub privacy();
    /// What is asked below an incident.
    pub useful();
    /// One answer.
    pub useful_yes();
    /// The other.
    pub useful_no();
    /// What is said to it.
    pub useful_thanks();
    /// What a feed is.
    pub feed();
    /// What the links to the feeds are.
    pub follow();
    /// What the links to what programs read are.
    pub programs();
    /// What the link to the key that copies are signed with is.
    pub signed();
    /// What stands below every page.
    pub footer();

    /// Over a copy: when it was made, and until when it speaks of now.
    pub copy_valid(made: &str, until: &str);
    /// In the place of a copy that has ended.
    pub copy_unknown(until: &str);
    /// Why it says nothing.
    pub copy_not_renewed();
    /// The link to itself.
    pub copy_again();
}

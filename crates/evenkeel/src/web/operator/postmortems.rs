//! Post-mortems: the list, each to read and to write, and the clocks of legal notices.
//!
//! Each part has a form of its own that carries the revision it shows. Where somebody wrote
//! meanwhile nothing is written and nothing is lost: both texts stand side by side, and the
//! form has the newer revision.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use evenkeel_core::ids::IncidentId;
use evenkeel_core::notice::{NoticeChange, Regime, Step};
use evenkeel_core::observation::Order;
use evenkeel_core::postmortem::{Measure, MeasureState, PostmortemChange, Section, Written};
use evenkeel_core::telling::FreeText;
use maud::{Markup, html};

use super::gate::{Desk, Posted, address_of};
use super::{more, not_found, plain};
use crate::access::Role;
use crate::access::sessions::Word;
use crate::postmortem::customers;
use crate::postmortem::document;
use crate::postmortem::names::in_public_texts;
use crate::postmortem::{
    self, ClockReport, Format, NO_ADVICE, PostmortemReport, Version, day_of, file_name, iso,
};
use crate::public::words::{Language, Words};
use crate::pump::orders::aftermath::{LINE_MAX, OWNER_MAX, SECTION_MAX};
use crate::web::clock;

/// Post-mortems in the list.
const LISTED_MAX: usize = 100;

/// What each part is for.
const SECTIONS: [(Section, &str, &str); 5] = [
    (
        Section::Summary,
        "What happened",
        "For customers: what they saw, in a few sentences.",
    ),
    (Section::Cause, "Cause", "For customers: why it happened."),
    (
        Section::Factors,
        "Contributing factors",
        "For customers: what made it worse, longer, or harder to see.",
    ),
    (
        Section::WentWell,
        "What went well",
        "For customers: what helped.",
    ),
    (
        Section::Technical,
        "For colleagues only",
        "Names of machines, jobs and people belong here. Customers never read it.",
    ),
];

pub(super) async fn list(desk: Desk) -> Markup {
    let (live, now) = (&desk.live, desk.now);
    let lines = postmortem::list(&live.record, now);
    let body = html! {
        h1 { "Post-mortems" }
        @if lines.is_empty() {
            p.dim { "None yet: a draft is opened when an incident that hurt customers is resolved." }
        } @else {
            table {
                thead { tr { th { "Incident" } th { "What" } th { "Resolved" } th { "Post-mortem" } th { "Measures" } } }
                tbody {
                    @for line in lines.iter().take(LISTED_MAX) {
                        tr {
                            td.number { a href={ "/postmortems/" (line.incident) } { (line.incident) } }
                            td { (line.title) }
                            td { (clock::ago(line.resolved_at, now)) }
                            td {
                                @match line.published_at {
                                    None => { "draft" }
                                    Some(at) => { "published " (clock::ago(at, now)) }
                                }
                                @if line.published_at.is_some() && line.changed { p.dim { "changed since" } }
                            }
                            td {
                                (line.measures_open) " open"
                                @if line.measures_late > 0 { ", " strong.down { (line.measures_late) " late" } }
                            }
                        }
                    }
                }
            }
            (more(lines.len(), LISTED_MAX, "evenkeel postmortem list"))
        }
    };
    desk.page("Post-mortems", body)
}

pub(super) async fn one(desk: Desk, Path(id): Path<String>) -> Response {
    let found = id.parse::<IncidentId>().ok();
    let found = found.and_then(|id| postmortem::report(&desk.live.record, id, desk.now));
    let Some(report) = found else {
        return not_found(desk).await;
    };
    let id = report.incident;
    let words = Words::of(Language::English);
    let draft = customers::draft(words, &desk.site.policy, &report.postmortem, desk.now);
    let body = html! {
        h1 { "Post-mortem of " (id) ": " (report.title) }
        p {
            strong { (stands(&report)) }
            " · revision " (report.revision)
            " · " a href={ "/incidents/" (id) } { "the incident" }
            " · " a href={ "/journal?kind=postmortem_&text=" (id) } { "every text before, in the journal" }
        }
        p.dim {
            "To read: "
            @for language in Language::ALL {
                @let file = file_name(Version::Customers(language), Format::Html);
                a href={ "/postmortems/" (id) "/" (file) } { "customers, " (language.name()) } " · "
            }
            a href={ "/postmortems/" (id) "/technical.html" } { "technical" }
            " · Markdown: " a href={ "/postmortems/" (id) "/customers-en.md" } { "customers" }
            ", " a href={ "/postmortems/" (id) "/technical.md" } { "technical" }
        }
        (clocks(&desk, id, &report.clocks))
        h2 { "What is known" }
        p.dim { "Taken from the journal. Nobody writes it, and nobody can change it." }
        @if let Some(document::Block::List(figures)) = draft.blocks.iter().find(|block| matches!(block, document::Block::List(_))) {
            ul { @for figure in figures { li { (figure) } } }
        }
        details {
            summary { "How it went (" (report.postmortem.facts.timeline.len()) " moments)" }
            @if let Some(technical) = postmortem::technical::document(&desk.live.record, &desk.site.policy, id, desk.now) {
                @for block in &technical.blocks {
                    @if let document::Block::Moments(moments) = block {
                        table { tbody { @for (_, when, what) in moments { tr { td.number { (when) } td { (what) } } } } }
                    }
                }
            }
        }
        @for (section, heading, about) in SECTIONS {
            h2 id=(section.as_str()) { (heading) }
            p.dim { (about) }
            (part(&desk, id, section, report.postmortem.sections.get(&section)))
        }
        (measures(&desk, id, &report.postmortem.measures))
        (publishing(&desk, &report))
    };
    desk.page(&format!("Post-mortem of {id}"), body)
        .into_response()
}

fn stands(report: &PostmortemReport) -> String {
    match (report.postmortem.published(), report.changed) {
        (None, _) => "A draft: customers do not read it yet".into(),
        (Some(edition), false) => format!("Published, edition {}", edition.number),
        (Some(edition), true) => format!(
            "Published, edition {}; what stands here was changed since, and customers do not read that yet",
            edition.number
        ),
    }
}

/// A part as it stands, with the form to write it anew.
fn part(desk: &Desk, id: IncidentId, section: Section, known: Option<&Written>) -> Markup {
    let text = known.and_then(|written| written.text.as_ref());
    html! {
        @if let Some(written) = known {
            p.dim { "Revision " (written.revision) " by " (written.by) ", " (clock::ago(written.at, desk.now)) }
        }
        @if !desk.may_order() {
            @match text {
                Some(text) => blockquote lang=(text.language.tag()) { (text.text) },
                None => p.dim { "Not written yet." },
            }
        } @else {
            (writing(desk, id, section, known.map_or(0, |written| written.revision), text))
        }
    }
}

fn writing(
    desk: &Desk,
    id: IncidentId,
    section: Section,
    read: u32,
    text: Option<&FreeText>,
) -> Markup {
    html! {
        form.order method="post" action={ "/postmortems/" (id) } {
            input type="hidden" name="csrf" value=(desk.visitor.csrf);
            (fields(section, read, text))
        }
    }
}

fn fields(section: Section, read: u32, text: Option<&FreeText>) -> Markup {
    let chosen = text.map_or(Language::English, |text| text.language);
    html! {
        input type="hidden" name="section" value=(section.as_str());
        input type="hidden" name="read" value=(read);
        div.words {
            label { "Text "
                textarea name="text" rows="5" maxlength=(SECTION_MAX) { (text.map_or("", |text| &text.text)) }
            }
            label { "Language "
                select name="language" {
                    @for one in Language::ALL { option value=(one.tag()) selected[one == chosen] { (one.name()) } }
                }
            }
        }
        button type="submit" { "Write it" }
        span { "It is kept with your name. Customers read it when it is published, as you wrote it, with its language." }
    }
}

fn language_of(posted: &Posted, name: &str) -> Result<Language, String> {
    let tag = posted.field(name);
    Language::of_tag(tag).ok_or_else(|| format!("`{tag}` is no language of customers"))
}

/// Writes a part. Whatever stands in the way, what was typed is shown again.
pub(super) async fn write(Path(id): Path<String>, posted: Posted) -> Response {
    let site = &posted.console.site;
    if posted.visitor.role != Role::Operator {
        let body = html! {
            h1 { "You may look, and not write" }
            p { "Nothing was written. What you typed:" }
            pre { (posted.field("text")) }
        };
        return (StatusCode::FORBIDDEN, plain(site, "Not yours to do", body)).into_response();
    }
    // Browsers send lines as the mail of old did.
    let typed = posted.field("text").replace("\r\n", "\n");
    let mut sections = SECTIONS.into_iter();
    let name = posted.field("section");
    let section = sections.find(|(section, _, _)| section.as_str() == name);
    let (incident, read) = (
        id.parse::<IncidentId>(),
        posted.field("read").parse::<u32>(),
    );
    let (Ok(incident), Some((section, heading, _)), Ok(read)) = (incident, section, read) else {
        let body = html! {
            h1 { "Nothing was written" }
            p { "The form names no part of a post-mortem. What you typed:" }
            pre { (typed) }
        };
        return (
            StatusCode::BAD_REQUEST,
            plain(site, "Nothing was written", body),
        )
            .into_response();
    };
    let language = match language_of(&posted, "language") {
        Ok(language) => language,
        Err(why) => {
            return again(
                &posted,
                incident,
                (section, heading),
                read,
                &typed,
                Language::English,
                &why,
            );
        }
    };
    let text = (!typed.trim().is_empty()).then(|| FreeText {
        language,
        text: typed.clone(),
    });
    let order = Order::Postmortem {
        incident,
        change: PostmortemChange::Write {
            section,
            text,
            read,
        },
    };
    let from = address_of(posted.peer).to_string();
    let orders = &posted.console.orders;
    match orders
        .place_from(&posted.visitor.name, Some(from), order)
        .await
    {
        Ok(revision) => {
            let word = Word {
                good: true,
                text: format!("{heading} is written (journal revision {revision})."),
            };
            posted.console.access.leave_word(&posted.cookie, word);
            Redirect::to(&format!("/postmortems/{incident}#{}", section.as_str())).into_response()
        }
        Err(refusal) => again(
            &posted,
            incident,
            (section, heading),
            read,
            &typed,
            language,
            &refusal.why,
        ),
    }
}

/// The form again, with what was typed and why it was not written; beside it what somebody
/// else wrote meanwhile.
fn again(
    posted: &Posted,
    incident: IncidentId,
    (section, heading): (Section, &str),
    read: u32,
    typed: &str,
    language: Language,
    why: &str,
) -> Response {
    let site = &posted.console.site;
    let live = site.now();
    let known = live.record.postmortem(incident);
    let known = known.and_then(|postmortem| postmortem.sections.get(&section));
    let overtaken = known.filter(|written| written.revision != read);
    let mine = FreeText {
        language,
        text: typed.to_owned(),
    };
    let body = html! {
        h1 { "Nothing was written: " (heading) }
        @match overtaken {
            Some(written) => {
                p.alarm { (written.by) " wrote meanwhile. Put both together, and write it again: nothing of yours is lost." }
                h2 { "What " (written.by) " wrote (revision " (written.revision) ")" }
                @match &written.text {
                    Some(text) => pre lang=(text.language.tag()) { (text.text) },
                    None => p { "They took it out." },
                }
                h2 { "What you wrote" }
            }
            None => p.alarm { (why) "." },
        }
        form.order method="post" action={ "/postmortems/" (incident) } {
            input type="hidden" name="csrf" value=(posted.visitor.csrf);
            (fields(section, known.map_or(0, |written| written.revision), Some(&mine)))
        }
        p { a href={ "/postmortems/" (incident) "#" (section.as_str()) } { "Leave it as it is" } }
    };
    let status = match overtaken {
        Some(_) => StatusCode::CONFLICT,
        None => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, plain(site, "Nothing was written", body)).into_response()
}

fn measures(desk: &Desk, id: IncidentId, measures: &[Measure]) -> Markup {
    let incident = id.to_string();
    html! {
        h2 id="measures" { "Measures" }
        p.dim { "Customers read what is to be done, by when, and where it stands; not who. A late one reminds its owner once a week, four times: a person who is called, by their id, else whoever is on duty." }
        @for measure in measures {
            @let number = measure.number.to_string();
            @let due = iso(measure.due);
            div.card {
                p { strong { (number) ". " } span lang=(measure.what.language.tag()) { (measure.what.text) } }
                p {
                    (measure.owner) " · due " (due)
                    @if measure.first_due != measure.due { " (first " (iso(measure.first_due)) ")" }
                    " · " (measure.state.as_str())
                    @if measure.is_late(desk.now) { " · " strong.down { "late" } }
                    @if let Some(reason) = &measure.reason { " · because: " (reason) }
                    @match measure.reminders {
                        0 => {}
                        1 => " · reminded once",
                        times => { " · reminded " (times) " times" }
                    }
                }
                @if measure.state == MeasureState::Open {
                    (desk.form("change_measure", &[("incident", &incident), ("measure", &number), ("state", "done"), ("due", &due)], html! {
                        button type="submit" { "It is done" }
                        span { "Customers read it at once where the post-mortem is published." }
                    }))
                }
                details {
                    summary { "Move, drop or open it again" }
                    (desk.form("change_measure", &[("incident", &incident), ("measure", &number)], html! {
                        label { "It is " select name="state" {
                            @for state in [MeasureState::Open, MeasureState::Dropped] {
                                option value=(state.as_str()) { (state.as_str()) }
                            }
                        } }
                        label { "Due " input type="date" name="due" value=(due) required; }
                        label { "Why " input type="text" name="reason" maxlength="1000"; }
                        button.quiet type="submit" { "Change it" }
                        span { "Its text stays; the day it was first promised for stays beside it." }
                    }))
                }
            }
        }
        (desk.form("add_measure", &[("incident", &incident)], html! {
            div.words {
                label { "What is to be done " textarea name="text" rows="2" maxlength=(LINE_MAX) required {} }
                label { "Language " select name="language" {
                    @for one in Language::ALL { option value=(one.tag()) { (one.name()) } }
                } }
                label { "Owner " input type="text" name="owner" maxlength=(OWNER_MAX) required; }
                label { "Due " input type="date" name="due" required; }
            }
            button type="submit" { "Promise it" }
            span { "Its text cannot be changed afterwards. Where the post-mortem is published, customers read it at once." }
        }))
    }
}

fn publishing(desk: &Desk, report: &PostmortemReport) -> Markup {
    let (incident, revision) = (report.incident.to_string(), report.revision.to_string());
    let fields = [("incident", incident.as_str()), ("read", &revision)];
    let names = in_public_texts(&desk.site.policy, &report.postmortem);
    html! {
        h2 id="publish" { "Publish" }
        @if !names.is_empty() {
            p.alarm { strong { "Customers would read these names of yours: " } (names.join(", ")) ". They belong into the part for colleagues." }
        }
        @match report.postmortem.published() {
            None => {
                (desk.form("publish_postmortem", &fields, html! {
                    button type="submit" { "Let customers read it" }
                    span { "As it stands at revision " (revision) ", at an address that stays, in feeds and in the API. It cannot be changed afterwards, only corrected." }
                }))
            }
            Some(edition) => {
                p { "Edition " (edition.number) ", " (clock::ago(edition.at, desk.now)) " by " (edition.by) ". "
                    a href={ (desk.site.url.trim_end_matches('/')) "/incidents/" (incident) "/postmortem" } { "As customers read it" } }
                @if report.changed {
                    (desk.form("publish_postmortem", &fields, html! {
                        div.words {
                            label { "What is corrected " textarea name="text" rows="2" maxlength=(LINE_MAX) required {} }
                            label { "Language " select name="language" {
                                @for one in Language::ALL { option value=(one.tag()) { (one.name()) } }
                            } }
                        }
                        button type="submit" { "Publish the correction" }
                        span { "Customers read what stands here instead, and that it was corrected, when and why. Earlier editions stay in the journal." }
                    }))
                } @else {
                    p.dim { "Nothing was changed since." }
                }
            }
        }
    }
}

/// Clocks of legal notices, and the forms to start the others.
fn clocks(desk: &Desk, id: IncidentId, clocks: &[ClockReport]) -> Markup {
    let incident = id.to_string();
    let kept = &desk.site.policy.notices.regimes;
    if clocks.is_empty() && kept.is_empty() {
        return html! {};
    }
    let idle = kept.iter().filter(|regime| {
        let mut clocks = clocks.iter();
        !clocks.any(|clock| clock.regime == **regime && clock.clock.stopped.is_none())
    });
    html! {
        h2 id="notices" { "Legal notices" }
        p.alarm { (NO_ADVICE) }
        @for report in clocks {
            @let regime = report.regime.as_str();
            div.card {
                @for (n, line) in postmortem::technical::notices(report).iter().enumerate() {
                    @if n == 0 { p { strong { (line) } } } @else { p { (line) } }
                }
                @for (step, due) in report.clock.open(report.regime) {
                    @let name = report.regime.step_name(step).unwrap_or_default();
                    (desk.form("give_notice", &[("incident", &incident), ("regime", regime), ("step", step.as_str())], html! {
                        label { "To whom, under which number " input type="text" name="reference" maxlength=(LINE_MAX) required; }
                        button type="submit" { "The " (name) " was given" }
                        span { "Due " (clock::minute(due, desk.now)) ". Evenkeel sends nothing: it notes that you did." }
                    }))
                }
                @if report.runs {
                    (desk.form("stop_clock", &[("incident", &incident), ("regime", regime)], html! {
                        label { "Why not " input type="text" name="reason" maxlength="1000" required; }
                        button.quiet type="submit" { "It is not to be notified" }
                        span { "The clock stops; your name and the reason are kept." }
                    }))
                }
            }
        }
        @for regime in idle {
            (desk.form("start_clock", &[("incident", &incident), ("regime", regime.as_str())], html! {
                label { "Why " input type="text" name="reason" maxlength="1000" required; }
                button.quiet type="submit" { "Start the clock of " (regime.name()) }
                span { "Whoever is on duty is told what is due when." }
            }))
        }
    }
}

/// A version to read or to keep.
pub(super) async fn file(desk: Desk, Path((id, name)): Path<(String, String)>) -> Response {
    let found = id.parse::<IncidentId>().ok().zip(postmortem::named(&name));
    let Some((incident, (version, format))) = found else {
        return not_found(desk).await;
    };
    let (record, policy) = (&desk.live.record, &desk.site.policy);
    let Some(postmortem) = record.postmortem(incident) else {
        return not_found(desk).await;
    };
    if format == Format::Markdown {
        let as_asked = (version, format);
        let text = postmortem::written(
            record,
            policy,
            &desk.site.name,
            incident,
            as_asked,
            desk.now,
        );
        let disposition = format!("attachment; filename=\"{incident}-{name}\"");
        let headers = [
            (
                header::CONTENT_TYPE,
                "text/markdown; charset=utf-8".to_owned(),
            ),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        return (headers, text.unwrap_or_default()).into_response();
    }
    let made = match version {
        Version::Customers(language) => Some(customers::draft(
            Words::of(language),
            policy,
            postmortem,
            desk.now,
        )),
        Version::Technical => postmortem::technical::document(record, policy, incident, desk.now),
    };
    let Some(made) = made else {
        return not_found(desk).await;
    };
    let body = html! {
        p.dim { a href={ "/postmortems/" (incident) } { "Back" } " · what would be read now; the browser prints it, to PDF as well" }
        article.paper lang=(made.language.tag()) {
            h1 { (made.title) }
            (document::html(&made))
        }
    };
    desk.page(&made.title, body).into_response()
}

/// What a form orders; `None` where it is no such form.
pub(super) fn order(posted: &Posted) -> Option<Result<(Order, String), String>> {
    let incident = || {
        let incident = posted.field("incident");
        let parsed = incident.parse::<IncidentId>();
        parsed.map_err(|_| format!("Nothing was done: `{incident}` is no incident."))
    };
    let change = |change: Result<(PostmortemChange, String), String>| {
        let (change, done) = change.map_err(|why| format!("Nothing was done: {why}."))?;
        let incident = incident()?;
        Ok((Order::Postmortem { incident, change }, done))
    };
    let clock = |what: Result<(NoticeChange, String), String>| {
        let (change, done) = what.map_err(|why| format!("Nothing was done: {why}."))?;
        let tag = posted.field("regime");
        let mut regimes = Regime::ALL.into_iter();
        let regime = regimes
            .find(|regime| regime.as_str() == tag)
            .ok_or_else(|| format!("Nothing was done: `{tag}` is no regime."))?;
        let incident = incident()?;
        let order = Order::Notice {
            incident,
            regime,
            change,
        };
        Ok((order, format!("{}: {done}", regime.name())))
    };
    let reason = || posted.field("reason").to_owned();
    Some(match posted.field("order") {
        "add_measure" => change(add(posted)),
        "change_measure" => change(changed(posted)),
        "publish_postmortem" => change(publish(posted)),
        "start_clock" => clock(Ok((
            NoticeChange::Start { reason: reason() },
            "the clock runs".into(),
        ))),
        "stop_clock" => clock(Ok((
            NoticeChange::Stop { reason: reason() },
            "the clock is stopped".into(),
        ))),
        "give_notice" => {
            let name = posted.field("step");
            let mut steps = Step::ALL.into_iter();
            let step = steps.find(|step| step.as_str() == name);
            clock(match step {
                None => Err(format!("`{name}` is no notice")),
                Some(step) => Ok((
                    NoticeChange::Give {
                        step,
                        reference: posted.field("reference").to_owned(),
                    },
                    "it is noted as given".into(),
                )),
            })
        }
        _ => return None,
    })
}

fn free(posted: &Posted) -> Result<FreeText, String> {
    Ok(FreeText {
        language: language_of(posted, "language")?,
        text: posted.field("text").replace("\r\n", "\n"),
    })
}

fn add(posted: &Posted) -> Result<(PostmortemChange, String), String> {
    let change = PostmortemChange::AddMeasure {
        what: free(posted)?,
        owner: posted.field("owner").to_owned(),
        due: day_of(posted.field("due"))?,
    };
    Ok((change, "A measure is promised".into()))
}

fn changed(posted: &Posted) -> Result<(PostmortemChange, String), String> {
    let (number, name) = (posted.field("measure"), posted.field("state"));
    let measure = number
        .parse()
        .map_err(|_| format!("`{number}` is no measure"))?;
    let mut states = MeasureState::ALL.into_iter();
    let state = states.find(|state| state.as_str() == name);
    let state = state.ok_or_else(|| format!("`{name}` is no state of a measure"))?;
    let reason = posted.field("reason");
    let change = PostmortemChange::ChangeMeasure {
        measure,
        state,
        due: day_of(posted.field("due"))?,
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
    };
    Ok((change, format!("Measure {measure} is {}", state.as_str())))
}

fn publish(posted: &Posted) -> Result<(PostmortemChange, String), String> {
    let read = posted.field("read");
    let read = read
        .parse()
        .map_err(|_| format!("`{read}` is no revision"))?;
    let correction = match posted.field("text") {
        "" => None,
        _ => Some(free(posted)?),
    };
    let done = match correction {
        None => "Customers read the post-mortem",
        Some(_) => "Customers read the correction",
    };
    Ok((PostmortemChange::Publish { read, correction }, done.into()))
}

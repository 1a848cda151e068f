//! What waits for a person's word: what would be done, why, what for certain will not be
//! touched, and the two buttons.

use evenkeel_core::action::Task;
use evenkeel_core::record::{ActionState, Phase};
use maud::{Markup, html};

use super::facts;
use super::gate::Desk;
use super::overview::table_of;
use crate::report::StatusReport;
use crate::web::clock;

/// Proposals of the past that are shown.
const PAST_MAX: usize = 20;

pub(super) async fn page(desk: Desk) -> Markup {
    let status = StatusReport::of(&desk.live.record, &desk.site.policy, Some(&desk.live));
    let past: Vec<&ActionState> = desk
        .live
        .record
        .actions
        .values()
        .rev()
        .filter(|state| state.approved_by.is_some() || matches!(state.phase, Phase::Closed { .. }))
        .take(PAST_MAX)
        .collect();
    let body = html! {
        h1 {
            @match status.proposals.len() {
                0 => "Nothing waits for your word",
                1 => "One action waits for your word",
                count => { (count) " actions wait for your word" }
            }
        }
        p { "Where the configuration says " code { "propose" } ", Evenkeel asks before it does something." }
        @for proposal in &status.proposals { (card(&desk, proposal)) }
        @if !past.is_empty() {
            h2 { "What became of earlier ones" }
            (table_of(&past, desk.now))
        }
    };
    desk.page("Proposals", body)
}

/// One proposal with its buttons.
pub(super) fn card(desk: &Desk, proposal: &ActionState) -> Markup {
    let action = &proposal.action;
    let id = action.id.to_string();
    html! {
        div.card.proposal id=(id) {
            p { strong { (id) ": " (action.task) } }
            p { (action.reason) }
            (facts(&action.facts))
            p.will { strong { "If you approve: " } (will(&action.task)) }
            @if let Phase::Proposed { expires_at } = proposal.phase {
                p.dim { "It stands until " (clock::ago(expires_at, desk.now)) ", or until its cause is gone." }
            }
            div.choice {
                (desk.form("approve", &[("action", &id)], html! {
                    button type="submit" { "Approve " (id) }
                    span { "It is done at once, with you as the one who said so." }
                }))
                (desk.form("refuse", &[("action", &id)], html! {
                    label { "Why not " input type="text" name="reason" required maxlength="1000"; }
                    button.quiet type="submit" { "Refuse " (id) }
                    span { "Nothing is ended. It is not proposed again for the same cause." }
                }))
            }
            @if !desk.may_order() {
                p.dim { "You may look, and not approve." }
            }
            p.dim { "On this host: " code { "evenkeel approve " (id) } ", " code { "evenkeel refuse " (id) " --reason WHY" } }
        }
    }
}

/// What will happen, and what will not.
fn will(task: &Task) -> &'static str {
    match task {
        Task::EndBackend { .. } => {
            "the one session at the root is ended, if it is still the same session in the same \
             transaction. PostgreSQL rolls its transaction back: what it had not committed is lost. Those who wait \
             go on. Its locks, query and waiters are kept as evidence first."
        }
        Task::EndRun { .. } => {
            "the run is asked to end, and made to end after its grace, with every process it \
             started. What it had not delivered is not delivered. Its output and processes are \
             kept as evidence first."
        }
        Task::StartRun { .. } => "the job's command is started once more.",
        Task::RecycleInstance { .. } => {
            "the edge sends the instance no new request; those under way end, up to the pool's \
             `drain_max`, and what streams longer is cut off. Then it is restarted, and gets \
             requests again once its check answers. The others carry its load meanwhile. It is \
             not begun if another of its pool is out then."
        }
    }
}

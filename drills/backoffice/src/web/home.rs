use axum::extract::State;
use maud::{Markup, html};

use super::{AppError, AppState, layout};
use crate::functions::FUNCTIONS;
use crate::session::Session;

/// The overview: what each function has to say, in a sentence.
pub(super) async fn show(
    State(state): State<AppState>,
    session: Session,
) -> Result<Markup, AppError> {
    let faults = state.faults.now();
    let client = state.pool.get().await?;
    let mut cards = Vec::new();
    for function in FUNCTIONS {
        if faults.vanished.contains(function.slug) {
            continue;
        }
        let row = client
            .query_one(&function.headline_statement(), &[&session.tenant_id])
            .await?;
        cards.push((function, row.get::<_, String>(0)));
    }
    let last_login: Option<String> = client
        .query_one(
            "select to_char(last_login_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' \
             from users where id = $1",
            &[&session.user_id],
        )
        .await?
        .get(0);
    let body = html! {
        h1 { "Good to see you, " (session.user) }
        @if let Some(last_login) = last_login {
            p.lead { "You logged in at " (last_login) "." }
        }
        div.cards {
            @for (function, headline) in &cards {
                a.card href={ "/" (function.slug) } {
                    h2 { (function.title) }
                    p { (headline) }
                }
            }
        }
    };
    Ok(layout::page(&session, &faults, "", "Overview", &body))
}

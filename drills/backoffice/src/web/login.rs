use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{AppError, AppState, layout};
use crate::faults::Gate;
use crate::session::{self, Session};

#[derive(Deserialize)]
pub(super) struct Typed {
    email: String,
    password: String,
}

#[derive(Deserialize)]
pub(super) struct LogOut {
    csrf: String,
}

pub(super) async fn form(session: Option<Session>) -> Response {
    match session {
        Some(_) => Redirect::to("/").into_response(),
        None => page("", None).into_response(),
    }
}

pub(super) async fn log_in(
    State(state): State<AppState>,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    match state.faults.now().gate("login").await {
        Gate::Open => {}
        Gate::Failing => return Err(AppError::Switched),
        Gate::Vanished => return Err(AppError::NotFound),
    }
    // A task of its own, as in servers with a thread for each request: a person
    // who gives up does not free the connection that their login waits on.
    let email = typed.email.clone();
    let token = tokio::spawn(session::log_in(state, email, typed.password)).await??;
    let Some(token) = token else {
        let again = page(&typed.email, Some("Address or password are not right."));
        return Ok((StatusCode::UNAUTHORIZED, again).into_response());
    };
    let cookie = format!("session={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200");
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

pub(super) async fn log_out(
    State(state): State<AppState>,
    session: Session,
    Form(form): Form<LogOut>,
) -> Result<Response, AppError> {
    session.check(&form.csrf)?;
    session.end(&state.pool.get().await?).await?;
    let gone = "session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
    Ok(([(SET_COOKIE, gone)], Redirect::to("/login")).into_response())
}

fn page(email: &str, problem: Option<&str>) -> Markup {
    layout::bare(
        "Log in",
        &html! {
            div.card.login {
                p.brand { "Havenboek" }
                h1 { "Log in" }
                p.lead { "Invoices, transport and payroll for small businesses." }
                @if let Some(problem) = problem {
                    p.problem role="alert" { (problem) }
                }
                form method="post" action="/login" {
                    label { "E-mail address"
                        input type="email" name="email" value=(email) autocomplete="username" required autofocus;
                    }
                    label { "Password"
                        input type="password" name="password" autocomplete="current-password" required;
                    }
                    button { "Log in" }
                }
            }
        },
    )
}

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::layout;

/// Why a page could not be shown, as the person in front of it needs to know it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    #[error("not logged in")]
    NotLoggedIn,
    #[error("no such page")]
    NotFound,
    #[error("the form belongs to another session")]
    Stale,
    #[error("{0}")]
    Unusable(String),
    #[error("switched to failing")]
    Switched,
    #[error("no random bytes from the system")]
    NoRandomness(#[source] std::io::Error),
    #[error("the database refused")]
    Database(#[from] tokio_postgres::Error),
    #[error("no connection from the pool")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let (status, title, advice) = match &self {
            AppError::NotLoggedIn => return Redirect::to("/login").into_response(),
            AppError::NotFound => (
                StatusCode::NOT_FOUND,
                "This page does not exist",
                "It may have been moved or removed. Start again from the overview.",
            ),
            AppError::Stale => (
                StatusCode::FORBIDDEN,
                "This form is out of date",
                "Go back, reload the page and send it again. Nothing was changed.",
            ),
            AppError::Unusable(why) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "Please look at the form again",
                why.as_str(),
            ),
            _ => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong on our side",
                "Nothing was changed. Please try again in a moment.",
            ),
        };
        if status.is_server_error() {
            tracing::error!(error = crate::in_full(&self), "request failed");
        }
        let page = layout::bare(
            title,
            &html! {
                h1 { (title) }
                p { (advice) }
                p { a href="/" { "To the overview" } }
            },
        );
        (status, page).into_response()
    }
}

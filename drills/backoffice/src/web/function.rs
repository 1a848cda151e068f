use std::collections::HashMap;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{AppError, AppState, layout};
use crate::faults::{Gate, Switches};
use crate::functions::{Column, Fill, Function, Kind, Unusable};
use crate::money;
use crate::session::Session;

const ROWS_PER_PAGE: i64 = 25;
/// Nobody turns pages that far; keeps the offset from overflowing.
const PAGE_MAX: i64 = 100_000;

type Typed = HashMap<String, String>;

/// The function a path names, unless a fault switch says otherwise.
async fn open(state: &AppState, slug: &str) -> Result<(&'static Function, Switches), AppError> {
    let function = Function::find(slug).ok_or(AppError::NotFound)?;
    let faults = state.faults.now();
    match faults.gate(slug).await {
        Gate::Open => Ok((function, faults)),
        Gate::Failing => Err(AppError::Switched),
        Gate::Vanished => Err(AppError::NotFound),
    }
}

pub(super) async fn list(
    State(state): State<AppState>,
    session: Session,
    Path(slug): Path<String>,
    Query(query): Query<Typed>,
) -> Result<Markup, AppError> {
    let (function, faults) = open(&state, &slug).await?;
    let search = query.get("q").map(String::as_str).unwrap_or_default();
    let asked = query.get("page").and_then(|page| page.parse::<i64>().ok());
    let page = asked.unwrap_or(1).clamp(1, PAGE_MAX);
    let client = state.pool.get().await?;
    if faults.heavy_query_rows > 0 {
        client
            .query_one(
                "select sum(sqrt(n)) from generate_series(1, $1::bigint) n",
                &[&faults.heavy_query_rows],
            )
            .await?;
    }
    let headline: String = client
        .query_one(&function.headline_statement(), &[&session.tenant_id])
        .await?
        .get(0);
    let escaped = search
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let pattern = format!("%{escaped}%");
    // One row more than a page shows tells whether there is a next one.
    let rows = client
        .query(
            &function.list_statement(),
            &[
                &session.tenant_id,
                &pattern,
                &(ROWS_PER_PAGE + 1),
                &((page - 1) * ROWS_PER_PAGE),
            ],
        )
        .await?;
    let more = rows.len() as i64 > ROWS_PER_PAGE;
    let shown = &rows[..rows.len().min(ROWS_PER_PAGE as usize)];
    let body = html! {
        div.head {
            h1 { (function.title) }
            a.button href={ "/" (slug) "/new" } { "New " (function.singular) }
        }
        p.lead { (headline) }
        form.search method="get" {
            input type="search" name="q" value=(search) aria-label="Search" placeholder={ "Search " (function.title.to_lowercase()) };
            button.quiet { "Search" }
        }
        @if shown.is_empty() {
            p.empty { "Nothing here" @if !search.is_empty() { " for \u{201c}" (search) "\u{201d}" } "." }
        } @else {
            div.scroll { (table(function, &session, shown)) }
        }
        p.pages {
            @if page > 1 { a href={ "?q=" (encode(search)) "&page=" (page - 1) } { "Newer" } }
            @if more { a href={ "?q=" (encode(search)) "&page=" (page + 1) } { "Older" } }
        }
    };
    Ok(layout::page(
        &session,
        &faults,
        &slug,
        function.title,
        &body,
    ))
}

fn table(function: &Function, session: &Session, rows: &[Row]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    @for column in function.listed() {
                        th.num[column.kind.is_number()] scope="col" {
                            (column.label)
                            @if column.kind == Kind::Money { " (" (session.currency) ")" }
                        }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @for (at, column) in function.listed().enumerate() {
                            td.num[column.kind.is_number()] {
                                @let value = row.get::<_, &str>(at + 1);
                                @if at == 0 {
                                    a href={ "/" (function.slug) "/" (row.get::<_, i64>(0)) } { (show(column, value)) }
                                } @else {
                                    (show(column, value))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn detail(
    State(state): State<AppState>,
    session: Session,
    Path((slug, id)): Path<(String, i64)>,
) -> Result<Markup, AppError> {
    let (function, faults) = open(&state, &slug).await?;
    let client = state.pool.get().await?;
    let row = client
        .query_opt(&function.detail_statement(), &[&session.tenant_id, &id])
        .await?
        .ok_or(AppError::NotFound)?;
    let title = capitalised(function.singular);
    let name: &str = row.get(function.name_at());
    let draft = function.statuses().first();
    let is_draft = function.columns.iter().enumerate().any(|(at, column)| {
        matches!(column.kind, Kind::Status(_)) && draft == Some(&row.get::<_, &str>(at))
    });
    let body = html! {
        p.back { a href={ "/" (slug) } { (function.title) } }
        h1 { (title) " " (name) }
        dl {
            @for (at, column) in function.columns.iter().enumerate() {
                div {
                    dt { (column.label) }
                    dd { (show(column, row.get(at)))
                        @if column.kind == Kind::Money { " " (session.currency) }
                    }
                }
            }
        }
        form.status method="post" {
            input type="hidden" name="csrf" value=(session.csrf);
            label { "Change the status to"
                select name="status" {
                    @for status in function.statuses() { option { (status) } }
                }
            }
            button.quiet { "Change" }
        }
        @if is_draft {
            form.status method="post" action={ "/" (slug) "/" (id) "/delete" } {
                input type="hidden" name="csrf" value=(session.csrf);
                button.quiet { "Delete it" }
            }
        }
    };
    Ok(layout::page(&session, &faults, &slug, &title, &body))
}

pub(super) async fn set_status(
    State(state): State<AppState>,
    session: Session,
    Path((slug, id)): Path<(String, i64)>,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let (function, _) = open(&state, &slug).await?;
    session.check(typed.get("csrf").map_or("", String::as_str))?;
    let status = typed.get("status").map_or("", String::as_str);
    if !function.statuses().contains(&status) {
        return Err(AppError::Unusable(
            "Status: please choose one of the list.".to_owned(),
        ));
    }
    let client = state.pool.get().await?;
    let changed = client
        .execute(
            &function.status_statement(),
            &[&session.tenant_id, &id, &status],
        )
        .await?;
    if changed == 0 {
        return Err(AppError::NotFound);
    }
    Ok(Redirect::to(&format!("/{slug}/{id}")).into_response())
}

/// Deletes what is still a draft.
pub(super) async fn delete(
    State(state): State<AppState>,
    session: Session,
    Path((slug, id)): Path<(String, i64)>,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let (function, _) = open(&state, &slug).await?;
    session.check(typed.get("csrf").map_or("", String::as_str))?;
    let draft = function.statuses().first().copied().unwrap_or_default();
    let client = state.pool.get().await?;
    let deleted = client
        .execute(
            &function.delete_statement(),
            &[&session.tenant_id, &id, &draft],
        )
        .await?;
    if deleted == 0 {
        return Err(AppError::NotFound);
    }
    Ok(Redirect::to(&format!("/{slug}")).into_response())
}

pub(super) async fn form(
    State(state): State<AppState>,
    session: Session,
    Path(slug): Path<String>,
) -> Result<Markup, AppError> {
    let (function, faults) = open(&state, &slug).await?;
    let title = format!("New {}", function.singular);
    let body = html! {
        p.back { a href={ "/" (slug) } { (function.title) } }
        h1 { (title) }
        form.fields method="post" action={ "/" (slug) } {
            input type="hidden" name="csrf" value=(session.csrf);
            @for column in function.columns {
                @if let Fill::Form(offered) = column.fill {
                    label { (column.label)
                        @if column.kind == Kind::Money { " (" (session.currency) ")" }
                        (field(column, offered))
                    }
                }
            }
            button { "Create the " (function.singular) }
        }
    };
    Ok(layout::page(&session, &faults, &slug, &title, &body))
}

pub(super) async fn create(
    State(state): State<AppState>,
    session: Session,
    Path(slug): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let (function, _) = open(&state, &slug).await?;
    session.check(typed.get("csrf").map_or("", String::as_str))?;
    let (statement, values) = function
        .create_statement(|name| typed.get(name).cloned())
        .map_err(|Unusable(why)| AppError::Unusable(why))?;
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&session.tenant_id];
    for value in &values {
        parameters.push(value);
    }
    let client = state.pool.get().await?;
    let id: i64 = client.query_one(&statement, &parameters).await?.get(0);
    Ok(Redirect::to(&format!("/{slug}/{id}")).into_response())
}

fn field(column: &Column, offered: &str) -> Markup {
    let name = column.name;
    let today = jiff::Zoned::now().date();
    match column.kind {
        Kind::Long => html! { textarea name=(name) rows="10" required {} },
        Kind::Status(statuses) => html! {
            select name=(name) {
                @for status in statuses { option selected[*status == offered] { (status) } }
            }
        },
        Kind::Date => {
            let value = match offered {
                "quarter" => today
                    .with()
                    .month((today.month() - 1) / 3 * 3 + 1)
                    .day(1)
                    .build()
                    .unwrap_or(today),
                _ => today,
            };
            html! { input type="date" name=(name) value=(value) required; }
        }
        Kind::Time => {
            html! { input type="datetime-local" name=(name) value={ (today) "T10:00" } required; }
        }
        Kind::Money => {
            html! { input type="text" inputmode="decimal" name=(name) placeholder="0.00" required; }
        }
        Kind::Count(unit) => {
            html! { input type="number" min="0" name=(name) placeholder=(unit) required; }
        }
        Kind::Text => {
            html! { input type="text" name=(name) value=(offered) maxlength="200" required; }
        }
    }
}

fn show(column: &Column, value: &str) -> Markup {
    match column.kind {
        Kind::Money => html! { (value.parse().map_or_else(|_| value.to_owned(), money::show)) },
        Kind::Count(unit) => html! { (value) " " (unit) },
        Kind::Status(_) => html! { span.badge data-status=(value) { (value) } },
        Kind::Long => html! { pre { (value) } },
        Kind::Text | Kind::Date | Kind::Time => html! { (value) },
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// Percent-encodes everything but letters and digits.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

//! Logging in and being logged in.
//!
//! Sessions live in the database, keyed by a hash of the cookie, so that any
//! instance serves any user and a copy of the table opens no door. A form
//! carries the session's own token, because a cookie alone is sent by any page.
//!
//! A login stamps the user's row and adds a session in one transaction. That
//! update is what an export holding the row makes wait: see [`crate::export`].

use std::io::Read;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use deadpool_postgres::Object;
use sha2::{Digest, Sha256};

use crate::password;
use crate::web::{AppError, AppState};

/// Who is asking: everything a page needs to know about them.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) user_id: i64,
    pub(crate) user: String,
    pub(crate) tenant_id: i64,
    pub(crate) tenant: String,
    pub(crate) currency: String,
    pub(crate) csrf: String,
    token_hash: Vec<u8>,
}

impl Session {
    /// Refuses a form that was not made for this session.
    pub(crate) fn check(&self, csrf: &str) -> Result<(), AppError> {
        if csrf == self.csrf {
            return Ok(());
        }
        Err(AppError::Stale)
    }

    pub(crate) async fn end(&self, client: &Object) -> Result<(), AppError> {
        client
            .execute(
                "delete from sessions where token_hash = $1",
                &[&self.token_hash],
            )
            .await?;
        Ok(())
    }
}

impl FromRequestParts<AppState> for Session {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, AppError> {
        let token_hash = hash_of_cookie(parts).ok_or(AppError::NotLoggedIn)?;
        let client = state.pool.get().await?;
        let row = client
            .query_opt(
                "select u.id, u.name, t.id, t.name, t.currency, s.csrf, \
                        s.last_seen_at < now() - interval '1 minute' \
                 from sessions s join users u on u.id = s.user_id join tenants t on t.id = u.tenant_id \
                 where s.token_hash = $1 and s.expires_at > now() and u.active",
                &[&token_hash],
            )
            .await?
            .ok_or(AppError::NotLoggedIn)?;
        if row.get(6) {
            client
                .execute(
                    "update sessions set last_seen_at = now() where token_hash = $1",
                    &[&token_hash],
                )
                .await?;
        }
        Ok(Self {
            user_id: row.get(0),
            user: row.get(1),
            tenant_id: row.get(2),
            tenant: row.get(3),
            currency: row.get(4),
            csrf: row.get(5),
            token_hash,
        })
    }
}

impl OptionalFromRequestParts<AppState> for Session {
    type Rejection = AppError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Option<Self>, AppError> {
        match <Self as FromRequestParts<AppState>>::from_request_parts(parts, state).await {
            Ok(session) => Ok(Some(session)),
            Err(AppError::NotLoggedIn) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Checks the password and logs in. Returns the cookie's value, or `None` when
/// address or password are wrong.
pub(crate) async fn log_in(
    state: AppState,
    email: String,
    typed: String,
) -> Result<Option<String>, AppError> {
    let mut client = state.pool.get().await?;
    let found = client
        .query_opt(
            "select id, password_salt, password_hash from users where email = $1 and active",
            &[&email],
        )
        .await?;
    let Some(user) = found else {
        return Ok(None);
    };
    if password::hash(user.get(1), &typed) != user.get::<_, Vec<u8>>(2) {
        return Ok(None);
    }
    let user_id: i64 = user.get(0);
    let token = random_token()?;
    let csrf = random_token()?;
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "update users set last_login_at = now() where id = $1",
            &[&user_id],
        )
        .await?;
    transaction
        .execute(
            "delete from sessions where user_id = $1 and expires_at < now()",
            &[&user_id],
        )
        .await?;
    transaction
        .execute(
            "insert into sessions (token_hash, user_id, csrf, expires_at) \
             values ($1, $2, $3, now() + interval '12 hours')",
            &[&hash_of(&token), &user_id, &csrf],
        )
        .await?;
    transaction.commit().await?;
    Ok(Some(token))
}

/// The fault `lock_session`: one request of a user at a time, held in the
/// database until the returned transaction ends.
pub(crate) async fn lock<'a>(
    client: &'a mut Object,
    parts: &Parts,
) -> Result<Option<deadpool_postgres::Transaction<'a>>, AppError> {
    let Some(token_hash) = hash_of_cookie(parts) else {
        return Ok(None);
    };
    let transaction = client.transaction().await?;
    // An advisory lock and not the session's row: the request itself touches
    // that row on another connection, and would wait for itself.
    transaction
        .query(
            "select pg_advisory_xact_lock(user_id) from sessions where token_hash = $1",
            &[&token_hash],
        )
        .await?;
    Ok(Some(transaction))
}

fn hash_of_cookie(parts: &Parts) -> Option<Vec<u8>> {
    let cookies = parts.headers.get_all(COOKIE);
    cookies
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix("session="))
        .map(hash_of)
}

fn hash_of(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

fn random_token() -> Result<String, AppError> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(AppError::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

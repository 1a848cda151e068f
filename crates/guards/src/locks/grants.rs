//! What the guard's role needs, and a check that tells what is missing or too much.

use tokio_postgres::Config;

use super::DatabaseSpec;
use super::connection::{ask, open};

/// What an operator runs once, as a superuser, in the guarded database's server.
pub const SQL: &str = "\
create role evenkeel login password '...' connection limit 5;
-- to see all sessions, their queries and locks
grant pg_monitor to evenkeel;
-- only where Evenkeel may end sessions: it can then end any session that is not a superuser's
grant pg_signal_backend to evenkeel;
";

/// What is wrong with the role Evenkeel uses for a database; empty where all is well.
/// Each line says what to do.
///
/// # Errors
/// Why the database could not be asked.
pub async fn check(spec: &DatabaseSpec, may_end: bool) -> Result<Vec<String>, String> {
    let client = open(spec).await?;
    let row = ask(client.query_one(
        "select current_setting('server_version_num')::int as version, \
         current_user::text as role, r.rolsuper as superuser, \
         pg_has_role(current_user, 'pg_read_all_stats', 'member') as sees, \
         pg_has_role(current_user, 'pg_signal_backend', 'member') as ends \
         from pg_roles r where r.rolname = current_user",
        &[],
    ))
    .await?;
    let (id, role): (_, &str) = (&spec.id, row.get("role"));
    let superuser: bool = row.get("superuser");
    let mut problems = Vec::new();
    if row.get::<_, i32>("version") < 130_000 {
        problems.push(format!("database {id}: PostgreSQL 13 or later is needed"));
    }
    if superuser {
        problems.push(format!(
            "database {id}: {role} is a superuser, which is more than Evenkeel needs; use a role \
             with `grant pg_monitor to ROLE`, and `pg_signal_backend` where it may end sessions"
        ));
    }
    if !superuser && !row.get::<_, bool>("sees") {
        problems.push(format!(
            "database {id}: {role} cannot see other roles' sessions: `grant pg_monitor to {role};`"
        ));
    }
    if !superuser && may_end && !row.get::<_, bool>("ends") {
        problems.push(format!(
            "database {id}: {role} cannot end sessions: `grant pg_signal_backend to {role};`"
        ));
    }
    if !may_end && !superuser && row.get::<_, bool>("ends") {
        problems.push(format!(
            "database {id}: {role} can end sessions although nothing here may: \
             `revoke pg_signal_backend from {role};`"
        ));
    }
    Ok(problems)
}

/// A connection configuration from its parts, without a password in any text.
pub fn connect(host: &str, port: u16, user: &str, password: Option<&str>, dbname: &str) -> Config {
    let mut config = Config::new();
    config.host(host).port(port).user(user).dbname(dbname);
    if let Some(password) = password {
        config.password(password);
    }
    config
}

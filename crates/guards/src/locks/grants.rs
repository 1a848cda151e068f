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

/// What the role may do that Evenkeel never does; empty where there is nothing. Each line
/// says what to do.
///
/// # Errors
/// Why the database could not be asked.
pub async fn excess(spec: &DatabaseSpec) -> Result<Vec<String>, String> {
    let client = open(spec).await?;
    let row = ask(client.query_one(
        "select r.rolname::text as role, r.rolsuper as superuser, \
         concat_ws(', ', case when r.rolcreaterole then 'CREATEROLE' end, \
           case when r.rolcreatedb then 'CREATEDB' end, \
           case when r.rolreplication then 'REPLICATION' end, \
           case when r.rolbypassrls then 'BYPASSRLS' end) as attributes, \
         (select string_agg(m.rolname::text, ', ' order by m.rolname) from pg_roles m \
           where m.rolname in ('pg_write_all_data', 'pg_read_all_data', \
             'pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files') \
           and pg_has_role(r.oid, m.oid, 'member')) as groups, \
         (select format('%I.%I', n.nspname, c.relname) from pg_class c \
           join pg_namespace n on n.oid = c.relnamespace \
           where c.relowner = r.oid and c.relkind in ('r', 'p', 'v', 'm') limit 1) as owns, \
         (select format('%I.%I', n.nspname, c.relname) from pg_class c \
           join pg_namespace n on n.oid = c.relnamespace \
           where c.relkind in ('r', 'p') and c.relowner <> r.oid \
           and n.nspname not in ('pg_catalog', 'information_schema') \
           and n.nspname not like 'pg\\_%' \
           and has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate') \
           limit 1) as writes \
         from pg_roles r where r.rolname = current_user",
        &[],
    ))
    .await?;
    let (id, role): (_, &str) = (&spec.id, row.get("role"));
    // Of a superuser all of it is true, and said already.
    if row.get("superuser") {
        return Ok(Vec::new());
    }
    let mut more = Vec::new();
    let attributes: &str = row.get("attributes");
    if !attributes.is_empty() {
        let without: Vec<String> = attributes
            .split(", ")
            .map(|one| format!("NO{one}"))
            .collect();
        more.push(format!(
            "database {id}: {role} has {attributes}, which Evenkeel does not need: \
             `alter role {role} {};`",
            without.join(" ")
        ));
    }
    if let Some(groups) = row.get::<_, Option<&str>>("groups") {
        more.push(format!(
            "database {id}: {role} is a member of {groups}, which Evenkeel does not need: \
             `revoke {groups} from {role};`"
        ));
    }
    if let Some(owns) = row.get::<_, Option<&str>>("owns") {
        more.push(format!(
            "database {id}: {role} owns {owns}: give Evenkeel a role of its own that owns nothing"
        ));
    }
    if let Some(writes) = row.get::<_, Option<&str>>("writes") {
        more.push(format!(
            "database {id}: {role} can write {writes}, and Evenkeel never writes: \
             `revoke insert, update, delete, truncate on {writes} from {role};`, also from public"
        ));
    }
    Ok(more)
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

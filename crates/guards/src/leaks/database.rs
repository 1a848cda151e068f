//! What fills up in PostgreSQL: connections, sequences, transaction ids.
//!
//! One connection of its own for each database, so that a slow look at ten thousand
//! sequences holds the locks guard up by nothing; under the same limits of its own
//! (`statement_timeout` 1 s), and asked the more seldom the longer it takes. Whether the
//! database can be seen at all is the locks guard's to tell.
//!
//! A sequence ends where its column does: a `serial` column of type `integer` ends at
//! 2,147,483,647 whatever its sequence may do. Only those more than half used are told.
//! Transaction ids end three million short of 2^31 (PostgreSQL's documentation, "Preventing
//! Transaction ID Wraparound Failures"): there the server takes no more writes.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::observation::{Level, Levels, Resource, Seen};
use evenkeel_core::subject::Subject;
use tokio::time::Instant;
use tokio_postgres::{Client, Statement};

use crate::locks::{DatabaseSpec, ask, open};
use crate::outlet::{Outlet, to_the_millisecond};

/// Sequences below this share of their range are not told, percent.
const SEQUENCE_PCT: i32 = 50;

/// The most sequences told, the fullest first.
const SEQUENCES_MAX: i64 = 20;

/// Where the server stops assigning transaction ids.
const TRANSACTION_AGE_MAX: u64 = (1 << 31) - 3_000_000;

/// Sequences may take one part in so many of one of the server's cores.
const SHARE: u32 = 1_000;

const SERVER: &str = "select \
    (select count(*) from pg_stat_activity where backend_type = 'client backend')::int8 as used, \
    (current_setting('max_connections')::int8 \
     - current_setting('superuser_reserved_connections')::int8 \
     - coalesce(current_setting('reserved_connections', true), '0')::int8) as most, \
    (select max(age(datfrozenxid)) from pg_database)::int8 as age, \
    pg_postmaster_start_time() as started, current_setting('server_version') as version";

/// Asked by `seqrelid`: the planner may ask a function of `pg_class.oid` about tables, too.
/// The ascending ones; what cannot be read (no `select` on the sequence) and what begins
/// again by itself is left out.
const SEQUENCES: &str = "select name, used::text as used, most::text as most from ( \
    select format('%I.%I', n.nspname, c.relname) as name, \
      pg_sequence_last_value(s.seqrelid)::numeric - s.seqmin as used, \
      least(s.seqmax, case a.atttypid when 'int2'::regtype then 32767 \
        when 'int4'::regtype then 2147483647 end)::numeric - s.seqmin as most \
    from pg_sequence s join pg_class c on c.oid = s.seqrelid \
    join pg_namespace n on n.oid = c.relnamespace \
    left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid \
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i') \
    left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid \
    where s.seqincrement > 0 and not s.seqcycle and c.relpersistence = 'p' \
      and has_sequence_privilege(s.seqrelid, 'select') \
  ) as found where most > 0 and used * 100 >= most * $1::int4 \
  order by used / most desc, name limit $2";

/// Looks until stopped.
pub(super) async fn watch(spec: DatabaseSpec, every: Duration, outlet: Outlet) {
    let mut has_warned = false;
    loop {
        let trouble = match Eyes::open(&spec).await {
            Ok(mut eyes) => loop {
                match eyes.look().await {
                    Ok(levels) => {
                        has_warned = false;
                        outlet.picture(Seen::Levels(levels));
                    }
                    Err(trouble) => break trouble,
                }
                tokio::time::sleep(every).await;
            },
            Err(trouble) => trouble,
        };
        if !std::mem::replace(&mut has_warned, true) {
            tracing::warn!(database = %spec.id, trouble, "what fills up in the database cannot be seen");
        }
        tokio::time::sleep(every).await;
    }
}

/// A connection with what is asked over it.
struct Eyes<'a> {
    spec: &'a DatabaseSpec,
    client: Arc<Client>,
    server: Statement,
    sequences: Statement,
    /// When sequences may be asked for again.
    sequences_at: Instant,
    known: Vec<Level>,
    has_warned: bool,
}

impl<'a> Eyes<'a> {
    async fn open(spec: &'a DatabaseSpec) -> Result<Self, String> {
        let client = open(spec).await?;
        let server = ask(client.prepare(SERVER)).await?;
        let sequences = ask(client.prepare(SEQUENCES)).await?;
        Ok(Self {
            spec,
            client,
            server,
            sequences,
            sequences_at: Instant::now(),
            known: Vec::new(),
            has_warned: false,
        })
    }

    async fn look(&mut self) -> Result<Levels, String> {
        let row = ask(self.client.query_one(&self.server, &[])).await?;
        let number = |name: &str| {
            let found: Option<i64> = row.get(name);
            found.and_then(|found| u64::try_from(found).ok())
        };
        let mut levels = Vec::new();
        if let Some(used) = number("used") {
            levels.push(Level {
                resource: Resource::DatabaseConnections,
                used,
                limit: number("most"),
            });
        }
        if let Some(used) = number("age") {
            levels.push(Level {
                resource: Resource::TransactionAge,
                used,
                limit: Some(TRANSACTION_AGE_MAX),
            });
        }
        self.look_at_sequences().await;
        levels.extend(self.known.iter().cloned());
        let started = row.get::<_, Option<evenkeel_core::Timestamp>>("started");
        Ok(Levels {
            of: Subject::Database(self.spec.id.clone()),
            started_at: started.map(to_the_millisecond),
            release: row.get("version"),
            levels,
        })
    }

    async fn look_at_sequences(&mut self) {
        let began = Instant::now();
        if began < self.sequences_at {
            return;
        }
        let found = self
            .client
            .query(&self.sequences, &[&SEQUENCE_PCT, &SEQUENCES_MAX]);
        match ask(found).await {
            Ok(rows) => {
                let level = |row: &tokio_postgres::Row| {
                    Some(Level {
                        resource: Resource::Sequence(row.get("name")),
                        used: row.get::<_, &str>("used").parse().ok()?,
                        limit: Some(row.get::<_, &str>("most").parse().ok()?),
                    })
                };
                self.known = rows.iter().filter_map(level).collect();
            }
            Err(trouble) => {
                self.known.clear();
                if !std::mem::replace(&mut self.has_warned, true) {
                    tracing::warn!(database = %self.spec.id, trouble, "sequences cannot be seen");
                }
            }
        }
        self.sequences_at = began + began.elapsed() * SHARE;
    }
}

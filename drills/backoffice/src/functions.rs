//! The functions customers see, as one table.
//!
//! Each function is a list, a detail page, a form to create, and a status to
//! change, over one table of the database; the pages in [`crate::web`] are
//! written once and read this. What differs (columns, what is computed, the
//! sentence at the top) is data here. Eight sets of hand-written pages would be
//! eight times the code and no more real to a proxy or a database.
//!
//! What always holds: every statement built here names the tenant as `$1`.
//! There is no way to ask for rows without one.

mod table;

pub(crate) use table::FUNCTIONS;

use crate::money;

/// One function: a path, a table, its columns.
#[derive(Debug)]
pub(crate) struct Function {
    /// First segment of its paths, and its name in fault switches.
    pub(crate) slug: &'static str,
    pub(crate) title: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [Column],
    /// The column that names a row, and that search looks at.
    pub(crate) name: &'static str,
    /// Newest first by this.
    pub(crate) order: &'static str,
    /// An aggregate over the tenant's rows giving the sentence at the top.
    pub(crate) headline: &'static str,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) fill: Fill,
    /// Also in the list, not only in the detail.
    pub(crate) listed: bool,
}

/// How a value is typed, shown and aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Long,
    Date,
    Time,
    /// Cents, in the tenant's currency.
    Money,
    Count(&'static str),
    Status(&'static [&'static str]),
}

/// Where a new row's value comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fill {
    /// The person types it; this is what the form offers.
    Form(&'static str),
    /// The database computes it. `{column}` stands for a typed value; `$1` is the tenant.
    Sql(&'static str),
    /// We compute it from a typed column.
    From(&'static str, fn(&str) -> String),
}

/// A form value that cannot be used, in words for the person who typed it.
#[derive(Debug)]
pub(crate) struct Unusable(pub(crate) String);

const TEXT_MAX: usize = 200;
const LONG_MAX: usize = 20_000;

impl Function {
    pub(crate) fn find(slug: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.slug == slug)
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().filter(|column| column.listed)
    }

    /// Where the naming column stands among all columns.
    pub(crate) fn name_at(&self) -> usize {
        let is_name = |column: &Column| column.name == self.name;
        self.columns.iter().position(is_name).unwrap_or(0)
    }

    pub(crate) fn statuses(&self) -> &'static [&'static str] {
        self.columns
            .iter()
            .find_map(|column| match column.kind {
                Kind::Status(statuses) => Some(statuses),
                _ => None,
            })
            .unwrap_or(&[])
    }

    /// Rows of a page: `$1` tenant, `$2` search pattern, `$3` limit, `$4` offset.
    pub(crate) fn list_statement(&self) -> String {
        let columns: Vec<String> = self.listed().map(Column::select).collect();
        format!(
            "select id, {} from {} where tenant_id = $1 and {}::text ilike $2 \
             order by {} desc, id desc limit $3 offset $4",
            columns.join(", "),
            self.table,
            self.name,
            self.order
        )
    }

    /// One row: `$1` tenant, `$2` id.
    pub(crate) fn detail_statement(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(Column::select).collect();
        format!(
            "select {} from {} where tenant_id = $1 and id = $2",
            columns.join(", "),
            self.table
        )
    }

    /// The sentence at the top: `$1` tenant.
    pub(crate) fn headline_statement(&self) -> String {
        format!(
            "select {} from {} where tenant_id = $1",
            self.headline, self.table
        )
    }

    /// `$1` tenant, `$2` id, `$3` status; the row must be the tenant's own.
    pub(crate) fn status_statement(&self) -> String {
        format!(
            "update {} set status = $3 where tenant_id = $1 and id = $2",
            self.table
        )
    }

    /// `$1` tenant, `$2` id, `$3` the status of a draft: what has gone out is kept.
    pub(crate) fn delete_statement(&self) -> String {
        format!(
            "delete from {} where tenant_id = $1 and id = $2 and status = $3",
            self.table
        )
    }

    /// The insert (`$1` tenant, then the values returned) for a filled form.
    pub(crate) fn create_statement(
        &self,
        typed: impl Fn(&str) -> Option<String>,
    ) -> Result<(String, Vec<String>), Unusable> {
        let mut names = vec!["tenant_id"];
        let mut places = vec!["$1".to_owned()];
        let mut values: Vec<String> = Vec::new();
        let mut place_of: Vec<(&str, String)> = Vec::new();
        for column in self.columns {
            let value = match column.fill {
                Fill::Form(_) => column.check(typed(column.name).as_deref().unwrap_or(""))?,
                Fill::From(source, compute) => compute(typed(source).as_deref().unwrap_or("")),
                Fill::Sql(_) => continue,
            };
            values.push(value);
            let place = format!("(${}::text)::{}", values.len() + 1, column.kind.sql_type());
            place_of.push((column.name, place.clone()));
            names.push(column.name);
            places.push(place);
        }
        for column in self.columns {
            let Fill::Sql(expression) = column.fill else {
                continue;
            };
            let mut expression = expression.to_owned();
            for (name, place) in &place_of {
                expression = expression.replace(&format!("{{{name}}}"), place);
            }
            names.push(column.name);
            places.push(expression);
        }
        let statement = format!(
            "insert into {} ({}) values ({}) returning id",
            self.table,
            names.join(", "),
            places.join(", ")
        );
        Ok((statement, values))
    }
}

impl Column {
    fn select(&self) -> String {
        match self.kind {
            Kind::Time => format!("to_char({}, 'YYYY-MM-DD HH24:MI')", self.name),
            _ => format!("{}::text", self.name),
        }
    }

    /// The value as the database takes it, or why it cannot be used.
    fn check(&self, typed: &str) -> Result<String, Unusable> {
        let typed = typed.trim();
        let label = self.label;
        let unusable = |why: &str| Unusable(format!("{label}: {why}"));
        let bound = if self.kind == Kind::Long {
            LONG_MAX
        } else {
            TEXT_MAX
        };
        if typed.is_empty() {
            return Err(unusable("please fill this in."));
        }
        if typed.len() > bound || typed.contains('\0') {
            return Err(unusable("this is too long."));
        }
        match self.kind {
            Kind::Text | Kind::Long => Ok(typed.to_owned()),
            Kind::Date => typed
                .parse::<jiff::civil::Date>()
                .map(|date| date.to_string())
                .map_err(|_| unusable("a date looks like 2026-03-31.")),
            Kind::Time => typed
                .parse::<jiff::civil::DateTime>()
                .map(|time| time.to_string())
                .map_err(|_| unusable("a time looks like 2026-03-31T14:30.")),
            Kind::Money => money::parse(typed)
                .map(|cents| cents.to_string())
                .ok_or_else(|| unusable("an amount looks like 1234.50.")),
            Kind::Count(_) => typed
                .parse::<u32>()
                .map(|count| count.to_string())
                .map_err(|_| unusable("please give a whole number.")),
            Kind::Status(statuses) if statuses.contains(&typed) => Ok(typed.to_owned()),
            Kind::Status(_) => Err(unusable("please choose one of the list.")),
        }
    }
}

impl Kind {
    fn sql_type(self) -> &'static str {
        match self {
            Kind::Text | Kind::Long | Kind::Status(_) => "text",
            Kind::Date => "date",
            Kind::Time => "timestamp",
            Kind::Money | Kind::Count(_) => "bigint",
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Kind::Money | Kind::Count(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_bound_to_a_tenant() {
        assert_eq!(FUNCTIONS.len(), 8);
        for function in FUNCTIONS {
            for statement in [
                function.list_statement(),
                function.detail_statement(),
                function.headline_statement(),
                function.status_statement(),
                function.delete_statement(),
            ] {
                assert!(statement.contains("where tenant_id = $1"), "{statement}");
            }
            for column in function.columns {
                if let Fill::Sql(expression) = column.fill
                    && expression.contains("from ")
                {
                    assert!(expression.contains("tenant_id = $1"), "{expression}");
                }
            }
        }
    }

    #[test]
    fn a_form_that_cannot_be_used_says_which_field_and_how() {
        let invoices = Function::find("invoices").unwrap();
        let typed = |name: &str| {
            Some(
                if name == "net_cents" {
                    "12,3,4"
                } else {
                    "2026-01-31"
                }
                .to_owned(),
            )
        };
        let Unusable(why) = invoices.create_statement(typed).unwrap_err();
        assert_eq!(why, "Net: an amount looks like 1234.50.");
    }
}

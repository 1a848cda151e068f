/// Rows for one table, written as multi-row inserts.
pub(super) struct Rows {
    into: &'static str,
    values: Vec<String>,
}

/// Rows to a statement: few round trips, and no statement of many megabytes.
const ROWS_PER_STATEMENT: usize = 400;

impl Rows {
    /// `into` is the table with its columns in parentheses.
    pub(super) fn new(into: &'static str) -> Self {
        Self {
            into,
            values: Vec::new(),
        }
    }

    /// One row; the database turns the texts into the columns' types.
    pub(super) fn add(&mut self, row: &[&str]) {
        let quoted: Vec<String> = row
            .iter()
            .map(|value| format!("'{}'", value.replace('\'', "''")))
            .collect();
        self.values.push(format!("({})", quoted.join(",")));
    }

    /// The inserts, and the identity sequence moved past the ids given.
    pub(super) fn statements(&self) -> Vec<String> {
        let mut statements: Vec<String> = self
            .values
            .chunks(ROWS_PER_STATEMENT)
            .map(|rows| format!("insert into {} values {}", self.into, rows.join(",")))
            .collect();
        let table = self.into.split(' ').next().unwrap_or(self.into);
        statements.push(format!(
            "select setval(pg_get_serial_sequence('{table}', 'id'), (select coalesce(max(id), 0) + 1 from {table}))"
        ));
        statements
    }
}

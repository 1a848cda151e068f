//! Invented businesses with believable books.
//!
//! The same number of tenants, seed and day give the same rows, so that three
//! arms of a drill see the same data. Money is in the tenant's own currency,
//! VAT at its country's rate, dates over the last two years and the coming weeks.

mod dice;
mod names;
mod rows;

use std::path::Path;

use fastrand::Rng;
use jiff::ToSpan;
use jiff::civil::Date;
use tokio_postgres::Client;

use crate::password;
use dice::Dice;
use names::{CATEGORIES, COUNTRIES, Country, GOODS, MEETINGS, WORKS};
use rows::Rows;

const USERS_PER_TENANT: usize = 12;
const MONTHS_OF_PAYROLL: i32 = 12;

/// Why there is no data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    #[error(
        "the database already holds a back office: add --replace to throw it away and seed anew"
    )]
    Occupied,
    #[error(
        "PostgreSQL refused to take the data: the user must own the database or its schema `public`"
    )]
    Database(#[from] tokio_postgres::Error),
    #[error("cannot write the list of users to {0}: check the folder")]
    UsersFile(String, #[source] std::io::Error),
}

/// What to invent.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) tenants: usize,
    pub(crate) seed: u64,
    pub(crate) today: Date,
    pub(crate) replace: bool,
    /// Gets one line `email,password` for each user.
    pub(crate) users_file: Option<&'a Path>,
}

/// Creates the schema and fills it, all or nothing. Returns the number of users.
pub(crate) async fn seed(client: &mut Client, plan: &Plan<'_>) -> Result<usize, SeedError> {
    let transaction = client.transaction().await?;
    let occupied = transaction
        .query_one("select to_regclass('public.tenants') is not null", &[])
        .await?
        .get::<_, bool>(0);
    if occupied && !plan.replace {
        return Err(SeedError::Occupied);
    }
    if occupied {
        transaction
            .batch_execute(
                "drop table archive_log, documents, vat_returns, payslips, transport_orders, \
                 appointments, expenses, quotes, invoices, sessions, users, tenants",
            )
            .await?;
    }
    transaction
        .batch_execute(include_str!("../assets/schema.sql"))
        .await?;

    let mut books = Books::new(plan);
    for tenant in 1..=plan.tenants {
        books.open(tenant);
    }
    for rows in books.tables() {
        for statement in rows.statements() {
            transaction.batch_execute(&statement).await?;
        }
    }
    transaction.commit().await?;
    client.batch_execute("analyze").await?;
    if let Some(file) = plan.users_file {
        let list: String = books
            .emails
            .iter()
            .map(|email| format!("{email},{}\n", password::SEEDED))
            .collect();
        std::fs::write(file, list)
            .map_err(|error| SeedError::UsersFile(file.display().to_string(), error))?;
    }
    Ok(books.emails.len())
}

struct Books {
    dice: Dice,
    emails: Vec<String>,
    tenants: Rows,
    users: Rows,
    invoices: Rows,
    quotes: Rows,
    expenses: Rows,
    appointments: Rows,
    transport_orders: Rows,
    payslips: Rows,
    vat_returns: Rows,
    documents: Rows,
}

/// One business while its books are written.
struct Business<'a> {
    id: usize,
    country: &'a Country,
    staff: Vec<(usize, String)>,
    customers: Vec<String>,
}

impl Books {
    fn new(plan: &Plan<'_>) -> Self {
        let rows = Rows::new;
        Self {
            dice: Dice {
                random: Rng::with_seed(plan.seed),
                today: plan.today,
            },
            emails: Vec::new(),
            tenants: rows("tenants (id, slug, name, city, country, currency, vat_id)"),
            users: rows(
                "users (id, tenant_id, email, name, role, iban, password_salt, password_hash)",
            ),
            invoices: rows(
                "invoices (tenant_id, number, customer, issued_on, due_on, net_cents, vat_cents, status)",
            ),
            quotes: rows(
                "quotes (tenant_id, number, customer, subject, issued_on, valid_until, net_cents, status)",
            ),
            expenses: rows(
                "expenses (tenant_id, spent_on, supplier, category, employee, gross_cents, vat_cents, status)",
            ),
            appointments: rows(
                "appointments (tenant_id, starts_at, customer, subject, place, employee, status)",
            ),
            transport_orders: rows(
                "transport_orders (tenant_id, number, customer, loading_place, unloading_place, loads_on, goods, weight_kg, plate, price_cents, status)",
            ),
            payslips: rows(
                "payslips (tenant_id, user_id, employee, period, gross_cents, tax_cents, pension_cents, net_cents, status)",
            ),
            vat_returns: rows(
                "vat_returns (tenant_id, period_start, sales_net_cents, vat_due_cents, vat_deductible_cents, status)",
            ),
            documents: rows(
                "documents (tenant_id, scanned_on, title, supplier, body, total_cents, status)",
            ),
        }
    }

    fn tables(&self) -> [&Rows; 10] {
        [
            &self.tenants,
            &self.users,
            &self.invoices,
            &self.quotes,
            &self.expenses,
            &self.appointments,
            &self.transport_orders,
            &self.payslips,
            &self.vat_returns,
            &self.documents,
        ]
    }

    fn open(&mut self, id: usize) {
        let country = &COUNTRIES[(id - 1) % COUNTRIES.len()];
        let business = self.register(id, country);
        self.sell(&business);
        self.spend(&business);
        self.meet(&business);
        self.haul(&business);
        self.pay(&business);
    }

    fn register<'a>(&mut self, id: usize, country: &'a Country) -> Business<'a> {
        let name = self.dice.company(country);
        let slug = format!("{}-{id}", ascii_slug(&name));
        let digits = self.dice.random.u64(100_000_000..999_999_999);
        self.tenants.add(&[
            &id.to_string(),
            &slug,
            &name,
            self.dice.pick(country.cities),
            country.code,
            country.currency,
            &format!("{}{digits}", country.code),
        ]);
        let mut staff = Vec::new();
        for n in 0..USERS_PER_TENANT {
            let user = (id - 1) * USERS_PER_TENANT + n + 1;
            let person = self.dice.person(country);
            let email = format!(
                "{}.{user}@{slug}.example",
                ascii_slug(&person).replace('-', ".")
            );
            let role = match n {
                0 => "owner",
                1 | 2 => "bookkeeper",
                _ => "employee",
            };
            let iban = format!(
                "{}{:02} {:04} {:04} {:04}",
                country.code,
                self.dice.random.u32(10..98),
                self.dice.random.u32(1000..9999),
                self.dice.random.u32(0..9999),
                self.dice.random.u32(0..9999)
            );
            let salt = format!("{:016x}", self.dice.random.u64(..));
            let hash = password::hash(&salt, password::SEEDED);
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            self.users.add(&[
                &user.to_string(),
                &id.to_string(),
                &email,
                &person,
                role,
                &iban,
                &salt,
                &format!("\\x{hex}"),
            ]);
            self.emails.push(email);
            staff.push((user, person));
        }
        let customers = (0..18)
            .map(|_| self.dice.company_of_any_country())
            .collect();
        Business {
            id,
            country,
            staff,
            customers,
        }
    }

    fn sell(&mut self, business: &Business<'_>) {
        let tenant = business.id.to_string();
        let mut quarters: Vec<(Date, i64, i64)> = Vec::new();
        for n in 0..70_i32 {
            // Oldest first, so that numbers rise with dates.
            let early = self.dice.random.i32(0..7);
            let issued = self.dice.days_ago((70 - n) * 7 - early);
            let net = self.dice.price(business.country, 8_000..900_000);
            let vat = net * business.country.vat_percent / 100;
            let due = issued.saturating_add(30.days());
            let status = match (70 - n, due < self.dice.today) {
                (1, _) => "draft",
                (_, false) => "sent",
                (..14, true) if self.dice.random.u8(..) < 90 => "overdue",
                _ => "paid",
            };
            self.invoices.add(&[
                &tenant,
                &format!("{}-{:04}", issued.year(), n + 1),
                &self.dice.customer(business),
                &issued.to_string(),
                &due.to_string(),
                &net.to_string(),
                &vat.to_string(),
                status,
            ]);
            let quarter = quarter_of(issued);
            match quarters.last_mut() {
                Some(last) if last.0 == quarter => {
                    last.1 += net;
                    last.2 += vat;
                }
                _ => quarters.push((quarter, net, vat)),
            }
        }
        let current = quarter_of(self.dice.today);
        for (quarter, net, vat) in quarters {
            let status = if quarter < current { "filed" } else { "open" };
            let deductible = vat * self.dice.random.i64(20..60) / 100;
            self.vat_returns.add(&[
                &tenant,
                &quarter.to_string(),
                &net.to_string(),
                &vat.to_string(),
                &deductible.to_string(),
                status,
            ]);
        }
        for n in 0..24_i32 {
            let early = self.dice.random.i32(0..11);
            let issued = self.dice.days_ago((24 - n) * 11 - early);
            let status = match 24 - n {
                1 => "draft",
                2..=5 => "sent",
                _ => self.dice.pick(&["accepted", "accepted", "declined"]),
            };
            self.quotes.add(&[
                &tenant,
                &format!("Q{}-{:03}", issued.year(), n + 1),
                &self.dice.customer(business),
                self.dice.pick(WORKS),
                &issued.to_string(),
                &issued.saturating_add(45.days()).to_string(),
                &self
                    .dice
                    .price(business.country, 40_000..2_500_000)
                    .to_string(),
                status,
            ]);
        }
    }

    fn spend(&mut self, business: &Business<'_>) {
        let tenant = business.id.to_string();
        let percent = business.country.vat_percent;
        for n in 0..40 {
            let gross = self.dice.price(business.country, 900..45_000);
            let status = match n {
                0..4 => "submitted",
                4..9 => "approved",
                _ => "reimbursed",
            };
            self.expenses.add(&[
                &tenant,
                &self.dice.days_ago(n * 4 + 1).to_string(),
                self.dice.pick(business.country.suppliers),
                self.dice.pick(CATEGORIES),
                &self.dice.colleague(business),
                &gross.to_string(),
                &(gross * percent / (100 + percent)).to_string(),
                status,
            ]);
        }
        for n in 0..24 {
            let supplier = self.dice.pick(business.country.suppliers);
            let total = self.dice.price(business.country, 2_000..300_000);
            let number = self.dice.random.u32(10_000..99_999);
            let body = format!(
                "{supplier}\n{}\n\nNo. {number}\n{}   {}.{:02}\n{} {}.{:02}\n",
                self.dice.pick(business.country.cities),
                self.dice.pick(WORKS),
                total / 100,
                total % 100,
                business.country.total_word,
                total / 100,
                total % 100
            );
            self.documents.add(&[
                &tenant,
                &self.dice.days_ago(n * 5 + 1).to_string(),
                &format!("Receipt {number}"),
                supplier,
                &body,
                &total.to_string(),
                if n < 5 { "recognised" } else { "booked" },
            ]);
        }
    }

    fn meet(&mut self, business: &Business<'_>) {
        for n in 0..40_i32 {
            let day = self.dice.days_ago(30 - n);
            let minute = self.dice.pick(&["00", "15", "30", "45"]);
            let starts = format!("{day} {:02}:{minute}", self.dice.random.u8(8..18));
            let status = match n {
                ..30 => self.dice.pick(&["done", "done", "done", "cancelled"]),
                _ => self.dice.pick(&["planned", "confirmed"]),
            };
            self.appointments.add(&[
                &business.id.to_string(),
                &starts,
                &self.dice.customer(business),
                self.dice.pick(MEETINGS),
                self.dice.pick(business.country.cities),
                &self.dice.colleague(business),
                status,
            ]);
        }
    }

    fn haul(&mut self, business: &Business<'_>) {
        for n in 0..36_i32 {
            let to = &COUNTRIES[self.dice.random.usize(..COUNTRIES.len())];
            let status = match n {
                33.. => "planned",
                30..33 => "loaded",
                _ => "delivered",
            };
            let plate = format!(
                "{}{}-{:03}-{}",
                self.dice.random.uppercase(),
                self.dice.random.uppercase(),
                self.dice.random.u32(1..999),
                self.dice.random.uppercase()
            );
            self.transport_orders.add(&[
                &business.id.to_string(),
                &format!("T{:05}", n + 1),
                &self.dice.customer(business),
                self.dice.pick(business.country.cities),
                self.dice.pick(to.cities),
                &self.dice.days_ago(32 - n).to_string(),
                self.dice.pick(GOODS),
                &self.dice.random.u32(400..23_900).to_string(),
                &plate,
                &self
                    .dice
                    .price(business.country, 18_000..240_000)
                    .to_string(),
                status,
            ]);
        }
    }

    fn pay(&mut self, business: &Business<'_>) {
        let month = self.dice.today.first_of_month();
        for (user, person) in &business.staff {
            let gross = self.dice.price(business.country, 240_000..610_000);
            for back in (1..=MONTHS_OF_PAYROLL).rev() {
                let period = month.saturating_sub(back.months());
                let tax = gross * 27 / 100;
                let pension = gross * 6 / 100;
                self.payslips.add(&[
                    &business.id.to_string(),
                    &user.to_string(),
                    person,
                    &period.to_string(),
                    &gross.to_string(),
                    &tax.to_string(),
                    &pension.to_string(),
                    &(gross - tax - pension).to_string(),
                    if back == 1 { "approved" } else { "paid" },
                ]);
            }
        }
    }
}

fn quarter_of(date: Date) -> Date {
    let month = (date.month() - 1) / 3 * 3 + 1;
    Date::constant(date.year(), month, 1)
}

/// Lower-case ASCII words joined by hyphens, for addresses.
fn ascii_slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.to_lowercase().chars() {
        let plain = match character {
            'ä' | 'ą' => "a",
            'æ' => "ae",
            'ć' => "c",
            'ę' => "e",
            'ł' => "l",
            'ń' => "n",
            'ö' | 'ø' | 'ó' => "o",
            'ś' => "s",
            'ß' => "ss",
            'ü' => "u",
            'ź' | 'ż' => "z",
            'a'..='z' | '0'..='9' => {
                slug.push(character);
                continue;
            }
            '.' => continue,
            _ if slug.ends_with('-') => continue,
            _ => "-",
        };
        slug.push_str(plain);
    }
    slug.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(seed: u64) -> Vec<String> {
        let mut books = Books::new(&Plan {
            tenants: 4,
            seed,
            today: Date::constant(2026, 3, 31),
            replace: false,
            users_file: None,
        });
        (1..=4).for_each(|tenant| books.open(tenant));
        books
            .tables()
            .iter()
            .flat_map(|rows| rows.statements())
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_books_and_another_gives_others() {
        assert_eq!(books(7), books(7));
        assert_ne!(books(7), books(8));
    }

    #[test]
    fn addresses_are_plain_ascii() {
        assert_eq!(
            ascii_slug("Łukasz Østergaard & Weiß B.V."),
            "lukasz-ostergaard-weiss-bv"
        );
    }
}

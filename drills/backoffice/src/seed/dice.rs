use fastrand::Rng;
use jiff::ToSpan;
use jiff::civil::Date;

use super::Business;
use super::names::{COUNTRIES, Country};

/// Everything that is left to chance, from one seed.
pub(super) struct Dice {
    pub(super) random: Rng,
    pub(super) today: Date,
}

impl Dice {
    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.usize(..from.len())]
    }

    pub(super) fn person(&mut self, country: &Country) -> String {
        format!("{} {}", self.pick(country.first), self.pick(country.last))
    }

    pub(super) fn company(&mut self, country: &Country) -> String {
        format!(
            "{} {} {}",
            capitalised(self.pick(country.last)),
            self.pick(country.trades),
            self.pick(country.company_forms)
        )
    }

    pub(super) fn company_of_any_country(&mut self) -> String {
        let country = &COUNTRIES[self.random.usize(..COUNTRIES.len())];
        self.company(country)
    }

    pub(super) fn customer(&mut self, business: &Business<'_>) -> String {
        business.customers[self.random.usize(..business.customers.len())].clone()
    }

    pub(super) fn colleague(&mut self, business: &Business<'_>) -> String {
        business.staff[self.random.usize(..business.staff.len())]
            .1
            .clone()
    }

    /// Cents in the country's currency for a price in euro cents.
    pub(super) fn price(&mut self, country: &Country, euro_cents: std::ops::Range<i64>) -> i64 {
        self.random.i64(euro_cents) * country.price_percent / 100
    }

    /// Negative days lie ahead.
    pub(super) fn days_ago(&self, days: i32) -> Date {
        self.today.saturating_sub(days.days())
    }
}

fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

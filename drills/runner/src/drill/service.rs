//! A service of several front ends in pools, its users logged in: the scene of the drills
//! in which something stands in front of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::front_ends::{Form, FrontEnd};
use super::outside::chain;
use super::scene::Books;
use crate::browser::{Browser, Login};
use crate::traffic::{Ask, User};

/// How long all users may take to log in.
const PATIENCE: Duration = Duration::from_secs(30);

/// A group of front ends that do the same.
pub(super) struct Group {
    pub(super) id: &'static str,
    pub(super) front_ends: Vec<FrontEnd>,
}

pub(super) struct Service {
    // In the order in which they end: front ends before their database.
    pub(super) groups: Vec<Group>,
    /// Logged in: some of the first tenant, one of each other.
    pub(super) users: Vec<User>,
    pub(super) books: Books,
}

impl Service {
    /// Seeds the books, starts the front ends, and logs users in: `first_has` of the first
    /// tenant, one of each other.
    pub(super) async fn set_up(
        seed: u64,
        tenants: usize,
        first_has: usize,
        groups: Vec<(&'static str, Vec<Form>)>,
    ) -> Result<Self, String> {
        let books = Books::set_up(seed, tenants).await?;
        let mut started = Vec::new();
        for (id, forms) in groups {
            let starting = forms.into_iter().map(|form| FrontEnd::start(&books, form));
            let mut front_ends = Vec::new();
            for front_end in starting {
                front_ends.push(front_end.await?);
            }
            started.push(Group { id, front_ends });
        }
        let door = started
            .last()
            .and_then(|group| group.front_ends.last())
            .ok_or("a service needs a front end")?;
        let mut by_host: BTreeMap<&str, Vec<&Login>> = BTreeMap::new();
        for login in &books.users {
            let (_, host) = login.email.split_once('@').unwrap_or_default();
            by_host.entry(host).or_default().push(login);
        }
        let tenants = by_host.into_iter().enumerate();
        let chosen = tenants.flat_map(|(n, (host, logins))| {
            let count = if n == 0 { first_has } else { 1 };
            logins
                .into_iter()
                .take(count)
                .map(move |login| (host, login))
        });
        let until = Instant::now() + PATIENCE;
        let mut users = Vec::new();
        for (host, login) in chosen {
            let mut browser = Browser::new(door.address);
            let page = browser.log_in(login).await.map_err(|error| chain(&error))?;
            if page.status != 200 || Instant::now() > until {
                return Err(format!("{} cannot log in: {}", login.email, page.status));
            }
            users.push(User {
                host: host.to_owned(),
                cookie: browser.cookie(),
                csrf: page.hidden_field("csrf").unwrap_or_default().to_owned(),
            });
        }
        Ok(Self {
            groups: started,
            users,
            books,
        })
    }

    /// The front ends of a group.
    pub(super) fn group(&self, id: &str) -> &[FrontEnd] {
        let group = self.groups.iter().find(|group| group.id == id);
        group.map_or(&[], |group| &group.front_ends)
    }
}

/// A page of a function.
pub(super) fn page(function: &str) -> Ask {
    Ask::Get(format!("/{function}"))
}

/// A new expense, as somebody types it.
pub(super) fn new_expense() -> Ask {
    let form = "supplier=Scheepswinkel&category=Meals&employee=Jansen&spent_on=2026-03-31&gross_cents=12.10&status=submitted";
    Ask::Post("/expenses".to_owned(), form.to_owned())
}

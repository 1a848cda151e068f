//! Which instance of a pool gets a request.
//!
//! Two are drawn by chance, weighted; the one with less load gets it (Mitzenmacher's power of
//! two choices: nearly as even as asking all, and it does not send everybody to the one that
//! looks best at the moment). Load is what is under way there times what a request costs
//! there: a smoothed latency that rises at once and falls slowly (Finagle's peak EWMA).
//!
//! - The latency is taken in relation to what is usual for the *route*, so that who happens
//!   to serve the slow function does not look like a slow instance.
//! - A failure counts as fifty times the usual, however fast it was: an instance that refuses
//!   everything in a millisecond would otherwise look like the best of all and draw all the
//!   traffic. Every 5xx counts as slow for the same reason.
//! - The two are drawn with replacement, redrawn once: the slower one of two still gets a few,
//!   and so is seen to have recovered.
//! - Loads within a tenth are the same load, and the first drawn gets it; so are costs within
//!   a half of each other the same cost: shares follow the weights, not the noise. Latencies
//!   of two that are alike differ by a third for minutes at a time, and who is thought to be
//!   dearer by that little would get one request in four of a quiet pool: its sibling leaks,
//!   warms up and fills its caches twice as fast, and nobody can say how fast it will.
//!
//! Whom it chooses from, the first group with anybody in it:
//!
//! 1. those that are up, do not rest and do not drain. Rest, too, when so many rest that
//!    fewer than `panic_pct` of the pool would serve: a fault that most share is not theirs;
//! 2. for a further try, those that rest;
//! 3. when nobody who does not drain is up: those that drain and are up. An order to drain
//!    is an order not to use it *while there are others*; a pool of which all drain serves,
//!    because an error page for everyone is never what was meant (to keep everybody out,
//!    hold the pool or switch the component off, which says so to customers);
//! 4. when nobody is up: those that are down. The check may be wrong, and an instance that
//!    really is down costs one refused connection.
//!
//! The limit is the pool's, and shared out: an instance that has its share of the requests
//! that may be under way, by weight, is passed over while another has not. Two that are drawn
//! by chance may be the same one, and slow requests stay where they are: without this the
//! one instance has more of them than it has workers, and queues inside what the other has
//! room for. Those who hold a place are fewer than all shares together, so that somebody has
//! room whenever the group is whole; nobody waits for it. One whose last request failed gets
//! nothing for having room, and a cookie's instance is not passed over: its session may live
//! there only.
//!
//! An instance that was tried already for this request is never chosen again.

use std::cell::RefCell;
use std::time::Duration;

use evenkeel_core::edge::InstanceState;

use super::health::Health;
use super::plan::PoolInForce;
use crate::settings::Pool;

/// What a failure counts as, in what is usual; the most that a latency does, too.
const FAILURE: f64 = 50.0;

/// What an answer of 5xx counts as at least.
const ERROR: f64 = 5.0;

/// A latency that grows is believed within some tenths of a second, one that shrinks within
/// seconds: Finagle's asymmetry, with which it is quick to leave and slow to trust. Seconds.
const RISES_IN: f64 = 0.3;
const FALLS_IN: f64 = 3.0;

/// What one failure weighs at least, however many requests there are.
const FAILURE_WEIGHS: f64 = 0.3;

/// The part of its share that a returned instance begins with: Envoy's minimum.
const FIRST_SHARE: f64 = 0.1;

/// Loads that differ by less are the same.
const SAME: f64 = 1.1;

/// Costs that differ by less are the same: what is smoothed over a few seconds of a few tens
/// of requests a second is not known better. Under load the queue tells sooner than this.
const ALIKE: f64 = 1.5;

/// Draws until one is taken as it comes.
const DRAWS: usize = 8;

/// How long what is usual for a route is averaged over, in requests.
const USUAL_OF: f64 = 64.0;

/// The instances of one pool.
pub(crate) struct Balance {
    state: RefCell<State>,
    slow_start: f64,
    panic_pct: usize,
}

struct State {
    instances: Vec<Known>,
    /// By route: the mean latency of good answers, microseconds, and of how many.
    usual: Vec<(f64, f64)>,
    chosen_from: ChosenFrom,
    dice: Dice,
}

pub(crate) struct Known {
    pub(crate) health: Health,
    pub(crate) under_way: u32,
    /// Of them, connections that stay open and hold no place.
    open: u32,
    /// Its part of the pool's limit.
    part: f64,
    /// What a request costs there, in what is usual.
    cost: f64,
    cost_at: u64,
    drains: bool,
    canary: bool,
    weight: f64,
}

/// The groups of the module's words, made again when something changed.
#[derive(Default)]
struct ChosenFrom {
    stale: bool,
    /// When a rest ends.
    until: u64,
    stable: Vec<u16>,
    canary: Vec<u16>,
    /// For further tries, when all others were tried.
    spare: Vec<u16>,
    weight_max: f64,
    canary_permille: u64,
}

/// How a request at an instance went, for choosing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Went {
    Well(Duration),
    Error(Duration),
    Failed,
}

/// What a pick depends on.
pub(crate) struct Wish<'w> {
    pub(crate) session: u64,
    pub(crate) tried: &'w [u16],
    pub(crate) sticky: Option<usize>,
    /// How many requests of the pool may be under way.
    pub(crate) limit: u32,
}

impl Balance {
    pub(crate) fn new(pool: &Pool, routes: usize, plan: &PoolInForce, seed: u64) -> Self {
        let known = |_| Known {
            health: Health::default(),
            under_way: 0,
            open: 0,
            part: 1.0,
            cost: 1.0,
            cost_at: 0,
            drains: false,
            canary: false,
            weight: 100.0,
        };
        let state = State {
            instances: pool.instances.iter().map(known).collect(),
            usual: vec![(0.0, 0.0); routes],
            chosen_from: ChosenFrom::default(),
            dice: Dice(seed),
        };
        let balance = Self {
            state: RefCell::new(state),
            slow_start: pool.slow_start.as_secs_f64(),
            panic_pct: usize::from(pool.outlier.panic_pct),
        };
        balance.apply(plan, None);
        balance
    }

    /// Follows a plan; who no longer drains comes back at `now`.
    pub(crate) fn apply(&self, plan: &PoolInForce, now: Option<u64>) {
        let mut state = self.state.borrow_mut();
        for (index, known) in state.instances.iter_mut().enumerate() {
            let drains = plan.drain[index];
            if known.drains && !drains {
                known.health.since = now;
                known.cost = 1.0;
            }
            known.drains = drains;
            known.canary = plan.canary[index];
            known.weight = f64::from(plan.weights[index]);
        }
        state.chosen_from.canary_permille = u64::from(plan.canary_permille);
        state.chosen_from.stale = true;
    }

    /// Changes what is known of an instance's health; `change` says whether that matters.
    pub(crate) fn change(&self, instance: usize, change: impl FnOnce(&mut Health) -> bool) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(known) = state.instances.get_mut(instance) else {
            return false;
        };
        let changed = change(&mut known.health);
        state.chosen_from.stale |= changed;
        changed
    }

    pub(crate) fn pick(&self, now: u64, wish: &Wish<'_>) -> Option<usize> {
        let mut state = self.state.borrow_mut();
        if state.chosen_from.stale || now >= state.chosen_from.until {
            state.refresh(now, self.panic_pct);
        }
        let picked = state.choose(now, wish, self.slow_start)?;
        state.instances[picked].under_way += 1;
        Some(picked)
    }

    /// A request is over, or the connection that it had become.
    pub(crate) fn let_go(&self, instance: usize, was_open: bool) {
        let known = &mut self.state.borrow_mut().instances[instance];
        known.under_way -= 1;
        known.open -= u32::from(was_open);
    }

    /// A request has become a connection that holds no place.
    pub(crate) fn stays_open(&self, instance: usize) {
        self.state.borrow_mut().instances[instance].open += 1;
    }

    pub(crate) fn under_way(&self, instance: usize) -> u32 {
        self.state.borrow().instances[instance].under_way
    }

    pub(crate) fn drains(&self, instance: usize) -> bool {
        self.state.borrow().instances[instance].drains
    }

    /// Learns from a request that ended at an instance.
    pub(crate) fn observe(&self, now: u64, instance: usize, route: usize, went: Went) {
        let mut state = self.state.borrow_mut();
        let usual = state.usual(route);
        let in_usual = |latency: Duration| {
            let us = latency.as_micros() as f64;
            if usual > 0.0 { us / usual } else { 1.0 }
        };
        let cost = match went {
            Went::Well(latency) => in_usual(latency),
            Went::Error(latency) => in_usual(latency).max(ERROR),
            Went::Failed => FAILURE,
        };
        let known = &mut state.instances[instance];
        let passed = now.saturating_sub(known.cost_at) as f64 / 1e6;
        known.cost_at = now;
        let smooth = if cost > known.cost {
            RISES_IN
        } else {
            FALLS_IN
        };
        let mut weighs = passed / (passed + smooth);
        if cost > known.cost && !matches!(went, Went::Well(_)) {
            weighs = weighs.max(FAILURE_WEIGHS);
        }
        known.cost += weighs * (cost.clamp(0.05, FAILURE) - known.cost);
        if let Went::Well(latency) = went {
            state.learn_usual(route, latency.as_micros() as f64);
        }
    }

    /// How an instance is used, and why not.
    pub(crate) fn state(&self, now: u64, instance: usize) -> (InstanceState, Option<String>) {
        let state = self.state.borrow();
        let known = &state.instances[instance];
        let why = known.health.why(now);
        if known.drains {
            return (InstanceState::Draining, why);
        }
        let instance = instance as u16;
        let chosen = &state.chosen_from;
        let in_use = chosen.stable.contains(&instance) || chosen.canary.contains(&instance);
        let used = match () {
            () if known.health.is_down() => InstanceState::Down,
            () if known.health.rests(now) && !in_use => InstanceState::Ejected,
            () if known.share(now, self.slow_start) < 1.0 => InstanceState::SlowStart,
            () => InstanceState::InUse,
        };
        (used, why)
    }
}

impl State {
    fn usual(&self, route: usize) -> f64 {
        self.usual[route].0
    }

    fn learn_usual(&mut self, route: usize, us: f64) {
        let (mean, of) = &mut self.usual[route];
        *of = (*of + 1.0).min(USUAL_OF);
        *mean += (us - *mean) / *of;
    }

    fn refresh(&mut self, now: u64, panic_pct: usize) {
        let instances = &self.instances;
        let all = 0..instances.len() as u16;
        let of = |index: &u16| &instances[usize::from(*index)];
        let up = |index: &u16| !of(index).health.is_down();
        let admitted: Vec<u16> = all.clone().filter(|index| !of(index).drains).collect();
        let well = admitted.iter().copied().filter(up);
        let (rest, mut used): (Vec<u16>, Vec<u16>) =
            well.partition(|index| of(index).health.rests(now));
        let mut spare = rest;
        if used.len() * 100 < panic_pct * admitted.len() || used.is_empty() {
            used.append(&mut spare);
            used.sort_unstable();
        }
        if used.is_empty() {
            used = all
                .clone()
                .filter(|index| of(index).drains && up(index))
                .collect();
        }
        if used.is_empty() {
            used = if admitted.is_empty() {
                all.clone().collect()
            } else {
                admitted
            };
        }
        if used.iter().any(|index| of(index).weight > 0.0) {
            used.retain(|index| of(index).weight > 0.0);
        }
        let weight_max = used
            .iter()
            .map(|index| of(index).weight)
            .fold(0.0, f64::max);
        let all_weights: f64 = used.iter().map(|index| of(index).weight).sum();
        let part = |index: &u16| match all_weights {
            0.0 => 1.0,
            all => of(index).weight / all,
        };
        let parts: Vec<(u16, f64)> = used.iter().map(|index| (*index, part(index))).collect();
        let ends = all.filter_map(|index| of(&index).health.rests_until(now));
        let until = ends.min().unwrap_or(u64::MAX);
        let (canary, stable) = used.into_iter().partition(|index| of(index).canary);
        self.chosen_from = ChosenFrom {
            stale: false,
            until,
            stable,
            canary,
            spare,
            weight_max,
            canary_permille: self.chosen_from.canary_permille,
        };
        for (index, part) in parts {
            self.instances[usize::from(index)].part = part;
        }
    }

    fn choose(&mut self, now: u64, wish: &Wish<'_>, slow_start: f64) -> Option<usize> {
        let canary = self.for_canary(wish.session);
        let (mut dice, from) = (self.dice, &self.chosen_from);
        let (first, second) = match canary {
            true => (&from.canary, &from.stable),
            false => (&from.stable, &from.canary),
        };
        let sticky = wish.sticky.filter(|sticky| {
            let index = *sticky as u16;
            first.contains(&index) && !wish.tried.contains(&index)
        });
        let picked = sticky.or_else(|| {
            let mut groups = [first, second, &from.spare].into_iter();
            groups.find_map(|group| self.two_choices(now, group, wish, slow_start, &mut dice))
        });
        self.dice = dice;
        picked
    }

    fn for_canary(&mut self, session: u64) -> bool {
        let permille = self.chosen_from.canary_permille;
        if permille == 0 {
            return false;
        }
        let roll = match session {
            super::identity::NOBODY => self.dice.roll(),
            // Other bits than those that maps and other shares use.
            session => session >> 13,
        };
        roll % 1000 < permille
    }

    fn two_choices(
        &self,
        now: u64,
        group: &[u16],
        wish: &Wish<'_>,
        slow_start: f64,
        dice: &mut Dice,
    ) -> Option<usize> {
        let tried = wish.tried;
        match group {
            [] => return None,
            [only] => return (!tried.contains(only)).then_some(usize::from(*only)),
            _ => {}
        }
        let one = self.draw(now, group, tried, slow_start, dice)?;
        let mut other = self.draw(now, group, tried, slow_start, dice)?;
        if other == one {
            other = self.draw(now, group, tried, slow_start, dice)?;
        }
        let under_way = |index: usize| {
            let known = &self.instances[index];
            let share = known.share(now, slow_start) * known.weight.max(1.0) / 100.0;
            f64::from(known.under_way) / share + 1.0
        };
        let load = |index: usize| under_way(index) * self.instances[index].cost;
        let costs = self.instances[one].cost / self.instances[other].cost;
        let (of_one, of_other) = match (1.0 / ALIKE..=ALIKE).contains(&costs) {
            true => (under_way(one), under_way(other)),
            false => (load(one), load(other)),
        };
        let picked = match of_one <= of_other * SAME {
            true => one,
            false => other,
        };
        if self.instances[picked].has_room(wish.limit) {
            return Some(picked);
        }
        // Seldom: as many are under way as may be, or chance was uneven.
        let others = group.iter().map(|index| usize::from(*index));
        let roomy = others
            .filter(|index| self.instances[*index].has_room(wish.limit))
            .filter(|index| !self.instances[*index].health.has_failed())
            .filter(|index| !tried.contains(&(*index as u16)))
            .min_by(|one, other| load(*one).total_cmp(&load(*other)));
        Some(roomy.unwrap_or(picked))
    }

    /// One of a group by weight and growing share: drawn, and thrown back with the chance
    /// that its weight falls short of the greatest.
    fn draw(
        &self,
        now: u64,
        group: &[u16],
        tried: &[u16],
        slow_start: f64,
        dice: &mut Dice,
    ) -> Option<usize> {
        let mut drawn = None;
        for _ in 0..DRAWS {
            let index = group[dice.below(group.len())];
            if tried.contains(&index) {
                continue;
            }
            let known = &self.instances[usize::from(index)];
            drawn = Some(usize::from(index));
            let weight = known.weight * known.share(now, slow_start);
            if weight >= self.chosen_from.weight_max * dice.part() {
                return drawn;
            }
        }
        let any = || group.iter().find(|index| !tried.contains(index));
        drawn.or_else(|| any().map(|index| usize::from(*index)))
    }
}

impl Known {
    /// Whether it has fewer under way than its part of so many.
    fn has_room(&self, limit: u32) -> bool {
        f64::from(self.under_way - self.open) < (f64::from(limit) * self.part).ceil()
    }

    /// The part of its share that it gets so far.
    fn share(&self, now: u64, slow_start: f64) -> f64 {
        let Some(since) = self.health.since else {
            return 1.0;
        };
        let passed = now.saturating_sub(since) as f64 / 1e6;
        if passed >= slow_start {
            return 1.0;
        }
        (passed / slow_start).max(FIRST_SHARE)
    }
}

/// Chance from a seed (splitmix64): the same seed and calls, the same choices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.roll()) * end as u128) >> 64) as usize
    }

    /// At least 0, less than 1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests;

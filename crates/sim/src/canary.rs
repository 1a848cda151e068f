//! Bugs built in on purpose. A simulation that cannot fail proves nothing: each of these
//! has to be caught, by the invariant that is there for it.

/// One built-in bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// Actions are performed before they are durable.
    PerformBeforeDurable,
    /// The hand ends whoever has the pid, without checking that it is the same session.
    NoSecondLook,
    /// The hand ends one who waits instead of the one who holds.
    EndWaiter,
    /// The fold forgets events of one kind.
    FoldForgets,
    /// Budgets and intervals are not told to the core.
    IgnoreBudget,
    /// What is only to be watched is done.
    ActInWatch,
    /// The kill switch is not told to the core.
    IgnoreHold,
    /// A run is started although one of its name was.
    StartTwice,
    /// A long run is taken for a hung one: its progress never arrives.
    BlindToProgress,
    /// A failed proof stops nothing.
    IgnoreStop,
    /// The journey is not made: the front page answers.
    FrontPageOnly,
    /// Only the newest run of a heartbeat is watched, as elsewhere: runs have no names.
    LatestRunOnly,
    /// References are said to answer whatever happens.
    NeverDoubt,
    /// The core and the hand are told of one more instance that serves.
    RestartTheLast,
    /// The hand restarts the whole pool.
    RestartWholePool,
    /// The core believes that everything may be restarted.
    RestartTheUnnamed,
    /// What was given back is counted as used.
    CountWhatWasFreed,
    /// What fills up is never told.
    BlindToLevels,
    /// Nobody hears that a recycling did not help.
    KeepQuiet,
    /// Plans that let an instance in again are not sent.
    DrainsOnly,
    /// The edge takes any plan, also an older one.
    TakeAnyPlan,
    /// A restart forgets what people ordered of the edge.
    ForgetPlan,
    /// What people drained is forgotten once something else changes.
    ForgetDrains,
    /// Customers are told after five minutes.
    TellLate,
    /// A reason is made up where a person gave none.
    NoReasonNeeded,
    /// What people promised customers is forgotten.
    ForgetPromises,
    /// What customers were told last is forgotten.
    TellTwice,
    /// A maintenance covers every component.
    CoverEverything,
    /// A maintenance's end moves on and on.
    NeverOver,
    /// A maintenance begins that nobody planned.
    BeginUnannounced,
    /// What is left of incidents is forgotten.
    ForgetDrafts,
    /// What was published becomes what is written now.
    RewritePublished,
    /// That somebody was reminded is forgotten.
    RemindForEver,
}

impl Canary {
    /// Every canary with its name and the invariant that must catch it.
    pub const ALL: &[(&'static str, Self, &'static str)] = &[
        (
            "perform-before-durable",
            Self::PerformBeforeDurable,
            "journalled-first",
        ),
        ("no-second-look", Self::NoSecondLook, "only-what-was-named"),
        ("end-waiter", Self::EndWaiter, "only-what-was-named"),
        ("fold-forgets", Self::FoldForgets, "fold-equals-live"),
        ("ignore-budget", Self::IgnoreBudget, "budgets-hold"),
        ("act-in-watch", Self::ActInWatch, "only-what-is-granted"),
        ("ignore-hold", Self::IgnoreHold, "held-means-held"),
        ("start-twice", Self::StartTwice, "one-run-at-a-time"),
        (
            "blind-to-progress",
            Self::BlindToProgress,
            "innocent-runs-live",
        ),
        ("ignore-stop", Self::IgnoreStop, "a-stop-stops"),
        ("front-page-only", Self::FrontPageOnly, "green-means-seen"),
        (
            "latest-run-only",
            Self::LatestRunOnly,
            "every-run-is-watched",
        ),
        ("never-doubt", Self::NeverDoubt, "cut-off-is-unknown"),
        (
            "restart-the-last",
            Self::RestartTheLast,
            "the-last-one-serves",
        ),
        (
            "restart-whole-pool",
            Self::RestartWholePool,
            "one-of-a-pool",
        ),
        (
            "restart-the-unnamed",
            Self::RestartTheUnnamed,
            "only-what-was-named",
        ),
        (
            "count-what-was-freed",
            Self::CountWhatWasFreed,
            "healthy-ones-stay",
        ),
        ("blind-to-levels", Self::BlindToLevels, "leaks-end-in-time"),
        ("keep-quiet", Self::KeepQuiet, "no-help-is-told"),
        ("drains-only", Self::DrainsOnly, "drains-end"),
        ("take-any-plan", Self::TakeAnyPlan, "plan-only-rises"),
        ("forget-plan", Self::ForgetPlan, "plan-survives"),
        ("forget-drains", Self::ForgetDrains, "plan-as-ordered"),
        ("tell-late", Self::TellLate, "first-word-in-time"),
        (
            "no-reason-needed",
            Self::NoReasonNeeded,
            "better-needs-a-reason",
        ),
        ("forget-promises", Self::ForgetPromises, "promises-are-kept"),
        ("tell-twice", Self::TellTwice, "told-once"),
        (
            "cover-everything",
            Self::CoverEverything,
            "only-the-planned-is-covered",
        ),
        ("never-over", Self::NeverOver, "maintenances-end"),
        (
            "begin-unannounced",
            Self::BeginUnannounced,
            "announced-before",
        ),
        ("forget-drafts", Self::ForgetDrafts, "harm-has-a-draft"),
        (
            "rewrite-published",
            Self::RewritePublished,
            "published-stays",
        ),
        (
            "remind-for-ever",
            Self::RemindForEver,
            "reminders-are-bounded",
        ),
    ];

    /// The canary of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _, _)| *known == name);
        found.map(|(_, canary, _)| *canary)
    }
}

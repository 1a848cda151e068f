//! The command line: one definition from which come parsing, help, completions and the
//! reference page.
//!
//! Exit status: 0 well, 1 what was asked for is not so or was refused, 2 the command line
//! itself is wrong. `run` passes the status of what it wraps through.

mod check;
mod checks;
mod client;
mod docs;
mod edge;
mod heartbeats;
mod journal;
mod listing;
mod maintenance;
mod orders;
mod pages;
mod people;
mod postmortem;
mod print;
mod replay;
mod run;
mod source;
mod subscribers;
mod telling;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use evenkeel_core::Timestamp;

use crate::config::{Config, DEFAULT_FILE};
use print::say;
use source::{Remote, Source};

/// Keeps a business service up through the failures that take such services down, and
/// tells its customers the truth when it cannot.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 well; 1 what was asked for is not so, or was refused; 2 the \
    command line itself is wrong. `run` passes the status of what it wraps through."
)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "EVENKEEL_CONFIG", hide_env_values = true, default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Print JSON, for machines.
    #[arg(long, global = true)]
    json: bool,
    /// Ask an Evenkeel on another host, through its HTTP API: https://HOST:8081.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "EVENKEEL_SERVER",
        hide_env_values = true
    )]
    server: Option<String>,
    /// A file with the token for it.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "EVENKEEL_TOKEN_FILE",
        hide_env_values = true
    )]
    token_file: Option<PathBuf>,
    /// A file with the authority of its certificate (PEM), where that is your own.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "EVENKEEL_CA_FILE",
        hide_env_values = true
    )]
    ca_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented configuration that only watches.
    Init {
        /// Write it to standard output instead of the file.
        #[arg(long)]
        stdout: bool,
        /// The first operator's name, for the console; without it, yours.
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
        /// A file with the first operator's password on its first line; without it, it is
        /// asked for on a terminal.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Tell every problem of the configuration, and what the databases' roles lack.
    Check {
        /// Do not ask the databases.
        #[arg(long)]
        offline: bool,
    },
    /// Start Evenkeel; Ctrl-C or SIGTERM stops it. Supervised runs go on.
    Serve,
    /// Follow a keeper from another host, and speak to its customers while it is silent;
    /// Ctrl-C or SIGTERM stops it.
    Witness,
    /// Start the edge, the reverse proxy in front of the service; it serves on without
    /// `serve`.
    ///
    /// Where one runs already, its listening sockets are taken over without a refused
    /// connection, and it ends: this is how to restart it. Ctrl-C or SIGTERM stops it.
    Edge,
    /// Wrap a command under any other scheduler; its exit status passes through.
    Run(run::RunArguments),
    /// How things are now.
    Status,
    /// Incidents, or one with everything that belongs to it.
    Incidents {
        /// One incident: I-3.
        id: Option<String>,
    },
    /// Runs, or one of them.
    Runs {
        /// One run.
        run: Option<String>,
    },
    /// Who waits for whom in the databases, root first.
    Locks,
    /// How the checks went last; or make one now, step by step.
    Checks {
        #[command(subcommand)]
        command: Option<checks::ChecksCommand>,
    },
    /// The pools behind the edge: instances, load, limits and queues.
    Pools,
    /// The busiest tenants at the edge, by a hash of their name.
    Tenants,
    /// What fills up: memory, files, disks, sequences; and when it runs out.
    Leaks,
    /// Give an instance no new request; those under way end.
    Drain(edge::Member),
    /// Give it requests again, slowly at first.
    Admit(edge::Member),
    /// Let the requests of a pool wait, within bounds.
    Hold {
        /// The pool.
        pool: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let them go on, at a pace.
    Release {
        /// The pool.
        pool: String,
    },
    /// Answer for one function with a page that says so; the rest of the service goes on.
    SwitchOff {
        /// The component.
        component: String,
        #[command(flatten)]
        reason: Reason,
        /// What customers are told, by language: --text en="Back at 14:00"; again for nl, de,
        /// pl, da.
        ///
        /// Without any, they read the edge's own words in their language; who reads a language
        /// without a text sees the English one.
        #[arg(long = "text", value_name = "LANGUAGE=TEXT")]
        texts: Vec<String>,
    },
    /// Serve it again.
    SwitchOn {
        /// The component.
        component: String,
    },
    /// A text at the top of every page of the service.
    #[command(subcommand)]
    Banner(edge::BannerCommand),
    /// Bound what one tenant may send.
    CapTenant(edge::Cap),
    /// Heartbeats with their ping URLs, or one of them.
    Heartbeats {
        /// One: its name, slug or UUID.
        heartbeat: Option<String>,
        /// Do not watch it for a while; its open runs are forgotten.
        #[arg(long, requires = "heartbeat", conflicts_with = "resume")]
        pause: bool,
        /// Watch it again, from its next ping on.
        #[arg(long, requires = "heartbeat")]
        resume: bool,
    },
    /// Start a run of a job now.
    Start {
        /// The job.
        job: String,
    },
    /// Tell customers of an incident, in your words and with what you know.
    Tell(telling::TellArguments),
    /// Planned work: what there is, plan some, and see to it.
    #[command(subcommand)]
    Maintenance(maintenance::MaintenanceCommand),
    /// Correct what customers were told. What was told stays, with the correction beside it.
    Correct(telling::CorrectArguments),
    /// What happened, why, and what is done about it: after an incident, for customers and
    /// colleagues.
    #[command(subcommand)]
    Postmortem(postmortem::PostmortemCommand),
    /// The clock of a legal notice (NIS2, DORA, GDPR): start it, stop it, note what was given.
    ///
    /// No legal advice: whether, to whom and by when an incident has to be notified is for a
    /// person to judge.
    Notice(postmortem::NoticeArguments),
    /// Let a proposed action be done, let customers be told, or lift a stop.
    Approve {
        /// The action: A-7; or the incident whose word waits: I-3.
        #[arg(required_unless_present = "lift")]
        action: Option<String>,
        /// Let a kind of action be tried again: --lift end_backend database:main.
        #[arg(long, num_args = 2, value_names = ["KIND", "SCOPE"], conflicts_with = "action")]
        lift: Option<Vec<String>>,
    },
    /// Turn a proposed action down, or veto what customers would be told.
    Refuse {
        /// The action: A-7; or the incident whose word waits: I-3.
        action: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// The kill switch: nothing that ends something is done until released.
    HoldActions(Reason),
    /// Let actions be done again.
    ReleaseActions(Reason),
    /// Say that somebody looks after an incident.
    Acknowledge {
        /// The incident: I-3.
        incident: String,
    },
    /// Who may open the console.
    #[command(subcommand)]
    People(people::PeopleCommand),
    /// Which programs may use the HTTP API.
    #[command(subcommand)]
    Token(people::TokenCommand),
    /// Who is told of updates by mail and webhook.
    #[command(subcommand)]
    Subscribers(subscribers::SubscribersCommand),
    /// Read the journal, or prove that nothing in it was edited.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Decide a recorded stretch again: every decision must be the one in the journal.
    ///
    /// With --policy: what would have been decided and done under another configuration.
    /// Reads only, beside a running server too.
    Replay(replay::ReplayArguments),
    /// Print the public half of the key that copies of the page are signed with; it is made
    /// where there is none yet.
    SigningKey,
    /// Is a published copy of the page authentic, whole and current?
    ///
    /// Exit status 0: it is; 1: it is not, or cannot be read. Whoever has the public key may
    /// ask; no configuration is needed.
    VerifyPage(pages::VerifyArguments),
    /// What was kept before something was ended: all of it, one, or the text of an item.
    Evidence {
        /// Which: A-12.
        id: Option<String>,
        /// Which item of it: processes.txt.
        item: Option<String>,
    },
    /// Replay an outage with real parts (hands over to evenkeel-drill).
    #[command(disable_help_flag = true)]
    Drill {
        /// What evenkeel-drill is to do; --help lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the reference pages.
    #[command(hide = true)]
    Docs {
        /// Into this folder.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Reason {
    /// Why; it is kept in the journal.
    #[arg(long, value_name = "WHY")]
    reason: String,
}

/// What a command comes to: its exit status, or the line that says what to do.
type Outcome = Result<ExitCode, String>;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments) {
        Ok(code) => code,
        Err(why) => {
            print::complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: Arguments) -> Outcome {
    let Arguments {
        config: file,
        json,
        server,
        token_file,
        ca_file,
        command,
    } = arguments;
    let load = || Config::load(&file).map_err(|error| error.to_string());
    // A list on this host, where another host's was meant, would be a bad surprise.
    let here = || match &server {
        Some(_) => Err(
            "this works on the host where Evenkeel runs: leave --server (or EVENKEEL_SERVER) out"
                .to_owned(),
        ),
        None => load(),
    };
    let source = || match &server {
        Some(server) => {
            Remote::new(server, token_file.as_deref(), ca_file.as_deref()).map(Source::There)
        }
        None => load().map(|config| Source::Here(Box::new(config))),
    };
    match command {
        Command::Init {
            stdout,
            operator,
            password_file,
        } => {
            let first = people::First {
                name: operator,
                password_file,
            };
            check::init(&file, stdout, &first, json)
        }
        Command::Check { offline } => check::check(&file, offline, json),
        Command::Serve => serve(load()?),
        Command::Witness => witness(load()?),
        Command::Edge => edge::edge(load()?),
        Command::Run(run) => run::run(&file, run),
        Command::Status => listing::status(&source()?, json),
        Command::Incidents { id } => listing::incidents(&source()?, id.as_deref(), json),
        Command::Runs { run } => listing::runs(&source()?, run.as_deref(), json),
        Command::Locks => listing::locks(&source()?, json),
        Command::Checks { command } => checks::checks(&source()?, command, json),
        Command::Pools => edge::pools(&source()?, json),
        Command::Tenants => edge::tenants(&source()?, json),
        Command::Leaks => edge::leaks(&source()?, json),
        Command::Drain(member) => edge::drain(&source()?, member, json),
        Command::Admit(member) => edge::admit(&source()?, member, json),
        Command::Hold { pool, reason } => edge::hold(&source()?, &pool, reason.reason, json),
        Command::Release { pool } => edge::release(&source()?, &pool, json),
        Command::SwitchOff {
            component,
            reason,
            texts,
        } => edge::switch_off(&source()?, &component, reason.reason, &texts, json),
        Command::SwitchOn { component } => edge::switch_on(&source()?, &component, json),
        Command::Banner(command) => edge::banner(&source()?, command, json),
        Command::CapTenant(cap) => edge::cap(&source()?, cap, json),
        Command::Heartbeats {
            heartbeat,
            pause,
            resume,
        } => heartbeats::heartbeats(&source()?, heartbeat.as_deref(), pause, resume, json),
        Command::Start { job } => orders::start(&source()?, &job, json),
        Command::Tell(arguments) => telling::tell(&source()?, arguments, json),
        Command::Maintenance(command) => maintenance::maintenance(&source()?, command, json),
        Command::Correct(arguments) => telling::correct(&source()?, arguments, json),
        Command::Postmortem(command) => postmortem::postmortem(&source()?, command, json),
        Command::Notice(arguments) => postmortem::notice(&source()?, arguments, json),
        Command::Approve { action, lift } => {
            orders::approve(&source()?, action.as_deref(), lift.as_deref(), json)
        }
        Command::Refuse { action, reason } => {
            orders::refuse(&source()?, &action, reason.reason, json)
        }
        Command::HoldActions(reason) => orders::hold(&source()?, reason.reason, json),
        Command::ReleaseActions(reason) => orders::release(&source()?, reason.reason, json),
        Command::Acknowledge { incident } => orders::acknowledge(&source()?, &incident, json),
        Command::People(command) => people::people(&here()?, command, json),
        Command::Token(command) => people::token(&here()?, command, json),
        Command::Subscribers(command) => subscribers::subscribers(&here()?, command, json),
        Command::Journal(command) => journal::journal(&source()?, command, json),
        Command::Replay(arguments) => replay::replay(&load()?, arguments, json),
        Command::SigningKey => pages::signing_key(&here()?, json),
        Command::VerifyPage(arguments) => pages::verify_page(&arguments, json),
        Command::Evidence { id, item } => {
            listing::evidence(&source()?, id.as_deref(), item.as_deref(), json)
        }
        Command::Drill { arguments } => drill(&arguments),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "evenkeel", &mut text);
            say(&String::from_utf8_lossy(&text));
            Ok(ExitCode::SUCCESS)
        }
        Command::Docs { out } => docs::write(&out),
    }
}

fn witness(config: Config) -> Outcome {
    print::start_log(&config.log);
    for warning in &config.warnings {
        tracing::warn!(file = %config.file.display(), "{warning}");
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("no threads can be started: {error}"))?;
    let watched = runtime.block_on(crate::witness::witness(config, |key| {
        say(&format!("public key: {key}\n"));
    }));
    match watched {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(print::chain(&error)),
    }
}

fn serve(config: Config) -> Outcome {
    if config.witness.is_some() {
        return Err(format!(
            "{} is a witness's configuration, since it has a section [witness]; start it with `evenkeel witness`",
            config.file.display()
        ));
    }
    print::start_log(&config.log);
    for warning in &config.warnings {
        tracing::warn!(file = %config.file.display(), "{warning}");
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("no threads can be started: {error}"))?;
    let served = runtime.block_on(crate::serve::serve(config, |addresses| {
        let (page, operator) = (addresses.page_scheme, addresses.operator_scheme);
        say(&format!("public page: {page}://{}/\n", addresses.page));
        say(&format!(
            "operator page: {operator}://{}/\n",
            addresses.operator
        ));
        if let Some(pings) = addresses.pings {
            say(&format!(
                "pings: {}://{pings}/ping/\n",
                addresses.pings_scheme
            ));
        }
        if let Some(metrics) = addresses.metrics {
            say(&format!("metrics: http://{metrics}/metrics\n"));
        }
    }));
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(print::chain(&error)),
    }
}

/// Hands over to the sibling program: drills need real servers and a browser, and are not
/// what runs at a customer's.
fn drill(arguments: &[std::ffi::OsString]) -> Outcome {
    use std::os::unix::process::CommandExt;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let sibling = own.with_file_name("evenkeel-drill");
    if !sibling.exists() {
        return Err(format!(
            "{} is not there; build it beside this program with `cargo build --workspace --bins`",
            sibling.display()
        ));
    }
    let error = std::process::Command::new(&sibling).args(arguments).exec();
    Err(format!("{} cannot be started: {error}", sibling.display()))
}

/// The time of a moment for people, with how long ago it was.
fn ago(at: Timestamp) -> String {
    use crate::web::clock;
    let now = Timestamp::now();
    format!("{} ({} ago)", clock::second(at, now), clock::span(at, now))
}

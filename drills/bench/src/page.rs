//! The public page: served to a crowd, against nginx serving the same page from files; and
//! how soon a change lies in the published copy.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evenkeel_drill::Scratch;

use crate::clients::{self, Round, ask};
use crate::serve::{Serve, cpu_of_group, free_port, nginx};
use crate::{Failure, Figure, median};

/// Functions of the service whose page a crowd reads.
const FEW: usize = 8;
/// And of the one whose page is rendered and published.
const MANY: usize = 200;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// Changes that are timed.
const CHANGES: usize = 15;
/// A change that is not published by then is not.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(20);
/// Longer than what the keeper waits between two editions: then the next change is
/// rendered at once, and what is timed is the rendering.
const CALM: Duration = Duration::from_millis(2500);

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let mut figures = crowd()?;
    figures.push(change()?);
    Ok(figures)
}

fn crowd() -> Result<Vec<Figure>, Failure> {
    let (serve, copy) = publishing(FEW, "")?;
    copy.next(None)?;
    let root = copy.folder.join("current");
    let location = format!("root {}; index index.html;", root.display());
    let (nginx, nginx_port, _nginx_folder) = nginx(&location)?;
    let paths: Vec<String> = ["en", "nl", "de", "pl", "da"]
        .iter()
        .map(|language| format!("/{language}/"))
        .collect();
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = serve.cpu()?;
        let round = ask_pages(serve.page, &paths)?;
        our_cpu.push(micros(serve.cpu()? - before, &round));
        let our = per_second(&round);
        let before = cpu_of_group(&nginx)?;
        let round = ask_pages(nginx_port, &paths)?;
        their_cpu.push(micros(cpu_of_group(&nginx)? - before, &round));
        let their = per_second(&round);
        ratios.push(our / their);
        ours.push(our);
        theirs.push(their);
    }
    let (our_cpu, their_cpu, ratio) = (median(our_cpu), median(their_cpu), median(ratios));
    Ok(vec![
        Figure {
            name: "pages_per_s".into(),
            ours: median(ours),
            peer: "nginx, the published files".into(),
            theirs: Some(median(theirs)),
            ratio: Some(ratio),
            aim: ">= 0.8",
            reached: ratio >= 0.8,
            how: format!(
                "{CONNECTIONS} connections read the front page of {FEW} functions in five languages, \
                 uncompressed, the client on the same cores; the median of the ratios of {ROUNDS} \
                 paired rounds of {} s.",
                ROUND.as_secs()
            ),
        },
        Figure {
            name: "page_cpu_us".into(),
            ours: our_cpu,
            peer: "nginx, the published files".into(),
            theirs: Some(their_cpu),
            ratio: Some(our_cpu / their_cpu),
            aim: "as it is",
            reached: true,
            how: "CPU of the server for one page, microseconds, in the same rounds.".into(),
        },
    ])
}

/// From the answer to a ping that says "failed" until readers of the copy are told.
fn change() -> Result<Figure, Failure> {
    let pings = free_port()?;
    let mut more = format!(
        "[pings]\nlisten = \"127.0.0.1:{pings}\"\nping_key_file = \"ping-key\"\napi_key_file = \"api-key\"\n\
         [telling]\ntell_after = \"0s\"\n"
    );
    for number in 0..CHANGES {
        write!(
            more,
            "[[heartbeat]]\nname = \"h{number}\"\nuuid = \"{}\"\nperiod = \"1h\"\ncomponents = \
             [\"{}\"]\nharm = \"major_outage\"\n",
            uuid(number),
            component(number)
        )?;
    }
    let (_serve, copy) = publishing(MANY, &more)?;
    let mut shown = copy.next(None)?;
    let mut took = Vec::new();
    for number in 0..CHANGES {
        shown = copy.calm(shown)?;
        let answered = clients::ask_once(pings, &format!("/ping/{}/fail", uuid(number)))?;
        shown = copy.next(Some(&shown))?;
        took.push(answered.elapsed().as_secs_f64() * 1e3);
        is_told(&shown, number + 1)?;
    }
    let worst = took.iter().copied().fold(0.0, f64::max);
    let ours = median(took);
    Ok(Figure {
        name: "change_to_copy_ms".into(),
        ours,
        peer: format!("the worst of {CHANGES}: {worst:.0} ms"),
        theirs: None,
        ratio: None,
        aim: "< 200",
        reached: ours < 200.0,
        how: format!(
            "{MANY} functions in five languages with feeds and the API: from the answer to the ping \
             by which a function fails until the folder that readers see has been swung to an \
             edition that says so. The median of {CHANGES} changes."
        ),
    })
}

/// A server with so many functions, whose page is published to a folder.
fn publishing(components: usize, more: &str) -> Result<(Serve, Copy), Failure> {
    let folder = Scratch::new("bench-copy")?;
    let mut text = String::new();
    for number in 0..components {
        write!(
            text,
            "[[component]]\nid = \"{}\"\nname = \"Function {number}\"\n",
            component(number)
        )?;
    }
    write!(
        text,
        "[[publish]]\nid = \"copy\"\nto = \"{}\"\n{more}",
        folder.path().display()
    )?;
    Ok((Serve::start(&text)?, Copy { folder }))
}

fn component(number: usize) -> String {
    format!("function-{number}")
}

fn uuid(number: usize) -> String {
    format!("5bf66975-d4c7-4bf5-bcc8-{number:012}")
}

/// A folder that the page is published to.
struct Copy {
    folder: Scratch,
}

impl Copy {
    /// The edition that readers see.
    fn shown(&self) -> Option<PathBuf> {
        let edition = std::fs::read_link(self.folder.join("current")).ok()?;
        Some(self.folder.join(edition))
    }

    /// Waits until readers see another edition than this.
    fn next(&self, before: Option<&Path>) -> Result<PathBuf, Failure> {
        let until = Instant::now() + PUBLISHED_WITHIN;
        while Instant::now() < until {
            if let Some(shown) = self.shown().filter(|shown| Some(shown.as_path()) != before) {
                return Ok(shown);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!(
            "nothing was published within {} s",
            PUBLISHED_WITHIN.as_secs()
        )
        .into())
    }

    /// Waits until nothing was published for a while; what readers see then.
    fn calm(&self, mut shown: PathBuf) -> Result<PathBuf, Failure> {
        let until = Instant::now() + PUBLISHED_WITHIN;
        let mut since = Instant::now();
        while since.elapsed() < CALM {
            std::thread::sleep(Duration::from_millis(20));
            if let Some(now) = self.shown().filter(|now| *now != shown) {
                (shown, since) = (now, Instant::now());
            }
            if Instant::now() > until {
                return Err("it is published without a change".into());
            }
        }
        Ok(shown)
    }
}

/// Whether an edition says of so many functions that they do not work, as any client reads.
fn is_told(edition: &Path, failed: usize) -> Result<(), Failure> {
    let file = edition.join("api/v2/components.json");
    let said: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let components = said["components"].as_array().ok_or("no components")?;
    let told = components
        .iter()
        .filter(|component| component["status"] == "major_outage")
        .count();
    match told == failed {
        true => Ok(()),
        false => Err(format!("{failed} functions failed, and the copy says {told}").into()),
    }
}

fn ask_pages(port: u16, paths: &[String]) -> Result<Round, Failure> {
    let round = ask(port, paths, CONNECTIONS, ROUND, |page| {
        page.ends_with(b"</html>")
    })?;
    match round.refused {
        0 => Ok(round),
        refused => Err(format!("{refused} pages were not answered").into()),
    }
}

fn per_second(round: &Round) -> f64 {
    round.answered as f64 / round.lasted.as_secs_f64()
}

fn micros(cpu: Duration, round: &Round) -> f64 {
    cpu.as_secs_f64() * 1e6 / round.answered as f64
}

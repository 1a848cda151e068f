//! What subscribers cost: `cargo xtask bench subscribers` runs it.
//!
//! `subscribers_cost COUNT` brings COUNT mail addresses into a file on this disk, puts an
//! update into their queue, and sends it to a mail server in the same process that says yes to
//! everything; as JSON it prints how long each took, and the memory the process had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use evenkeel::config::{MailServer, MailTls};
use evenkeel::pump::published::Published;
use evenkeel::subscribers::follow::Ways;
use evenkeel::subscribers::store::{Kind, Wishes};
use evenkeel::subscribers::word::Word;
use evenkeel::subscribers::{MailSettings, Settings, Subscribers};
use evenkeel::web::Site;
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// As the program has it: what memory is kept depends on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Says yes to everything, and counts.
async fn yes(stream: TcpStream, taken: Arc<AtomicU64>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 yes\r\n").await?;
    let mut line = Vec::new();
    let mut is_letter = false;
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match (is_letter, &line[..]) {
            (true, b".\r\n") => {
                is_letter = false;
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 kept\r\n"
            }
            (true, _) => continue,
            (false, text) if text.starts_with(b"DATA") => {
                is_letter = true;
                b"354 go on\r\n"
            }
            (false, _) => b"250 yes\r\n",
        };
        stream.write_all(answer).await?;
    }
}

fn resident_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

fn word() -> Word {
    let hurt = BTreeMap::from([("login".into(), Status::MajorOutage)]);
    let at = Timestamp::now();
    Word {
        message: Message {
            id: MessageId(1),
            at,
            incident: Some(IncidentId(1)),
            body: Body::Public {
                status: IncidentStatus::Investigating,
                components: hurt.clone(),
                since: at,
                next_update_at: None,
                person: None,
                approved_by: None,
            },
        },
        harmed: hurt,
        names: BTreeMap::from([("login".into(), "Login".into())]),
        impact: None,
        payload: serde_json::Value::Null,
    }
}

fn main() -> Result<(), Failure> {
    let count: usize = std::env::args().nth(1).ok_or("how many?")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(count))
}

async fn measure(count: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let taken = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let counted = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(yes(stream, counted.clone()));
        }
    });
    let from: lettre::Address = "status@example.com".parse()?;
    let settings = Settings {
        is_on: true,
        mail: Some(MailSettings {
            from: from.clone(),
            reply_to: None,
            // As fast as it goes.
            per_second: 1_000_000,
            per_domain: 1_000_000,
            connections: 4,
            dkim: None,
        }),
        subscribers_max: 1_000_000,
        ..Settings::default()
    };
    let own = Subscribers::open(folder.path(), settings)?;
    let began = Instant::now();
    for some in (0..count).collect::<Vec<_>>().chunks(5000) {
        let many: Vec<_> = some
            .iter()
            .map(|n| {
                let wishes = Wishes {
                    language: Language::ALL[n % 5],
                    components: if n % 2 == 0 {
                        Vec::new()
                    } else {
                        vec!["login".into()]
                    },
                    maintenance_only: false,
                };
                (
                    Kind::Mail,
                    format!("reader{n}@example{}.com", n % 50),
                    wishes,
                )
            })
            .collect();
        own.store().bring(&many, 1_000_000, Timestamp::now())?;
    }
    let imported_ms = began.elapsed().as_millis();
    let before_kib = resident_kib()?;
    let began = Instant::now();
    let queued = own.store().queue(&word(), Timestamp::now())?;
    let queued_ms = began.elapsed().as_secs_f64() * 1000.0;
    let queued_kib = resident_kib()?;

    let (_pump, published) = watch::channel(Arc::new(Published::of(Record::default())));
    let site = Site {
        published,
        policy: Arc::new(Policy::default()),
        evidence: folder.path().to_owned(),
        name: "Back office".into(),
        url: "https://status.example.com".into(),
        settings: Arc::default(),
        useful: Arc::default(),
        subscribers: Some(own.clone()),
    };
    let server = MailServer {
        host: "127.0.0.1".into(),
        port,
        tls: MailTls::None,
        ca_file: None,
        account: None,
        from,
    };
    let (stop, stopped) = watch::channel(false);
    let began = Instant::now();
    let keeper = tokio::spawn(Ways::new(own.clone(), site, Some(&server))?.keep(stopped));
    let mut sent_kib = 0;
    let wanted = u64::try_from(count)?;
    while taken.load(Ordering::Relaxed) < wanted {
        sent_kib = sent_kib.max(resident_kib()?);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let sent_s = began.elapsed().as_secs_f64();
    stop.send_replace(true);
    keeper.await?;
    let word = own.store().words(1)?;
    let figures = serde_json::json!({
        "count": count,
        "queued": queued,
        "imported_ms": imported_ms,
        "queued_ms": queued_ms,
        "sent_s": sent_s,
        "taken": taken.load(Ordering::Relaxed),
        "sent": word[0].sent,
        "before_kib": before_kib,
        "queued_kib": queued_kib,
        "sent_kib": sent_kib,
    });
    use std::io::Write;
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

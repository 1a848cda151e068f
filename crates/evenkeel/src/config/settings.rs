//! Every setting: one table from which come what the reader accepts, the commented file
//! of `evenkeel init`, and the reference page.

use Kind::{
    Address, Duration, Folder, List, Map, Mode, Number, Secret, Size, Table, Text, Time, YesNo,
};

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    YesNo,
    /// `"90s"`, `"1h 30m"`.
    Duration,
    /// `"06:00"`.
    Time,
    /// `"512MiB"`.
    Size,
    /// `"127.0.0.1:8080"`.
    Address,
    /// A file or folder; relative to the configuration's own folder.
    Folder,
    /// A file whose first line is a secret.
    Secret,
    /// A list of texts.
    List,
    /// Texts by name.
    Map,
    /// `"watch"`, `"propose"`, `"act"`, or a table of `mode`, `budget`, `per`, `interval`.
    Mode,
    /// A section of its own.
    Table,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its section: `page`, `[job]` for one of many.
    pub section: &'static str,
    /// Its key.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What holds without it, as it would be written; empty where it must be given,
    /// `-` where without it nothing is done.
    pub default: &'static str,
    /// An example, as it is written.
    pub example: &'static str,
    /// What it is for, in a sentence or two.
    pub about: &'static str,
}

/// A section.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name; `[job]` for one of many.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// Every section, in the order of the file.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "",
        about: "The whole.",
    },
    Section {
        name: "page",
        about: "The public status page: what customers read. Reads without JavaScript, on a listener of its own.",
    },
    Section {
        name: "[publish]",
        about: "A place elsewhere where the public page is published as files: it is there when this host is not. Any number; each is independent of the others.",
    },
    Section {
        name: "banner",
        about: "The banner in the application, for services without the edge: a script (`/banner.js`) and what it reads (`/banner.json`).",
    },
    Section {
        name: "[group]",
        about: "Customers who can be told that they, and not others, are affected.",
    },
    Section {
        name: "hotline",
        about: "What whoever calls your hotline hears: one current text in each language at `/hotline/de.txt`, `.ssml`, `.twiml.xml` and `.vxml`, empty when all is well; and the telephone system that is told when it changes.",
    },
    Section {
        name: "witness",
        about: "On another host, at another provider: whom `evenkeel witness` follows. It checks the service from outside with the checks of this file, and speaks through the targets of this file while the keeper is silent.",
    },
    Section {
        name: "operator",
        about: "The operator's console: incidents with reasons, runs with evidence, lock chains, proposals to approve, the kill switch. For who is let in (`evenkeel people`), and refused on anything but loopback.",
    },
    Section {
        name: "pager",
        about: "Who is called when a person is needed: one POST with JSON to a webhook.",
    },
    Section {
        name: "mail",
        about: "The SMTP server that takes mail to people. Mail that cannot be sent privately is not sent.",
    },
    Section {
        name: "subscribers",
        about: "Customers who are told of every update where they are: by mail, or by a webhook. Addresses are kept in a file of their own in `data_dir`, and erased when somebody leaves.",
    },
    Section {
        name: "[announce]",
        about: "A place of your own where every update is announced: a chat room, a social account, a push topic, telephones. Any number.",
    },
    Section {
        name: "[person]",
        about: "Somebody who is called, by mail, webhook or both, in the order of this file. Without any, [pager] is called, and where there is none the log.",
    },
    Section {
        name: "escalation",
        about: "Who is called after whom: until somebody acknowledges the incident, it is over, or everybody has been called once.",
    },
    Section {
        name: "incidents",
        about: "When incidents close, reopen, and promise the next word.",
    },
    Section {
        name: "telling",
        about: "When customers are told.",
    },
    Section {
        name: "notices",
        about: "Clocks of legal notices: none is kept unless you say so. No legal advice: whether, to whom and by when an incident has to be notified is for a person to judge.",
    },
    Section {
        name: "retention",
        about: "How long entries stay in the journal. Incidents, actions and messages are kept for ever.",
    },
    Section {
        name: "recorder",
        about: "The flight recorder: everything that was observed, compressed, in a ring on disk, so that `evenkeel replay` can decide it again, also under another configuration.",
    },
    Section {
        name: "log",
        about: "Evenkeel's own log, on standard error.",
    },
    Section {
        name: "metrics",
        about: "`/metrics` in Prometheus' format: Evenkeel itself and everything it sees. Off unless an address is named.",
    },
    Section {
        name: "pings",
        about: "Where heartbeats are pinged, and managed through Healthchecks' API. Off unless an address is named.",
    },
    Section {
        name: "[component]",
        about: "A function customers see, with its own line on the status page. At least one.",
    },
    Section {
        name: "[component.sessions]",
        about: "Which database sessions work for the component: when they wait for a lock, the component is harmed. What is not given fits every session.",
    },
    Section {
        name: "[database]",
        about: "A PostgreSQL database under guard (13 or later), watched with one connection. `evenkeel check` says which grants its role lacks.",
    },
    Section {
        name: "database.locks",
        about: "When a lock chain counts as harm, and whose sessions may be ended for it. Only the root of a chain is ever ended, never a superuser, a replication sender or autovacuum.",
    },
    Section {
        name: "database.may",
        about: "What Evenkeel may do to this database by itself.",
    },
    Section {
        name: "[job]",
        about: "Work that runs beside the service: exports, reports, imports.",
    },
    Section {
        name: "job.retry",
        about: "How often and how soon a failed run is started again. Only you know whether the job can run twice.",
    },
    Section {
        name: "job.product",
        about: "What a run must deliver. It is looked at from outside: a run that exits 0 and leaves an empty file is found.",
    },
    Section {
        name: "job.may",
        about: "What Evenkeel may do to runs of this job by itself. A schedule is your word that it may start them; everything that ends something watches until you say otherwise.",
    },
    Section {
        name: "[check]",
        about: "What is asked from outside, the way customers would. One `kind` each: `http`, `journey` (several requests as one: log in, create, delete, log out), `tcp`, `tls`, `dns`, `postgres`, `smtp`. `evenkeel checks try ID` makes one now and says step by step what it saw.",
    },
    Section {
        name: "[check.step]",
        about: "A request of a journey, in order. Cookies are kept from step to step. `{name}` stands for what an earlier step captured, for a secret of `secret_files`, or, as `{unique}`, for a text no other journey has.",
    },
    Section {
        name: "[readiness]",
        about: "What must hold at a time of day, before customers come: named checks pass, jobs have delivered. A rehearsal some time before leaves time to act.",
    },
    Section {
        name: "[maintenance]",
        about: "Planned work that comes by the calendar. Each is announced, reminded of, and shown on the public page; its components are under maintenance while it lasts, and harm to them opens no incident then. `evenkeel maintenance plan` plans one by hand.",
    },
    Section {
        name: "[peak]",
        about: "Days on which customers need the service most: VAT, payroll, closing the books. Planning work into one asks for a reason.",
    },
    Section {
        name: "[heartbeat]",
        about: "A job or program elsewhere that says by itself that it is alive, by asking for a URL. `evenkeel heartbeats` prints the URLs. Clients can make others through the API.",
    },
    Section {
        name: "edge",
        about: "The reverse proxy in front of the service, `evenkeel edge`: a process of its own, which serves on when `evenkeel serve` is down. Off unless it listens somewhere.",
    },
    Section {
        name: "[edge.listener]",
        about: "A further place where clients come, or one with a certificate.",
    },
    Section {
        name: "[pool]",
        about: "Instances of the service that do the same: any of them can take any request of its routes.",
    },
    Section {
        name: "pool.may",
        about: "What Evenkeel may do to the pool's instances by itself. Never to two at once, and never to the last one that is well.",
    },
    Section {
        name: "[pool.instance]",
        about: "One process of the service: where it answers, which process it is, and how it is restarted.",
    },
    Section {
        name: "[route]",
        about: "Which requests go to which pool. Of those that fit, an exact host wins over a pattern over none, then the longer path, then the one with methods.",
    },
    Section {
        name: "[volume]",
        about: "A file system that is watched, so that it is told before it is full.",
    },
    Section {
        name: "leaks",
        about: "How what fills up is watched: memory, files, threads and connections of instances, volumes, sequences and transactions of databases. When it runs out is told with an interval.",
    },
];

macro_rules! settings {
    ($($section:literal { $($key:literal $kind:ident $default:literal $example:literal $about:literal;)* })*) => {
        /// Every setting, in the order of the file.
        pub const SETTINGS: &[Setting] = &[
            $($(Setting { section: $section, key: $key, kind: $kind, default: $default, example: $example, about: $about },)*)*
        ];
    };
}

settings! {
    "" {
        "data_dir" Folder "\"evenkeel-data\"" "\"/var/lib/evenkeel\"" "Where journal, runs, evidence and the control socket are. One Evenkeel at a time holds it.";
    }
    "page" {
        "listen" Address "\"127.0.0.1:8080\"" "\"0.0.0.0:8080\"" "Where the page listens; port 0 takes a free one. Put it behind your TLS proxy or give it a certificate, on another host name than the service.";
        "name" Text "\"Service\"" "\"Back office\"" "The name of the service, as customers know it.";
        "url" Text "-" "\"https://status.example.com\"" "The address customers use, for links.";
        "ask_url" Text "-" "\"https://app.example.com/healthz\"" "An address of the service that a visitor's own browser asks, so that the page can say whether it is them. Without it the page says what is seen from outside.";
        "logo_file" Folder "-" "\"logo.svg\"" "A logo (SVG, PNG or WebP, at most 64 KiB), shown 32 pixels high beside the name.";
        "accent" Text "-" "\"#0b6478\"" "The colour of links. One that cannot be read on the page (a contrast under 4.5:1) is refused.";
        "accent_dark" Text "-" "\"#6cc4d9\"" "The same for visitors who read light on dark; without it, made from `accent`.";
        "imprint_url" Text "-" "\"https://example.com/imprint\"" "Who is behind it: a link below every page.";
        "privacy_url" Text "-" "\"https://example.com/privacy\"" "What is done with visitors' data: a link below every page.";
        "copies_valid_for" Duration "\"5m\"" "\"1m\"" "How long a published copy speaks of now. It is renewed after a third of this; one that is not says by itself that how things are is unknown.";
        "witness_key" Text "-" "\"RWRtwUhlOTBmc7xcpOB7AXKDTJsw0f6zTtIRlOSDFHsUDUvzjoiIdxAg\"" "The public half of the witness's key: what `evenkeel signing-key` prints there. What it told while this host was out of reach becomes an incident that is over.";
        "certificate_file" Folder "-" "\"status.pem\"" "The certificate and those between it and the authority (PEM): then the page speaks TLS. Read again when it changes, and on SIGHUP.";
        "key_file" Folder "-" "\"status-key.pem\"" "The certificate's key (PEM, without a password), readable by Evenkeel only.";
    }
    "witness" {
        "keeper" Text "" "\"https://keeper.example.com\"" "The keeper's public page where it is made (`[page] listen` of its configuration), and not where it is published.";
        "key" Text "" "\"RWRtwUhlOTBmc7xcpOB7AXKDTJsw0f6zTtIRlOSDFHsUDUvzjoiIdxAg\"" "The public half of the keeper's key: what `evenkeel signing-key` prints there.";
        "silent_after" Duration "\"20s\"" "\"1m\"" "How long the keeper has to be silent before the witness speaks. A restart of the keeper has to fit.";
    }
    "[publish]" {
        "id" Text "" "\"cdn\"" "Its name in this file, in the journal and in metrics.";
        "to" Text "" "\"s3://status-example\"" "Where: a folder of this host (`/srv/status`, whose `current` a web server serves), `sftp://user@host/folder`, `s3://bucket/prefix`, `az://account/container/prefix` or `gs://bucket/prefix`.";
        "region" Text "\"us-east-1\"" "\"eu-central-1\"" "S3: the bucket's region.";
        "endpoint" Text "-" "\"https://s3.example.net\"" "S3 and Azure: where a service that speaks like theirs answers.";
        "access_key" Text "-" "\"AKIAEXAMPLE\"" "S3: the id of the access key.";
        "secret_file" Secret "-" "\"status-key\"" "A file with the secret: the S3 secret key, the Azure account's key, or Google's service account (JSON).";
        "identity_file" Folder "-" "\"/etc/evenkeel/id_ed25519\"" "SFTP: the private key; else what `ssh` itself would use.";
        "ssh_config" Folder "-" "\"/etc/evenkeel/ssh_config\"" "SFTP: a configuration file for `ssh`, instead of its own.";
    }
    "banner" {
        "secret_file" Secret "-" "\"banner-key\"" "A file with the key of the tickets by which the script knows a tenant; the service has the same. At least 32 bytes: `openssl rand -hex 32`.";
    }
    "[group]" {
        "name" Text "" "\"Customers on server 2\"" "Its name, as customers read it and as it is told with `--affected`.";
        "tenants" List "-" "[\"acme\", \"globex\"]" "The tenants in it, by the names that the service signs.";
        "tenants_file" Folder "-" "\"server-2.txt\"" "A file with further ones, one on each line.";
    }
    "hotline" {
        "time_zone" Text "-" "\"Europe/Copenhagen\"" "Where your callers live: times are said by their clock. Without it they are UTC, and say so.";
        "continue_at" Text "-" "\"https://voice.example.com/menu\"" "TwiML and VoiceXML: the document with which a call goes on afterwards, whether anything was said or not.";
        "webhook_url" Text "-" "\"https://voice.example.com/evenkeel\"" "The telephone system: one signed POST with the text of every language when it changes, and after a start.";
        "webhook_url_file" Secret "-" "\"hotline-url\"" "A file with that address, where it is a secret.";
        "webhook_secret_file" Secret "-" "\"hotline-secret\"" "A file with the secret that signs it, as Standard Webhooks say; `whsec_` and base64, or any text of at least 24 bytes.";
    }
    "operator" {
        "listen" Address "\"127.0.0.1:8081\"" "\"127.0.0.1:8081\"" "Where the operator's pages listen; without a certificate loopback only (use an SSH tunnel).";
        "url" Text "-" "\"https://evenkeel.example.com:8443\"" "The address operators use, for links in calls to people.";
        "certificate_file" Folder "-" "\"operator.pem\"" "As for the page. With it the pages may listen on other addresses than loopback.";
        "key_file" Folder "-" "\"operator-key.pem\"" "The certificate's key.";
    }
    "pager" {
        "url" Text "-" "\"https://pager.example.com/hook\"" "The webhook. Without it, pages stand in the log and on the operator's page.";
        "url_file" Secret "-" "\"pager-url\"" "A file with the webhook, where the address itself is a secret.";
        "token_file" Secret "-" "\"pager-token\"" "A file with a token, sent as `Authorization: Bearer`.";
    }
    "mail" {
        "host" Text "-" "\"smtp.example.com\"" "The server. Without it no mail is sent.";
        "port" Number "587" "465" "Its port; without it 587 for starttls, 465 for tls, 25 for none.";
        "tls" Text "\"starttls\"" "\"tls\"" "`starttls`, `tls` (from the first byte) or `none`. A server that offers no STARTTLS gets no mail.";
        "ca_file" Folder "-" "\"mail-ca.pem\"" "Certificates (PEM) that are believed instead of the public authorities', for a server of your own.";
        "user" Text "-" "\"evenkeel\"" "The account.";
        "password_file" Secret "-" "\"mail-password\"" "A file with its password.";
        "from" Text "-" "\"evenkeel@example.com\"" "Who writes. Must be given where mail is sent.";
    }
    "subscribers" {
        "mail" YesNo "false" "true" "Whether customers may subscribe by mail on the public page. Needs [mail] and the page's `url`.";
        "from" Text "-" "\"status@example.com\"" "Who writes to them; else who writes in [mail].";
        "reply_to" Text "-" "\"support@example.com\"" "Where their answers go.";
        "per_second" Number "50" "10" "Mails a second.";
        "per_domain_per_second" Number "10" "2" "Mails a second to one domain: large providers turn away who comes too fast.";
        "connections" Number "4" "8" "Connections to the mail server at once.";
        "dkim_domain" Text "-" "\"example.com\"" "The domain that signs; else that of `from`.";
        "dkim_selector" Text "-" "\"evenkeel\"" "The key's name in the DNS: `evenkeel._domainkey.example.com`. Without it mails are not signed here.";
        "dkim_key_file" Folder "-" "\"dkim.pem\"" "The private key (PEM): RSA of 2048 bits or more, or Ed25519.";
        "webhook_networks" List "[]" "[\"10.1.0.0/16\"]" "Private networks into which webhooks may go all the same. Everybody else's lead to public addresses only.";
        "subscribers_max" Number "200000" "1000" "The most subscribers, confirmed or not.";
    }
    "[announce]" {
        "id" Text "" "\"chat\"" "Its name in this file, in the console and in metrics.";
        "kind" Text "" "\"slack\"" "`slack`, `mattermost`, `teams` (a webhook of a workflow), `mastodon`, `ntfy`, or `sms` (any gateway that speaks HTTP).";
        "url" Text "-" "\"https://ntfy.sh\"" "Its address: the webhook, the server, or the gateway.";
        "url_file" Secret "-" "\"chat-url\"" "A file with the address, where whoever has it may write there.";
        "token_file" Secret "-" "\"mastodon-token\"" "Mastodon and ntfy: a file with the account's token.";
        "languages" List "[\"en\"]" "[\"da\", \"en\"]" "In which languages it is announced, one after the other; `ntfy` titles and SMS have the first only.";
        "components" List "[]" "[\"login\"]" "Only what concerns these; everything where none is named.";
        "topic" Text "-" "\"status\"" "ntfy: the topic.";
        "to" List "[]" "[\"+31201234567\"]" "SMS: the numbers.";
        "body" Text "-" "'{\"to\":\"{to}\",\"text\":\"{text}\",\"reference\":\"{key}\"}'" "SMS: what the gateway is sent; `{to}`, `{text}` and `{key}` (the same for every try) are filled in.";
        "body_type" Text "\"json\"" "\"form\"" "SMS: `json` or `form`; by it what is filled in is escaped.";
        "headers" Map "{}" "{ \"x-account\" = \"1234\" }" "SMS: headers the gateway asks for.";
        "authorization_file" Secret "-" "\"sms-authorization\"" "SMS: a file with the value of the `Authorization` header.";
        "parts_max" Number "2" "1" "SMS: how many parts one may have; what is longer is cut after a word.";
    }
    "[person]" {
        "name" Text "" "\"ana\"" "Their name in this file and in the journal. Use the name they acknowledge with.";
        "mail" Text "-" "\"ana@example.com\"" "Their mail address.";
        "webhook_url" Text "-" "\"https://pager.example.com/ana\"" "Their webhook.";
        "webhook_url_file" Secret "-" "\"ana-webhook\"" "A file with the webhook, where the address itself is a secret.";
        "webhook_token_file" Secret "-" "\"ana-token\"" "A file with a token, sent as `Authorization: Bearer`.";
        "quiet_hours" Text "-" "\"22:00-07:00\"" "Warnings wait until these are over.";
        "time_zone" Text "\"UTC\"" "\"Europe/Amsterdam\"" "The zone of `quiet_hours`, and of the times in their mail.";
        "warnings" YesNo "true" "false" "Whether they are told of warnings; what is critical they are always called for.";
        "critical_in_quiet_hours" YesNo "true" "false" "Whether they are called in quiet hours when it is critical. If not, the next person is; where nobody else is there, they are.";
    }
    "escalation" {
        "next_after" Duration "\"10m\"" "\"5m\"" "Who has not acknowledged within this time is followed by the next. Who cannot be reached is followed at once.";
        "order" List "[]" "[\"ana\"]" "The order in which people are called; else that of this file.";
    }
    "incidents" {
        "settle" Duration "\"2m\"" "\"5m\"" "How long everything must stay clear before an incident is resolved.";
        "reopen_within" Duration "\"15m\"" "\"30m\"" "A finding that returns within this time reopens its incident.";
        "next_update_after" Duration "\"20m\"" "\"30m\"" "How long after a public update the next one is promised.";
    }
    "telling" {
        "mode" Text "\"automatic\"" "\"veto\"" "`automatic`: customers are told at once. `veto`: the operator is paged first and has `veto_within` to stop it. `propose`: nothing is told before an operator approves it; then the first word is as late as they are.";
        "veto_within" Duration "\"20s\"" "\"15s\"" "How long a word waits for a veto. Together with `tell_after` at most 30s, so that the first word comes within a minute.";
        "tell_after" Duration "\"10s\"" "\"5s\"" "Harm that is over sooner, and by which no request failed, is told nobody: it is a line in the history. At most 30s, so that the first word comes within a minute; what fails requests is told at once.";
    }
    "notices" {
        "nis2" YesNo "false" "true" "Keep the clock of NIS2, Directive (EU) 2022/2555 Article 23: 24 h, 72 h, one month. It starts by itself, see below, or by hand.";
        "nis2_down_for" Duration "\"30m\"" "\"20m\"" "Every component down for longer than this starts it. 30m is Article 7(a) of Implementing Regulation (EU) 2024/2690, of cloud computing services; what holds for you may be another article.";
        "nis2_harm_for" Duration "\"1h\"" "\"45m\"" "Customers hurt for longer than this start it. 1h is Article 7(b), which also asks whether more than 5 % of the users in the Union, or a million, were limited: that is yours to say, and to stop the clock where they were fewer.";
        "dora" YesNo "false" "true" "Keep the clock of DORA, Regulation (EU) 2022/2554 Article 19: 4 h after a person says that it is major (at most 24 h after it was found), 72 h, one month.";
        "gdpr" YesNo "false" "true" "Keep the clock of the GDPR, Regulation (EU) 2016/679 Article 33: 72 h. It starts when a person tells customers that data is affected, or by hand.";
    }
    "retention" {
        "findings" Duration "\"400d\"" "\"90d\"" "Findings: what was seen to be wrong, and when it was over.";
        "runs" Duration "\"400d\"" "\"90d\"" "Slots, starts and ends of runs.";
        "pings" Duration "\"90d\"" "\"30d\"" "Pings of heartbeats, with what they said.";
    }
    "recorder" {
        "enabled" YesNo "true" "false" "Whether it is recorded. Recording costs the rest of Evenkeel nothing: a full or failing disk stops it, and it alone.";
        "keep_for" Duration "\"72h\"" "\"31d\"" "How long recordings are kept. To try a policy on last month, keep a month.";
        "size_max_mib" Number "1024" "4096" "The most they may take together, MiB; the oldest go first.";
    }
    "log" {
        "level" Text "\"info\"" "\"debug\"" "`error`, `warn`, `info`, `debug` or `trace`.";
        "format" Text "\"text\"" "\"json\"" "`text` or `json`.";
    }
    "metrics" {
        "listen" Address "-" "\"127.0.0.1:9464\"" "Where `/metrics` listens. It shows names of jobs, databases and checks: keep it on loopback, or in your own network.";
    }
    "[component]" {
        "id" Text "" "\"login\"" "Its name in this file and in the journal.";
        "name" Text "" "\"Login\"" "Its name on the status page.";
        "needs" List "[]" "[\"main\"]" "Databases it needs: when one cannot be seen, the component is unknown.";
        "sessions" Table "-" "" "Which database sessions work for it.";
    }
    "[component.sessions]" {
        "database" Text "" "\"main\"" "The database.";
        "application_name" Text "-" "\"backoffice*\"" "Their `application_name`; `*` stands for any text.";
        "role" Text "-" "\"web\"" "Their role.";
        "query" Text "-" "\"*update users set last_login*\"" "Their current query.";
    }
    "[database]" {
        "id" Text "" "\"main\"" "Its name in this file and in the journal.";
        "host" Text "\"127.0.0.1\"" "\"/var/run/postgresql\"" "Host name, address, or the folder of a Unix socket.";
        "port" Number "5432" "5432" "Port.";
        "user" Text "\"evenkeel\"" "\"evenkeel\"" "The role: no superuser; `pg_monitor` and, where sessions may be ended, `pg_signal_backend`.";
        "dbname" Text "" "\"backoffice\"" "The database. Sessions of other databases are never touched.";
        "password_file" Secret "-" "\"db-password\"" "A file with the role's password.";
        "idle_in_transaction" Duration "\"5m\"" "\"1m\"" "A session idle in transaction for longer is reported.";
        "connections_pct" Number "80" "90" "Connections in use above this share of what there is are reported, percent.";
        "transaction_age" Duration "\"2h\"" "\"30m\"" "A transaction older than this is reported.";
        "locks" Table "-" "" "When a lock chain counts as harm.";
        "may" Table "-" "" "What Evenkeel may do to it.";
    }
    "database.locks" {
        "waiters_min" Number "2" "3" "At least so many sessions of components wait ...";
        "waiting_min" Duration "\"1s\"" "\"2s\"" "... each for at least so long.";
        "end_runs" YesNo "true" "true" "Sessions of supervised runs may be ended.";
        "end_roles" List "[]" "[\"report*\"]" "Sessions of these roles may be ended.";
        "end_applications" List "[]" "[\"psql\"]" "Sessions with these application names may be ended.";
        "end_queued_ddl" YesNo "false" "true" "A DDL statement that waits, with everyone waiting behind it, may be cancelled, if its session may be ended at all.";
        "drain" Duration "\"3s\"" "\"5s\"" "How long waiters may take to move after an end before it counts as no help.";
    }
    "database.may" {
        "end_backend" Mode "\"watch\"" "\"act\"" "Cancel a query, or end a session, at the root of a harmful lock chain.";
    }
    "[job]" {
        "id" Text "" "\"nightly-export\"" "Its name in this file, in the journal, and for `evenkeel run --job`.";
        "command" List "-" "[\"/usr/bin/export\", \"--all\"]" "What is run; no shell. Without it the job is only started by others, through `evenkeel run`.";
        "schedule" Text "-" "\"30 2 * * *\"" "Cron: minute, hour, day of month, month, day of week. Keeps wall-clock time through both changes of the clock.";
        "time_zone" Text "\"UTC\"" "\"Europe/Amsterdam\"" "The zone of `schedule`, `due` and the product's name.";
        "deadline" Duration "-" "\"2h\"" "The longest a run may take at all.";
        "stall" Duration "-" "\"5m\"" "The longest a run may go without progress: CPU time, I/O, output, database work, or a line written to $EVENKEEL_PROGRESS.";
        "due" Time "-" "\"06:00\"" "The time of day by which its product must be there.";
        "concurrency" Text "\"forbid\"" "\"queue\"" "What happens to a slot while a run is still there: `forbid`, `queue` or `replace`.";
        "env" Map "{}" "{ PGUSER = \"payroll\" }" "Environment beyond what Evenkeel has itself.";
        "user" Text "-" "\"payroll\"" "The user it runs as.";
        "group" Text "-" "\"payroll\"" "The group it runs as; else the user's own.";
        "working_dir" Folder "-" "\"/srv/payroll\"" "The folder it runs in.";
        "nice" Number "0" "10" "Added to its niceness.";
        "ionice" Text "-" "\"idle\"" "`idle`, or `best-effort:0` to `best-effort:7`.";
        "grace" Duration "\"10s\"" "\"30s\"" "Time between the polite signal and the one that cannot be refused.";
        "database" Text "-" "\"main\"" "Its database: PGHOST, PGPORT and PGDATABASE are passed to it.";
        "replica" Text "-" "\"main-replica\"" "A database it should run against instead, away from customers.";
        "components" List "[]" "[\"payroll\"]" "Components customers miss when its product is missing.";
        "retry" Table "-" "" "How failed runs are tried again.";
        "product" Table "-" "" "What it must deliver.";
        "may" Table "-" "" "What Evenkeel may do to its runs.";
    }
    "job.retry" {
        "budget" Number "0" "2" "Runs after the first, for one slot.";
        "backoff" Duration "\"1m\"" "\"30s\"" "Wait before the first retry; doubled for each further one.";
        "backoff_max" Duration "\"1h\"" "\"10m\"" "The longest wait.";
    }
    "job.product" {
        "url" Text "" "\"ftp://payroll@ftp.example.com/out/pay-%Y-%m-%d.csv\"" "A path, ftp://user@host/path or sftp://user@host/path; `%Y`, `%m`, `%d`, ... stand for the slot's date.";
        "password_file" Secret "-" "\"ftp-password\"" "A file with the FTP password.";
        "identity_file" Folder "-" "\"/etc/evenkeel/id_ed25519\"" "The private key for SFTP; else what `ssh` itself would use.";
        "ssh_config" Folder "-" "\"/etc/evenkeel/ssh_config\"" "A configuration file for `ssh`, instead of its own.";
        "bytes_min" Number "1" "10000" "The smallest size that counts as whole.";
        "rows_min" Number "-" "100" "The fewest rows that count as whole: lines that are not empty and do not begin with `#`.";
        "marker" Text "-" "\"# rows=*\"" "What its last line must fit: the proof that it was written to its end.";
        "fresh_within" Duration "\"20h\"" "\"12h\"" "A product older than this when it is due is an old one.";
    }
    "job.may" {
        "end_run" Mode "\"watch\"" "\"act\"" "End a run that hangs or is past its deadline: its whole process tree and its database sessions.";
        "start_run" Mode "\"act\"" "\"propose\"" "Start a run: by its schedule, again after a failure, or on an operator's order.";
    }
    "[check]" {
        "id" Text "" "\"front-page\"" "Its name in this file and in the journal.";
        "name" Text "-" "\"The front page\"" "What it is called in sentences; else its id.";
        "kind" Text "" "\"http\"" "`http`, `journey`, `tcp`, `tls`, `dns`, `postgres` or `smtp`.";
        "components" List "[]" "[\"payroll\"]" "Components that are hurt when it fails.";
        "harm" Text "\"partial_outage\"" "\"major_outage\"" "How they are then: `degraded_performance`, `partial_outage` or `major_outage`. For a journey `major_outage`: it is what customers do.";
        "interval" Duration "\"30s\"" "\"1m\"" "From one to the next. Each check has a place of its own within it, so that they do not all fire at once.";
        "timeout" Duration "\"10s\"" "\"5s\"" "The longest it may take, from the name's address to the last byte; 30s for a journey.";
        "retry_interval" Duration "\"5s\"" "\"2s\"" "After a failure, or an answer slower than `slow_after`, it is looked at again so soon, until `failures` in a row are seen.";
        "failures" Number "2" "3" "So many failures in a row count: one lost packet is no outage.";
        "slow_after" Duration "-" "\"2s\"" "Passing, but taking longer than this as often, is slow.";
        "certificate_days" Number "14" "21" "A served certificate that ends within so many days is reported (http, journey, tls, smtp).";
        "reference" YesNo "false" "true" "A target that is not yours and always there, such as your provider's gateway: when all references fail, it is Evenkeel that is cut off, and no check says anything. Have two or more.";
        "url" Text "-" "\"https://app.example.com/\"" "http: the address. Every check opens a connection of its own.";
        "method" Text "\"GET\"" "\"POST\"" "http: the method.";
        "headers" Map "{}" "{ authorization = \"Bearer {token}\" }" "http: headers to send; `{token}` stands for a secret.";
        "body" Text "-" "'{ \"ping\": 1 }'" "http: what is sent. What begins with `{` or `[` is sent as JSON.";
        "status" Text "\"200-299\"" "\"200, 301-303\"" "http: the statuses that are expected. A redirect that is expected is not followed.";
        "json" List "[]" "[\"/status == ok\", \"/queue/length < 100\", \"/error is missing\"]" "http: what must be true of the answer as JSON: a JSON pointer and `exists`, `is missing`, or ==, !=, <, <=, >, >= and a value.";
        "contains" List "[]" "[\"Welcome\"]" "http, tcp: what must stand in the answer.";
        "not_contains" List "[]" "[\"maintenance\"]" "http: what must not stand in the answer.";
        "redirects" Number "5" "0" "http: how many redirects are followed.";
        "body_max" Number "1048576" "65536" "http: how much of an answer is looked at, bytes.";
        "secret_files" Map "{}" "{ token = \"check-token\" }" "http, journey: files with a secret each, by the name that stands for it.";
        "ca_file" Folder "-" "\"/etc/evenkeel/ca.pem\"" "http, journey, tls, smtp: certificates of your own authority, trusted beside those browsers know.";
        "step" Table "-" "" "journey: its requests.";
        "address" Text "-" "\"mail.example.com:25\"" "tcp, tls, smtp, postgres: host and port; for postgres also the folder of a Unix socket, `/var/run/postgresql:5432`.";
        "server_name" Text "-" "\"mail.example.com\"" "tls, smtp: the name the certificate must carry, where it is not the host's.";
        "send" Text "-" "\"PING\\r\\n\"" "tcp: what is sent first.";
        "tls" Text "\"none\"" "\"starttls\"" "smtp: `none`, `starttls` (ports 25 and 587) or `implicit` (port 465).";
        "host" Text "-" "\"app.example.com\"" "dns: the name that is asked for.";
        "record" Text "\"A\"" "\"MX\"" "dns: A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV or TXT.";
        "answer" List "[]" "[\"192.0.2.7\"]" "dns: what must be among the answers.";
        "resolver" Text "-" "\"9.9.9.9:53\"" "dns: whom to ask; else this host's own name servers.";
        "database" Text "-" "\"main\"" "postgres: a guarded database, whose address, role and password are used.";
        "user" Text "-" "\"backoffice\"" "postgres: the role, where it is another.";
        "dbname" Text "-" "\"backoffice\"" "postgres: the database, where it is another.";
        "password_file" Secret "-" "\"db-password\"" "postgres: a file with the role's password.";
        "query" Text "-" "\"select count(*) from users where false\"" "postgres: one statement, asked in a read-only transaction. Give `address` of your pooler to ask the way your application does.";
        "value" Text "-" "\"0\"" "postgres: what the first column of the first row must be, as text.";
    }
    "[check.step]" {
        "name" Text "" "\"log in\"" "Its name: a failure names it.";
        "url" Text "" "\"https://app.example.com/login\"" "The address; from the second step on it may be relative, or a link that was captured.";
        "method" Text "\"GET\"" "\"POST\"" "The method.";
        "headers" Map "{}" "{ x-requested-with = \"XMLHttpRequest\" }" "Headers to send.";
        "form" Map "{}" "{ email = \"check@example.com\", password = \"{password}\", csrf = \"{csrf}\" }" "Fields of a form, as a page would send them.";
        "body" Text "-" "'{ \"name\": \"{unique}\" }'" "What is sent instead of a form.";
        "status" Text "\"200-299\"" "\"201\"" "The statuses that are expected. A redirect that is expected is not followed.";
        "json" List "[]" "[\"/id exists\"]" "What must be true of the answer as JSON.";
        "contains" List "[]" "[\"Welcome\"]" "What must stand in the answer.";
        "not_contains" List "[]" "[\"wrong password\"]" "What must not stand in the answer.";
        "redirects" Number "5" "0" "How many redirects are followed.";
        "body_max" Number "1048576" "65536" "How much of an answer is looked at, bytes.";
        "capture" Map "{}" "{ csrf = 'regex name=\"csrf\" value=\"([^\"]+)\"', id = \"json /id\", place = \"header location\" }" "What later steps use, by name: `regex` with one group, `json` with a pointer, or `header`.";
        "always" YesNo "false" "true" "Made also after another step failed, if what it uses was captured: delete the record, log out.";
    }
    "[readiness]" {
        "id" Text "" "\"morning\"" "Its name, in commands and in the journal.";
        "name" Text "-" "\"The morning\"" "What it is called in sentences; else its id.";
        "at" Time "" "\"06:00\"" "The time of day at which it must hold.";
        "time_zone" Text "\"UTC\"" "\"Europe/Amsterdam\"" "The zone the time is meant in.";
        "days" List "[]" "[\"mon-fri\"]" "Days of the week; without any, every day.";
        "except" List "[]" "[\"2026-12-25\"]" "Dates on which it is not asked.";
        "except_file" Folder "-" "\"/etc/evenkeel/holidays\"" "A file with such dates, one a line.";
        "checks" List "[]" "[\"login\"]" "Checks that must pass. One that nobody has seen lately does not.";
        "products" List "[]" "[\"nightly-export\"]" "Jobs whose product of the newest slot must be there.";
        "rehearsal" Duration "\"30m\"" "\"1h\"" "How long before it is rehearsed; `0s` for not at all.";
    }
    "[maintenance]" {
        "id" Text "" "\"sunday-night\"" "Its name, in commands and in the journal.";
        "components" List "" "[\"login\"]" "The functions that are worked on. Nothing else is covered.";
        "starts" Text "-" "\"2026-09-27T22:00\"" "When it first begins, on the wall of `time_zone`.";
        "length" Duration "" "\"4h\"" "How long it takes: customers are told its end, and it covers nothing after it. At most `24h`.";
        "repeat" Text "-" "\"FREQ=WEEKLY;BYDAY=SU\"" "When it comes again: a rule of RFC 5545 that comes once a day at most.";
        "dates" List "[]" "[\"2026-12-27T22:00\"]" "Further times, one by one.";
        "except" List "[]" "[\"2026-12-27\"]" "Dates of `repeat` on which it is not.";
        "time_zone" Text "\"UTC\"" "\"Europe/Copenhagen\"" "The zone the times are meant in, its changes of the clock included.";
        "impact" Text "\"outage\"" "\"degraded\"" "What is expected of it: `outage`, `degraded` (slow; failure is an incident), `reduced_redundancy` or `no_impact` (nothing is covered).";
        "text" Text "-" "\"We move to new servers.\"" "What for, for customers: shown as it is, with its language.";
        "language" Text "-" "\"en\"" "The language of `text`: en, nl, de, pl or da.";
        "begins" Text "\"by_itself\"" "\"by_hand\"" "`by_hand`: when somebody says `evenkeel maintenance start`; it is called off where nobody does by its end.";
        "ends" Text "\"by_itself\"" "\"by_hand\"" "`by_hand`: when somebody says `evenkeel maintenance finish`; after its end it is overdue, and people are called.";
        "announce" Duration "\"14d\"" "\"30d\"" "How long before each is announced; between `1h` and `92d`.";
        "reminders" List "[\"7d\", \"24h\"]" "[\"24h\", \"1h\"]" "How long before each customers are reminded; at most five.";
    }
    "[peak]" {
        "id" Text "" "\"vat-day\"" "Its name in the journal.";
        "name" Text "" "\"VAT day\"" "What it is called in sentences.";
        "components" List "[]" "[\"login\"]" "The functions that are busy then; without any, all.";
        "starts" Text "-" "\"2026-12-01\"" "When it first begins, on the wall of `time_zone`; a date alone is its midnight.";
        "length" Duration "\"24h\"" "\"48h\"" "How long it lasts.";
        "repeat" Text "-" "\"FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=1\"" "When it comes again: a rule of RFC 5545 that comes once a day at most.";
        "dates" List "[]" "[\"2027-01-31\"]" "Further dates, one by one.";
        "except" List "[]" "[\"2026-12-01\"]" "Dates of `repeat` on which it is not.";
        "time_zone" Text "\"UTC\"" "\"Europe/Copenhagen\"" "The zone the times are meant in.";
    }
    "pings" {
        "listen" Address "-" "\"0.0.0.0:8082\"" "Where pings and the API listen. Put it behind your TLS proxy, or give it a certificate.";
        "url" Text "-" "\"https://ping.example.com\"" "The address clients use; else the one it listens on.";
        "ping_key_file" Secret "" "\"ping-key\"" "A file with the key of slug URLs (`/ping/KEY/SLUG`); the UUIDs of heartbeats that name none are made of it too.";
        "api_key_file" Secret "-" "\"api-key\"" "A file with the API's key; without one nobody makes or changes heartbeats but this file.";
        "api_key_readonly_file" Secret "-" "\"api-key-readonly\"" "A file with a key that only reads.";
        "certificate_file" Folder "-" "\"ping.pem\"" "As for the page: then pings and the API speak TLS.";
        "key_file" Folder "-" "\"ping-key.pem\"" "The certificate's key.";
    }
    "[heartbeat]" {
        "name" Text "" "\"Nightly backup\"" "What it is called.";
        "slug" Text "-" "\"nightly-backup\"" "Its name in URLs; else made of `name`.";
        "uuid" Text "-" "\"5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278\"" "Its UUID, to keep one that clients know already; else made of `name` and the ping key.";
        "period" Duration "-" "\"1h\"" "Its pings come this often. One of `period`, `cron`, `on_calendar`.";
        "cron" Text "-" "\"30 2 * * *\"" "Its pings come by this cron expression.";
        "on_calendar" Text "-" "\"Mon..Fri 02:30\"" "Its pings come by this systemd calendar expression.";
        "time_zone" Text "\"UTC\"" "\"Europe/Amsterdam\"" "The zone of `cron` and `on_calendar`.";
        "grace" Duration "\"1h\"" "\"10m\"" "How late a ping may come; and how long a run may take, where `run_max` is not given.";
        "start_grace" Duration "-" "\"5m\"" "How late a `/start` may come; for clients that send one.";
        "run_max" Duration "-" "\"2h\"" "The longest a run may go between its `/start`, each `/log`, and its end.";
        "run_min" Duration "-" "\"30s\"" "A run that says success in less has done nothing, and that is reported.";
        "interval_min" Duration "-" "\"10m\"" "Runs that begin closer together are reported.";
        "severity" Text "\"critical\"" "\"warning\"" "`critical` calls somebody, `warning` opens an incident, `notice` is only shown.";
        "components" List "[]" "[\"payroll\"]" "Components that are hurt when it is missing, failed or does not end.";
        "harm" Text "\"degraded_performance\"" "\"partial_outage\"" "How they are then: `degraded_performance`, `partial_outage` or `major_outage`.";
        "tags" List "[]" "[\"backup\", \"prod\"]" "Words it can be found by.";
        "description" Text "-" "\"Dumps the database to the other site\"" "What it is for, and what to do when it is missing.";
        "manual_resume" YesNo "false" "true" "Once paused, it stays so until somebody resumes it, whatever it pings.";
        "post_only" YesNo "false" "true" "Only `POST` counts: link previews and scanners send `GET`.";
    }
    "edge" {
        "listen" Address "-" "\"0.0.0.0:80\"" "Where it listens without TLS; [[edge.listener]] for more, or for TLS. Port 0 takes a free one.";
        "trusted" List "[]" "[\"10.0.0.0/8\", \"::1\"]" "Peers in front of it whose `Forwarded` and `X-Forwarded-*` headers are believed.";
        "tenant" List "[]" "[\"header:x-tenant\", \"cookie:tenant\", \"host:0\", \"path:0\"]" "By what a request's tenant is known, the first that is there: a header, a cookie, a label of the host or a segment of the path, counted from 0. Only a hash of it is kept.";
        "session" List "[]" "[\"cookie:session\"]" "By what a user's session is known, in the same words.";
        "access_log" Folder "-" "\"access.log\"" "A file with one JSON object for each logged request; `-` for standard output.";
        "access_log_sample" Number "100" "1" "One of so many requests that went well is logged; the others always are.";
        "connections_max" Number "20000" "100000" "Client connections at once; more are told so and closed.";
        "connections_per_address_max" Number "2000" "500" "Client connections of one address at once; trusted peers are not bounded by it.";
        "head_max" Size "\"32KiB\"" "\"64KiB\"" "The largest head of a request or an answer.";
        "headers_max" Number "128" "200" "Header fields of a head.";
        "head_timeout" Duration "\"10s\"" "\"5s\"" "How long a request's head may take from its first byte.";
        "keep_alive" Duration "\"75s\"" "\"2m\"" "How long a client's connection may be idle between two requests.";
        "handshake_timeout" Duration "\"10s\"" "\"5s\"" "How long a TLS handshake may take.";
        "streams_max" Number "100" "200" "Requests at once on one HTTP/2 connection.";
        "tenants_told" Number "20" "50" "Tenants that are counted one by one, the busiest; the rest is summed.";
        "tenants_known" Number "20000" "100000" "Tenants that are told apart at all; the longest idle is forgotten.";
        "shutdown_max" Duration "\"30s\"" "\"5m\"" "When it is stopped or replaced, requests under way may take this long to end.";
        "listener" Table "-" "" "Further places where clients come.";
    }
    "[edge.listener]" {
        "address" Address "" "\"0.0.0.0:443\"" "Where it listens.";
        "certificate_file" Folder "-" "\"app.pem\"" "The certificate and those between it and the authority (PEM): then it speaks TLS. Read again when it changes.";
        "key_file" Folder "-" "\"app-key.pem\"" "The certificate's key (PEM, without a password).";
        "more_certificates" Map "{}" "{ \"other.pem\" = \"other-key.pem\" }" "Further certificates with their keys, for other names: the one that fits the name the client asks for is used.";
        "acme_domains" List "[]" "[\"app.example.com\"]" "Names for which an authority issues the certificate, instead of files: ordered, kept in the data folder, and renewed by the edge. No wildcards.";
        "acme_terms_agreed" YesNo "false" "true" "That the authority's terms of service were read and are agreed to; without it nothing is ordered.";
        "acme_directory" Text "\"https://acme-v02.api.letsencrypt.org/directory\"" "\"https://acme-staging-v02.api.letsencrypt.org/directory\"" "The authority's ACME directory. The example is Let's Encrypt's for trying it out.";
        "acme_contact" Text "-" "\"ops@example.com\"" "Whom the authority may write to.";
        "acme_ca_file" Folder "-" "\"acme-ca.pem\"" "The certificate (PEM) by which an authority of your own is believed.";
        "proxy_protocol" YesNo "false" "true" "Trusted peers begin every connection with a PROXY header (version 1 or 2).";
        "redirect_to_https" YesNo "false" "true" "Every request is sent on to https:// with the same host and path.";
    }
    "[pool]" {
        "id" Text "" "\"web\"" "Its name, in commands and in the journal.";
        "name" Text "-" "\"The web front ends\"" "What it is called in sentences; else its id.";
        "check" Text "-" "\"/health\"" "The path each instance is asked for: 2xx and 3xx are well. Without it, only customers' requests tell.";
        "check_host" Text "-" "\"app.example.com\"" "The `Host` it is asked with; else the first host of the pool's routes, or `localhost`.";
        "check_interval" Duration "\"1s\"" "\"5s\"" "How often.";
        "check_timeout" Duration "\"2s\"" "\"1s\"" "How long an answer may take.";
        "check_rise" Number "2" "3" "Good answers in a row until it gets requests.";
        "check_fall" Number "3" "2" "Bad answers in a row until it gets none.";
        "slow_start" Duration "\"10s\"" "\"30s\"" "How long the share of an instance grows after it came back.";
        "drain_max" Duration "\"30s\"" "\"5m\"" "Requests under way at a draining instance may take this long to end.";
        "sticky_cookie" Text "-" "\"evenkeel_web\"" "A cookie of the edge's own that keeps a user's session at its instance; it moves when the instance drains.";
        "outlier_failures" Number "5" "10" "Failed requests in a row after which an instance rests.";
        "outlier_rest" Duration "\"30s\"" "\"10s\"" "How long; doubled for each further time in a row.";
        "outlier_rest_max" Duration "\"5m\"" "\"10m\"" "The longest rest.";
        "panic_pct" Number "50" "34" "Where less than this share of the instances would be left, percent, all are used: the fault is not theirs alone.";
        "adaptive" YesNo "true" "false" "Whether the number of requests at once follows what the pool can carry; else `concurrency_max` holds.";
        "concurrency_min" Number "4" "8" "Never fewer requests at once.";
        "concurrency_max" Number "1000" "200" "Never more requests at once.";
        "concurrency_initial" Number "32" "64" "How many at the start.";
        "tenant_pct" Number "50" "25" "The most places one tenant may hold while others wait, percent.";
        "session_max" Number "12" "20" "The most requests of one user's session at once.";
        "queue_timeout" Duration "\"5s\"" "\"2s\"" "How long a request may wait for a place.";
        "queue_max" Number "1000" "200" "The most requests that wait.";
        "queue_tenant_max" Number "200" "50" "The most of one tenant that wait.";
        "retries" Number "2" "1" "How often a request is tried at another instance, where it cannot have had an effect.";
        "retry_budget_pct" Number "20" "10" "Retries for each hundred requests.";
        "retry_min_per_s" Number "10" "5" "Retries a second that are always allowed.";
        "hold_timeout" Duration "\"30s\"" "\"60s\"" "The longest a request waits while the pool is held.";
        "hold_max" Number "2000" "500" "The most requests that are held.";
        "hold_tenant_max" Number "200" "50" "The most of one tenant.";
        "hold_body_max" Size "\"64MiB\"" "\"256MiB\"" "What the bodies of held requests may take in memory in all, and of one tenant the same part of it as of `hold_max`; the rest of a body stays with the client.";
        "release_per_s" Number "200" "50" "How many go on in a second when the hold ends.";
        "connect_timeout" Duration "\"2s\"" "\"1s\"" "How long opening a connection to an instance may take.";
        "idle_connections_max" Number "64" "16" "Idle connections to one instance that are kept.";
        "idle_connection_max" Duration "\"4s\"" "\"60s\"" "An idle connection is closed after this time; it has to be less than the instance's own (Node.js: 5s).";
        "restart_max" Duration "\"100s\"" "\"30s\"" "How long restarting an instance may take.";
        "admit_within" Duration "\"60s\"" "\"5m\"" "How long a restarted instance may take until its check answers.";
        "quiet" Text "-" "\"02:00-04:00\"" "When little is done: instances that have to be recycled rather are then.";
        "time_zone" Text "\"UTC\"" "\"Europe/Berlin\"" "The zone of `quiet`.";
        "may" Table "-" "" "What Evenkeel may do to its instances.";
        "instance" Table "-" "" "Its instances.";
    }
    "pool.may" {
        "recycle_instance" Mode "\"watch\"" "\"act\"" "Restart an instance before a resource that leaks runs out: drained first, admitted when its check passes again.";
    }
    "[pool.instance]" {
        "id" Text "" "\"web-1\"" "Its name; no other instance has it.";
        "address" Address "" "\"127.0.0.1:9001\"" "Where it answers. An address, not a name, so that it cannot lead elsewhere.";
        "unit" Text "-" "\"web@1.service\"" "Its systemd unit: which process it is, and how it is restarted where nothing else is said.";
        "user_unit" Text "-" "\"web@1.service\"" "The same, of the manager of the user Evenkeel runs as.";
        "pid_file" Folder "-" "\"/run/web-1.pid\"" "A file with its process id, where it has no unit.";
        "metrics" Text "-" "\"http://127.0.0.1:9001/metrics\"" "Where it tells its own metrics: its heap, and its memory where it runs on another host.";
        "release_header" Text "-" "\"x-release\"" "The header in which the answer of its metrics names its release.";
        "memory_limit" Size "-" "\"512MiB\"" "What its memory is bounded by, where that is not its cgroup's.";
        "recycle_command" List "-" "[\"systemctl\", \"restart\", \"web@1\"]" "What restarts it; no shell.";
        "recycle_hook" Text "-" "\"http://127.0.0.1:9001/restart\"" "An address that restarts it when it gets a POST.";
    }
    "[route]" {
        "id" Text "" "\"documents\"" "Its name, in figures and in the journal.";
        "component" Text "-" "\"login\"" "The function customers see that it belongs to: switched off together, told together.";
        "hosts" List "[]" "[\"app.example.com\", \"*.example.com\"]" "Hosts, lower case, without port; all where none is named.";
        "paths" List "[]" "[\"/documents\", \"/login$\", \"/*/export\"]" "Paths: each is it and everything below; with `$` exactly it; `*` is one whole segment. All where none is named.";
        "methods" List "[]" "[\"GET\", \"HEAD\"]" "Methods; all where none is named.";
        "pool" Text "" "\"web\"" "Where its requests go.";
        "criticality" Text "\"normal\"" "\"sheddable\"" "What is turned away first when it is too much: `sheddable`, then `normal`, last `critical`.";
        "concurrency_max" Number "-" "20" "The most of its requests at once.";
        "timeout" Duration "\"60s\"" "\"30s\"" "How long the service may take to begin its answer.";
        "idle_timeout" Duration "\"5m\"" "\"1h\"" "The longest pause within a body, an event stream or a WebSocket.";
        "body_max" Size "\"10MiB\"" "\"100MiB\"" "The largest body of a request.";
    }
    "[volume]" {
        "id" Text "" "\"database\"" "Its name, in findings and in the journal.";
        "path" Folder "" "\"/var/lib/postgresql\"" "A folder on it.";
        "components" List "[]" "[\"login\"]" "Components that are hurt when it is full.";
    }
    "leaks" {
        "interval" Duration "\"10s\"" "\"30s\"" "From one look at instances and volumes to the next.";
        "database_interval" Duration "\"1m\"" "\"5m\"" "From one look at what fills up in a database to the next.";
        "timeout" Duration "\"3s\"" "\"1s\"" "How long an instance's metrics may take.";
        "warm_up" Duration "\"10m\"" "\"30m\"" "What is seen so soon after a start says nothing of a trend.";
        "horizon" Duration "\"1d\"" "\"3d\"" "What may run out within this time is told.";
        "urgent" Duration "\"30m\"" "\"1h\"" "What may run out within this time, and is not mended by then, somebody is called for.";
    }
}

/// The settings of a section.
pub fn of(section: &str) -> impl Iterator<Item = &'static Setting> + use<'_> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.section == section)
}

/// One setting; the reader may ask for none that is not here.
pub(super) fn find(section: &str, key: &str) -> &'static Setting {
    of(section)
        .find(|setting| setting.key == key)
        .unwrap_or_else(|| panic!("the setting {section}.{key} is not in the table"))
}

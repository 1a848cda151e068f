//! The hand: an instance is started afresh behind the drained edge, or left alone.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, Outcome, Task};
use evenkeel_core::evidence::EvidenceKind;
use evenkeel_core::ids::{ActionId, InstanceId, PoolId};
use evenkeel_core::observation::Resource;
use evenkeel_guards::evidence::EvidenceStore;
use evenkeel_guards::guard::{EdgeInstance, EdgeSight, Guard, Performed};
use evenkeel_guards::leaks::{
    InstanceSpec, LeakSpec, Leaks, PoolSpec, ProcessSource, ReadyPath, Restart, Unit, WebAddress,
};

use super::leaky::Leaky;
use super::peer::{Peer, answer, request, say_and_stall};
use super::systemctl;

const REVISION: u64 = 7;

/// An edge that sees what a test wants.
struct Edge {
    sees: Mutex<Option<EdgeInstance>>,
    asked: AtomicUsize,
}

const DRAINED: EdgeInstance = EdgeInstance {
    plan_revision: REVISION,
    draining: true,
    under_way: 0,
    others_in_use: 1,
};

impl Edge {
    fn seeing(sees: Option<EdgeInstance>) -> Arc<Self> {
        Arc::new(Self {
            sees: Mutex::new(sees),
            asked: AtomicUsize::new(0),
        })
    }

    fn sees(&self, sees: Option<EdgeInstance>) {
        *self.sees.lock().expect("the edge") = sees;
    }

    /// Waits until it was asked so often from now on.
    async fn asked(&self, times: usize) {
        let from = self.asked.load(Ordering::Relaxed);
        while self.asked.load(Ordering::Relaxed) < from + times {
            tokio::task::yield_now().await;
        }
    }
}

impl EdgeSight for Edge {
    fn instance(&self, pool: &PoolId, instance: &InstanceId) -> Option<EdgeInstance> {
        assert_eq!((pool.as_str(), instance.as_str()), ("web", "web-1"));
        self.asked.fetch_add(1, Ordering::Relaxed);
        *self.sees.lock().expect("the edge")
    }
}

/// A leaky child with what restarts it.
struct Scene {
    child: Leaky,
    edge: Arc<Edge>,
    folder: tempfile::TempDir,
    spec: LeakSpec,
    /// How long the restarted one may take.
    admit_within: Duration,
    drain_max: Duration,
    started_before: Option<Timestamp>,
}

impl Scene {
    async fn new() -> Self {
        let child = Leaky::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let mut pool = PoolSpec::new("web".into());
        pool.ready = Some(ReadyPath {
            path: "/health".into(),
            host: "app".into(),
        });
        pool.restart_max = Duration::from_secs(20);
        pool.instances = vec![child.instance()];
        let mut spec = LeakSpec::new();
        spec.pools.push(pool);
        let mut scene = Self {
            child,
            edge: Edge::seeing(Some(DRAINED)),
            folder,
            spec,
            admit_within: Duration::from_secs(30),
            drain_max: Duration::from_secs(30),
            started_before: Some(Timestamp::now()),
        };
        let again = scene.script("again", &scene.child.restart_script());
        scene.instance().restart = Some(Restart::Command(vec![again]));
        scene
    }

    fn instance(&mut self) -> &mut InstanceSpec {
        &mut self.spec.pools[0].instances[0]
    }

    fn script(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("a script");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&file, executable).expect("executable");
        file.display().to_string()
    }

    fn restarted_by(&mut self, script: &str) {
        let script = self.script("restart", script);
        self.instance().restart = Some(Restart::Command(vec![script]));
    }

    fn guard(&self) -> Arc<Leaks> {
        let evidence = EvidenceStore::new(self.evidence(), None);
        let leaks = Leaks::new(self.spec.clone())
            .behind(self.edge.clone())
            .keeping(Arc::new(evidence))
            .confirmed_within(Duration::from_millis(300));
        Arc::new(leaks)
    }

    fn evidence(&self) -> PathBuf {
        self.folder.path().join("evidence")
    }

    fn action(&self) -> Action {
        Action {
            id: ActionId(1),
            task: Task::RecycleInstance {
                pool: "web".into(),
                instance: "web-1".into(),
                resource: Resource::Memory,
                started_before: self.started_before,
                drain_max: self.drain_max,
                admit_within: self.admit_within,
            },
            reason: "a test".into(),
            facts: Vec::new(),
            finding: None,
            incident: None,
            decided_at_revision: REVISION,
            decided_at: Timestamp::now(),
        }
    }

    async fn perform(&self) -> Performed {
        self.guard().perform(&self.action()).await
    }

    /// The pid in the pid file.
    fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.child.pid_file()).expect("a pid file");
        text.trim().parse().expect("a pid")
    }

    /// Nothing was touched: it is the same process, and it answers.
    async fn is_untouched(&self) {
        assert_eq!(self.pid(), self.child.pid());
        self.child.ask("/health").await;
    }
}

fn done(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Done(text) => text,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused(text) => text,
        other => panic!("{other:?}"),
    }
}

fn failed(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_drained_instance_is_started_afresh_once() {
    let mut scene = Scene::new().await;
    let metrics = scene.child.web("/metrics");
    scene.instance().metrics = Some(metrics);
    let before = scene.pid();
    let action = scene.action();
    let guard = scene.guard();
    tokio::time::sleep(Duration::from_millis(200)).await; // waits: for the two starts to differ
    let Performed { outcome, evidence } = guard.perform(&action).await;
    let text = done(&outcome);
    assert!(text.contains("answers /health; it was out for"), "{text}");
    let after = scene.pid();
    assert_ne!(after, before);
    let kept = evidence.expect("evidence");
    let kinds: Vec<EvidenceKind> = kept.items.iter().map(|item| item.kind).collect();
    for kind in [
        EvidenceKind::Processes,
        EvidenceKind::Memory,
        EvidenceKind::Files,
        EvidenceKind::Metrics,
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let store = EvidenceStore::new(scene.evidence(), None);
    let memory = store.read(&kept.id, "memory.txt").expect("the memory");
    assert!(
        memory.contains(&format!("pid {before}")) && memory.contains("Pss:"),
        "{memory}"
    );

    // Again, as after a crash of ours: the process is younger than the decision.
    let again = guard.perform(&action).await;
    let Outcome::NothingToDo(text) = &again.outcome else {
        panic!("{:?}", again.outcome);
    };
    assert!(text.contains("restarted since this was decided"), "{text}");
    assert_eq!(scene.pid(), after);
    assert!(again.evidence.is_none());
}

#[tokio::test]
async fn what_is_under_way_ends_first() {
    let scene = Scene::new().await;
    let busy = EdgeInstance {
        under_way: 3,
        ..DRAINED
    };
    scene.edge.sees(Some(busy));
    let (guard, action) = (scene.guard(), scene.action());
    let performing = tokio::spawn(async move { guard.perform(&action).await });
    scene.edge.asked(5).await;
    scene.is_untouched().await;
    // A window that is late is no reason to give up.
    scene.edge.sees(None);
    scene.edge.asked(1).await;
    scene.edge.sees(Some(DRAINED));
    let performed = performing.await.expect("performed");
    done(&performed.outcome);
}

#[tokio::test]
async fn what_does_not_end_is_waited_for_no_longer_than_the_action_says() {
    let mut scene = Scene::new().await;
    scene.drain_max = Duration::from_millis(200);
    scene.edge.sees(Some(EdgeInstance {
        under_way: 1,
        ..DRAINED
    }));
    done(&scene.perform().await.outcome);
    assert_ne!(scene.pid(), scene.child.pid());
}

#[tokio::test]
async fn one_that_people_drained_before_is_drained() {
    let scene = Scene::new().await;
    scene.edge.sees(Some(EdgeInstance {
        plan_revision: REVISION - 3,
        ..DRAINED
    }));
    done(&scene.perform().await.outcome);
}

#[tokio::test]
async fn without_the_edge_s_word_nothing_is_touched() {
    let scene = Scene::new().await;
    for (sees, told) in [
        (None, "cannot be seen"),
        (
            Some(EdgeInstance {
                others_in_use: 0,
                ..DRAINED
            }),
            "no other instance of pool web is in use",
        ),
        (
            Some(EdgeInstance {
                draining: false,
                plan_revision: REVISION - 1,
                ..DRAINED
            }),
            "the edge does not drain web-1: its plan is of revision 6, and 7 is wanted",
        ),
    ] {
        scene.edge.sees(sees);
        let performed = scene.perform().await;
        let text = refused(&performed.outcome);
        assert!(text.contains(told), "{text}");
        assert!(
            performed.evidence.is_none(),
            "nothing was going to be touched"
        );
        scene.is_untouched().await;
    }
    let without = Leaks::new(scene.spec.clone()).confirmed_within(Duration::from_millis(100));
    let performed = without.perform(&scene.action()).await;
    assert!(refused(&performed.outcome).contains("cannot be seen"));
    scene.is_untouched().await;
}

#[tokio::test]
async fn a_drain_that_is_lifted_meanwhile_ends_it() {
    let scene = Scene::new().await;
    let busy = EdgeInstance {
        under_way: 1,
        ..DRAINED
    };
    for (then, told) in [
        (
            EdgeInstance {
                draining: false,
                ..busy
            },
            "its drain was lifted",
        ),
        (
            EdgeInstance {
                others_in_use: 0,
                ..DRAINED
            },
            "no other instance",
        ),
    ] {
        scene.edge.sees(Some(busy));
        let (guard, action) = (scene.guard(), scene.action());
        let performing = tokio::spawn(async move { guard.perform(&action).await });
        scene.edge.asked(3).await;
        scene.edge.sees(Some(then));
        let performed = performing.await.expect("performed");
        let text = refused(&performed.outcome);
        assert!(text.contains(told), "{text}");
        scene.is_untouched().await;
    }
}

#[tokio::test]
async fn what_is_not_certain_or_not_ours_is_refused() {
    let mut scene = Scene::new().await;
    let restart = scene.instance().restart.take();
    let text = refused(&scene.perform().await.outcome).to_owned();
    assert!(
        text.contains("nothing says how web-1 is restarted"),
        "{text}"
    );
    scene.instance().restart = restart;

    let own = scene.instance().process.clone();
    scene.instance().process = ProcessSource::Elsewhere;
    let text = refused(&scene.perform().await.outcome).to_owned();
    assert!(text.contains("process_start_time_seconds"), "{text}");
    scene.instance().process = own;

    std::fs::write(scene.child.pid_file(), "web").expect("a pid file");
    let text = refused(&scene.perform().await.outcome).to_owned();
    assert!(text.contains("no service's pid"), "{text}");
    let pid = scene.child.pid().to_string();
    std::fs::write(scene.child.pid_file(), pid).expect("a pid file");
    scene.child.age_pid_file();
    let text = refused(&scene.perform().await.outcome).to_owned();
    assert!(text.contains("stale"), "{text}");

    scene.instance().id = "web-2".into();
    let text = refused(&scene.perform().await.outcome).to_owned();
    assert!(text.contains("not in the configuration"), "{text}");
    scene.is_untouched().await;
}

#[tokio::test]
async fn one_that_was_restarted_since_is_left_alone() {
    let mut scene = Scene::new().await;
    let before = Timestamp::now().checked_sub(Duration::from_secs(3600));
    scene.started_before = Some(before.expect("an hour ago"));
    let outcome = scene.perform().await.outcome;
    assert!(matches!(&outcome, Outcome::NothingToDo(_)), "{outcome:?}");
    scene.is_untouched().await;
}

#[tokio::test]
async fn one_that_does_not_run_is_started() {
    let scene = Scene::new().await;
    scene.child.end();
    let outcome = scene.perform().await.outcome;
    assert!(
        done(&outcome).contains("did not run when its turn came"),
        "{outcome:?}"
    );
    scene.child.ask("/health").await;
}

#[tokio::test]
async fn a_command_that_fails_changes_nothing_and_says_so() {
    let mut scene = Scene::new().await;
    scene.admit_within = Duration::from_secs(1);
    scene.restarted_by("echo the manager is away >&2; exit 3");
    let outcome = scene.perform().await.outcome;
    let text = failed(&outcome);
    assert!(text.contains("the manager is away"), "{text}");
    assert!(
        text.contains("runs on as before") && text.contains("nothing was changed"),
        "{text}"
    );
    scene.is_untouched().await;

    scene.restarted_by("exit 0");
    let outcome = scene.perform().await.outcome;
    let text = failed(&outcome);
    assert!(text.contains("no new process came within 1 s"), "{text}");
    assert!(text.contains("runs on as before"), "{text}");

    scene.spec.pools[0].restart_max = Duration::from_millis(500);
    scene.restarted_by("sleep 1000");
    let outcome = scene.perform().await.outcome;
    assert!(
        failed(&outcome).contains("was killed with its children"),
        "{outcome:?}"
    );

    scene.instance().restart = Some(Restart::Command(vec!["/nowhere/at/all".into()]));
    let outcome = scene.perform().await.outcome;
    assert!(
        failed(&outcome).contains("cannot be started"),
        "{outcome:?}"
    );
    scene.is_untouched().await;
}

#[tokio::test]
async fn one_that_is_left_stopped_is_told_as_stopped() {
    let mut scene = Scene::new().await;
    scene.admit_within = Duration::from_secs(1);
    let file = scene.child.pid_file();
    scene.restarted_by(&format!("kill -9 $(cat {})", file.display()));
    let outcome = scene.perform().await.outcome;
    let text = failed(&outcome);
    assert!(
        text.contains("IS STOPPED NOW") && text.contains("start it with"),
        "{text}"
    );
}

#[tokio::test]
async fn one_that_comes_back_and_does_not_answer_is_told() {
    let mut scene = Scene::new().await;
    scene.admit_within = Duration::from_secs(2);
    let file = scene.child.pid_file();
    let file = file.display();
    scene.restarted_by(&format!(
        "kill -9 $(cat {file}); sleep 60 >/dev/null 2>&1 & echo $! >{file}"
    ));
    let outcome = scene.perform().await.outcome;
    let text = failed(&outcome);
    assert!(text.contains("does not answer within 2 s"), "{text}");
    assert!(text.contains("nothing listens there"), "{text}");
}

#[tokio::test]
async fn a_hook_restarts_also_where_its_answer_never_comes() {
    let mut scene = Scene::new().await;
    let script = scene.script("again", &scene.child.restart_script());
    for stalls in [false, true] {
        let script = script.clone();
        let hook = Peer::start(move |mut stream| {
            let script = script.clone();
            async move {
                let asked = request(&mut stream).await;
                assert!(asked.starts_with("POST /restart "), "{asked}");
                let run = tokio::process::Command::new(script).status().await;
                assert!(run.expect("the script").success());
                if stalls {
                    say_and_stall(&mut stream, "HTTP/1.1 ").await;
                } else {
                    use tokio::io::AsyncWriteExt;
                    let accepted = answer("202 Accepted", "", "");
                    let _ = stream.write_all(accepted.as_bytes()).await;
                }
            }
        })
        .await;
        let address = WebAddress::parse(&hook.url("/restart")).expect("an address");
        scene.instance().restart = Some(Restart::Hook(address));
        scene.spec.pools[0].restart_max = Duration::from_secs(3);
        let before = scene.pid();
        // Restarted in the first turn, it is younger than the first decision.
        scene.started_before = Timestamp::now().checked_add(Duration::from_secs(2)).ok();
        let outcome = scene.perform().await.outcome;
        assert_eq!(done(&outcome).contains("although"), stalls, "{outcome:?}");
        assert_ne!(scene.pid(), before);
    }
}

#[tokio::test]
async fn a_hook_that_stalls_or_refuses_changes_nothing() {
    let mut scene = Scene::new().await;
    scene.admit_within = Duration::from_millis(500);
    scene.spec.pools[0].restart_max = Duration::from_secs(1);
    let stalled = Peer::start(|mut stream| async move {
        say_and_stall(&mut stream, "").await;
    })
    .await;
    let refusing = Peer::answering(answer("403 Forbidden", "", "no")).await;
    for (peer, told) in [
        (&stalled, "waiting for the answer"),
        (&refusing, "with 403"),
    ] {
        let address = WebAddress::parse(&peer.url("/restart?key=geheim")).expect("an address");
        scene.instance().restart = Some(Restart::Hook(address));
        let outcome = scene.perform().await.outcome;
        let text = failed(&outcome);
        assert!(
            text.contains(told) && text.contains("runs on as before"),
            "{text}"
        );
        assert!(!text.contains("geheim"), "{text}");
    }
    scene.is_untouched().await;
}

#[tokio::test]
async fn a_unit_is_restarted_by_its_manager() {
    let mut scene = Scene::new().await;
    let script = scene.script("again", &scene.child.restart_script());
    let fake = format!(
        "case \"$*\" in\n\
         '--no-pager --property=MainPID,ActiveState,LoadState show -- web@1.service')\n\
         printf 'MainPID=%s\\nLoadState=loaded\\nActiveState=active\\n' \"$(cat {})\";;\n\
         '--no-ask-password restart -- web@1.service') {script};;\n\
         *) exit 9;; esac",
        scene.child.pid_file().display()
    );
    let unit = Unit::new("web@1", false).expect("a unit");
    scene.spec.systemctl = systemctl(scene.folder.path(), &fake);
    scene.instance().process = ProcessSource::Unit(unit.clone());
    scene.instance().restart = Some(Restart::Unit(unit));
    let before = scene.pid();
    let outcome = scene.perform().await.outcome;
    let text = done(&outcome);
    assert!(text.contains("`systemctl restart web@1.service`"), "{text}");
    assert_ne!(scene.pid(), before);

    // Evenkeel's user may not.
    scene.started_before = Timestamp::now().checked_add(Duration::from_secs(2)).ok();
    let fake = fake.replace(
        &format!("{script};;"),
        "echo 'Failed to restart web@1.service: Interactive authentication required.' >&2; exit 1;;",
    );
    scene.spec.systemctl = systemctl(scene.folder.path(), &fake);
    scene.admit_within = Duration::from_secs(1);
    let outcome = scene.perform().await.outcome;
    let text = failed(&outcome);
    assert!(
        text.contains("polkit") && text.contains("runs on as before"),
        "{text}"
    );
}

#[tokio::test]
async fn an_instance_elsewhere_is_proven_by_its_own_start() {
    let mut scene = Scene::new().await;
    let started = Arc::new(Mutex::new(1_790_000_000_u64));
    let told = started.clone();
    let host = Peer::start(move |mut stream| {
        let told = told.clone();
        async move {
            use tokio::io::AsyncWriteExt;
            let asked = request(&mut stream).await;
            let body = {
                let mut started = told.lock().expect("the start");
                if asked.starts_with("POST") {
                    *started += 3600;
                }
                format!("process_start_time_seconds {started}\n")
            };
            let _ = stream
                .write_all(answer("200 OK", "", &body).as_bytes())
                .await;
        }
    })
    .await;
    let address = |path: &str| WebAddress::parse(&host.url(path)).expect("an address");
    let instance = scene.instance();
    instance.process = ProcessSource::Elsewhere;
    instance.metrics = Some(address("/metrics"));
    instance.restart = Some(Restart::Hook(address("/restart")));
    instance.address = host.address;
    let outcome = scene.perform().await.outcome;
    done(&outcome);
    assert_eq!(*started.lock().expect("the start"), 1_790_003_600);
}

#[tokio::test]
async fn one_at_a_time_in_a_pool() {
    let scene = Scene::new().await;
    scene.edge.sees(Some(EdgeInstance {
        under_way: 1,
        ..DRAINED
    }));
    let (guard, action) = (scene.guard(), scene.action());
    let first = {
        let (guard, action) = (guard.clone(), action.clone());
        tokio::spawn(async move { guard.perform(&action).await })
    };
    scene.edge.asked(2).await;
    let second = guard.perform(&action).await;
    assert!(
        refused(&second.outcome).contains("one at a time"),
        "{second:?}"
    );
    scene.edge.sees(Some(DRAINED));
    done(&first.await.expect("performed").outcome);
}

#[tokio::test]
async fn the_action_takes_as_long_as_its_steps_may() {
    let scene = Scene::new().await;
    let takes = scene.guard().takes(&scene.action());
    let steps = scene.drain_max + scene.admit_within + scene.spec.pools[0].restart_max;
    assert!(takes > steps, "{takes:?}");
}

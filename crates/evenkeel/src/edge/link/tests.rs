//! The link against an edge that is a socket: what it says is passed on, what it must not
//! say is told.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{InstanceWindow, PoolWindow};
use evenkeel_core::observation::Observation;
use evenkeel_core::record::Record;
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

/// An edge of a test, and what the keeper's link makes of it.
struct Scene {
    _folder: tempfile::TempDir,
    edge: UnixListener,
    link: Arc<Link>,
    seen: mpsc::Receiver<Observation>,
    keeper: watch::Sender<Arc<Published>>,
    task: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("edge.sock");
        let edge = UnixListener::bind(&socket).expect("a socket");
        let link = Link::new(socket, vec!["web".into()]);
        let (sender, seen) = mpsc::channel(64);
        let (keeper, published) = watch::channel(Arc::new(Published::of(Record::default())));
        let outlet = Outlet::new("edge".into(), sender);
        let task = tokio::spawn(link.clone().keep(published, outlet));
        Self {
            _folder: folder,
            edge,
            link,
            seen,
            keeper,
            task,
        }
    }

    /// The keeper's connection, and the first line it says.
    async fn connected(&self) -> (UnixStream, String) {
        let (mut stream, _) = self.edge.accept().await.expect("the keeper");
        let mut said = Vec::new();
        while said.last() != Some(&b'\n') {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.expect("a line");
            said.push(byte[0]);
        }
        (stream, String::from_utf8(said).expect("text"))
    }

    async fn next(&mut self) -> Seen {
        self.seen.recv().await.expect("an observation").seen
    }

    /// Why the pool cannot be seen.
    async fn blind(&mut self) -> String {
        loop {
            if let Seen::Sight(Sight {
                blind: Some(why), ..
            }) = self.next().await
            {
                return why;
            }
        }
    }
}

fn window(states: &[(&str, InstanceState)]) -> EdgeWindow {
    let instances = states.iter().map(|(id, state)| {
        let window = InstanceWindow {
            state: *state,
            under_way: 3,
            ..InstanceWindow::default()
        };
        ((*id).into(), window)
    });
    let pool = PoolWindow {
        instances: instances.collect(),
        ..PoolWindow::default()
    };
    EdgeWindow {
        pools: BTreeMap::from([("web".into(), pool)]),
        ..EdgeWindow::quiet(Timestamp::UNIX_EPOCH)
    }
}

fn line(window: &EdgeWindow) -> Vec<u8> {
    let mut line = serde_json::to_vec(&serde_json::json!({ "window": window })).expect("JSON");
    line.push(b'\n');
    line
}

#[tokio::test]
async fn the_plan_goes_out_and_windows_come_in() {
    let mut scene = Scene::new();
    let (mut stream, plan) = scene.connected().await;
    assert!(plan.starts_with("{\"plan\":{\"revision\":0,"), "{plan}");
    let said = window(&[
        ("web-1", InstanceState::Draining),
        ("web-2", InstanceState::InUse),
        ("web-3", InstanceState::Down),
    ]);
    // In two pieces: a line is what ends in a newline.
    let line = line(&said);
    stream.write_all(&line[..40]).await.expect("written");
    scene.keeper.send_modify(|_| {});
    stream.write_all(&line[40..]).await.expect("written");
    let Seen::Sight(Sight { blind: None, of }) = scene.next().await else {
        panic!("the pool is seen again");
    };
    assert_eq!(of, Subject::Pool("web".into()));
    assert_eq!(scene.next().await, Seen::EdgeWindow(said));
    let sight = |instance: &str| scene.link.instance(&"web".into(), &instance.into());
    let one = sight("web-1").expect("it is known");
    assert!(one.draining);
    assert_eq!((one.under_way, one.others_in_use), (3, 1));
    assert!(!sight("web-2").expect("it is known").draining);
    assert_eq!(sight("web-2").expect("it is known").others_in_use, 0);
    assert_eq!(sight("web-4"), None);
}

#[tokio::test]
async fn what_cannot_be_understood_is_told_and_it_is_tried_again() {
    let mut scene = Scene::new();
    let (mut stream, _) = scene.connected().await;
    let said = window(&[("web-1", InstanceState::InUse)]);
    stream.write_all(&line(&said)).await.expect("written");
    stream
        .write_all(b"{\"window\":1}\n")
        .await
        .expect("written");
    let why = scene.blind().await;
    assert!(why.contains("cannot be understood"), "{why}");
    assert_eq!(scene.link.instance(&"web".into(), &"web-1".into()), None);
    let (mut stream, _) = scene.connected().await;
    drop(stream.write_all(&line(&said)).await);
    drop(stream);
    let why = scene.blind().await;
    assert!(why.contains("has gone"), "{why}");
}

#[tokio::test]
async fn a_line_without_an_end_is_not_kept_for_ever() {
    let mut endless = BufReader::new(tokio::io::repeat(b' '));
    let mut line = Vec::new();
    let refused = next_line(&mut endless, &mut line).await;
    assert!(refused.expect_err("bounded").contains("at once"));
    assert!(line.len() <= LINE_MAX);
}

#[tokio::test]
async fn an_edge_that_is_not_there_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = Link::new(folder.path().join("edge.sock"), vec!["web".into()]);
    let (sender, mut seen) = mpsc::channel(64);
    let (_keeper, published) = watch::channel(Arc::new(Published::of(Record::default())));
    let outlet = Outlet::new("edge".into(), sender);
    let task = tokio::spawn(link.keep(published, outlet));
    let told = seen.recv().await.expect("told").seen;
    task.abort();
    let Seen::Sight(Sight {
        blind: Some(why), ..
    }) = told
    else {
        panic!("{told:?}");
    };
    assert!(why.contains("start it with `evenkeel edge`"), "{why}");
}

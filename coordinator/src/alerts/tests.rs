use super::*;
use proto::v1::RunState;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
};

fn run(state: RunState) -> Run {
    Run { id: "r1".to_owned(), state: state.into(), reason: "all epochs are done".to_owned(), ..Run::default() }
}

/// A server that answers with `statuses`, one after the other. It returns what it was sent.
fn server(statuses: &'static [u16]) -> (Url, thread::JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/alerts?key=1", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let mut bodies = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            bodies.push(serde_json::from_slice(&body).unwrap());
            write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
        bodies
    });
    (url, server)
}

/// Runs from its beginning to its end, as alerts see it.
async fn seen(options: AlertOptions) -> (tempfile::TempDir, inputs::Receiver<HelmInput>) {
    let directory = tempfile::tempdir().unwrap();
    let (helm, view) = watch::channel(run(RunState::Training));
    let (inputs, receiver) = inputs::channel(8);
    let chronicle = watch::Sender::new(Chronicle::default());
    let alerts = Alerts::start(options, directory.path(), view, inputs, chronicle).unwrap();
    helm.send_replace(run(RunState::Finished));
    alerts.end().await;
    (directory, receiver)
}

#[tokio::test]
async fn a_webhook_is_told_and_told_again_until_it_listens() {
    let (url, server) = server(&[503, 200]);
    seen(AlertOptions { webhook: Some(url), ..AlertOptions::default() }).await;
    let bodies = server.join().unwrap();
    assert_eq!(bodies[0], bodies[1]);
    let body = &bodies[1];
    assert_eq!(
        (&body["kind"], &body["status"], &body["severity"]),
        (&"run-finished".into(), &"firing".into(), &"info".into())
    );
    assert_eq!(
        (&body["text"], &body["run_id"], &body["version"]),
        (&"all epochs are done".into(), &"r1".into(), &1.into())
    );
}

#[tokio::test]
async fn a_webhook_that_refuses_is_not_asked_again() {
    let (url, server) = server(&[404]);
    let began = Instant::now();
    seen(AlertOptions { webhook: Some(url), ..AlertOptions::default() }).await;
    assert_eq!(server.join().unwrap().len(), 1);
    assert!(began.elapsed() < FAREWELL, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_command_gets_the_alert() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("told");
    let command = format!("cat > '{0}.json'; printf '%s' \"$COXSWAIN_ALERT\" > '{0}'", file.display());
    seen(AlertOptions { command: Some(command), ..AlertOptions::default() }).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "all epochs are done");
    let json: Value = serde_json::from_slice(&std::fs::read(file.with_extension("json")).unwrap()).unwrap();
    assert_eq!(json["kind"], "run-finished");
}

#[tokio::test]
async fn a_command_that_does_not_end_holds_up_nobody_for_long() {
    let began = Instant::now();
    seen(AlertOptions { command: Some("exec sleep 25".to_owned()), ..AlertOptions::default() }).await;
    assert!(began.elapsed() < FAREWELL + Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn the_last_word_is_said_beside_one_that_takes_long() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("told");
    let say = format!("printf %s \"$COXSWAIN_ALERT\" > '{}'", file.display());
    let command = format!("case \"$COXSWAIN_ALERT\" in stuck*) exec sleep 25;; *) {say};; esac");
    let receivers = Receivers::start(None, Some(command)).unwrap();
    let note = |text: &str| {
        let alert = Alert {
            kind: alerts::Kind::RunFinished,
            status: Status::Firing,
            severity: Severity::Info,
            worker: None,
            text: text.to_owned(),
            advice: "",
        };
        Note::new(&alert, &run(RunState::Finished))
    };
    receivers.tell(&note("stuck in a shell"));
    receivers.tell(&note("all is done"));
    let began = Instant::now();
    receivers.end();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "all is done");
    assert!(began.elapsed() < FAREWELL + Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_news_goes_to_the_journal() {
    let rules = Rules { stalled_after: Duration::ZERO, ..Rules::default() };
    let directory = tempfile::tempdir().unwrap();
    let (_helm, view) = watch::channel(run(RunState::Training));
    let (inputs, mut receiver) = inputs::channel(8);
    let options = AlertOptions { rules, ..AlertOptions::default() };
    let chronicle = watch::Sender::new(Chronicle::default());
    let mut shown = chronicle.subscribe();
    let alerts = Alerts::start(options, directory.path(), view, inputs, chronicle).unwrap();
    let input = timeout(FAREWELL, receiver.recv()).await.unwrap();
    assert!(matches!(input, Some(HelmInput::Note { text }) if text.starts_with("no step for ")));
    let shown = shown.wait_for(|chronicle| chronicle.alerts_from(0).len() > 0).await.unwrap().clone();
    let alert = &shown.alerts_from(0).next().unwrap().alert;
    assert_eq!((&*alert.kind, &*alert.status, &*alert.severity), ("run-stalled", "firing", "critical"));
    assert!(alert.advice.contains("what it waits for"), "{alert:?}");
    alerts.end().await;
}

//! What is there as JSON.

use super::{Live, record};
use chronicle::{Alert, Fact};
use serde_json::{Value, json};

#[tokio::test]
async fn a_run_is_there_as_json() {
    let live = Live::new();
    live.add(Fact::Run { id: "r1".to_owned(), config: json!({"epochs": 20}) });
    live.add(record(0));
    live.add(record(1));
    live.add(Fact::Event("one".to_owned()));
    live.add(Fact::Event("two".to_owned()));
    live.add(Fact::Checkpoint { name: "epoch-2".to_owned(), steps_done: 9 });
    live.add(Fact::Alert(Alert { kind: "worker-lost".to_owned(), text: "a is lost".to_owned(), ..Alert::default() }));
    let about = live.json("/api/about").await;
    assert_eq!(
        (&about["live"], &about["runs"][0]["config"]["epochs"], &about["runs"][0]["model"]),
        (&json!(true), &json!(20), &json!(false))
    );
    let run = live.json("/api/run").await;
    assert_eq!((&run["state"], &run["reason"]), (&json!("training"), &json!("steps")));
    let epochs = live.json("/api/epochs").await;
    assert_eq!(epochs["columns"]["epoch"], json!([0, 1]));
    assert_eq!(epochs["columns"]["test_accuracy"], json!([0.85, 0.85]));
    assert_eq!(epochs["columns"]["test_loss"], json!([null, null]), "what is no number is none");
    assert_eq!(live.json("/api/events?from=1").await["events"][0]["text"], "two");
    assert_eq!(live.json("/api/history").await["checkpoints"][0]["name"], "epoch-2");
    let told = &live.json("/api/alerts").await["alerts"][0];
    assert_eq!(
        (&told["kind"], &told["text"], &told["number"]),
        (&json!("worker-lost"), &json!("a is lost"), &json!(0))
    );
    let confusion = live.json("/api/confusion?epoch=0").await;
    assert_eq!((&confusion["counts"], &confusion["accuracy"]), (&json!([8, 2, 1, 9]), &json!([0.8, 0.9])));
}

#[tokio::test]
async fn a_history_of_many_members_is_told_in_part() {
    let live = Live::new();
    let members: Vec<String> = (0..900).map(|rank| format!("worker-{rank:04}")).collect();
    for generation in 0..100 {
        live.add(Fact::Generation { generation, members: members.clone(), reason: "somebody came".to_owned() });
    }
    let (_, _, body) = live.get("/api/history").await;
    assert!(body.len() < 500_000, "{} bytes", body.len());
    let history: Value = serde_json::from_slice(&body).unwrap();
    let generations = history["generations"].as_array().unwrap();
    assert_eq!((generations.len(), &history["left_out"]), (22, &json!(78)));
    assert_eq!(generations[21]["generation"], 99, "the newest are told");
    for generation in 100..5000 {
        live.add(Fact::Generation { generation, members: vec!["a".to_owned()], reason: String::new() });
    }
    let history = live.json("/api/history").await;
    assert_eq!(history["generations"].as_array().unwrap().len(), 2000);
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_in_words_what_to_ask() {
    let live = Live::new();
    let why = async |path: &str| {
        let (status, _, body) = live.get(path).await;
        assert!(status.is_client_error(), "{path}: {status}");
        String::from_utf8(body.to_vec()).unwrap()
    };
    assert_eq!(why("/api/confusion").await, "No epoch is done yet\n");
    live.add(record(0));
    live.add(record(1));
    assert_eq!(why("/api/confusion?epoch=7").await, "Epoch 7 is not done: there are 0 to 1\n");
    for field in ["confusion?epoch=x", "events?from=-1", "history?run=", "grid?from=1.5", "mistakes?truth=999"] {
        let (_, name) = field.split_once('?').unwrap();
        let name = name.split('=').next().unwrap();
        let expected = format!("{name} has to be a whole number in its range, as in ?{name}=0\n");
        assert_eq!(why(&format!("/api/{field}")).await, expected);
    }
    assert!(why("/api/predict").await.contains("takes a picture by POST"));
    for nowhere in ["/api/foo", "/foo", "/foo/bar.png"] {
        assert!(why(nowhere).await.starts_with("There is nothing of that name"), "{nowhere}");
    }
    assert!(why("/api/events?from=1&from=2").await.starts_with("What follows the ? cannot be read: duplicate field"));
}

use super::*;
use proptest::prelude::*;
use proto::v1::{Epoch, Recovery, Run, RunState, Worker};
use std::{collections::BTreeMap, time::Duration};

fn training(step: u32) -> Run {
    Run { state: RunState::Training.into(), step, reason: "2 workers train".to_owned(), ..Run::default() }
}

fn member(name: &str, shards: u32, compute_seconds: f64) -> Worker {
    Worker { name: name.to_owned(), rank: Some(0), shards: (0..shards).collect(), compute_seconds, ..Worker::default() }
}

fn look(lookout: &mut Lookout, seconds: u64, run: &Run) -> Vec<(Kind, Status, String)> {
    look_at_disk(lookout, seconds, run, None)
}

fn look_at_disk(lookout: &mut Lookout, seconds: u64, run: &Run, disk: Option<Disk>) -> Vec<(Kind, Status, String)> {
    let alerts = lookout.look(&Seen { run, at: Duration::from_secs(seconds), disk });
    alerts.into_iter().map(|alert| (alert.kind, alert.status, alert.text)).collect()
}

fn lookout() -> Lookout {
    Lookout::new(Rules::default())
}

#[test]
fn a_lost_worker_is_told_once_and_none_of_an_earlier_coordinator() {
    let mut lookout = lookout();
    let recovery = |generation| Recovery { kind: format!("gpu-{generation} lost"), generation, ..Recovery::default() };
    let mut run = training(1);
    run.recoveries = vec![recovery(3)];
    assert_eq!(look(&mut lookout, 0, &run), []);
    run.recoveries = vec![recovery(3), recovery(4), recovery(5)];
    let lost = |text: &str| (Kind::WorkerLost, Status::Firing, text.to_owned());
    assert_eq!(look(&mut lookout, 1, &run), [lost("gpu-4 lost"), lost("gpu-5 lost")]);
    assert_eq!(look(&mut lookout, 2, &run), []);
}

#[test]
fn a_loss_names_its_worker() {
    let mut lookout = lookout();
    let mut run = training(1);
    assert_eq!(look(&mut lookout, 0, &run), []);
    run.recoveries = ["local-0 lost: its stream broke", "a and b lost", "a worker was lost"]
        .map(|kind| Recovery { kind: kind.to_owned(), ..Recovery::default() })
        .to_vec();
    let alerts = lookout.look(&Seen { run: &run, at: Duration::from_secs(1), disk: None });
    let named: Vec<Option<&str>> = alerts.iter().map(|alert| alert.worker.as_deref()).collect();
    assert_eq!(named, [Some("local-0"), None, None]);
}

#[test]
fn every_loss_is_told_whatever_its_generation() {
    let lost = |name: &str, generation, resumed_ms| Recovery {
        kind: format!("{name} lost"),
        detected_ms: 5,
        resumed_ms,
        generation,
    };
    let texts = |alerts: Vec<(Kind, Status, String)>| -> Vec<String> {
        alerts.into_iter().map(|(kind, _, text)| format!("{kind:?}: {text}")).collect()
    };
    let mut lookout = lookout();
    let mut run = training(1);
    assert_eq!(look(&mut lookout, 0, &run), []);
    // Two in one generation, one look after the other.
    run.recoveries = vec![lost("a", 4, None)];
    assert_eq!(texts(look(&mut lookout, 1, &run)), ["WorkerLost: a lost"]);
    run.recoveries.push(lost("b", 4, None));
    assert_eq!(texts(look(&mut lookout, 2, &run)), ["WorkerLost: b lost"]);
    // Training goes on, in the next generation.
    run.recoveries = vec![lost("a", 5, Some(700)), lost("b", 5, Some(700))];
    assert_eq!(texts(look(&mut lookout, 3, &run)), [""; 0]);
    // A failure whose cause is found later.
    run.recoveries.push(lost("somebody", 5, None));
    assert_eq!(texts(look(&mut lookout, 4, &run)), ["WorkerLost: somebody lost"]);
    run.recoveries[2].kind = "c lost".to_owned();
    assert_eq!(texts(look(&mut lookout, 5, &run)), ["WorkerLost: c lost"]);
    run.recoveries[2] = lost("c", 6, Some(800));
    assert_eq!(texts(look(&mut lookout, 6, &run)), [""; 0]);
    // Only the newest are shown, and the same worker is lost again and again.
    for generation in 7..30 {
        run.recoveries.push(lost("c", generation, None));
        let shown = run.recoveries.len().saturating_sub(3);
        run.recoveries.drain(..shown);
        assert_eq!(texts(look(&mut lookout, 2 * generation, &run)), ["WorkerLost: c lost"]);
        run.recoveries.last_mut().unwrap().resumed_ms = Some(900);
        assert_eq!(texts(look(&mut lookout, 2 * generation + 1, &run)), [""; 0]);
    }
}

#[test]
fn who_is_set_aside_is_told_and_its_return_or_its_leaving() {
    for leaves in [false, true] {
        let mut lookout = lookout();
        let aside = Worker {
            name: "gpu-1".to_owned(),
            set_aside: "its memory is full".to_owned(),
            back_in_seconds: Some(90.0),
            ..Worker::default()
        };
        let mut run = Run { workers: vec![aside], ..training(1) };
        let text = "gpu-1 is set aside for 1m30s: its memory is full".to_owned();
        assert_eq!(look(&mut lookout, 0, &run), [(Kind::WorkerSetAside, Status::Firing, text)]);
        run.workers[0].back_in_seconds = Some(30.0);
        assert_eq!(look(&mut lookout, 60, &run), []);
        run.workers[0].back_in_seconds = None;
        if leaves {
            run.workers.clear();
        }
        let text = if leaves { "gpu-1 has left" } else { "gpu-1 may take part again" };
        assert_eq!(look(&mut lookout, 90, &run), [(Kind::WorkerSetAside, Status::Resolved, text.to_owned())]);
    }
}

#[test]
fn a_slow_worker_is_one_that_is_slow_for_its_shards() {
    let mut lookout = lookout();
    let fair = [member("a", 1, 0.1), member("b", 1, 0.11), member("c", 2, 0.2)];
    let mut run = Run { workers: fair.to_vec(), ..training(1) };
    for seconds in 0..100 {
        run.step += 1;
        assert_eq!(look(&mut lookout, seconds, &run), []);
    }
    run.workers[1].compute_seconds = 0.3;
    for seconds in 100..130 {
        assert_eq!(look(&mut lookout, seconds, &run), []);
    }
    let text = "b takes 3.0 times as long for a shard as others".to_owned();
    assert_eq!(look(&mut lookout, 130, &run), [(Kind::WorkerSlow, Status::Firing, text)]);
    assert_eq!(look(&mut lookout, 131, &run), []);
    run.workers[1].compute_seconds = 0.1;
    assert_eq!(look(&mut lookout, 132, &run), [(Kind::WorkerSlow, Status::Resolved, "b is no longer slow".to_owned())]);
    run.workers.truncate(1);
    assert_eq!(look(&mut lookout, 133, &run), [], "alone it has nobody to be compared with");
}

#[test]
fn a_run_that_stands_still_is_told_and_that_it_goes_on() {
    let mut lookout = lookout();
    let run = training(7);
    assert_eq!(look(&mut lookout, 0, &run), []);
    assert_eq!(look(&mut lookout, 599, &run), []);
    let text = "no step for 10m00s: 2 workers train".to_owned();
    assert_eq!(look(&mut lookout, 600, &run), [(Kind::RunStalled, Status::Firing, text)]);
    assert_eq!(look(&mut lookout, 700, &run), []);
    let text = "the run goes on".to_owned();
    assert_eq!(look(&mut lookout, 701, &training(8)), [(Kind::RunStalled, Status::Resolved, text)]);
    let paused = Run { state: RunState::Paused.into(), ..training(8) };
    assert_eq!(look(&mut lookout, 4000, &paused), [], "a run that is paused stands still by right");
    assert_eq!(look(&mut lookout, 4001, &training(8)), [], "nor has it stood still when it goes on");
    let paused = Run { state: RunState::Paused.into(), ..training(8) };
    assert_eq!(look(&mut lookout, 4000, &paused), [], "a run that is paused stands still by right");
    let over = Run { state: RunState::Finished.into(), ..training(8) };
    assert_eq!(look(&mut lookout, 5000, &over).len(), 1, "a run that is over stands still by right");
}

#[test]
fn losses_and_accuracies() {
    let rules = Rules { accuracy_above: Some(0.9), accuracy_below: Some(0.5), ..Rules::default() };
    let mut lookout = Lookout::new(rules);
    let after = |epoch: u32, test_accuracy: f64, test_loss: f64| Run {
        epochs: vec![Epoch { epoch, test_accuracy, test_loss, ..Epoch::default() }],
        ..training(epoch)
    };
    let kinds = |alerts: Vec<(Kind, Status, String)>| -> Vec<(Kind, Status)> {
        alerts.into_iter().map(|(kind, status, _)| (kind, status)).collect()
    };
    assert_eq!(kinds(look(&mut lookout, 0, &training(0))), []);
    assert_eq!(kinds(look(&mut lookout, 1, &after(0, 0.4, 1.0))), [(Kind::AccuracyBelow, Status::Firing)]);
    assert_eq!(kinds(look(&mut lookout, 2, &after(1, 0.6, 1.0))), [(Kind::AccuracyBelow, Status::Resolved)]);
    assert_eq!(kinds(look(&mut lookout, 3, &after(2, 0.9, 1.0))), [(Kind::AccuracyAbove, Status::Firing)]);
    assert_eq!(kinds(look(&mut lookout, 4, &after(3, 0.95, 1.0))), []);
    assert_eq!(kinds(look(&mut lookout, 5, &after(4, 0.6, f64::NAN))), [(Kind::RunDiverged, Status::Firing)]);
    assert_eq!(kinds(look(&mut lookout, 6, &after(5, 0.6, f64::NAN))), []);
}

#[test]
fn who_starts_a_lost_worker_again_is_told_rightly() {
    for (started_again, words) in [(false, "and start it again"), (true, "starts it again by itself")] {
        let mut lookout = Lookout::new(Rules { started_again, ..Rules::default() });
        assert_eq!(look(&mut lookout, 0, &training(1)), []);
        let lost = Recovery { kind: "a lost: gone".to_owned(), ..Recovery::default() };
        let run = Run { recoveries: vec![lost], ..training(2) };
        let alerts = lookout.look(&Seen { run: &run, at: Duration::from_secs(1), disk: None });
        let told: Vec<_> = alerts.iter().map(|alert| (alert.kind, alert.advice.contains(words))).collect();
        assert_eq!(told, [(Kind::WorkerLost, true)]);
    }
}

#[test]
fn a_disk_that_is_nearly_full() {
    let mut lookout = lookout();
    let mut free = |seconds, gib_free: f64, gib: u64| {
        let disk = Disk { free: (gib_free * f64::from(1 << 30)) as u64, total: gib << 30 };
        look_at_disk(&mut lookout, seconds, &training(seconds as u32), Some(disk))
    };
    assert_eq!(free(0, 5.0, 10_000), [], "of a large disk some is enough");
    assert_eq!(free(1, 1.1, 20), []);
    let text = "the disk of the run directory has 512 MiB left".to_owned();
    assert_eq!(free(2, 0.5, 20), [(Kind::DiskNearlyFull, Status::Firing, text)]);
    assert_eq!(free(3, 1.1, 20), [], "a little more is no relief");
    assert_eq!(free(4, 2.0, 20)[0].1, Status::Resolved);
}

proptest! {
    /// Of what has an end, beginnings and ends take turns.
    #[test]
    fn nothing_begins_twice(looks in prop::collection::vec((0..3_u32, any::<bool>(), 0.0..0.4_f64, any::<bool>()), 1..60)) {
        let mut lookout = Lookout::new(Rules { accuracy_below: Some(0.5), ..Rules::default() });
        let mut lasting: BTreeMap<(Kind, Option<String>), bool> = BTreeMap::new();
        for (index, (step, aside, compute, there)) in looks.into_iter().enumerate() {
            let mut worker = member("a", 1, compute);
            worker.back_in_seconds = aside.then_some(1.0);
            let workers = if there { vec![worker, member("b", 1, 0.1)] } else { vec![member("b", 1, 0.1)] };
            let epoch = Epoch { test_accuracy: compute * 2.0, ..Epoch::default() };
            let run = Run { workers, epochs: vec![epoch], ..training(step) };
            for alert in lookout.look(&Seen { run: &run, at: Duration::from_secs(index as u64 * 20), disk: None }) {
                let begins = alert.status == Status::Firing;
                let before = lasting.insert((alert.kind, alert.worker), begins);
                prop_assert_eq!(before.unwrap_or(false), !begins);
            }
        }
    }
}

//! `cox checkpoints`, which shows those that were written, and `cox checkpoint`, which has one written now.

use crate::{
    args::Checkpoints, connect::Coordinator, error::Failure, events::moment, look::Ink, output::Output, source::Source,
};
use program::text::one_line;
use proto::v1::Checkpoint;
use tonic::transport::Uri;
use view::{Align, CheckpointView, percent, table, thousands};

/// Prints the checkpoints that were written.
///
/// # Errors
/// If they cannot be had or written.
pub async fn checkpoints(url: &Uri, options: &Checkpoints, output: &Output) -> Result<(), Failure> {
    let all = Source::of(&options.from, url).await?.checkpoints().await?;
    if output.json() {
        return output.json_object(&all.iter().map(CheckpointView::new).collect::<Vec<_>>());
    }
    if all.is_empty() {
        return output.text("there is no checkpoint yet: the first comes at the end of the first epoch\n");
    }
    let look = output.look();
    let paint = |(index, line): (usize, String)| if index == 0 { look.paint(Ink::Faint, &line) } else { line };
    output.lines(lines(&all).into_iter().enumerate().map(paint))
}

/// Has the state saved now, and says what the checkpoint is called.
///
/// # Errors
/// If it is not saved, or the output cannot be written.
pub async fn checkpoint(coordinator: &Coordinator, output: &Output) -> Result<(), Failure> {
    let saved = coordinator.save().await?;
    if output.json() { output.json_object(&CheckpointView::new(&saved)) } else { output.text(&render(&saved)) }
}

/// A table of all of them.
#[must_use]
pub fn lines(checkpoints: &[Checkpoint]) -> Vec<String> {
    let heading = ["CHECKPOINT", "EPOCH:STEP", "TEST ACC", "BYTES", "WRITTEN (UTC)", ""];
    let columns = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Left, Align::Left];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(checkpoints.iter().map(row));
    table(&columns, &rows)
}

fn row(checkpoint: &Checkpoint) -> Vec<String> {
    let marks: [(&str, bool); 3] =
        [("newest", checkpoint.newest), ("best", checkpoint.best), ("removed", !checkpoint.on_disk)];
    let marks: Vec<&str> = marks.into_iter().filter(|(_, holds)| *holds).map(|(mark, _)| mark).collect();
    vec![
        one_line(&checkpoint.name),
        place(checkpoint),
        checkpoint.test_accuracy.map(percent).unwrap_or_default(),
        if checkpoint.on_disk { thousands(checkpoint.bytes) } else { String::new() },
        moment(checkpoint.written_at),
        marks.join(", "),
    ]
}

fn place(checkpoint: &Checkpoint) -> String {
    format!("{}:{}", u64::from(checkpoint.epoch) + 1, checkpoint.step)
}

fn render(saved: &Checkpoint) -> String {
    let (name, sum) = (one_line(&saved.name), one_line(&saved.weights_sha256));
    format!("saved checkpoint {name} (next: epoch {}, step {}), weights {sum}\n", saved.epoch + 1, saved.step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_marked() {
        let all = [
            Checkpoint { name: "step-00000005".to_owned(), written_at: 1_700_000_000.0, ..Checkpoint::default() },
            Checkpoint {
                name: "step-00000010".to_owned(),
                epoch: 1,
                step: 2,
                test_accuracy: Some(0.5),
                written_at: 1_700_000_060.0,
                bytes: 2_345_678,
                on_disk: true,
                newest: true,
                best: true,
                ..Checkpoint::default()
            },
        ];
        let expected = [
            "CHECKPOINT     EPOCH:STEP  TEST ACC      BYTES  WRITTEN (UTC)",
            "step-00000005         1:0                       2023-11-14 22:13:20  removed",
            "step-00000010         2:2   50.00 %  2,345,678  2023-11-14 22:14:20  newest, best",
        ];
        assert_eq!(lines(&all), expected);
        assert!(render(&all[1]).starts_with("saved checkpoint step-00000010 (next: epoch 2, step 2), weights "));
    }
}

//! `cox confusion`: how each class is recognised, and which are taken for which.

use crate::{
    args,
    drawing::{self, style},
    error::Failure,
    look::{Ink, Look},
    output::Output,
    source::Source,
};
use plot::Confusion;
use program::text::one_line;
use proto::v1::{Epoch, Run};
use serde_json::json;
use tonic::transport::Uri;
use view::{Align, bar, percent, table};

/// Mistakes that are listed: the most frequent.
const MISTAKES: usize = 5;
/// Columns of a bar.
const BAR: usize = 20;

/// Prints how each class was recognised after an epoch, and draws the matrix if it is given a file.
///
/// # Errors
/// If the epoch is not there, or something cannot be written.
pub async fn confusion(url: &Uri, options: &args::Confusion, output: &Output) -> Result<(), Failure> {
    let source = Source::of(&options.from, url).await?;
    let (run, epochs) = (source.run().await?, source.epochs(true).await?);
    let epoch = match options.epoch {
        None => epochs.last(),
        Some(number) => epochs.iter().find(|epoch| u64::from(epoch.epoch) + 1 == u64::from(number)),
    };
    let epoch = epoch.ok_or_else(|| Failure::NoEpoch { wanted: options.epoch, done: epochs.len() })?;
    let classes = classes(&run, epoch);
    if let Some(file) = &options.file {
        let matrix = matrix(&run, epoch, classes.clone());
        let mut matrix = matrix.map_err(|error| Failure::Drawing(error.to_string()))?;
        matrix.style = style(options.dark);
        drawing::save(&plot::confusion(&matrix), file)?;
    }
    if output.json() {
        let rows: Vec<&[u32]> = epoch.confusion.chunks(classes.len().max(1)).collect();
        return output.json_object(&json!({"epoch": epoch.epoch, "classes": classes, "confusion": rows}));
    }
    output.lines(lines(&classes, epoch, output.look()))
}

/// The names of the classes; numbers where they are not known.
pub(crate) fn classes(run: &Run, epoch: &Epoch) -> Vec<String> {
    let names = run.config.as_ref().map(proto::to_value).and_then(|config| {
        let names = config["dataset"]["classes"].as_array()?.iter();
        Some(names.map(|name| one_line(name.as_str().unwrap_or_default())).collect::<Vec<_>>())
    });
    let count = epoch.per_class_accuracy.len();
    names.filter(|names| names.len() == count).unwrap_or_else(|| (0..count).map(|class| class.to_string()).collect())
}

fn matrix(run: &Run, epoch: &Epoch, classes: Vec<String>) -> Result<Confusion, plot::PlotError> {
    let counts = epoch.confusion.iter().map(|count| u64::from(*count)).collect();
    let title = one_line(run.model().unwrap_or("no model"));
    let epoch = format!("epoch {}, {} of the test set", u64::from(epoch.epoch) + 1, percent(epoch.test_accuracy));
    let mut matrix = Confusion::new(classes, counts)?;
    (matrix.title, matrix.subtitle) = (title, epoch);
    Ok(matrix)
}

fn lines(classes: &[String], epoch: &Epoch, look: Look) -> Vec<String> {
    let mut lines = vec![look.paint(
        Ink::Strong,
        &format!("epoch {}: {} of the test set", u64::from(epoch.epoch) + 1, percent(epoch.test_accuracy)),
    )];
    let rows = classes.iter().zip(&epoch.per_class_accuracy).map(|(class, accuracy)| {
        vec![format!("  {class}"), look.paint(Ink::Good, &bar(*accuracy, BAR)), percent(*accuracy)]
    });
    lines.extend(table(&[Align::Left, Align::Left, Align::Right], &rows.collect::<Vec<_>>()));
    let mistakes = mistakes(classes.len(), &epoch.confusion);
    if !mistakes.is_empty() {
        lines.push(look.paint(Ink::Faint, "most frequent mistakes"));
    }
    let name = |class: usize| classes.get(class).map_or("", String::as_str);
    let rows = mistakes.iter().map(|(count, truth, taken)| {
        vec![format!("  {}", name(*truth)), format!("taken for {}", name(*taken)), count.to_string()]
    });
    lines.extend(table(&[Align::Left, Align::Left, Align::Right], &rows.collect::<Vec<_>>()));
    lines
}

/// The most frequent mistakes: how often, what it was, what it was taken for.
fn mistakes(classes: usize, counts: &[u32]) -> Vec<(u32, usize, usize)> {
    let all = counts.iter().enumerate().map(|(place, count)| (*count, place / classes.max(1), place % classes.max(1)));
    let mut mistakes: Vec<_> = all.filter(|(count, truth, taken)| *count > 0 && truth != taken).collect();
    mistakes.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    mistakes.truncate(MISTAKES);
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> Epoch {
        let per_class_accuracy = vec![0.9, 0.5];
        Epoch { epoch: 2, test_accuracy: 0.7, per_class_accuracy, confusion: vec![9, 1, 5, 5], ..Epoch::default() }
    }

    #[test]
    fn classes_and_mistakes_in_lines() {
        let run = Run {
            config: Some(proto::to_message(&json!({"model": "resnet20", "dataset": {"classes": ["cat", "dog"]}}))),
            ..Run::default()
        };
        let classes = classes(&run, &epoch());
        let lines = lines(&classes, &epoch(), Look::plain(80));
        assert_eq!(lines[0], "epoch 3: 70.00 % of the test set");
        assert!(lines[1].starts_with("  cat") && lines[1].ends_with("90.00 %"), "{}", lines[1]);
        assert!(
            lines[4].contains("dog") && lines[4].contains("taken for cat") && lines[4].ends_with('5'),
            "{}",
            lines[4]
        );
        assert_eq!(lines.len(), 6);
        assert!(matrix(&run, &epoch(), classes).is_ok());
    }

    #[test]
    fn classes_without_names_have_numbers() {
        assert_eq!(classes(&Run::default(), &epoch()), ["0", "1"]);
        assert_eq!(mistakes(0, &[]), []);
    }
}

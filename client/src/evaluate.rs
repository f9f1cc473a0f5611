//! `cox evaluate`: the test set by a checkpoint of a run that trains or is served.

use crate::{args, connect::Coordinator, error::Failure, look::Ink, output::Output, test_set};
use program::text::one_line;
use serde_json::json;
use tokio::task::spawn_blocking;
use view::{Align, bar, percent, table};

/// Columns of a bar.
const BAR: usize = 20;

/// Prints how a checkpoint does on the test set.
///
/// # Errors
/// If the test set is not there, or the coordinator does not answer.
pub async fn evaluate(coordinator: &Coordinator, options: args::Evaluate, output: &Output) -> Result<(), Failure> {
    let run = coordinator.run().await?;
    let (data_dir, limit) = (options.data_dir.clone(), options.limit.unwrap_or(usize::MAX));
    let data = spawn_blocking(move || test_set::open(&run, &data_dir, limit)).await??;
    let answers = test_set::ask(coordinator, &data, &options.checkpoint).await?;
    let classes: Vec<String> = answers.first.classes.iter().map(|class| one_line(class)).collect();
    // For each class: right ones, and all.
    let mut counts = vec![(0_u32, 0_u32); classes.len()];
    for index in 0..data.len() {
        let truth = usize::from(data.label(index));
        let Some((right, all)) = counts.get_mut(truth) else { continue };
        *all += 1;
        *right += u32::from(answers.class(index) == truth);
    }
    let right: u32 = counts.iter().map(|(right, _)| right).sum();
    let accuracy = f64::from(right) / data.len() as f64;
    let of_class = |(right, all): &(u32, u32)| (*all > 0).then(|| f64::from(*right) / f64::from(*all));
    if output.json() {
        let by_class: serde_json::Map<String, serde_json::Value> =
            classes.iter().cloned().zip(counts.iter().map(|count| json!(of_class(count)))).collect();
        let mut told = json!({
            "checkpoint": answers.first.checkpoint,
            "images": data.len(),
            "accuracy": accuracy,
            "per_class_accuracy": by_class,
        });
        if options.each {
            told["predicted"] = (0..data.len()).map(|index| answers.class(index)).collect();
        }
        return output.json_object(&told);
    }
    let look = output.look();
    let checkpoint = one_line(&answers.first.checkpoint);
    let head = format!("{checkpoint}: {} of {} images", percent(accuracy), data.len());
    let mut lines = vec![look.paint(Ink::Strong, &head)];
    let rows = classes.iter().zip(&counts).map(|(class, count)| {
        let accuracy = of_class(count);
        let bar = look.paint(Ink::Good, &bar(accuracy.unwrap_or(0.0), BAR));
        vec![format!("  {class}"), bar, accuracy.map_or_else(|| "no image".to_owned(), percent)]
    });
    lines.extend(table(&[Align::Left, Align::Left, Align::Right], &rows.collect::<Vec<_>>()));
    if options.each {
        let name = |class: usize| classes.get(class).map_or("", String::as_str);
        lines.extend((0..data.len()).map(|index| format!("{index} {}", name(answers.class(index)))));
    }
    output.lines(lines)
}

//! `cox grid`: images of the test set with what a checkpoint makes of them.

use crate::{
    args,
    connect::Coordinator,
    drawing::{self, style},
    error::Failure,
    output::Output,
    test_set,
};
use plot::{Grid, GridCell, Picture};
use program::text::one_line;
use tokio::task::spawn_blocking;
use view::percent;

/// Draws the grid into a file.
///
/// # Errors
/// If the test set is not there, the coordinator does not answer, or the file cannot be written.
pub async fn grid(coordinator: &Coordinator, options: args::Grid, output: &Output) -> Result<(), Failure> {
    let run = coordinator.run().await?;
    let images = usize::from(options.columns) * usize::from(options.rows);
    let (data_dir, of) = (options.data_dir.clone(), run.clone());
    let data = spawn_blocking(move || test_set::open(&of, &data_dir, images)).await??;
    let answers = test_set::ask(coordinator, &data, &options.checkpoint).await?;
    let classes: Vec<String> = answers.first.classes.iter().map(|class| one_line(class)).collect();
    let name = |class: usize| classes.get(class).cloned().unwrap_or_default();
    let side = data.spec().shape.height;
    let drawn = |error: plot::PlotError| Failure::Drawing(error.to_string());
    let mut cells = Vec::new();
    let mut right = 0;
    for index in 0..data.len() {
        let (truth, predicted) = (usize::from(data.label(index)), answers.class(index));
        right += usize::from(truth == predicted);
        let picture = Picture::from_planes(side, data.pixels(index)).map_err(drawn)?;
        cells.push(GridCell { picture, predicted: name(predicted), truth: Some(name(truth)) });
    }
    let checkpoint = one_line(&answers.first.checkpoint);
    let subtitle = match answers.first.checkpoint_accuracy {
        Some(accuracy) => format!("{checkpoint}, {} of the test set", percent(accuracy)),
        None => checkpoint,
    };
    let title = one_line(run.model().unwrap_or("no model"));
    let columns = usize::from(options.columns);
    let grid = Grid { title, subtitle, columns, cells, style: style(options.out.dark) };
    drawing::save(&plot::grid(&grid), &options.out.file)?;
    if !output.json() {
        output.text(&format!("{right} of {} are right\n", data.len()))?;
    }
    drawing::tell(&options.out.file, output)
}

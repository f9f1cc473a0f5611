//! `cox summary`: the layers and sizes of a model, as the article's `torchsummary` prints them.

use crate::{args, error::Failure, output::Output};
use resnet::{Architecture, Row, Sizes, Summary};
use serde::Serialize;
use view::thousands;

/// Prints the summary of a model.
///
/// # Errors
/// If there is none of that name, or it takes no such images, or the output cannot be written.
pub fn summary(options: &args::Summary, output: &Output) -> Result<(), Failure> {
    let args::Summary { side, channels, classes, .. } = *options;
    let architecture = Architecture::named(&options.model, options.stem, Sizes { channels, side, classes })?;
    if !architecture.fits(side) {
        return Err(Failure::Small { model: options.model.clone(), shortest: architecture.shortest_side(), side });
    }
    let summary = Summary::new(&architecture);
    if output.json() { output.json_object(&View::new(&summary)) } else { output.text(&render(&summary)) }
}

/// The table, in `torchsummary`'s own layout of 64 columns.
#[must_use]
pub fn render(summary: &Summary) -> String {
    const WIDTH: usize = 64;
    let (thin, thick) = ("-".repeat(WIDTH), "=".repeat(WIDTH));
    let row = |layer: &str, shape: &str, parameters: &str| format!("{layer:>20}  {shape:>25} {parameters:>15}");
    let mut lines = vec![thin.clone(), row("Layer (type)", "Output Shape", "Param #"), thick.clone()];
    for (index, layer) in summary.rows.iter().enumerate() {
        lines.push(row(&name(layer, index), &shape(layer), &thousands(layer.parameters)));
    }
    lines.push(thick);
    lines.push(format!("Total params: {}", thousands(summary.parameters())));
    lines.push(format!("Trainable params: {}", thousands(summary.parameters())));
    lines.push("Non-trainable params: 0".to_owned());
    lines.push(thin.clone());
    lines.push(format!("Input size (MB): {:.2}", summary.input_mb()));
    lines.push(format!("Forward/backward pass size (MB): {:.2}", summary.activations_mb()));
    lines.push(format!("Params size (MB): {:.2}", summary.parameters_mb()));
    lines.push(format!("Estimated Total Size (MB): {:.2}", total_mb(summary)));
    lines.push(thin);
    lines.join("\n") + "\n"
}

/// `Conv2d-1`: its kind, and its place counted from 1.
fn name(layer: &Row, index: usize) -> String {
    format!("{}-{}", layer.kind, index + 1)
}

/// `[-1, 64, 32, 32]`: -1 stands for the batch.
fn shape(layer: &Row) -> String {
    let sides: Vec<String> = layer.output.iter().map(u64::to_string).collect();
    format!("[-1, {}]", sides.join(", "))
}

fn total_mb(summary: &Summary) -> f64 {
    summary.input_mb() + summary.activations_mb() + summary.parameters_mb()
}

/// A summary as JSON. Sizes are in MB of 2^20 bytes, for one image as f32.
#[derive(Debug, Serialize)]
struct View<'a> {
    model: &'a str,
    layers: Vec<LayerView>,
    total_parameters: u64,
    trainable_parameters: u64,
    non_trainable_parameters: u64,
    input_mb: f64,
    forward_backward_mb: f64,
    parameters_mb: f64,
    total_mb: f64,
}

#[derive(Debug, Serialize)]
struct LayerView {
    layer: String,
    /// Without the batch.
    output_shape: Vec<u64>,
    parameters: u64,
}

impl<'a> View<'a> {
    fn new(summary: &'a Summary) -> Self {
        let layer = |(index, row): (usize, &Row)| LayerView {
            layer: name(row, index),
            output_shape: row.output.clone(),
            parameters: row.parameters,
        };
        Self {
            model: &summary.model,
            layers: summary.rows.iter().enumerate().map(layer).collect(),
            total_parameters: summary.parameters(),
            trainable_parameters: summary.parameters(),
            non_trainable_parameters: 0,
            input_mb: summary.input_mb(),
            forward_backward_mb: summary.activations_mb(),
            parameters_mb: summary.parameters_mb(),
            total_mb: total_mb(summary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_of_torchsummary() {
        let summary = Summary {
            model: "tiny".to_owned(),
            input: 3072,
            rows: vec![
                Row { kind: "Conv2d", output: vec![64, 32, 32], parameters: 1728 },
                Row { kind: "Linear", output: vec![10], parameters: 5130 },
            ],
        };
        let expected = "\
----------------------------------------------------------------
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1           [-1, 64, 32, 32]           1,728
            Linear-2                   [-1, 10]           5,130
================================================================
Total params: 6,858
Trainable params: 6,858
Non-trainable params: 0
----------------------------------------------------------------
Input size (MB): 0.01
Forward/backward pass size (MB): 0.50
Params size (MB): 0.03
Estimated Total Size (MB): 0.54
----------------------------------------------------------------
";
        assert_eq!(render(&summary), expected);
    }
}

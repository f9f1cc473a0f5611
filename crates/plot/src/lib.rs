//! Pictures of a run, as SVG and as PNG: curves, images with predictions, a confusion matrix, accuracy by class.
//!
//! Everything is pure. A picture is first a [`Drawing`]: rectangles, lines, text, images. From it come both files, so they show the
//! same. Numbers that are not finite leave gaps, and names may hold anything: no input makes a picture fail. Only a PNG of too many
//! pixels is refused.
//!
//! # Layout
//!
//! - `curves`: loss, accuracy and learning rate of one or more runs.
//! - `grid`: images with what was predicted.
//! - `confusion`: which classes are taken for which. `classes`: the accuracy of each class.
//! - `heading`: title and subtitle, alike on all of them.
//! - `axis`: places and ticks. `text`: widths and outlines of letters. `theme`: colours. `picture`: images of pixels.
//! - `shape` and `drawing`: what a picture is made of. `svg` and `raster`: the two files.
//!
//! # Example
//!
//! ```
//! use plot::{ClassCount, Classes};
//!
//! let class = |name: &str, right| ClassCount { name: name.to_owned(), right, all: 1_000 };
//! let classes = vec![class("cat", 812), class("dog", 866), class("ship", 957)];
//! let drawing = plot::classes(&Classes { title: "resnet20".to_owned(), classes, ..Classes::default() });
//!
//! let svg = plot::svg(&drawing);
//! assert!(svg.contains(">81.2 %</text>"));
//! // Twice as many pixels, for a dense screen.
//! let png = plot::png(&drawing, 2.0)?;
//! # assert!(png.starts_with(b"\x89PNG"));
//! # Ok::<(), plot::PlotError>(())
//! ```

mod axis;
#[cfg(test)]
mod checks;
mod classes;
mod confusion;
mod curves;
mod drawing;
mod error;
mod grid;
mod heading;
mod picture;
mod raster;
mod shape;
mod svg;
mod text;
mod theme;

pub use axis::Axis;
pub use classes::{ClassCount, Classes, Order, classes};
pub use confusion::{Confusion, MOST_CLASSES, confusion};
pub use curves::{CurvePoint, Curves, Event, Horizontal, Mark, RunCurves, curves};
pub use drawing::Drawing;
pub use error::PlotError;
pub use grid::{Grid, GridCell, grid};
pub use picture::Picture;
pub use raster::{LARGEST_SIDE, MOST_PIXELS, png};
pub use shape::{Anchor, At, Dash, Shape, Stroke, Text};
pub use svg::svg;
pub use text::{CAPITAL, Weight, clean, fit, width};
pub use theme::{Colour, Palette, Style, Theme};

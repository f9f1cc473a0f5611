//! The web page of a run: what is happening and why, at a glance. It shows a live run, or finished ones beside each other.
//!
//! The crate knows nothing of a helm or of libtorch. It reads a run and its chronicle from channels, asks a [`Model`] for
//! predictions, and reads the data set's test images. All of the page is in the program: no file comes from elsewhere.
//!
//! # Layout
//!
//! - `sources`: what a page shows. `page`: all of it as one router.
//! - `assets`: the files of the page. `guard`: what every answer has, and who is refused. `origins`: sites that may ask.
//! - `questions`: what comes with a request. `api`: what is there as JSON. `columns`: epochs, compactly. `images`: pictures of the data set as PNG.
//! - `frames`: what has happened since, as server-sent events. `hub`: one task makes them for all readers. `stream`: a reader.
//! - `survey`: what the model makes of the test images. `answers`: pictures that a person gives.
//! - `server`: connections, so many and no more. `streams`: those that last, a share of them.
//!
//! # Example
//!
//! ```
//! use page::{Page, Shown};
//! use chronicle::Chronicle;
//! use proto::v1::Run;
//! use tokio::sync::watch;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let (run, chronicle) = (watch::Sender::new(Run::default()), watch::Sender::new(Chronicle::default()));
//! let shown = Shown::new("resnet20", run.subscribe(), chronicle.subscribe());
//! let router = Page::start(vec![shown], true).router();
//! # drop(router); }
//! ```

mod answers;
mod api;
mod assets;
mod columns;
mod frames;
mod guard;
mod hub;
mod images;
mod origins;
mod page;
mod questions;
mod server;
mod sources;
mod stream;
mod streams;
mod survey;
#[cfg(test)]
mod tests;

pub use guard::{Access, Names};
pub use images::Images;
pub use page::Page;
pub use server::{Limits, serve};
pub use sources::{Answer, Answering, Model, Refusal, Shown};
pub use streams::{Place, Streams};

//! From pictures to classes: what checkpoints of a network see in images.
//!
//! An [`Engine`] is all that a service needs. It decodes files in memory that is counted, gathers requests, and answers from the
//! newest, the best or a named checkpoint. The same image gets the same bytes from the same checkpoint, whatever it is
//! computed together with.
//!
//! # Layout
//!
//! - `engine`: the handle for services. `answer`: what is asked and answered.
//! - `room`: how many images may be decoded and wait, and that large requests leave some to small ones.
//! - `thread`: owns the models, and cuts and gathers requests (`task`) into pieces (`pace`). `priority`: behind training.
//! - `model`: a checkpoint ready to answer. `loader` makes those of a name, `source` says where they are, `kept` which stay.
//! - `decoders`: few pictures at a time, in a `budget`, for a limited time (`patience`).
//! - `picture`, `png` and `jpeg`: checked, then decoded. `resize`: made as small as the data set's images.
//!
//! # Example
//!
//! ```no_run
//! use inference::{Engine, EngineOptions, Image, Memory, Source, Which};
//! use std::sync::Arc;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let source = Source::Store(checkpoint::Store::new("runs/resnet20/checkpoints"));
//! let dataset = Arc::new(config::RunConfig::default().dataset);
//! let engine = Engine::start(EngineOptions { dataset, source, memory: Memory::from_mib(640), newest: None })?;
//! let picture = Image::File(std::fs::read("cat.png")?);
//! let answer = engine.predict(vec![picture], Which::Best, None, ()).await?;
//! println!("{} by {}", engine.dataset().classes[answer.predictions[0].class], answer.checkpoint);
//! # Ok(())
//! # }
//! ```

mod answer;
mod budget;
mod decoders;
mod engine;
mod error;
mod jpeg;
mod kept;
mod loader;
mod model;
mod pace;
mod patience;
mod picture;
mod png;
mod priority;
mod resize;
mod room;
mod source;
mod task;
mod thread;

pub use answer::{Answer, Image, MOST_IMAGES, ModelInfo, PredictError, Prediction, Which};
pub use budget::{Budget, Memory, Refused, Share};
pub use decoders::Decoders;
pub use engine::{Engine, EngineOptions, StartError};
pub use error::PictureError;
pub use patience::Patience;
pub use picture::Picture;
use picture::Size;
pub use resize::resize_rgb;
pub use source::Source;

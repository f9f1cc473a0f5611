//! The harness of the whole-system tests: real coordinators, workers and clients on loopback, on real data.
//!
//! `cargo xtask test` builds the programs and says where they, the data and Python are.

mod browser;
mod compare;
mod coordinator;
mod disk;
mod fault;
mod line;
mod logits;
mod namespace;
mod network;
mod pictures;
mod place;
mod process;
mod scratch;
mod screenshot;
mod stall;
mod terminal;
mod test_run;
mod undisturbed;
mod worker;

pub use browser::Browser;
pub use compare::assert_same;
pub use coordinator::{Coordinator, Ended, members};
pub use disk::Disk;
pub use fault::{fail_at, fail_in, pace};
pub use line::Line;
pub use logits::{numbers, softmax};
pub use network::{Cut, Host, Network};
pub use pictures::test_pictures;
pub use place::{binary, data_dir, golden_dir, python};
pub use process::runs;
pub use scratch::{Scratch, scratch};
pub use stall::Stall;
pub use terminal::Terminal;
pub use test_run::TestRun;
pub use undisturbed::undisturbed;
pub use worker::{Worker, gpu};

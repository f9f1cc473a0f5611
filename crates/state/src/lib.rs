//! The state of a run between two steps: position, totals and named slots.
//!
//! A *slot* is one flat buffer of the state, such as the parameters or an optimiser's momentum. What goes over a whole
//! state goes over its slots. That is the digest, the broadcast to other workers, the transfer to the coordinator,
//! checkpoints and the checks of sizes. So a slot that is added is in all of them.
//!
//! Two slots are *the model*. They are evaluated, they predict, and they are in `model.safetensors` under the names of
//! its tensors. They are the average in a run that keeps one, and else the parameters with their running statistics.
//!
//! # Layout
//!
//! - [`slot`]: what a slot is, and those that every run has.
//! - [`slots`]: the slots of a run, with their sizes.
//! - [`buffers`]: a state in main memory.
//!
//! # Example
//!
//! ```
//! use state::{Slot, Slots, State};
//!
//! const MOMENTUM: Slot = Slot::of_parameters("momentum");
//!
//! // A model of three parameters and two running statistics, and an optimiser with one slot.
//! let slots = Slots::new(3, 2, &[MOMENTUM]);
//! let mut state = State::initial(&slots, vec![0.5, -0.5, 0.1], vec![0.0, 1.0]);
//! let before = state.digest(1);
//! state.of_mut(MOMENTUM)[2] = 0.25;
//! assert_ne!(state.digest(1), before);
//! ```

mod buffers;
mod slot;
mod slots;

pub use buffers::State;
pub use slot::{AVERAGE, AVERAGE_STATISTICS, LaidOut, PARAMETERS, STATISTICS, Slot};
pub use slots::{Slots, WrongSlots};

//! Where a run is shown: on the whole screen, or printed.

use super::{
    model::{Message, Model},
    palette::Palette,
    printed::Printed,
    stage::{Handle, Stage},
};
use crate::{args::View, error::Failure, output::Output};
use proto::v1::Run;
use std::io;
use tokio::sync::mpsc;

/// How a screen is left before the run is over.
#[derive(Debug)]
pub enum Left {
    /// By the person.
    Quit,
    /// By a signal, of this number.
    Signal(i32),
    /// By a terminal that takes no more.
    Broken(io::Error),
}

/// Where a run is shown.
pub struct Screen<'a> {
    output: &'a Output,
    leaves: mpsc::Sender<Left>,
    shown: bool,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// The whole screen; there is none before there is something to show.
    Full(Option<Stage>),
    Printed(Box<Printed<'a>>),
}

impl<'a> Screen<'a> {
    /// As `view` has it on a terminal, else printed. It tells `leaves` when it is left.
    #[must_use]
    pub fn new(output: &'a Output, view: View, leaves: mpsc::Sender<Left>) -> Self {
        let kind = match view {
            View::Full if output.redraws() => Kind::Full(None),
            view => Kind::Printed(Box::new(Printed::new(output, view != View::Lines))),
        };
        Self { output, leaves, shown: false, kind }
    }

    /// Shows the run as it stands.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn show(&mut self, run: &Run) -> Result<(), Failure> {
        self.shown = true;
        if let Kind::Full(stage @ None) = &mut self.kind {
            match Stage::open(Palette::of(self.output.look()), self.leaves.clone()) {
                Ok(opened) => *stage = Some(opened),
                // There is no terminal for keys: the output is one all the same.
                Err(_) => self.kind = Kind::Printed(Box::new(Printed::new(self.output, true))),
            }
        }
        match &mut self.kind {
            Kind::Full(stage) => {
                if let Some(stage) = stage {
                    stage.handle().tell(Message::Run(Box::new(run.clone())));
                }
                Ok(())
            }
            Kind::Printed(printed) => printed.show(run),
        }
    }

    /// Says that something is amiss.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&mut self, note: &str) -> Result<(), Failure> {
        match &mut self.kind {
            Kind::Full(Some(stage)) => {
                stage.handle().tell(Message::Trouble(note.to_owned()));
                Ok(())
            }
            Kind::Full(None) => Ok(()),
            Kind::Printed(printed) => printed.note(note),
        }
    }

    /// Whether anything was shown.
    #[must_use]
    pub fn has_shown(&self) -> bool {
        self.shown
    }

    /// The whole screen, if there is one.
    #[must_use]
    pub fn stage(&self) -> Option<Handle> {
        match &self.kind {
            Kind::Full(Some(stage)) => Some(stage.handle()),
            _ => None,
        }
    }

    /// Gives the terminal back as it was. False if it was not, or the terminal does not take that.
    pub async fn leave(&mut self) -> bool {
        match &mut self.kind {
            Kind::Full(Some(stage)) => stage.leave().await,
            _ => false,
        }
    }

    /// The run as the whole screen showed it last.
    #[must_use]
    pub fn last(&self) -> Option<Run> {
        self.stage().map(|stage| stage.look(|model: &Model| model.run.clone()))
    }
}

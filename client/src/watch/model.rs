//! What is watched, and what of it the person has chosen to see. Messages change it; keys change it in [`keys`](super::keys).

use crate::look::Ink;
use program::text::one_line;
use proto::v1::{Checkpoint, Epoch, Event, Generation, Recovery, Run};
use std::collections::VecDeque;

/// The events that are kept, of which the oldest go first.
const EVENTS: usize = 2000;
/// The lines of the log that are kept.
const LINES: usize = 1000;

/// What a run has been through.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The epochs, with what the schedule did after each.
    pub epochs: Vec<Epoch>,
    /// The checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// The generations.
    pub generations: Vec<Generation>,
    /// The failures that were survived.
    pub recoveries: Vec<Recovery>,
}

/// What comes from the run.
#[derive(Debug, Clone)]
pub enum Message {
    /// As it stands.
    Run(Box<Run>),
    /// What it has been through, all of it.
    History(Box<History>),
    /// What has happened since.
    Events(Vec<Event>),
    /// What is wrong with the connection, in words.
    Trouble(String),
}

/// A part of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// The curves of the loss.
    Loss,
    /// The curves of the accuracy.
    Accuracy,
    /// The curve of the learning rate.
    Rate,
    /// The table of workers.
    Workers,
    /// What happened.
    Events,
    /// What `cox watch` prints where there is no terminal.
    Log,
}

impl Pane {
    /// All, in the order of the tab key.
    pub const ALL: [Self; 6] = [Self::Loss, Self::Accuracy, Self::Rate, Self::Workers, Self::Events, Self::Log];

    /// Its title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Accuracy => "Accuracy",
            Self::Rate => "Learning rate",
            Self::Workers => "Workers",
            Self::Events => "Events",
            Self::Log => "Log",
        }
    }

    /// Its title where there is little room.
    #[must_use]
    pub fn short_title(self) -> &'static str {
        if self == Self::Rate { "Rate" } else { self.title() }
    }

    /// Whether it shows a curve.
    #[must_use]
    pub fn is_curve(self) -> bool {
        matches!(self, Self::Loss | Self::Accuracy | Self::Rate)
    }
}

/// What the person has chosen to see.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Where keys go.
    pub focus: Pane,
    /// Whether that pane fills the screen.
    pub zoomed: bool,
    /// Whether the keys are shown.
    pub help: bool,
    /// Whether the filter is being typed.
    pub typing: bool,
    /// Only events and lines with this text are shown, in letters of any size.
    pub filter: String,
    /// The epoch whose figures are shown, by its place in the list; the last without one.
    pub cursor: Option<usize>,
    /// How many lines the workers, the events and the log are scrolled: down from the first or, of what grows, up from the last.
    pub scrolls: [usize; 3],
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            focus: Pane::Loss,
            zoomed: false,
            help: false,
            typing: false,
            filter: String::new(),
            cursor: None,
            scrolls: [0; 3],
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its colour, if it has one.
    pub ink: Option<Ink>,
    /// What it says.
    pub text: String,
}

/// All that the view shows.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// As last told.
    pub run: Run,
    /// What it has been through, as far as that was asked for.
    pub history: History,
    /// What happened, the newest last.
    pub events: VecDeque<Event>,
    /// What the log says, the newest last.
    pub log: VecDeque<Line>,
    /// What is wrong with the connection.
    pub trouble: Option<String>,
    /// What is chosen.
    pub choice: Choice,
    /// How many epochs the log tells of.
    told: Option<u32>,
}

impl Model {
    /// Takes in what comes from the run.
    pub fn take(&mut self, message: Message) {
        match message {
            Message::Run(run) => self.take_run(*run),
            Message::History(history) => self.history = *history,
            Message::Events(events) => {
                for event in events {
                    push(&mut self.events, EVENTS, event);
                }
            }
            Message::Trouble(text) => {
                self.say(Some(Ink::Warning), one_line(&text));
                self.trouble = Some(one_line(&text));
            }
        }
    }

    /// The first event that has happened and is not known; `None` if all are.
    #[must_use]
    pub fn missing_event(&self) -> Option<u64> {
        let next = self.events.back().map_or(0, |last| last.number.saturating_add(1));
        (next < self.run.events).then_some(next)
    }

    fn take_run(&mut self, run: Run) {
        // Another run at the same address has a past of its own.
        if !self.run.id.is_empty() && run.id != self.run.id {
            self.history = History::default();
            self.events.clear();
            self.told = None;
        }
        if self.trouble.take().is_some() {
            self.say(Some(Ink::Good), "connected again".to_owned());
        }
        // As where there is no terminal, who joins late is told of the last epoch only. A run can also go back.
        let done = view::epochs_done(&run);
        for line in view::epochs_after(&run, self.told.map_or(done.saturating_sub(1), |told| told.min(done))) {
            self.say(None, line);
        }
        let state = |run: &Run| (run.state, run.reason.clone());
        if self.told.is_none() || state(&run) != state(&self.run) {
            let ink = crate::state::ink(run.state());
            let reason = one_line(&run.reason);
            let word = view::word(run.state());
            // Most reasons begin with the state.
            let text = match reason.strip_prefix(word) {
                Some(rest) => format!("{word}{rest}"),
                None if reason.is_empty() => word.to_owned(),
                None => format!("{word}: {reason}"),
            };
            self.say(Some(ink), text);
        }
        self.told = Some(done);
        self.run = run;
    }

    fn say(&mut self, ink: Option<Ink>, text: String) {
        push(&mut self.log, LINES, Line { ink, text });
    }

    /// The epochs that are done: all of them and with notes, as soon as those are known.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        let known = &self.history.epochs;
        let newest = |epochs: &[Epoch]| epochs.last().map(|epoch| epoch.epoch);
        if newest(known) == newest(&self.run.epochs) { known } else { &self.run.epochs }
    }

    /// Whether `text` is to be shown.
    #[must_use]
    pub fn passes(&self, text: &str) -> bool {
        let filter = &self.choice.filter;
        filter.is_empty() || text.to_lowercase().contains(&filter.to_lowercase())
    }

    /// How many lines `pane` has; of curves the epochs.
    #[must_use]
    pub fn length(&self, pane: Pane) -> usize {
        match pane {
            Pane::Loss | Pane::Accuracy | Pane::Rate => self.epochs().len(),
            Pane::Workers => self.run.workers.len(),
            Pane::Events => self.events.iter().filter(|event| self.passes(&event.text)).count(),
            Pane::Log => self.log.iter().filter(|line| self.passes(&line.text)).count(),
        }
    }
}

impl Choice {
    /// How many lines `pane` is scrolled.
    #[must_use]
    pub fn scroll(&self, pane: Pane) -> usize {
        match pane {
            Pane::Workers => self.scrolls[0],
            Pane::Events => self.scrolls[1],
            Pane::Log => self.scrolls[2],
            Pane::Loss | Pane::Accuracy | Pane::Rate => 0,
        }
    }
}

/// Adds `item`, and drops the oldest of more than `most`.
fn push<T>(items: &mut VecDeque<T>, most: usize, item: T) {
    if items.len() >= most {
        items.pop_front();
    }
    items.push_back(item);
}

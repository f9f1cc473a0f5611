//! The thread that owns the models. Requests that wait are answered together, piece by piece.

use crate::{
    answer::PredictError,
    kept::Kept,
    loader::Loader,
    model::Model,
    pace::Pace,
    priority,
    task::{Request, Task},
};
use data::Normaliser;
use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

/// How long a piece with room waits for requests that are on their way.
const GATHER: Duration = Duration::from_millis(2);

/// What comes to the thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// To be answered.
    Request(Request),
    /// Answers from now on.
    Newest(Box<Model>),
    /// What became of a checkpoint that was asked for.
    Loaded { name: String, model: Result<Box<Model>, PredictError> },
}

/// The thread's affairs.
pub(crate) struct Models {
    pub messages: mpsc::Receiver<Message>,
    pub loader: Loader,
    pub normaliser: Normaliser,
    pub pace: Pace,
    /// Requests that are being decoded.
    pub coming: Arc<AtomicUsize>,
    pub newest: Option<Box<Model>>,
    /// Bytes of models that are kept beside the newest.
    pub keep: usize,
}

impl Models {
    /// Answers until nobody can ask any more.
    pub fn run(self) {
        tch::set_num_threads(1);
        priority::below_training();
        let newest = self.newest.map(|model| Rc::from(*model));
        let mut at_work = AtWork {
            newest,
            messages: self.messages,
            loader: self.loader,
            normaliser: self.normaliser,
            pace: self.pace,
            coming: self.coming,
            kept: Kept::new(self.keep),
            line: VecDeque::new(),
            parked: HashMap::new(),
            buffer: Vec::new(),
        };
        while at_work.wait() {
            at_work.gather();
            at_work.piece();
        }
    }
}

struct AtWork {
    messages: mpsc::Receiver<Message>,
    loader: Loader,
    normaliser: Normaliser,
    pace: Pace,
    coming: Arc<AtomicUsize>,
    newest: Option<Rc<Model>>,
    kept: Kept,
    /// What can be computed.
    line: VecDeque<Task>,
    /// What waits for its checkpoint to be loaded, by name.
    parked: HashMap<String, Vec<Request>>,
    /// Normalised images.
    buffer: Vec<f32>,
}

impl AtWork {
    /// Waits until there is something to compute, and takes all that has come. False at the end.
    fn wait(&mut self) -> bool {
        while self.line.is_empty() {
            match self.messages.recv() {
                Ok(message) => self.take(message),
                Err(mpsc::RecvError) => return false,
            }
        }
        while let Ok(message) = self.messages.try_recv() {
            self.take(message);
        }
        true
    }

    /// Waits a little for requests that are on their way, if there is room for them.
    fn gather(&mut self) {
        let until = Instant::now() + GATHER;
        let piece = self.pace.piece();
        while self.coming.load(Ordering::Relaxed) > 0 && self.images() < piece {
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => self.take(message),
                Err(_) => return,
            }
        }
    }

    /// Images in the line.
    fn images(&self) -> usize {
        self.line.iter().map(|task| task.left().len()).sum()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Request(request) => self.enter(request),
            Message::Newest(model) => {
                // A checkpoint that was written anew is not what it was.
                self.kept.take(&model.name);
                self.newest = Some(Rc::from(*model));
            }
            Message::Loaded { name, model } => {
                let waiting = self.parked.remove(&name).unwrap_or_default();
                let model = model.map(|model| Rc::new(*model));
                if let Ok(model) = &model {
                    self.kept.add(Rc::clone(model));
                }
                for request in waiting {
                    match &model {
                        Ok(model) => self.line.push_back(Task::new(request, Some(Rc::clone(model)))),
                        Err(error) => Task::new(request, None).answer(Err(error.clone())),
                    }
                }
            }
        }
    }

    fn enter(&mut self, request: Request) {
        let Some(name) = &request.name else {
            return match &self.newest {
                Some(_) => self.line.push_back(Task::new(request, None)),
                None => Task::new(request, None).answer(Err(PredictError::NoCheckpoint)),
            };
        };
        let newest = self.newest.as_ref().filter(|model| model.name == *name).cloned();
        if let Some(model) = newest.or_else(|| self.kept.get(name)) {
            self.line.push_back(Task::new(request, Some(model)));
        } else if let Some(waiting) = self.parked.get_mut(name) {
            waiting.push(request);
        } else {
            self.loader.load(name.clone());
            self.parked.insert(name.clone(), vec![request]);
        }
    }

    /// Computes a piece: images of the first in the line, and of those behind it that the same model is to answer. What is not done
    /// with that goes to the end of the line. So a large request holds up a small one for one piece.
    fn piece(&mut self) {
        let now = Instant::now();
        let (mut room, mut model) = (self.pace.piece(), None);
        let (mut chosen, mut others) = (Vec::new(), VecDeque::new());
        self.buffer.clear();
        while let Some(mut task) = self.line.pop_front() {
            if task.is_over(now) {
                task.answer(Err(PredictError::Late));
                continue;
            }
            let fits = match (&model, task.would_be(self.newest.as_ref())) {
                (None, Some(_)) => true,
                (Some(model), Some(of_task)) => Rc::ptr_eq(model, of_task),
                (_, None) => false,
            };
            if room == 0 || !fits {
                others.push_back(task);
                continue;
            }
            model = task.model(self.newest.as_ref()).cloned();
            task.begin(now);
            let count = task.left().len().min(room);
            self.normalise(&task, count);
            room -= count;
            chosen.push((task, count));
        }
        self.line = others;
        if let Some(model) = model {
            self.compute(&model, chosen);
        }
    }

    fn normalise(&mut self, task: &Task, count: usize) {
        let len = self.normaliser.shape().len();
        for image in &task.left()[..count] {
            let start = self.buffer.len();
            self.buffer.resize(start + len, 0.0);
            image.normalise(&self.normaliser, &mut self.buffer[start..]);
        }
    }

    fn compute(&mut self, model: &Model, chosen: Vec<(Task, usize)>) {
        let start = Instant::now();
        let predictions = model.predictions(&self.buffer);
        let time = start.elapsed();
        self.pace.measured(chosen.iter().map(|(_, count)| count).sum(), time);
        match predictions {
            Ok(predictions) => {
                let mut predictions = predictions.into_iter();
                for (task, count) in chosen {
                    self.line.extend(task.take(predictions.by_ref().take(count), time));
                }
            }
            Err(why) => {
                for (task, _) in chosen {
                    task.answer(Err(PredictError::Model(why.clone())));
                }
            }
        }
    }
}

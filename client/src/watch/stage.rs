//! The terminal: a thread draws, another one reads keys. Whoever tells something waits for neither. The newest there is gets
//! drawn. A terminal that takes nothing holds up its own thread only.

use super::{
    keys::{Wish, press},
    model::{Message, Model},
    palette::Palette,
    screen::Left,
    silent::Silent,
    typed::key,
    view,
};
use program::signals::suspend;
use ratatui::{
    Terminal,
    crossterm::{
        cursor::{Hide, Show},
        event, execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use std::{
    io::{self, BufWriter, Stdout},
    panic,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// The least time between two pictures.
const FRAME: Duration = Duration::from_millis(100);
/// How long a key is waited for before the reader looks whether it is still wanted.
const LISTEN: Duration = Duration::from_millis(200);
/// How long a terminal may take to be as it was.
const LEAVING: Duration = Duration::from_secs(1);
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 16;

/// Whether the terminal is not as it was.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What is to be drawn. A greater one has the smaller ones in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Drawing {
    /// What has changed.
    Changes,
    /// Everything.
    All,
    /// Everything, after the process has been suspended.
    Suspended,
}

/// What the thread that draws is to do.
#[derive(Debug, Default, Clone, Copy)]
struct Orders {
    draw: Option<Drawing>,
    leave: bool,
}

#[derive(Debug, Default)]
struct Shared {
    model: Mutex<Model>,
    orders: Mutex<Orders>,
    bell: Condvar,
}

/// Through which the model is told and looked at.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// Has `message` taken in and shown.
    pub fn tell(&self, message: Message) {
        self.model().take(message);
        self.draw(Drawing::Changes);
    }

    /// What `look` sees of the model.
    pub fn look<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.model())
    }

    /// A panic elsewhere leaves a model that can be shown.
    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders());
        self.0.bell.notify_all();
    }

    fn draw(&self, drawing: Drawing) {
        self.order(|orders| orders.draw = orders.draw.max(Some(drawing)));
    }

    /// Waits for orders.
    fn next(&self) -> Orders {
        let mut orders = self.orders();
        while orders.draw.is_none() && !orders.leave {
            orders = self.0.bell.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
        let taken = *orders;
        orders.draw = None;
        taken
    }

    /// Waits for as long as a picture is shown at least.
    fn rest(&self) {
        let orders = self.orders();
        // Nobody waits for a picture any more once the screen is left.
        let _ = self.0.bell.wait_timeout_while(orders, FRAME, |orders| !orders.leave);
    }
}

/// The whole screen of a terminal, until it is left or dropped.
#[derive(Debug)]
pub struct Stage {
    handle: Handle,
    ended: oneshot::Receiver<()>,
    signals: [JoinHandle<()>; 2],
}

impl Stage {
    /// Takes the terminal. It tells `leaves` of the key that quits, of signals, and of a terminal that breaks.
    ///
    /// # Errors
    /// If there is no terminal, or the system refuses.
    pub fn open(palette: Palette, leaves: mpsc::Sender<Left>) -> io::Result<Self> {
        let handle = Handle(Arc::default());
        let ends = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].map(watched).into_iter().collect::<io::Result<Vec<_>>>()?;
        let suspends = suspended_by(watched(SIGTSTP)?, handle.clone());
        let signals = [tokio::spawn(meet(ends, leaves.clone())), tokio::spawn(suspends)];
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        restore_on_panic();
        let (end, ended) = oneshot::channel();
        let (drawn, typed) = (handle.clone(), handle.clone());
        let broken = Broken(leaves.clone());
        let drawing = thread::Builder::new().name("screen".to_owned()).spawn(move || {
            let drawn = draw(&drawn, palette);
            broken.tell(drawn.and(restore()));
            // Nobody may wait for that any more.
            let _ = end.send(());
        });
        let reading = thread::Builder::new().name("keys".to_owned()).spawn(move || read(&typed, &leaves));
        let stage = Self { handle, ended, signals };
        // If there are no threads, the stage that is dropped gives the terminal back.
        drawing.and(reading)?;
        Ok(stage)
    }

    /// Through which it is told.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Gives the terminal back as it was. False if it does not take that in time: then only its mode is as it was.
    pub async fn leave(&mut self) -> bool {
        self.handle.order(|orders| orders.leave = true);
        let clean = timeout(LEAVING, &mut self.ended).await.is_ok() && !TAKEN.load(Ordering::SeqCst);
        // This waits for nothing. What cannot be mended is left.
        if !clean {
            let _ = disable_raw_mode();
        }
        clean
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.signals.iter().for_each(JoinHandle::abort);
        self.handle.order(|orders| orders.leave = true);
        if TAKEN.load(Ordering::SeqCst) {
            // This does not wait for a terminal that takes nothing. What cannot be mended is left.
            let _ = disable_raw_mode();
        }
    }
}

/// Tells of the end of the thread that draws, also of one by a panic.
struct Broken(mpsc::Sender<Left>);

impl Broken {
    fn tell(&self, result: io::Result<()>) {
        if let Err(error) = result {
            // Somebody else may have told of the end.
            let _ = self.0.try_send(Left::Broken(error));
        }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell(Err(io::Error::other("drawing has panicked; please report it")));
        }
    }
}

fn take() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)
}

/// The terminal as it was; nothing if it is so already.
fn restore() -> io::Result<()> {
    if !TAKEN.load(Ordering::SeqCst) {
        return Ok(());
    }
    // The mode first: it can be had even where nothing can be written.
    disable_raw_mode()?;
    execute!(io::stdout(), LeaveAlternateScreen, Show)?;
    TAKEN.store(false, Ordering::SeqCst);
    Ok(())
}

/// What a panic says is to be read on a terminal as it was.
fn restore_on_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // A panic is told of whatever becomes of the terminal.
        let _ = restore();
        before(panic);
    }));
}

/// Draws what is told, until it is to end.
fn draw(stage: &Handle, palette: Palette) -> io::Result<()> {
    take()?;
    let mut terminal: Terminal<Silent<BufWriter<Stdout>>> =
        Terminal::new(Silent::new(BufWriter::with_capacity(BUFFER, io::stdout())))?;
    loop {
        let orders = stage.next();
        if orders.leave {
            return Ok(());
        }
        if orders.draw == Some(Drawing::Suspended) {
            restore()?;
            // Goes on when the process does. Where nobody could have it go on, the system does nothing.
            suspend()?;
            take()?;
        }
        if orders.draw > Some(Drawing::Changes) {
            terminal.clear()?;
        }
        terminal.draw(|frame| {
            let area = frame.area();
            stage.look(|model| view::draw(model, palette, area, frame.buffer_mut()));
        })?;
        stage.rest();
    }
}

/// Takes keys in, until the screen is left.
fn read(stage: &Handle, leaves: &mpsc::Sender<Left>) {
    let left = loop {
        if stage.orders().leave {
            return;
        }
        let event = match event::poll(LISTEN).and_then(|there| there.then(event::read).transpose()) {
            Ok(Some(event)) => event,
            Ok(None) => continue,
            Err(error) => break Left::Broken(error),
        };
        let wish = match key(&event) {
            Some(key) => press(&mut stage.model(), key),
            // Of another size, for instance.
            None => Wish::Draw,
        };
        match wish {
            Wish::Draw => stage.draw(Drawing::Changes),
            Wish::Redraw => stage.draw(Drawing::All),
            Wish::Suspend => stage.draw(Drawing::Suspended),
            Wish::Quit => break Left::Quit,
            Wish::Interrupt => break Left::Signal(SIGINT),
        }
    };
    // If somebody has told of the end already, this one is as good.
    let _ = leaves.try_send(left);
}

type Watched = (i32, tokio::signal::unix::Signal);

fn watched(number: i32) -> io::Result<Watched> {
    Ok((number, signal(SignalKind::from_raw(number))?))
}

/// Suspends as the key does, whenever somebody else asks for it.
async fn suspended_by((_, mut signal): Watched, stage: Handle) {
    while signal.recv().await.is_some() {
        stage.draw(Drawing::Suspended);
    }
}

/// Tells of the first of these signals.
async fn meet(signals: Vec<Watched>, leaves: mpsc::Sender<Left>) {
    let mut waiting = tokio::task::JoinSet::new();
    for (number, mut signal) in signals {
        waiting.spawn(async move {
            signal.recv().await;
            number
        });
    }
    if let Some(Ok(number)) = waiting.join_next().await {
        // As of keys.
        let _ = leaves.try_send(Left::Signal(number));
    }
}

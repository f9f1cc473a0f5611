//! A program on a terminal of its own: its keys, and what it shows, by a real pseudo-terminal and an emulator.

use crate::screenshot::png;
use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{FlowArg, LocalFlags, tcflow, tcgetattr},
    },
    unistd::Pid,
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Longer than anything here takes on a slow machine.
const LIMIT: Duration = Duration::from_mins(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A program on a terminal; killed when dropped.
pub struct Terminal {
    child: Child,
    keys: File,
    slave: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts `command` on a terminal of so many columns and rows, with colours of 24 bits.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command, size: (u16, u16)) -> Self {
        Self::start_with(command, size, &[])
    }

    /// As [`Self::start`], with variables in its environment.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_with(command: &mut Command, (columns, rows): (u16, u16), variables: &[(&str, &str)]) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).expect("a terminal");
        let slave = || Stdio::from(terminal.slave.try_clone().expect("another one"));
        command.stdin(slave()).stdout(slave()).stderr(slave());
        command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor").env_remove("NO_COLOR");
        command.envs(variables.iter().copied());
        let child = command.spawn().expect("it can be started");
        let keys = File::from(terminal.master);
        let mut output = keys.try_clone().expect("another one");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 200)));
        let shown = screen.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Fails when nobody has the other end any more.
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                shown.lock().unwrap_or_else(PoisonError::into_inner).process(&buffer[..read]);
            }
        });
        Self { child, keys, slave: terminal.slave, screen }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal is there");
    }

    /// What `look` sees of the screen.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen())
    }

    /// The letters on the screen.
    #[must_use]
    pub fn text(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    /// Waits until the letters on the screen are as `wanted`, and returns them.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(start.elapsed() < LIMIT, "{what} is not seen:\n{text}");
            thread::sleep(LOOK);
        }
    }

    /// Writes the screen into a PNG file.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn keep_picture(&self, path: &Path, title: &str) {
        let picture = self.look(|screen| png(screen, title));
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        fs::write(path, picture).expect("a picture can be written");
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// If it is gone already.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Waits until the program has stopped, so that somebody may have it go on.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn wait_until_stopped(&self) {
        let start = Instant::now();
        let stat = format!("/proc/{}/stat", self.child.id());
        // The state follows the name in brackets.
        let is_stopped = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
        while !is_stopped() {
            assert!(start.elapsed() < LIMIT, "it does not stop:\n{}", self.text());
            thread::sleep(LOOK);
        }
    }

    /// Has the terminal take no more of what is written, as Ctrl-S does.
    ///
    /// # Panics
    /// If it cannot.
    pub fn stop_output(&self) {
        tcflow(&self.slave, FlowArg::TCOOFF).expect("a terminal can be stopped");
    }

    /// Whether a program has the whole screen, without a cursor.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.look(|screen| screen.alternate_screen() && screen.hide_cursor())
    }

    /// Whether the terminal has its usual mode: lines, echo, and keys that send signals.
    ///
    /// # Panics
    /// If it is gone.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        let mode = tcgetattr(&self.slave).expect("the terminal has a mode");
        mode.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn status(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(start.elapsed() < LIMIT, "it does not end:\n{}", self.text());
            thread::sleep(LOOK);
        }
    }

    /// Waits for its end, and asserts that the terminal is as it was.
    ///
    /// # Panics
    /// If it does not end, or leaves the terminal in another state.
    pub fn end(&mut self) -> ExitStatus {
        let status = self.status();
        assert!(self.is_usual(), "the mode of the terminal is not as it was");
        // The emulator may not have read its last bytes yet.
        self.wait_for("the screen as it was", |_| {
            self.look(|screen| !screen.alternate_screen() && !screen.hide_cursor())
        });
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

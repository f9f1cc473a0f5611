//! A line to the coordinator that is slow, and can break.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Connections to its address are passed on to another one.
pub struct Line {
    address: SocketAddr,
    /// Bytes that have come down.
    carried: Arc<AtomicU64>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    /// A line to `address`, down which so many bytes come a second.
    ///
    /// # Panics
    /// If loopback has no port left.
    #[must_use]
    pub fn to(address: &str, bytes_per_second: u64) -> Self {
        Self::of(address, u64::MAX, bytes_per_second, None)
    }

    /// As [`Self::to`], with so many bytes a second up and down.
    ///
    /// # Panics
    /// If loopback has no port left.
    #[must_use]
    pub fn both_ways(address: &str, bytes_per_second: u64) -> Self {
        Self::of(address, bytes_per_second, bytes_per_second, None)
    }

    /// A line to `address`. The first connection up which so many bytes have gone stands still from then on, as one does that a
    /// firewall has forgotten.
    ///
    /// # Panics
    /// If loopback has no port left.
    #[must_use]
    pub fn that_forgets(address: &str, after_bytes: u64) -> Self {
        Self::of(address, u64::MAX, u64::MAX, Some(Forgets { after_bytes, done: Arc::default() }))
    }

    fn of(address: &str, up_per_second: u64, bytes_per_second: u64, forgets: Option<Forgets>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let line = Self {
            address: listener.local_addr().expect("a listener has an address"),
            carried: Arc::default(),
            open: Arc::default(),
        };
        let (carried, open, to) = (Arc::clone(&line.carried), Arc::clone(&line.open), address.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // A coordinator that is not there refuses.
                let Ok(far) = TcpStream::connect(&to) else { continue };
                let ends = [&near, &far].map(|end| end.try_clone().expect("there is a descriptor left"));
                let carried = Arc::clone(&carried);
                open.lock().unwrap_or_else(PoisonError::into_inner).extend([near, far]);
                let [near, far] = ends;
                let (up, down) = (near.try_clone().expect("as before"), far.try_clone().expect("as before"));
                let forgets = forgets.clone();
                thread::spawn(move || carry(up, far, up_per_second, &AtomicU64::new(0), forgets.as_ref()));
                thread::spawn(move || carry(down, near, bytes_per_second, &carried, None));
            }
        });
        line
    }

    /// The URL of its near end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Bytes that have come down it.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    /// Breaks all connections that are under way.
    pub fn cut(&self) {
        for end in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that is closed already is as it should be.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// When a connection stands still, once.
#[derive(Clone)]
struct Forgets {
    after_bytes: u64,
    done: Arc<AtomicBool>,
}

/// Passes on what comes from `from`, until either end closes.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    bytes_per_second: u64,
    carried: &AtomicU64,
    forgets: Option<&Forgets>,
) {
    let mut buffer = vec![0; 64 << 10];
    let (start, mut here) = (Instant::now(), 0_u64);
    let mut pass = || -> io::Result<bool> {
        let read = from.read(&mut buffer)?;
        to.write_all(&buffer[..read])?;
        here += read as u64;
        if forgets.is_some_and(|forgets| here > forgets.after_bytes && !forgets.done.swap(true, Ordering::Relaxed)) {
            loop {
                thread::park();
            }
        }
        carried.fetch_add(read as u64, Ordering::Relaxed);
        let due = Duration::from_secs_f64(here as f64 / bytes_per_second as f64);
        thread::sleep(due.saturating_sub(start.elapsed()));
        Ok(read > 0)
    };
    while pass().is_ok_and(|more| more) {}
    // The other direction has nothing left to say either.
    let _ = to.shutdown(Shutdown::Both);
}

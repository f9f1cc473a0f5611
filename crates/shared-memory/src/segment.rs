//! A piece of shared memory.

use crate::Error;
use memmap2::{MmapOptions, MmapRaw};
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
    sys::memfd::{MFdFlags, memfd_create},
};
use std::{
    fs::{self, File},
    hash::{BuildHasher, Hasher, RandomState},
    os::fd::AsRawFd,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// Bytes between two counters: what processors fetch together. So waiting for one counter does not slow the others
/// down.
const LINE: usize = 128;
/// Floats begin at a multiple of this many bytes.
const PAGE: usize = 4096;

/// What a segment is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentShape {
    /// Counters, 0 at first.
    pub counters: usize,
    /// Floats, 0.0 at first.
    pub floats: usize,
}

impl SegmentShape {
    /// Where the floats begin, in bytes. The first line is the nonce's.
    fn floats_at(self) -> usize {
        ((self.counters + 1) * LINE).next_multiple_of(PAGE)
    }

    fn bytes(self) -> usize {
        self.floats_at() + self.floats * size_of::<f32>()
    }
}

/// How another process finds a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The id of the process that made it.
    pub process: u32,
    /// The descriptor by which that process holds it.
    pub descriptor: i32,
    /// What is written at its beginning, to tell it from anything else.
    pub nonce: u64,
}

/// A piece of shared memory. It lives as long as a process holds it.
#[derive(Debug)]
pub struct Segment {
    memory: MmapRaw,
    file: File,
    shape: SegmentShape,
}

impl Segment {
    /// Makes a segment, and the ticket by which others open it.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn create(shape: SegmentShape) -> Result<(Self, Ticket), Error> {
        let bytes = shape.bytes();
        let file = File::from(memfd_create("coxswain", MFdFlags::MFD_CLOEXEC).map_err(Error::system("create", bytes))?);
        file.set_len(bytes as u64).map_err(Error::system("reserve", bytes))?;
        let segment = Self::map(file, shape)?;
        // The keys of a new hasher are random.
        let nonce = RandomState::new().build_hasher().finish();
        segment.word(0).store(nonce, Ordering::Release);
        let ticket = Ticket { process: process::id(), descriptor: segment.file.as_raw_fd(), nonce };
        Ok((segment, ticket))
    }

    /// Opens a segment that another process made, while that process holds it.
    ///
    /// # Errors
    /// If that process is not of this machine, or the segment is not of this shape.
    pub fn open(ticket: Ticket, shape: SegmentShape) -> Result<Self, Error> {
        let path = format!("/proc/{}/fd/{}", ticket.process, ticket.descriptor);
        let elsewhere = |why: String| Error::Elsewhere { process: ticket.process, why };
        // Looked at before it is opened: the path may lead to anything.
        let found = fs::metadata(&path).map_err(|error| elsewhere(error.to_string()))?;
        if !found.is_file() || found.len() != shape.bytes() as u64 {
            return Err(elsewhere(format!("a file of {} bytes", found.len())));
        }
        let file = File::options().read(true).write(true).open(&path).map_err(|error| elsewhere(error.to_string()))?;
        let segment = Self::map(file, shape)?;
        if segment.word(0).load(Ordering::Acquire) != ticket.nonce {
            return Err(elsewhere("another file".to_owned()));
        }
        Ok(segment)
    }

    fn map(file: File, shape: SegmentShape) -> Result<Self, Error> {
        let bytes = shape.bytes();
        let memory = MmapOptions::new().len(bytes).map_raw(&file).map_err(Error::system("map", bytes))?;
        Ok(Self { memory, file, shape })
    }

    fn word(&self, line: usize) -> &AtomicU64 {
        // SAFETY: the lines of the counters lie within the mapping. It lives as long as `self`, and begins at a page.
        // All processes use these words as atomics alone.
        unsafe { AtomicU64::from_ptr(self.memory.as_mut_ptr().add(line * LINE).cast()) }
    }

    /// The counter `index`, from 0.
    ///
    /// # Errors
    /// If there are not as many counters.
    pub fn counter(&self, index: usize) -> Result<&AtomicU64, Error> {
        if index >= self.shape.counters {
            return Err(Error::Beyond { what: "counter", index, count: self.shape.counters });
        }
        Ok(self.word(index + 1))
    }

    /// The address of `len` floats from `offset` on. They are there as long as the segment is held. The processes agree
    /// by the counters on who may use them when.
    ///
    /// # Errors
    /// If there are not as many floats.
    pub fn floats(&self, offset: usize, len: usize) -> Result<*mut f32, Error> {
        if offset + len > self.shape.floats {
            return Err(Error::Beyond { what: "float", index: offset + len, count: self.shape.floats });
        }
        let at = self.shape.floats_at() + offset * size_of::<f32>();
        // Aligned: the mapping and the floats begin at a page.
        Ok(self.memory.as_mut_ptr().wrapping_add(at).cast())
    }

    /// Says that this process is `holder`, until it ends or drops the segment.
    ///
    /// # Errors
    /// If another process is.
    pub fn hold(&self, holder: u32) -> Result<(), Error> {
        let lock = lock(holder);
        fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock)).map_err(Error::system("hold", self.shape.bytes()))?;
        Ok(())
    }

    /// Whether another process is `holder`. One that was killed is not.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn is_held(&self, holder: u32) -> Result<bool, Error> {
        let mut lock = lock(holder);
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(Error::system("look at", self.shape.bytes()))?;
        Ok(i32::from(lock.l_type) != libc::F_UNLCK)
    }
}

/// A lock of the byte of `holder`. The kernel takes it back when the process ends.
fn lock(holder: u32) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: i64::from(holder),
        l_len: 1,
        l_pid: 0,
    }
}

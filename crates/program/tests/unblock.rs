//! A library that writes to a standard error that is blocked does not wait. It is this process's own that is blocked here,
//! so this is the only test of its program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::unistd::dup2_stderr;
use program::unblock;
use std::{
    io::{self, ErrorKind, Read, Write, pipe},
    thread,
};

#[test]
fn what_cannot_be_written_at_once_is_lost_but_by_who_can_wait() {
    let (mut reader, writer) = pipe().unwrap();
    dup2_stderr(&writer).unwrap();
    drop(writer);
    let mut waiting = unblock().unwrap();
    // As a library does it, until the pipe is full.
    let mut lost = 0;
    let blocked = loop {
        match io::stderr().write(&[b'.'; 4096]) {
            Ok(written) => lost += written,
            Err(error) => break error,
        }
    };
    assert_eq!(blocked.kind(), ErrorKind::WouldBlock);
    let patient = thread::spawn(move || waiting.write_all(b"the end"));
    let mut read = vec![0; lost + "the end".len()];
    reader.read_exact(&mut read).unwrap();
    patient.join().unwrap().unwrap();
    assert!(read.ends_with(b".the end"));
}

//! Two views of one segment, and what is no segment at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use shared_memory::{Error, Segment, SegmentShape, Ticket};
use std::{os::fd::AsRawFd, sync::atomic::Ordering};

const SHAPE: SegmentShape = SegmentShape { counters: 3, floats: 10_000 };

#[test]
fn what_one_writes_the_other_reads() {
    let (ours, ticket) = Segment::create(SHAPE).unwrap();
    let theirs = Segment::open(ticket, SHAPE).unwrap();
    // SAFETY: the last float of a segment that is held; nobody else uses it.
    unsafe { ours.floats(9_999, 1).unwrap().write(2.5) };
    ours.counter(2).unwrap().store(7, Ordering::Release);
    assert_eq!(theirs.counter(2).unwrap().load(Ordering::Acquire), 7);
    assert_eq!(theirs.counter(1).unwrap().load(Ordering::Acquire), 0);
    // SAFETY: as above.
    assert_eq!(unsafe { theirs.floats(9_999, 1).unwrap().read() }, 2.5);
    assert!(matches!(ours.floats(9_999, 2), Err(Error::Beyond { .. })));
    assert!(matches!(ours.counter(3), Err(Error::Beyond { .. })));
    // The memory outlives its maker's view.
    drop(ours);
    assert_eq!(theirs.counter(2).unwrap().load(Ordering::Acquire), 7);
}

#[test]
fn who_lets_go_is_known_to_be_gone() {
    let (ours, ticket) = Segment::create(SHAPE).unwrap();
    let theirs = Segment::open(ticket, SHAPE).unwrap();
    assert!(!ours.is_held(1).unwrap());
    theirs.hold(1).unwrap();
    assert!(ours.is_held(1).unwrap());
    assert!(!ours.is_held(2).unwrap());
    assert!(ours.hold(1).is_err(), "there is one of each");
    drop(theirs);
    assert!(!ours.is_held(1).unwrap());
}

#[test]
fn a_ticket_to_something_else_is_refused() {
    let (_ours, ticket) = Segment::create(SHAPE).unwrap();
    let refused = |ticket| Segment::open(ticket, SHAPE).unwrap_err().to_string();
    let other = tempfile();
    assert!(refused(Ticket { descriptor: other.as_raw_fd(), ..ticket }).contains("a file of 12 bytes"));
    assert!(refused(Ticket { nonce: ticket.nonce ^ 1, ..ticket }).contains("another file"));
    assert!(refused(Ticket { process: u32::MAX, ..ticket }).contains("No such file"));
    let larger = SegmentShape { floats: 10_001, ..SHAPE };
    assert!(Segment::open(ticket, larger).is_err());
}

fn tempfile() -> std::fs::File {
    let path = std::env::temp_dir().join(format!("coxswain-no-segment-{}", std::process::id()));
    std::fs::write(&path, "no segment\n\n").unwrap();
    let file = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

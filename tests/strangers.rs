//! Whatever is sent to a coordinator, it answers and goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

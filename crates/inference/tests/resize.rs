//! Pictures are made smaller, and larger, by the passes that Pillow makes, to the byte.
//!
//! What Pillow makes of them is in `tests/golden/resize.json`, made by the script beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use inference::resize_rgb;
use plan::random::philox;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Golden {
    pictures: Vec<(u32, u32, Vec<u8>, String)>,
}

/// The last word of the counter, as in the script.
const PICTURE: u32 = 18;

/// Interleaved RGB in which neighbours have nothing in common.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let bytes = (3 * width * height) as usize;
    let blocks = (0..bytes.div_ceil(16) as u32).flat_map(|block| philox([0, 0], [block, width, height, PICTURE]));
    blocks.flat_map(u32::to_le_bytes).take(bytes).collect()
}

#[test]
fn every_size_is_as_pillow_makes_it() {
    let golden: Golden = serde_json::from_str(include_str!("../../../tests/golden/resize.json")).unwrap();
    assert!(golden.pictures.len() > 5);
    for (width, height, first, sha256) in golden.pictures {
        let resized = resize_rgb(&picture(width, height), width as usize, height as usize, 32, 32);
        assert_eq!(resized[..first.len()], first, "{width}x{height}");
        let digest = Sha256::digest(&resized).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(digest, sha256, "{width}x{height}");
    }
}

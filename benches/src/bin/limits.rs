//! What one thread of this machine can do at most: matrix products in fp32 and bf16, and copies of memory. Prints a JSON
//! object. Run one for each worker at the same time: together they have what a cluster of them has.

use anyhow::Result;
use serde_json::json;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor, no_grad};

/// How long each is measured.
const TIME: Duration = Duration::from_millis(1500);
/// The side of the matrices: large enough that the product is bound by arithmetic alone.
const SIDE: i64 = 1536;
/// Floats that are copied: more than fits any cache of a core.
const COPIED: i64 = 1 << 24;

fn main() -> Result<()> {
    tch::set_num_threads(1);
    no_grad(|| {
        let fp32 = products(Kind::Float)?;
        let bf16 = products(Kind::BFloat16)?;
        let copy = copies()?;
        println!("{}", json!({"gflops_fp32": fp32, "gflops_bf16": bf16, "copy_gb_per_second": copy}));
        Ok(())
    })
}

/// The rate of `work` by the second.
fn rate(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < TIME {
        work()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

fn products(kind: Kind) -> Result<f64> {
    let a = Tensor::f_randn([SIDE, SIDE], (Kind::Float, Device::Cpu))?.f_to_kind(kind)?;
    let b = a.f_mul_scalar(1.0)?;
    let products = rate(|| {
        let _ = a.f_matmul(&b)?;
        Ok(())
    })?;
    Ok(products * 2.0 * (SIDE as f64).powi(3) / 1e9)
}

fn copies() -> Result<f64> {
    let from = Tensor::f_ones([COPIED], (Kind::Float, Device::Cpu))?;
    let mut to = from.f_zeros_like()?;
    let copies = rate(|| {
        to.f_copy_(&from)?;
        Ok(())
    })?;
    // Read and written.
    Ok(copies * 2.0 * 4.0 * COPIED as f64 / 1e9)
}

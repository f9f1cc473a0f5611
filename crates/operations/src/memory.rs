//! The memory of tensors on a CPU, as slices.

use crate::element::Element;
use std::slice;
use tch::{Device, Kind, TchError, Tensor};

/// The `len` values of a dense tensor in f32.
pub(crate) fn dense(tensor: &Tensor, len: usize) -> Result<&[f32], TchError> {
    check(tensor, Kind::Float, tensor.is_contiguous() && tensor.numel() == len)?;
    // SAFETY: that many f32 lie there, and the borrow of the tensor keeps them. Nothing writes to them meanwhile. This
    // crate writes only to tensors that it borrows mutably, which no caller lets share memory with these.
    Ok(unsafe { slice::from_raw_parts(tensor.data_ptr().cast(), len) })
}

/// As [`dense`], to be written.
pub(crate) fn dense_mut(tensor: &mut Tensor, len: usize) -> Result<&mut [f32], TchError> {
    check(tensor, Kind::Float, tensor.is_contiguous() && tensor.numel() == len)?;
    // SAFETY: as in `dense`.
    Ok(unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast(), len) })
}

/// The values of `[n, c, h, w]` with channels last in memory.
pub(crate) fn pixels<E: Element>(tensor: &Tensor) -> Result<&[E], TchError> {
    check(tensor, E::KIND, tensor.f_permute([0, 2, 3, 1])?.is_contiguous())?;
    // SAFETY: as in `dense`, and the kind was checked.
    Ok(unsafe { slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// As [`pixels`], to be written.
pub(crate) fn pixels_mut<E: Element>(tensor: &mut Tensor) -> Result<&mut [E], TchError> {
    check(tensor, E::KIND, tensor.f_permute([0, 2, 3, 1])?.is_contiguous())?;
    // SAFETY: as in `dense`, and the kind was checked.
    Ok(unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

fn check(tensor: &Tensor, kind: Kind, dense: bool) -> Result<(), TchError> {
    if tensor.kind() == kind && dense && tensor.device() == Device::Cpu {
        return Ok(());
    }
    let (found, size) = (tensor.kind(), tensor.size());
    Err(TchError::Shape(format!("a kernel wants {kind:?} with channels last on a CPU, not {found:?} {size:?}")))
}

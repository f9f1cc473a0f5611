//! The C interface of shim/shim.cpp.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::{self, NonNull},
};
use tch::{TchError, Tensor};

/// An `at::Tensor`, as `tch` points to it.
type AtTensor = c_void;

/// A mark in a device's stream: libtorch's `c10::Event`.
type C10Event = c_void;

unsafe extern "C" {
    fn co_last_error() -> *const c_char;
    fn co_set_deterministic(deterministic: c_int);
    fn co_is_deterministic() -> c_int;
    fn co_libtorch_version() -> *const c_char;
    fn co_cpu_capability() -> *const c_char;
    fn co_keep_all_bits();
    fn co_keeps_all_bits() -> c_int;
    fn co_pin_memory(tensor: *const AtTensor, out: *mut *mut AtTensor) -> c_int;
    fn co_channels_last(weight: *const AtTensor, half: c_int, out: *mut *mut AtTensor) -> c_int;
    fn co_event_record(device: c_int, out: *mut *mut C10Event) -> c_int;
    fn co_event_is_reached(event: *const C10Event, out: *mut c_int) -> c_int;
    fn co_event_elapsed(start: *const C10Event, end: *const C10Event, out: *mut f64) -> c_int;
    fn co_event_free(event: *mut C10Event);
    fn co_fused_sgd(
        parameters: *mut AtTensor,
        gradient: *mut AtTensor,
        momentum: *mut AtTensor,
        weight_decay: f64,
        kept: f64,
        rate: f64,
        nesterov: c_int,
    ) -> c_int;
    fn co_convolution_backward(
        gradient: *const AtTensor,
        input: *const AtTensor,
        weight: *const AtTensor,
        stride: i64,
        padding: i64,
        input_wanted: c_int,
        weight_wanted: c_int,
        out: *mut *mut AtTensor,
    ) -> c_int;
    fn co_batch_norm_backward(
        gradient: *const AtTensor,
        input: *const AtTensor,
        weight: *const AtTensor,
        mean: *const AtTensor,
        invstd: *const AtTensor,
        epsilon: f64,
        out: *mut *mut AtTensor,
    ) -> c_int;
}

fn check(code: c_int) -> Result<(), TchError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the pointer is to a thread-local string of the shim, which only a failing call on this thread changes. It
    // is copied before any other call.
    let message = unsafe { CStr::from_ptr(co_last_error()) }.to_string_lossy().into_owned();
    Err(TchError::Torch(message))
}

/// Sets whether libtorch leaves aside kernels whose results depend on the order of threads, as some of cuDNN's do. It
/// holds for the whole process.
pub fn set_deterministic(deterministic: bool) {
    // SAFETY: it sets flags of libtorch's global context.
    unsafe { co_set_deterministic(c_int::from(deterministic)) }
}

/// What [`set_deterministic`] set.
#[must_use]
pub fn is_deterministic() -> bool {
    // SAFETY: it reads flags of libtorch's global context.
    unsafe { co_is_deterministic() != 0 }
}

/// Makes GPUs compute with all bits of 32-bit floats, and not in TF32, which cuDNN's convolutions use by themselves. It
/// holds for the whole process.
pub fn keep_all_bits() {
    // SAFETY: it sets flags of libtorch's global context.
    unsafe { co_keep_all_bits() }
}

/// What [`keep_all_bits`] set.
#[must_use]
pub fn keeps_all_bits() -> bool {
    // SAFETY: it reads flags of libtorch's global context.
    unsafe { co_keeps_all_bits() != 0 }
}

/// A copy of `tensor` in pinned memory, which a GPU reads without holding up the processor.
///
/// # Errors
/// If there is no GPU, or not as much memory.
pub fn pin_memory(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut out = ptr::null_mut();
    // SAFETY: the pointers are to a live tensor and to room for the result.
    check(unsafe { co_pin_memory(pointer(tensor), &raw mut out) })?;
    Ok(own(out))
}

/// A weight of a convolution, `[outputs, inputs, k, k]`, with channels last in memory. It is in bf16 if `half`, else in
/// its own kind. Casting and laying out are one operation.
///
/// # Errors
/// If libtorch fails, for example for want of memory.
pub fn channels_last(weight: &Tensor, half: bool) -> Result<Tensor, TchError> {
    let mut out = ptr::null_mut();
    // SAFETY: the pointers are to a live tensor and to room for the result.
    check(unsafe { co_channels_last(pointer(weight), c_int::from(half), &raw mut out) })?;
    Ok(own(out))
}

/// An event in the stream of a GPU.
#[derive(Debug)]
pub(crate) struct DeviceEvent(NonNull<C10Event>);

impl DeviceEvent {
    /// Records an event after all work that this thread has given to the GPU `device`.
    ///
    /// # Errors
    /// If there is no such GPU, or it does not take the event.
    pub fn record(device: usize) -> Result<Self, TchError> {
        let out_of_range = |_| TchError::Torch(format!("there is no GPU {device}"));
        let device = c_int::from(i8::try_from(device).map_err(out_of_range)?);
        let mut out = ptr::null_mut();
        // SAFETY: the pointer is to room for the result.
        check(unsafe { co_event_record(device, &raw mut out) })?;
        NonNull::new(out).map(Self).ok_or_else(|| TchError::Torch("the GPU gave no event".to_owned()))
    }

    /// Whether the GPU has come as far as the event.
    ///
    /// # Errors
    /// If the GPU does not answer.
    pub fn is_reached(&self) -> Result<bool, TchError> {
        let mut reached = 0;
        // SAFETY: the event lives as long as `self`, and the other pointer is to room for the result.
        check(unsafe { co_event_is_reached(self.0.as_ptr(), &raw mut reached) })?;
        Ok(reached != 0)
    }

    /// Milliseconds from this event to `later`.
    ///
    /// # Errors
    /// If the GPU has not come as far.
    pub fn milliseconds_until(&self, later: &Self) -> Result<f64, TchError> {
        let mut milliseconds = 0.0;
        // SAFETY: both events live, and the third pointer is to room for the result.
        check(unsafe { co_event_elapsed(self.0.as_ptr(), later.0.as_ptr(), &raw mut milliseconds) })?;
        Ok(milliseconds)
    }
}

impl Drop for DeviceEvent {
    fn drop(&mut self) {
        // SAFETY: the event came from `co_event_record`, and nobody else has it.
        unsafe { co_event_free(self.0.as_ptr()) }
    }
}

/// One step of SGD, done by libtorch's own fused kernel: `g += weight_decay * p; m = kept * m + g; p -= rate * m`. With
/// Nesterov's momentum the last is `p -= rate * (g + kept * m)`.
///
/// # Errors
/// If the tensors do not fit.
pub(crate) fn fused_sgd(
    parameters: &mut Tensor,
    momentum: &mut Tensor,
    gradient: &Tensor,
    [weight_decay, kept, rate]: [f64; 3],
    nesterov: bool,
) -> Result<(), TchError> {
    let [p, g, m] = [&*parameters, gradient, &*momentum].map(|tensor| pointer(tensor).cast_mut());
    // SAFETY: the pointers are to live tensors. Without a scale the kernel does not write to the gradient.
    check(unsafe { co_fused_sgd(p, g, m, weight_decay, kept, rate, c_int::from(nesterov)) })
}

/// The version of libtorch, such as 2.13.0.
#[must_use]
pub fn libtorch_version() -> String {
    // SAFETY: the pointer is to a string constant.
    unsafe { CStr::from_ptr(co_libtorch_version()) }.to_string_lossy().into_owned()
}

/// The instruction set that libtorch's own kernels use on this processor, such as AVX2.
#[must_use]
pub fn cpu_capability() -> String {
    // SAFETY: the pointer is to a string that is made once and never changes.
    unsafe { CStr::from_ptr(co_cpu_capability()) }.to_string_lossy().into_owned()
}

fn pointer(tensor: &Tensor) -> *const AtTensor {
    tensor.as_ptr().cast()
}

fn own(tensor: *mut AtTensor) -> Tensor {
    // SAFETY: the shim made this `at::Tensor` with `new`, and nothing else points to it.
    unsafe { Tensor::from_ptr(tensor.cast()) }
}

pub(crate) fn convolution_backward(
    gradient: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    (stride, padding): (i64, i64),
    [input_wanted, weight_wanted]: [bool; 2],
) -> Result<[Option<Tensor>; 2], TchError> {
    let mut out = [ptr::null_mut(); 2];
    // SAFETY: the pointers are to live tensors and to room for both results. Results that are not wanted stay null.
    check(unsafe {
        co_convolution_backward(
            pointer(gradient),
            pointer(input),
            pointer(weight),
            stride,
            padding,
            c_int::from(input_wanted),
            c_int::from(weight_wanted),
            out.as_mut_ptr(),
        )
    })?;
    Ok([input_wanted.then(|| own(out[0])), weight_wanted.then(|| own(out[1]))])
}

pub(crate) fn batch_norm_backward(
    gradient: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    [mean, invstd]: [&Tensor; 2],
    epsilon: f64,
) -> Result<[Tensor; 3], TchError> {
    let mut out = [ptr::null_mut(); 3];
    // SAFETY: the pointers are to live tensors and to room for the three results.
    check(unsafe {
        co_batch_norm_backward(
            pointer(gradient),
            pointer(input),
            pointer(weight),
            pointer(mean),
            pointer(invstd),
            epsilon,
            out.as_mut_ptr(),
        )
    })?;
    Ok(out.map(own))
}

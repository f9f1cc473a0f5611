//! The C interface of shim/shim.cpp.

use std::ffi::{CStr, c_char, c_int, c_void};

/// A rendezvous store.
#[repr(C)]
pub(crate) struct CxStore(c_void);
/// A process group.
#[repr(C)]
pub(crate) struct CxGroup(c_void);
/// A collective under way.
#[repr(C)]
pub(crate) struct CxWork(c_void);
/// An `at::Tensor`, as `tch` points to it.
pub(crate) type AtTensor = c_void;

unsafe extern "C" {
    fn cx_last_error() -> *const c_char;
    pub(crate) fn cx_store_open(host: *const c_char, port: u16, is_server: c_int, timeout_ms: i64) -> *mut CxStore;
    pub(crate) fn cx_store_port(store: *const CxStore) -> u16;
    pub(crate) fn cx_store_free(store: *mut CxStore);
    pub(crate) fn cx_group_gloo(
        store: *mut CxStore,
        host: *const c_char,
        rank: c_int,
        size: c_int,
        timeout_ms: i64,
    ) -> *mut CxGroup;
    #[cfg(feature = "cuda")]
    pub(crate) fn cx_nccl_version() -> c_int;
    #[cfg(feature = "cuda")]
    pub(crate) fn cx_group_nccl(
        store: *mut CxStore,
        device: c_int,
        rank: c_int,
        size: c_int,
        timeout_ms: i64,
    ) -> *mut CxGroup;
    pub(crate) fn cx_group_set_timeout(group: *mut CxGroup, timeout_ms: i64) -> c_int;
    pub(crate) fn cx_all_reduce(group: *mut CxGroup, tensor: *mut AtTensor) -> *mut CxWork;
    pub(crate) fn cx_all_to_all(
        group: *mut CxGroup,
        output: *mut AtTensor,
        input: *mut AtTensor,
        output_sizes: *const i64,
        input_sizes: *const i64,
        ranks: usize,
    ) -> *mut CxWork;
    pub(crate) fn cx_all_gather(group: *mut CxGroup, output: *mut AtTensor, input: *mut AtTensor) -> *mut CxWork;
    pub(crate) fn cx_broadcast(group: *mut CxGroup, tensor: *mut AtTensor, root: c_int) -> *mut CxWork;
    pub(crate) fn cx_barrier(group: *mut CxGroup) -> *mut CxWork;
    pub(crate) fn cx_work_is_done(work: *mut CxWork) -> c_int;
    pub(crate) fn cx_work_wait(work: *mut CxWork, timeout_ms: i64) -> c_int;
    pub(crate) fn cx_work_free(work: *mut CxWork);
    pub(crate) fn cx_group_abort(group: *mut CxGroup) -> c_int;
    pub(crate) fn cx_group_free(group: *mut CxGroup);
}

/// The message of the last failure on this thread.
pub(crate) fn last_error() -> String {
    // SAFETY: the pointer is to a thread-local string of the shim, which only a failing call on this thread changes. It
    // is copied before any other call.
    unsafe { CStr::from_ptr(cx_last_error()) }.to_string_lossy().into_owned()
}

//! A process group: a set of ranks that do collectives together.

#[cfg(feature = "cuda")]
use crate::environment;
use crate::{Error, Operation, Store, Work, ffi};
use std::{
    ffi::CString,
    net::TcpListener,
    ptr::NonNull,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tch::{Device, Kind, TchError, Tensor};

/// The backend of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Over TCP, for tensors in main memory.
    Gloo,
    /// Between the GPUs, for tensors on the CUDA device of this index.
    Nccl {
        /// The rank's device.
        device: usize,
    },
}

impl Backend {
    /// The engine for tensors on `device`.
    #[must_use]
    pub fn for_device(device: Device) -> Self {
        match device {
            Device::Cuda(device) => Self::Nccl { device },
            _ => Self::Gloo,
        }
    }
}

/// Where the ranks of a group find each other.
#[derive(Debug)]
pub enum Rendezvous {
    /// In the store that this rank serves.
    Served(Store),
    /// In the store that rank 0 serves.
    At {
        /// The name or address of the machine of rank 0.
        host: String,
        /// The TCP port on which rank 0 serves the store.
        port: u16,
        /// How long to try to reach it.
        timeout: Duration,
    },
}

impl Rendezvous {
    fn store(self, rank: u32) -> Result<Store, Error> {
        match self {
            Self::Served(store) => Ok(store),
            Self::At { host, port, timeout } => Store::reach(&host, port, rank, timeout),
        }
    }
}

/// What a rank has to know to take part in a group.
#[derive(Debug, Clone)]
pub struct GroupOptions {
    /// The backend; the same for all ranks.
    pub backend: Backend,
    /// The address of this machine under which the other ranks reach it.
    pub host: String,
    /// The rank of this process, from 0.
    pub rank: u32,
    /// The number of ranks.
    pub world_size: u32,
    /// How long building the group may take.
    pub connect_timeout: Duration,
    /// How long any collective may take after that.
    pub timeout: Duration,
    /// Whether tensors are copied to main memory before a collective and back after it. Gloo needs that for tensors on
    /// a GPU.
    pub staged: bool,
}

/// A set of ranks that do collectives together. All of them have to start the same collectives in the same order.
#[derive(Debug)]
pub struct ProcessGroup {
    /// `Some` until it is dropped.
    pointer: Option<GroupPointer>,
    rank: u32,
    world_size: u32,
    staged: bool,
}

#[derive(Debug)]
struct GroupPointer(NonNull<ffi::CxGroup>);

// SAFETY: a c10d backend may be used from any thread, one at a time. `ProcessGroup` is not Sync, which ensures that.
// The backend's reference count is atomic.
unsafe impl Send for GroupPointer {}

impl GroupPointer {
    /// Frees the group. This waits for operations under way.
    fn free(self) {
        // SAFETY: the pointer came from the shim, and the group was taken out of its owner, so nothing uses it after.
        unsafe { ffi::cx_group_free(self.0.as_ptr()) }
    }
}

impl ProcessGroup {
    /// Builds the group together with all other ranks, and does a first collective of each kind. Gives up as soon as
    /// `cancelled` says so, which is asked every few milliseconds.
    ///
    /// # Errors
    /// If the others do not come within the time-out, if the backend fails, or if `cancelled` said so.
    pub fn connect(at: Rendezvous, options: &GroupOptions, cancelled: impl Fn() -> bool) -> Result<Self, Error> {
        const PATIENCE: Duration = Duration::from_millis(5);
        let (rank, world_size, operation) = (options.rank, options.world_size, Operation::Connect);
        if rank >= world_size {
            let message = format!("the ranks of {world_size} are below {world_size}");
            return Err(Error::Argument { rank, operation, message });
        }
        // c10d blocks until all ranks have come, and cannot be told to stop. So a thread does it that can be left
        // behind.
        let (sender, receiver) = mpsc::sync_channel(1);
        let (timeout, staged) = (options.connect_timeout, options.staged);
        let builder = options.clone();
        thread::Builder::new()
            .name(format!("connect-{rank}"))
            .spawn(move || {
                let built = at.store(rank).and_then(|store| build(&store, &builder)).and_then(|pointer| {
                    let group = Self { pointer: Some(pointer), rank, world_size, staged };
                    group.first_collectives(&builder)?;
                    group.set_timeout(builder.timeout)?;
                    Ok(group)
                });
                // The caller may have left. A group that is dropped is freed on a thread of its own.
                let _ = sender.send(built);
            })
            .map_err(|error| Error::Backend { rank, operation, message: error.to_string() })?;
        let start = Instant::now();
        loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok(built) => return built,
                Err(mpsc::RecvTimeoutError::Timeout) if cancelled() => {
                    return Err(Error::Cancelled { rank, operation });
                }
                Err(mpsc::RecvTimeoutError::Timeout) if start.elapsed() < timeout + Duration::from_secs(1) => {}
                Err(_) => return Err(Error::Timeout { rank, operation, after: timeout }),
            }
        }
    }

    /// Does one collective of each kind. With the first one, backends open connections, load code and take memory. That
    /// can block, and cannot be told to stop.
    fn first_collectives(&self, options: &GroupOptions) -> Result<(), Error> {
        let (rank, operation, world) = (self.rank, Operation::Connect, i64::from(self.world_size));
        let device = match options.backend {
            Backend::Gloo => Device::Cpu,
            Backend::Nccl { device } => Device::Cuda(device),
        };
        let ones = |elements: i64| {
            let ones = Tensor::f_ones([elements], (Kind::Float, device));
            ones.map_err(|error| Error::Backend { rank, operation, message: error.to_string() })
        };
        let (one, from_all, to_all, each) = (ones(1)?, ones(world)?, ones(world)?, vec![1; world as usize]);
        self.all_reduce(&one)?.wait(options.connect_timeout)?;
        self.all_to_all(&from_all, &to_all, &each, &each)?.wait(options.connect_timeout)?;
        self.all_gather(&from_all, &one)?.wait(options.connect_timeout)?;
        self.broadcast(&one, 0)?.wait(options.connect_timeout)
    }

    /// Sets how long any collective may take.
    fn set_timeout(&self, timeout: Duration) -> Result<(), Error> {
        // SAFETY: the pointer is valid through the call.
        if unsafe { ffi::cx_group_set_timeout(self.pointer(), timeout.as_millis() as i64) } != 0 {
            let message = ffi::last_error();
            return Err(Error::Backend { rank: self.rank, operation: Operation::Connect, message });
        }
        Ok(())
    }

    /// The rank of this process, from 0.
    #[must_use]
    pub fn rank(&self) -> u32 {
        self.rank
    }

    /// The number of ranks.
    #[must_use]
    pub fn world_size(&self) -> u32 {
        self.world_size
    }

    /// Adds `tensor` up over all ranks, in place, in an order that the backend chooses.
    ///
    /// # Errors
    /// If the collective cannot be started.
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<Work, Error> {
        let staged = self.copy(tensor, Operation::AllReduce)?;
        // SAFETY: both pointers are valid through the call; the work that it returns holds a reference to the tensor.
        let work = unsafe { ffi::cx_all_reduce(self.pointer(), at(&staged)) };
        self.work(work, Operation::AllReduce, (staged, tensor), None)
    }

    /// Sends the first `input_sizes[0]` elements of `input` to rank 0, the next `input_sizes[1]` to rank 1 and so on.
    /// From rank `i` come `output_sizes[i]` elements, which go to `output` in order of rank. Both are one-dimensional.
    ///
    /// # Errors
    /// If the sizes do not fit, or the collective cannot be started.
    pub fn all_to_all(
        &self,
        output: &Tensor,
        input: &Tensor,
        output_sizes: &[i64],
        input_sizes: &[i64],
    ) -> Result<Work, Error> {
        let ranks = self.world_size as usize;
        for (what, tensor, sizes) in [("output", output, output_sizes), ("input", input, input_sizes)] {
            let elements = tensor.numel() as i64;
            if sizes.len() != ranks || sizes.iter().sum::<i64>() != elements {
                let message = format!("{what} of {elements} elements with sizes {sizes:?} for {ranks} ranks");
                return Err(Error::Argument { rank: self.rank, operation: Operation::AllToAll, message });
            }
        }
        let (staged, from) = (self.room(output, Operation::AllToAll)?, self.copy(input, Operation::AllToAll)?);
        // SAFETY: all pointers are valid through the call, and the arrays have `ranks` elements (checked above). The
        // work that it returns holds references to the tensors.
        let work = unsafe {
            ffi::cx_all_to_all(
                self.pointer(),
                at(&staged),
                at(&from),
                output_sizes.as_ptr(),
                input_sizes.as_ptr(),
                ranks,
            )
        };
        self.work(work, Operation::AllToAll, (staged, output), Some(from))
    }

    /// Puts the `input` of every rank into `output`, in order of rank.
    ///
    /// # Errors
    /// If `output` has not as many elements as all inputs together, or the collective cannot be started.
    pub fn all_gather(&self, output: &Tensor, input: &Tensor) -> Result<Work, Error> {
        if output.numel() != input.numel() * self.world_size as usize {
            let message =
                format!("{} elements from each of {} ranks into {}", input.numel(), self.world_size, output.numel());
            return Err(Error::Argument { rank: self.rank, operation: Operation::AllGather, message });
        }
        let (staged, from) = (self.room(output, Operation::AllGather)?, self.copy(input, Operation::AllGather)?);
        // SAFETY: as in `all_reduce`.
        let work = unsafe { ffi::cx_all_gather(self.pointer(), at(&staged), at(&from)) };
        self.work(work, Operation::AllGather, (staged, output), Some(from))
    }

    /// Overwrites `tensor` with that of rank `root`.
    ///
    /// # Errors
    /// If the collective cannot be started.
    pub fn broadcast(&self, tensor: &Tensor, root: u32) -> Result<Work, Error> {
        let staged = self.copy(tensor, Operation::Broadcast)?;
        // SAFETY: as in `all_reduce`.
        let work = unsafe { ffi::cx_broadcast(self.pointer(), at(&staged), root as i32) };
        self.work(work, Operation::Broadcast, (staged, tensor), None)
    }

    /// Starts a collective that ends when all ranks have started it.
    ///
    /// # Errors
    /// If the collective cannot be started.
    pub fn barrier(&self) -> Result<Work, Error> {
        // SAFETY: the pointer is valid through the call.
        let work = unsafe { ffi::cx_barrier(self.pointer()) };
        Work::new(work, self.rank, Operation::Barrier, Vec::new(), None)
    }

    /// Makes the backend give its collectives up. NCCL takes those under way off the GPU, and they count as failed from
    /// then on. Gloo in this libtorch does nothing: its collectives have to be abandoned ([`Work`]).
    ///
    /// # Errors
    /// If the backend fails to.
    pub fn abort(&self) -> Result<(), Error> {
        // SAFETY: the pointer is valid through the call.
        if unsafe { ffi::cx_group_abort(self.pointer()) } != 0 {
            let message = ffi::last_error();
            return Err(Error::Backend { rank: self.rank, operation: Operation::Abort, message });
        }
        Ok(())
    }

    /// The tensor that a collective reads, and may write to: `tensor`, or a copy in main memory.
    fn copy(&self, tensor: &Tensor, operation: Operation) -> Result<Tensor, Error> {
        if !self.staged {
            return Ok(tensor.shallow_clone());
        }
        // This waits for what the device still has to compute.
        tensor.f_to_device_(Device::Cpu, tensor.kind(), false, true).map_err(|error| self.unstaged(operation, &error))
    }

    /// The tensor that a collective writes to instead of `tensor`. What it holds before does not matter.
    fn room(&self, tensor: &Tensor, operation: Operation) -> Result<Tensor, Error> {
        if !self.staged {
            return Ok(tensor.shallow_clone());
        }
        let room = Tensor::f_empty(tensor.size(), (tensor.kind(), Device::Cpu));
        room.map_err(|error| self.unstaged(operation, &error))
    }

    fn unstaged(&self, operation: Operation, error: &TchError) -> Error {
        Error::Backend { rank: self.rank, operation, message: error.to_string() }
    }

    /// The work of a collective that writes to the first of the two tensors. The second is where the result belongs.
    fn work(
        &self,
        work: *mut ffi::CxWork,
        operation: Operation,
        (staged, output): (Tensor, &Tensor),
        input: Option<Tensor>,
    ) -> Result<Work, Error> {
        let back = self.staged.then(|| (staged.shallow_clone(), output.shallow_clone()));
        Work::new(work, self.rank, operation, [Some(staged), input].into_iter().flatten().collect(), back)
    }

    fn pointer(&self) -> *mut ffi::CxGroup {
        self.pointer.as_ref().map_or(std::ptr::null_mut(), |pointer| pointer.0.as_ptr())
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let Some(pointer) = self.pointer.take() else { return };
        // The destructor waits for operations under way, up to the group's time-out. If no thread can be started the
        // group is leaked, which is better than hanging.
        let _ = thread::Builder::new().name("drop-group".to_owned()).spawn(move || pointer.free());
    }
}

/// Blocks until all ranks have come.
fn build(store: &Store, options: &GroupOptions) -> Result<GroupPointer, Error> {
    let (rank, operation) = (options.rank, Operation::Connect);
    let (rank_c, size_c, timeout) = (rank as i32, options.world_size as i32, options.timeout.as_millis() as i64);
    let pointer = match options.backend {
        Backend::Gloo => {
            let host = CString::new(options.host.as_str()).map_err(|_| Error::Argument {
                rank,
                operation,
                message: format!("{:?} is no host name", options.host),
            })?;
            // Checked apart: an address that is not this machine's is this rank's own failure.
            TcpListener::bind((options.host.as_str(), 0)).map_err(|error| Error::Backend {
                rank,
                operation: Operation::Listen,
                message: format!("{}: {error}", options.host),
            })?;
            // SAFETY: store and host are valid through the call; the group holds a reference to the store.
            unsafe { ffi::cx_group_gloo(store.pointer.as_ptr(), host.as_ptr(), rank_c, size_c, timeout) }
        }
        #[cfg(feature = "cuda")]
        Backend::Nccl { device } => {
            if let Some(environment::Setting { name, .. }) = environment::missing() {
                return Err(Error::Unprepared { variable: name });
            }
            // SAFETY: the store is valid through the call; the group holds a reference to it.
            unsafe { ffi::cx_group_nccl(store.pointer.as_ptr(), device as i32, rank_c, size_c, timeout) }
        }
        #[cfg(not(feature = "cuda"))]
        Backend::Nccl { .. } => return Err(Error::NoNccl),
    };
    NonNull::new(pointer).map(GroupPointer).ok_or_else(|| Error::Backend {
        rank,
        operation,
        message: ffi::last_error(),
    })
}

fn at(tensor: &Tensor) -> *mut ffi::AtTensor {
    tensor.as_ptr() as *mut ffi::AtTensor
}

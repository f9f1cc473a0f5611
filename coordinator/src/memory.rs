//! What the allocator does with freed memory.

/// Gives large blocks back to the kernel as soon as they are freed: requests, pictures, states. By default glibc keeps
/// blocks of up to 64 MiB for each of its arenas, once such a block was freed. Nobody counts that memory.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::libc::{M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
        /// Blocks from this size on are mapped one by one.
        const LARGE: i32 = 1 << 20;
        for parameter in [M_MMAP_THRESHOLD, M_TRIM_THRESHOLD] {
            // SAFETY: these parameters take any number; a refusal leaves the allocator as it was.
            unsafe { mallopt(parameter, LARGE) };
        }
    }
}

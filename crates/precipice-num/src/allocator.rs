//! An allocator that says when the system gives no more memory, where Rust's own would abort.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which calls a function with the bytes that were asked for where it has none.
///
/// ```
/// use precipice_num::allocator::Reporting;
/// fn refuse(_bytes: usize) -> ! {
///     std::process::exit(2)
/// }
/// static ALLOCATOR: Reporting = Reporting::new(refuse);
/// ```
#[derive(Debug)]
pub struct Reporting {
    refuse: fn(usize) -> !,
}

impl Reporting {
    /// `refuse` must not allocate more than a little, and ends the process.
    pub const fn new(refuse: fn(usize) -> !) -> Self {
        Self { refuse }
    }

    fn checked(&self, memory: *mut u8, bytes: usize) -> *mut u8 {
        if memory.is_null() { (self.refuse)(bytes) } else { memory }
    }
}

// SAFETY: every call goes to the system's allocator with the arguments that it came with, and what that gives is given
// on unchanged; where it gives nothing, nothing returns.
unsafe impl GlobalAlloc for Reporting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.checked(unsafe { System.realloc(memory, layout, bytes) }, bytes)
    }
}

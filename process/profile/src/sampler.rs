//! The signal handler: copies registers and a piece of the stack, and leaves everything else to a
//! thread. The one file of Egret with unsafe code.
//!
//! The kernel's timer of CPU time (`ITIMER_PROF`) sends SIGPROF to the thread that is running. The
//! handler may do next to nothing there: no allocation, no lock that is waited for, no unwinding,
//! which may take locks of the unwinder or of the loader. So it makes two system calls and copies
//! bytes into a slot that is there already; if it is taken, the sample is missed and counted.

#![allow(unsafe_code)]

use rustix::io::ioctl_fionbio;
use std::{
    cell::UnsafeCell,
    ffi::{c_int, c_void},
    io::{self, PipeReader, PipeWriter},
    mem::MaybeUninit,
    os::fd::AsRawFd,
    ptr,
    sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::*},
};

/// Bytes of a stack that are copied: most stacks are below, and of a deeper one the innermost
/// functions matter. What a pipe takes at once.
const STACK: usize = 48 << 10;

/// Samples that wait for the thread that takes them, which looks 20 times a second: enough for
/// some cores at 99 samples a second.
const SLOTS: usize = 32;

/// What a thread was doing when it was interrupted.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) thread: i32,
    /// The instruction, and the registers from which stacks are unwound.
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    pub(crate) fp: u64,
    pub(crate) lr: u64,
    /// Bytes from `sp` upwards that there are.
    len: usize,
    stack: [u8; STACK],
}

impl Sample {
    /// Eight bytes of the stack.
    pub(crate) fn read(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.sp)?).ok()?;
        let bytes = self.stack[..self.len].get(at..)?.first_chunk()?;
        Some(u64::from_ne_bytes(*bytes))
    }
}

/// A place for one sample. Empty: the handler that holds `busy` may write; full: whoever records
/// may read.
struct Slot {
    full: AtomicBool,
    sample: UnsafeCell<Sample>,
}

struct Ring {
    /// Held by a handler while it works, never waited for by one.
    busy: AtomicBool,
    /// Ends of the pipe, below zero while nobody records. Only touched by who holds `busy`.
    reader: AtomicI32,
    writer: AtomicI32,
    /// The slot that is written next. Only touched by who holds `busy`.
    head: AtomicUsize,
    missed: AtomicU64,
    slots: [Slot; SLOTS],
}

// SAFETY: all fields but the samples are atomics. A sample is written only by who holds `busy`
// while `full` is false, and read only by the one recorder while `full` is true; `full` is stored
// with Release and loaded with Acquire on both sides.
unsafe impl Sync for Ring {}

/// Memory of the program that is not touched, so takes none, before the first profile.
static RING: Ring = Ring {
    busy: AtomicBool::new(false),
    reader: AtomicI32::new(-1),
    writer: AtomicI32::new(-1),
    head: AtomicUsize::new(0),
    missed: AtomicU64::new(0),
    slots: [const {
        Slot {
            full: AtomicBool::new(false),
            sample: UnsafeCell::new(Sample {
                thread: 0,
                pc: 0,
                sp: 0,
                fp: 0,
                lr: 0,
                len: 0,
                stack: [0; STACK],
            }),
        }
    }; SLOTS],
};

/// Whether somebody records.
static RECORDING: AtomicBool = AtomicBool::new(false);

/// Why no samples can be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a profile of this process is being recorded already")]
    Recording,
    #[error("the program's own code handles SIGPROF, which a profile needs")]
    Handled,
    #[error("the program's own code has a timer of CPU time, which a profile needs")]
    Timed,
    #[error("samples cannot be taken: {0}")]
    System(#[from] io::Error),
}

/// Takes samples until it is dropped.
pub(crate) struct Sampler {
    _pipe: (PipeReader, PipeWriter),
    next: usize,
}

impl Sampler {
    /// Begins to take `hz` samples per second of this process' CPU time.
    pub(crate) fn start(hz: u32) -> Result<Sampler, Refused> {
        if RECORDING.swap(true, AcqRel) {
            return Err(Refused::Recording);
        }
        Sampler::begin(hz).inspect_err(|_| RECORDING.store(false, Release))
    }

    fn begin(hz: u32) -> Result<Sampler, Refused> {
        handle()?;
        let set = timer()?.it_value;
        if (set.tv_sec, set.tv_usec) != (0, 0) {
            return Err(Refused::Timed);
        }
        let (reader, writer) = io::pipe()?;
        ioctl_fionbio(&reader, true).map_err(io::Error::from)?;
        ioctl_fionbio(&writer, true).map_err(io::Error::from)?;
        hold();
        RING.reader.store(reader.as_raw_fd(), Relaxed);
        RING.writer.store(writer.as_raw_fd(), Relaxed);
        RING.head.store(0, Relaxed);
        RING.missed.store(0, Relaxed);
        release();
        let sampler = Sampler { _pipe: (reader, writer), next: 0 };
        let every =
            libc::timeval { tv_sec: 0, tv_usec: (1_000_000 / hz.max(2)) as libc::suseconds_t };
        set_timer(libc::itimerval { it_interval: every, it_value: every })?;
        Ok(sampler)
    }

    /// Shows each sample that was taken since the last call.
    pub(crate) fn take(&mut self, mut see: impl FnMut(&Sample)) {
        let slot = |next: usize| &RING.slots[next % SLOTS];
        while slot(self.next).full.load(Acquire) {
            // SAFETY: the slot is full, so no handler writes it; there is one recorder, which
            // has `&mut self`.
            see(unsafe { &*slot(self.next).sample.get() });
            slot(self.next).full.store(false, Release);
            self.next = (self.next + 1) % SLOTS;
        }
    }

    /// Samples that found no room.
    pub(crate) fn missed(&self) -> u64 {
        RING.missed.load(Relaxed)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // It can only fail for an argument that is none.
        let _ = set_timer(NEVER);
        // A signal may still be on its way. The handler stays, and does nothing without a pipe:
        // without any handler that signal would end the process.
        hold();
        RING.reader.store(-1, Relaxed);
        RING.writer.store(-1, Relaxed);
        for slot in &RING.slots {
            slot.full.store(false, Relaxed);
        }
        release();
        RECORDING.store(false, Release);
    }
}

/// Waits until no handler works: each takes microseconds.
fn hold() {
    while RING.busy.swap(true, Acquire) {
        std::thread::yield_now();
    }
}

fn release() {
    RING.busy.store(false, Release);
}

const ZERO: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 0 };
const NEVER: libc::itimerval = libc::itimerval { it_interval: ZERO, it_value: ZERO };

fn timer() -> io::Result<libc::itimerval> {
    let mut now = NEVER;
    // SAFETY: the pointer is to a value of that type, which lives longer than the call.
    let done = unsafe { libc::getitimer(libc::ITIMER_PROF, &raw mut now) };
    if done == 0 { Ok(now) } else { Err(io::Error::last_os_error()) }
}

fn set_timer(to: libc::itimerval) -> io::Result<()> {
    // SAFETY: the pointer is to a value of that type, which lives longer than the call; nobody
    // wants to know the timer that was there before.
    let done = unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const to, ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Handles SIGPROF from now on, unless the program does.
fn handle() -> Result<(), Refused> {
    let ours = on_tick as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
    let mut known = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the pointer is to memory of that type; nothing is changed.
    let asked = unsafe { libc::sigaction(libc::SIGPROF, ptr::null(), known.as_mut_ptr()) };
    if asked != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: zeroes are a valid value of this type, and the call has filled it.
    let known = unsafe { known.assume_init() }.sa_sigaction;
    if known == ours {
        return Ok(());
    }
    if known != libc::SIG_DFL && known != libc::SIG_IGN {
        return Err(Refused::Handled);
    }
    // SAFETY: zeroes are a valid value of this type.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = ours;
    // Calls that the kernel can begin anew are not seen to be interrupted. A thread that has a
    // stack for signals is interrupted on that.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the action is a valid one, and its handler has the signature that SA_SIGINFO asks
    // for and does nothing that a signal handler must not do.
    let done = unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
}

extern "C" fn on_tick(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    if RING.busy.swap(true, Acquire) {
        RING.missed.fetch_add(1, Relaxed);
        return;
    }
    let (reader, writer) = (RING.reader.load(Relaxed), RING.writer.load(Relaxed));
    if reader >= 0 && !context.is_null() {
        let head = RING.head.load(Relaxed) % SLOTS;
        let slot = &RING.slots[head];
        if slot.full.load(Acquire) {
            RING.missed.fetch_add(1, Relaxed);
        } else {
            // SAFETY: `busy` is held and the slot is empty, so nobody else has its sample. The
            // kernel has handed over a context of this type, for as long as the handler runs.
            unsafe { fill(&mut *slot.sample.get(), &*context.cast(), reader, writer) };
            RING.head.store((head + 1) % SLOTS, Relaxed);
            slot.full.store(true, Release);
        }
    }
    RING.busy.store(false, Release);
}

/// Copies what a thread was doing. The stack goes through a pipe: so the kernel reads it, and where
/// it ends there is an end of the copy instead of a fault.
///
/// # Safety
///
/// Both must be ends of one empty pipe that does not block, and nobody else may use them.
unsafe fn fill(sample: &mut Sample, context: &libc::ucontext_t, reader: c_int, writer: c_int) {
    // SAFETY: a thread always has its own errno; what it was doing may be about to read it.
    let errno = unsafe { *libc::__errno_location() };
    registers(sample, context);
    // SAFETY: it has no arguments, and only asks.
    sample.thread = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
    sample.len = 0;
    // SAFETY: an address that cannot be read is answered with an error by the kernel.
    let written = unsafe { libc::write(writer, sample.sp as *const c_void, STACK) };
    let written = usize::try_from(written).unwrap_or(0);
    while sample.len < written {
        let rest = &mut sample.stack[sample.len..written];
        // SAFETY: the buffer is as long as is said.
        let read = unsafe { libc::read(reader, rest.as_mut_ptr().cast(), rest.len()) };
        match usize::try_from(read) {
            Ok(read) if read > 0 => sample.len += read,
            _ => break,
        }
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

#[cfg(target_arch = "x86_64")]
fn registers(sample: &mut Sample, context: &libc::ucontext_t) {
    let of = |register: c_int| context.uc_mcontext.gregs[register as usize] as u64;
    sample.pc = of(libc::REG_RIP);
    sample.sp = of(libc::REG_RSP);
    sample.fp = of(libc::REG_RBP);
    sample.lr = 0;
}

#[cfg(target_arch = "aarch64")]
fn registers(sample: &mut Sample, context: &libc::ucontext_t) {
    sample.pc = context.uc_mcontext.pc;
    sample.sp = context.uc_mcontext.sp;
    sample.fp = context.uc_mcontext.regs[29];
    sample.lr = context.uc_mcontext.regs[30];
}

//! Every system call the shim makes, and the few C library symbols it uses.
//!
//! System calls are made directly: they then leave errno alone, cannot be interposed by another
//! preloaded library, and are no cancellation points.
//! All of them give a negative errno on failure, as the kernel does (syscalls(2)).

use core::arch::asm;
use core::ffi::{CStr, c_char, c_int, c_void};

/// A failed system call's errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

fn checked(result: isize) -> Result<usize, Errno> {
    if result < 0 {
        Err(Errno(-result as i32))
    } else {
        Ok(result as usize)
    }
}

/// Makes a system call with up to six arguments.
///
/// # Safety
/// The arguments must be valid for the call, pointers above all.
#[cfg(target_arch = "x86_64")]
unsafe fn syscall(number: libc::c_long, a: [usize; 6]) -> isize {
    let [a0, a1, a2, a3, a4, a5] = a;
    let result;
    // SAFETY: the kernel changes only rax, rcx and r11; the caller answers for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a0, in("rsi") a1, in("rdx") a2, in("r10") a3, in("r8") a4, in("r9") a5,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Opens a file relative to a directory descriptor or `libc::AT_FDCWD`; O_CLOEXEC is added.
pub fn openat(dir: i32, path: &CStr, flags: c_int, mode: u32) -> Result<Descriptor, Errno> {
    let flags = flags | libc::O_CLOEXEC;
    let arguments = [
        dir as usize,
        path.as_ptr() as usize,
        flags as usize,
        mode as usize,
        0,
        0,
    ];
    // SAFETY: `path` is a valid C string for the duration of the call.
    checked(unsafe { syscall(libc::SYS_openat, arguments) }).map(|fd| Descriptor(fd as i32))
}

/// An open file, closed when dropped.
#[derive(Debug)]
pub struct Descriptor(i32);

impl Descriptor {
    /// The number, for calls relative to a directory.
    pub fn number(&self) -> i32 {
        self.0
    }

    /// Reads from the current position; gives the bytes read.
    pub fn read(&self, into: &mut [u8]) -> Result<usize, Errno> {
        let arguments = [
            self.0 as usize,
            into.as_mut_ptr() as usize,
            into.len(),
            0,
            0,
            0,
        ];
        // SAFETY: the kernel writes at most `into.len()` bytes to `into`.
        checked(unsafe { syscall(libc::SYS_read, arguments) })
    }

    /// Writes at a position.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
        let arguments = [
            self.0 as usize,
            bytes.as_ptr() as usize,
            bytes.len(),
            offset as usize,
            0,
            0,
        ];
        // SAFETY: the kernel reads at most `bytes.len()` bytes.
        checked(unsafe { syscall(libc::SYS_pwrite64, arguments) })
    }

    /// Sets the length of a file; no room is reserved.
    pub fn set_len(&self, len: u64) -> Result<(), Errno> {
        let arguments = [self.0 as usize, len as usize, 0, 0, 0, 0];
        // SAFETY: no pointers.
        checked(unsafe { syscall(libc::SYS_ftruncate, arguments) }).map(drop)
    }

    /// Reserves room for the first `len` bytes (fallocate(2)).
    pub fn reserve(&self, len: u64) -> Result<(), Errno> {
        let arguments = [self.0 as usize, 0, 0, len as usize, 0, 0];
        // SAFETY: no pointers.
        checked(unsafe { syscall(libc::SYS_fallocate, arguments) }).map(drop)
    }

    /// Owner and mode of the file.
    pub fn owner_and_mode(&self) -> Result<(u32, u32), Errno> {
        // SAFETY: all fields of `stat` are integers, for which 0 is a value.
        let mut stat: libc::stat = unsafe { core::mem::zeroed() };
        let place = &raw mut stat;
        let arguments = [self.0 as usize, place as usize, 0, 0, 0, 0];
        // SAFETY: `place` has room for the kernel's answer.
        checked(unsafe { syscall(libc::SYS_fstat, arguments) })?;
        Ok((stat.st_uid, stat.st_mode))
    }

    /// Maps `len` bytes of the file, shared; nothing may be touched before [`allow`].
    ///
    /// So a program that locks all its memory (mlockall(2)) does not bring the rest into being.
    pub fn map(&self, len: usize) -> Result<*mut u8, Errno> {
        map(len, libc::PROT_NONE, libc::MAP_SHARED, self.0)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: no pointers; the descriptor is ours and is not used again.
        unsafe { syscall(libc::SYS_close, [self.0 as usize, 0, 0, 0, 0, 0]) };
    }
}

const READ_WRITE: c_int = libc::PROT_READ | libc::PROT_WRITE;

fn map(len: usize, protection: c_int, flags: c_int, fd: i32) -> Result<*mut u8, Errno> {
    let flags = flags | libc::MAP_NORESERVE;
    let arguments = [0, len, protection as usize, flags as usize, fd as usize, 0];
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    checked(unsafe { syscall(libc::SYS_mmap, arguments) }).map(|address| address as *mut u8)
}

/// Private memory, all 0, that exists only where it is touched.
pub fn map_private(len: usize) -> Result<*mut u8, Errno> {
    map(len, READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

/// Lets a part of a mapping be read and written (mprotect(2)).
///
/// # Safety
/// The range must be whole pages of a mapping of ours.
pub unsafe fn allow(address: *mut u8, len: usize) -> Result<(), Errno> {
    let arguments = [address as usize, len, READ_WRITE as usize, 0, 0, 0];
    // SAFETY: upheld by the caller.
    checked(unsafe { syscall(libc::SYS_mprotect, arguments) }).map(drop)
}

/// Gives a mapping back.
///
/// # Safety
/// The range must be a mapping of ours that nothing refers to any more.
pub unsafe fn unmap(address: *mut u8, len: usize) {
    // SAFETY: upheld by the caller.
    unsafe { syscall(libc::SYS_munmap, [address as usize, len, 0, 0, 0, 0]) };
}

/// madvise(2).
///
/// # Safety
/// The range must be a mapping of ours; `advice` must not take away contents still needed.
pub unsafe fn advise(address: *mut u8, len: usize, advice: c_int) -> Result<(), Errno> {
    let arguments = [address as usize, len, advice as usize, 0, 0, 0];
    // SAFETY: upheld by the caller.
    checked(unsafe { syscall(libc::SYS_madvise, arguments) }).map(drop)
}

/// Makes a directory.
pub fn make_dir(path: &CStr, mode: u32) -> Result<(), Errno> {
    let arguments = [path.as_ptr() as usize, mode as usize, 0, 0, 0, 0];
    // SAFETY: `path` is a valid C string.
    checked(unsafe { syscall(libc::SYS_mkdir, arguments) }).map(drop)
}

/// Removes a name.
pub fn unlink_at(dir: i32, path: &CStr) {
    let arguments = [dir as usize, path.as_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: `path` is a valid C string.
    unsafe { syscall(libc::SYS_unlinkat, arguments) };
}

/// Where a symbolic link points; gives the bytes of `into` that were filled.
pub fn read_link(path: &CStr, into: &mut [u8]) -> usize {
    let arguments = [
        path.as_ptr() as usize,
        into.as_mut_ptr() as usize,
        into.len(),
        0,
        0,
        0,
    ];
    // SAFETY: `path` is a valid C string, the kernel writes at most `into.len()` bytes.
    checked(unsafe { syscall(libc::SYS_readlink, arguments) }).unwrap_or(0)
}

/// The current directory without a terminating 0; gives the bytes of `into` that were filled.
pub fn current_dir(into: &mut [u8]) -> usize {
    let arguments = [into.as_mut_ptr() as usize, into.len(), 0, 0, 0, 0];
    // SAFETY: the kernel writes at most `into.len()` bytes.
    let len = checked(unsafe { syscall(libc::SYS_getcwd, arguments) });
    len.unwrap_or(0).saturating_sub(1)
}

/// Ids of the calling thread, its process, that one's parent, and the effective user and group.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Ids {
    pub pid: u32,
    pub parent: u32,
    pub uid: u32,
    pub gid: u32,
}

/// Ends the process where it stands; only a bug in the shim itself can lead here.
#[cfg(all(not(test), target_arch = "x86_64"))]
pub fn abort() -> ! {
    // SAFETY: an undefined instruction does nothing but raise SIGILL.
    unsafe { asm!("ud2", options(noreturn, nostack)) }
}

/// Who this process is.
pub fn ids() -> Ids {
    // SAFETY: these calls take no arguments and cannot fail.
    let get = |number| unsafe { syscall(number, [0; 6]) } as u32;
    Ids {
        pid: get(libc::SYS_getpid),
        parent: get(libc::SYS_getppid),
        uid: get(libc::SYS_geteuid),
        gid: get(libc::SYS_getegid),
    }
}

/// The kernel's id of the calling thread.
pub fn thread_id() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { syscall(libc::SYS_gettid, [0; 6]) as u32 }
}

/// The name of the calling thread, zero-padded.
pub fn thread_name() -> [u8; 16] {
    let mut name = [0u8; 16];
    let arguments = [
        libc::PR_GET_NAME as usize,
        name.as_mut_ptr() as usize,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes 16 bytes.
    unsafe { syscall(libc::SYS_prctl, arguments) };
    name
}

/// Whether the time stamp counter may be read (prctl(2), PR_GET_TSC).
pub fn may_read_counter() -> bool {
    let mut answer: c_int = 0;
    let place = &raw mut answer;
    let arguments = [libc::PR_GET_TSC as usize, place as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one int.
    let result = unsafe { syscall(libc::SYS_prctl, arguments) };
    result < 0 || answer == libc::PR_TSC_ENABLE
}

/// A clock in nanoseconds; 0 if the kernel does not have it.
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let place = &raw mut time;
    // SAFETY: the kernel writes one timespec.
    unsafe {
        syscall(
            libc::SYS_clock_gettime,
            [clock as usize, place as usize, 0, 0, 0, 0],
        )
    };
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// The soft limit on a resource, `u64::MAX` when there is none.
pub fn limit(resource: u32) -> u64 {
    let mut limit = libc::rlimit64 {
        rlim_cur: u64::MAX,
        rlim_max: u64::MAX,
    };
    let place = &raw mut limit;
    let arguments = [0, resource as usize, 0, place as usize, 0, 0];
    // SAFETY: the kernel writes one rlimit64.
    unsafe { syscall(libc::SYS_prlimit64, arguments) };
    limit.rlim_cur
}

/// Asks the processor to have something in its cache soon.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn prefetch<T>(place: &T) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint, which reads nothing and faults nowhere.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(place).cast()) };
}

/// A random word, from the kernel or, where it refuses, from the clock.
pub fn random() -> u64 {
    let mut word = 0u64;
    let place = &raw mut word;
    let flags = libc::GRND_NONBLOCK as usize;
    // SAFETY: the kernel writes 8 bytes.
    unsafe { syscall(libc::SYS_getrandom, [place as usize, 8, flags, 0, 0, 0]) };
    word ^ clock_ns(libc::CLOCK_MONOTONIC)
}

/// Memory for some text, of its own and not on the stack of whoever calls; given back at the end.
pub struct Room {
    base: *mut u8,
    len: usize,
}

impl Room {
    /// Room for so many bytes; nothing where the kernel refuses it.
    pub fn new(len: usize) -> Option<Room> {
        let base = map_private(len).ok()?;
        Some(Room { base, len })
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is this value's alone, has this length and lasts as long as it.
        unsafe { core::slice::from_raw_parts_mut(self.base, self.len) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and nothing refers to it any more.
        unsafe { unmap(self.base, self.len) };
    }
}

/// Reads the start of a file that the kernel makes up (/proc); gives the bytes filled.
pub fn read_file(path: &CStr, into: &mut [u8]) -> usize {
    let Ok(file) = openat(libc::AT_FDCWD, path, libc::O_RDONLY, 0) else {
        return 0;
    };
    let mut filled = 0;
    while let Some(room) = into.get_mut(filled..)
        && !room.is_empty()
    {
        match file.read(room) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
    }
    filled
}

// Symbols that not every C library has, or not every program a C library for: a weak reference is 0
// where there is none. The directive stands in the same piece of assembly as the use, since a piece
// that the compiler moves to another object file would have a strong reference there.
macro_rules! weak_symbol {
    ($name:literal) => {{
        let address: usize;
        // SAFETY: reads the symbol's entry in the global offset table, 0 when undefined.
        unsafe {
            asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        address
    }};
}

/// dlsym(3), only called while starting; null where there is no C library at all.
///
/// # Safety
///
/// As dlsym(3): `name` is a C string.
pub unsafe fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;
    let function = weak_symbol!("dlsym");
    if function == 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: the symbol has this type (dlsym(3)).
    let search = unsafe { core::mem::transmute::<usize, Dlsym>(function) };
    // SAFETY: the caller gives a C string.
    unsafe { search(handle, name) }
}

/// The variables of the environment, or null where the C library has not set them yet.
pub fn environment() -> *const *const c_char {
    let place = weak_symbol!("environ") as *const *const *const c_char;
    if place.is_null() {
        return core::ptr::null();
    }
    // SAFETY: `environ` is a pointer variable of the C library.
    unsafe { place.read() }
}

/// What [`for_each_object`] calls for each object; a result other than 0 ends it.
pub type Visit = unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int;

/// Has the loader call `visit` for the program and then each library, with `data`; `false` where
/// there is nobody to ask (dl_iterate_phdr(3)).
///
/// # Safety
///
/// `visit` may be called with `data`.
pub unsafe fn for_each_object(visit: Visit, data: *mut c_void) -> bool {
    type Iterate = unsafe extern "C" fn(Visit, *mut c_void) -> c_int;
    let function = weak_symbol!("dl_iterate_phdr");
    if function != 0 {
        // SAFETY: the symbol has this type (dl_iterate_phdr(3)).
        let iterate = unsafe { core::mem::transmute::<usize, Iterate>(function) };
        // SAFETY: the caller answers for both.
        unsafe { iterate(visit, data) };
    }
    function != 0
}

type Destructor = unsafe extern "C" fn(*mut c_void);

/// A pthread key whose destructor runs at the end of each thread that set it.
///
/// `None` where there are no threads, or where setting the key would allocate: glibc keeps the
/// first 32 keys in the thread itself.
pub fn thread_key(destructor: Destructor) -> Option<u32> {
    const KEYS_WITHOUT_ALLOCATION: u32 = 32;
    let function = weak_symbol!("pthread_key_create");
    if function == 0 {
        return None;
    }
    type Create = unsafe extern "C" fn(*mut u32, Destructor) -> c_int;
    // SAFETY: the symbol has this type (pthread_key_create(3)).
    let create = unsafe { core::mem::transmute::<usize, Create>(function) };
    let mut key = 0;
    // SAFETY: `key` has room for the answer; the destructor lives as long as the process, since
    // the shim is linked with -z nodelete.
    let result = unsafe { create(&raw mut key, destructor) };
    (result == 0 && key < KEYS_WITHOUT_ALLOCATION).then_some(key)
}

/// Sets the calling thread's value of a key.
pub fn set_thread_key(key: u32, value: *const c_void) {
    type Set = unsafe extern "C" fn(u32, *const c_void) -> c_int;
    let function = weak_symbol!("pthread_setspecific");
    if function != 0 {
        // SAFETY: the symbol has this type (pthread_setspecific(3)).
        let set = unsafe { core::mem::transmute::<usize, Set>(function) };
        // SAFETY: the key was created above.
        unsafe { set(key, value) };
    }
}

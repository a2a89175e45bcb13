//! The memory of a loaded object: reads and writes that stay inside of what is mapped of it.

use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use libc::Elf64_Phdr;

/// A loaded object.
#[derive(Clone, Copy)]
pub(super) struct Image<'a> {
    headers: &'a [Elf64_Phdr],
    bias: u64,
}

/// One of its segments that the loader mapped.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    /// Its first address.
    pub(super) start: u64,
    /// One past the last that the file has.
    end: u64,
    /// One past the last; what the file has not is 0 at first.
    memory_end: u64,
    /// Whether the program may write to it, if only before the loader protects a part of it.
    pub(super) is_writable: bool,
    /// Whether it is code.
    pub(super) is_code: bool,
}

/// The integers that any bytes make.
pub(super) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for u64 {}

impl<'a> Image<'a> {
    /// An object with these program headers, which lies so far from where they say.
    ///
    /// # Safety
    ///
    /// The loader has mapped it so, and it stays for as long as the image is used.
    pub(super) unsafe fn new(headers: &'a [Elf64_Phdr], bias: u64) -> Image<'a> {
        Image { headers, bias }
    }

    /// Where the segments of a kind are, mapped or not.
    pub(super) fn segments(self, kind: u32) -> impl Iterator<Item = Range<u64>> + 'a {
        let headers = self.headers.iter();
        headers
            .filter(move |header| header.p_type == kind)
            .map(move |header| {
                let start = self.bias.wrapping_add(header.p_vaddr);
                start..start.saturating_add(header.p_memsz)
            })
    }

    /// What is mapped and can be read, lowest first.
    pub(super) fn stretches(self) -> impl Iterator<Item = Stretch> + 'a {
        let is_mapped = |header: &&Elf64_Phdr| {
            header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_R != 0
        };
        self.headers.iter().filter(is_mapped).map(move |header| {
            let start = self.bias.wrapping_add(header.p_vaddr);
            let memory_end = start.saturating_add(header.p_memsz);
            Stretch {
                start,
                end: start.saturating_add(header.p_filesz).min(memory_end),
                memory_end,
                is_writable: header.p_flags & libc::PF_W != 0,
                is_code: header.p_flags & libc::PF_X != 0,
            }
        })
    }

    /// The stretch whose file has an address.
    pub(super) fn around(self, address: u64) -> Option<Stretch> {
        let mut stretches = self.stretches();
        stretches.find(|stretch| (stretch.start..stretch.end).contains(&address))
    }

    /// A variable, which may lie beyond what the file has.
    pub(super) fn variable<T: Plain>(self, address: u64) -> Option<T> {
        let stretch = self.around_variable(address, size_of::<T>() as u64)?;
        let whole = Stretch {
            end: stretch.memory_end,
            ..stretch
        };
        whole.read(address)
    }

    /// Sets a byte.
    pub(super) fn set_byte(self, address: u64, value: u8) -> Option<()> {
        self.around_variable(address, 1)?;
        let place = core::ptr::with_exposed_provenance_mut::<u8>(address as usize);
        // SAFETY: inside writable memory of the object that the loader has not protected.
        let byte = unsafe { AtomicU8::from_ptr(place) };
        // Relaxed: a value by itself, for threads that are still to come.
        byte.store(value, Ordering::Relaxed);
        Some(())
    }

    /// Sets a word.
    pub(super) fn set_word(self, address: u64, value: u64) -> Option<()> {
        self.around_variable(address, 8)?;
        let place = core::ptr::with_exposed_provenance_mut::<u64>(address as usize);
        // SAFETY: as above; variables are aligned.
        let word = unsafe { AtomicU64::from_ptr(place) };
        // Relaxed: as above.
        word.store(value, Ordering::Relaxed);
        Some(())
    }

    /// The writable stretch around an aligned variable; none where the loader protects it
    /// (`PT_GNU_RELRO`).
    fn around_variable(self, address: u64, size: u64) -> Option<Stretch> {
        let end = address.checked_add(size)?;
        let mut protected = self.segments(libc::PT_GNU_RELRO);
        if !address.is_multiple_of(size) || protected.any(|it| it.start < end && address < it.end) {
            return None;
        }
        let mut stretches = self.stretches();
        stretches.find(|it| it.is_writable && it.start <= address && end <= it.memory_end)
    }
}

impl Stretch {
    /// The number at an address; `None` where the file has not all of it.
    pub(super) fn read<T: Plain>(self, address: u64) -> Option<T> {
        let end = address.checked_add(size_of::<T>() as u64)?;
        if address < self.start || self.end < end {
            return None;
        }
        let place = core::ptr::with_exposed_provenance::<T>(address as usize);
        // SAFETY: inside a readable segment of an object, which stays as `Image::new` was promised.
        Some(unsafe { place.read_unaligned() })
    }

    /// Whether a text stands at an address.
    pub(super) fn has(self, address: u64, text: &[u8]) -> bool {
        let mut places = (address..).zip(text);
        places.all(|(at, byte)| self.read(at) == Some(*byte))
    }

    /// The end of what the file has.
    pub(super) fn end(self) -> u64 {
        self.end
    }
}

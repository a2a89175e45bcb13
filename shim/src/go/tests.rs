//! What is found and written in the memory of a small made-up object.

use libc::{Elf64_Phdr, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE};

use super::*;

/// Where the parts of the object are, in bytes from its start.
const NOTE: usize = 0;
const CODE: usize = 64;
const TABLE: usize = 256;
const DATA: usize = 512;
const DISABLED: usize = 768;
const RATE: usize = 776;
const BYTES: usize = 1024;

/// What Go 1.21 and later do in `runtime.schedinit`.
const SCHEDINIT: &str = "runtime.schedinit";
/// What Go up to 1.20 does in `runtime.init`.
const INIT: &str = "runtime.init";

/// An object whose runtime has one function.
struct Object {
    words: Vec<u64>,
}

impl Object {
    fn new(function: &str, magic: u8) -> Object {
        let mut object = Object {
            words: vec![0; BYTES / 8],
        };
        object.put(NOTE, &[4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0]);
        object.put(NOTE + 12, b"Go\0\0x\0\0\0");
        object.put_code(function);
        object.put(TABLE, &[magic, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
        // One function; names behind the header, the list behind the names.
        let (names, list) = (72, 104);
        for (field, value) in [(8, 1), (32, names), (64, list)] {
            object.put_word(TABLE + field, value);
        }
        object.put(TABLE + names as usize, function.as_bytes());
        // From 0 to 128; its record is 12 bytes into the list, and its name the first.
        let list = TABLE + list as usize;
        object.put(list + 4, &12_u32.to_le_bytes());
        object.put(list + 8, &128_u32.to_le_bytes());
        let start = object.start();
        object.put_word(DATA, start + TABLE as u64);
        object.put_word(DATA + 8, start + TABLE as u64 + names);
        object.put_word(DATA + 176, start + CODE as u64);
        object.put(DISABLED, &[1]);
        object
    }

    /// The statement, somewhere in its function, as compilers have it.
    fn put_code(&mut self, function: &str) {
        let distance = |end: usize, to: usize| ((to - CODE - end) as u32).to_le_bytes();
        let at = CODE + 5;
        if function == SCHEDINIT {
            self.put(at, &[0x80, 0x3d]);
            self.put(at + 2, &distance(12, DISABLED));
            self.put(at + 7, &[0x74, 11, 0x48, 0xc7, 0x05]);
            self.put(at + 12, &distance(5 + 20, RATE));
        } else {
            self.put(at, &[0x0f, 0xb6, 0x05]);
            self.put(at + 3, &distance(5 + 7, DISABLED));
            self.put(at + 7, &[0x48, 0x85, 0xc0, 0xb8, 0, 0, 8, 0]);
            self.put(at + 15, &[0xb9, 0, 0, 0, 0, 0x48, 0x0f, 0x45, 0xc1]);
            self.put(at + 24, &[0x48, 0x89, 0x05]);
            self.put(at + 27, &distance(5 + 31, RATE));
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let shift = 8 * (at % 8);
            let word = &mut self.words[at / 8];
            *word = *word & !(0xff << shift) | u64::from(*byte) << shift;
        }
    }

    fn put_word(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn start(&self) -> u64 {
        self.words.as_ptr().expose_provenance() as u64
    }

    fn headers(&mut self) -> Vec<Elf64_Phdr> {
        let _ = self.words.as_mut_ptr().expose_provenance();
        let header = |p_type, p_flags, from: usize, to: usize| Elf64_Phdr {
            p_type,
            p_flags,
            p_offset: 0,
            p_vaddr: from as u64,
            p_paddr: 0,
            p_filesz: (to - from) as u64,
            p_memsz: (to - from) as u64,
            p_align: 8,
        };
        vec![
            header(PT_NOTE, PF_R, NOTE, NOTE + 20),
            header(PT_LOAD, PF_R | PF_X, NOTE, TABLE),
            header(PT_LOAD, PF_R, TABLE, DATA),
            header(PT_LOAD, PF_R | PF_W, DATA, BYTES),
        ]
    }

    /// Does what is done at the start, and gives what is noted, and flag and rate then.
    fn switched_on(mut self, headers: impl Fn(&mut Vec<Elf64_Phdr>)) -> (Option<u64>, u64, u64) {
        let mut own = self.headers();
        headers(&mut own);
        // SAFETY: the headers tell of parts of `words`, which outlive the image.
        let image = unsafe { Image::new(&own, self.start()) };
        let is_of_go = mark::is_of_go(&image);
        let set = is_of_go.then(|| switch_on_in(&image, 4096)).flatten();
        (set, self.words[DISABLED / 8] & 0xff, self.words[RATE / 8])
    }
}

fn check(object: Object, expected: (Option<u64>, u64, u64)) {
    assert_eq!(object.switched_on(|_| ()), expected);
}

fn with_rate(function: &str, rate: u64) -> Object {
    let mut object = Object::new(function, 0xf1);
    object.put_word(RATE, rate);
    object
}

#[test]
fn byte_and_rate_are_set_as_the_version_wants_it() {
    check(with_rate(SCHEDINIT, USUAL_RATE), (Some(4096), 0, 4096));
    // A library whose runtime has come by already.
    check(with_rate(SCHEDINIT, 0), (Some(4096), 0, 4096));
    let usual = (Some(USUAL_RATE), 0, USUAL_RATE);
    check(with_rate(INIT, 0), usual);
    check(Object::new(INIT, 0xf0), usual);
}

#[test]
fn a_program_with_a_profile_of_its_own_keeps_its_rate() {
    let mut object = with_rate(SCHEDINIT, USUAL_RATE);
    object.put(DISABLED, &[0]);
    check(object, (Some(USUAL_RATE), 0, USUAL_RATE));
    check(with_rate(SCHEDINIT, 1), (None, 1, 1));
}

#[test]
fn what_looks_otherwise_is_left_alone() {
    let usual = |change: fn(&mut Object)| {
        let mut object = with_rate(SCHEDINIT, USUAL_RATE);
        change(&mut object);
        object
    };
    let alone = (None, 1, USUAL_RATE);
    // No note; another table; a jump elsewhere; another value than 0; a name that goes on.
    check(usual(|it| it.put(NOTE + 12, b"GNU\0")), alone);
    check(usual(|it| it.put(TABLE, &[0xf2])), alone);
    check(usual(|it| it.put(CODE + 12, &[0xeb])), alone);
    check(usual(|it| it.put(CODE + 21, &[1])), alone);
    check(usual(|it| it.put(TABLE + 89, b"2")), alone);
    let mut odd = usual(|_| ());
    odd.put(DISABLED, &[2]);
    check(odd, (None, 2, USUAL_RATE));
}

#[test]
fn nothing_outside_of_what_is_mapped_is_touched() {
    let alone = (None, 1, USUAL_RATE);
    for cut in [
        NOTE + 20,
        TABLE + 80,
        TABLE + 110,
        DATA + 178,
        DISABLED,
        RATE + 7,
    ] {
        let object = with_rate(SCHEDINIT, USUAL_RATE);
        let found = object.switched_on(|headers| {
            for header in headers {
                let end = (header.p_vaddr + header.p_memsz).min(cut as u64);
                header.p_memsz = end.saturating_sub(header.p_vaddr);
                header.p_filesz = header.p_memsz;
            }
        });
        assert_eq!(found, alone, "{cut}");
    }
}

#[test]
fn what_the_loader_has_protected_is_not_written_to() {
    let object = with_rate(SCHEDINIT, USUAL_RATE);
    let found = object.switched_on(|headers| {
        let mut protected = headers[3];
        protected.p_type = libc::PT_GNU_RELRO;
        headers.push(protected);
    });
    assert_eq!(found, (None, 1, USUAL_RATE));
}

#[test]
fn what_go_did_not_make_is_not_looked_at() {
    switch_on(4096);
    assert_eq!(rate_set(), 0);
}

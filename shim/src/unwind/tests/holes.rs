//! An object with holes between its segments, of which the loader tells only one.

use std::ffi::CString;
use std::path::Path;
use std::process::Command;

use super::check_against_libgcc;
use crate::unwind::find_object;

const SOURCE: &str = "void hole_call(void (*then)(void)) {
    volatile char room[200];
    room[0] = 1;
    then();
    room[1] = 2;
}";

type HoleCall = unsafe extern "C" fn(extern "C" fn());

extern "C" fn check() {
    check_against_libgcc();
}

/// Builds and loads a library whose code is 16 MiB above its headers, with nothing in between.
fn load_library(folder: &Path) -> HoleCall {
    let (source, library) = (folder.join("holes.c"), folder.join("holes.so"));
    std::fs::write(&source, SOURCE).expect("a writable folder");
    let mut build = Command::new("cc");
    build.args([
        "-O2",
        "-shared",
        "-fPIC",
        "-Wl,--section-start=.text=0x1000000",
        "-o",
    ]);
    let status = build
        .arg(&library)
        .arg(&source)
        .status()
        .expect("a C compiler");
    assert!(status.success());
    let path = CString::new(library.as_os_str().as_encoded_bytes()).expect("a path");
    // SAFETY: the library has no constructors.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!handle.is_null());
    // SAFETY: the handle is that of the library above, which is never closed.
    let function = unsafe { libc::dlsym(handle, c"hole_call".as_ptr()) };
    assert!(!function.is_null());
    // SAFETY: the function in the source has this type.
    unsafe { core::mem::transmute(function) }
}

#[test]
fn an_object_with_holes_is_found_whole() {
    let folder = std::env::temp_dir().join(format!("memshim-holes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let call = load_library(&folder);
    let object = find_object(call as usize as u64).expect("a loaded object");
    assert_eq!(object.start, object.bias);
    assert!((object.start..object.end).contains(&object.eh_frame_hdr));
    // SAFETY: it calls `check`.
    unsafe { call(check) };
    // Only now, since framehop reads the file.
    std::fs::remove_dir_all(&folder).expect("our own folder");
}
